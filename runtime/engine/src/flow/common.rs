//! What every kind of step may have besides its kind (F-02, F-10, F-12).

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::block::Block;
use super::compile::{Compiler, SHAPE};
use super::model::{StepKind, Target};
use crate::document::{Members, read_members};
use crate::duration_text;
use crate::expression::{Expression, TemplateFault};

/// The members of a step that are not its kind's.
pub(super) const MEMBERS: [&str; 6] = ["when", "otherwise", "deadline", "retry", "compensate", "visits-max"];

/// Whether a member is not its kind's own.
pub(super) fn is_common(member: &str, kind_says_when: bool) -> bool {
    MEMBERS.contains(&member) && !(kind_says_when && member == "when")
}

/// Most attempts of a step.
const ATTEMPTS_MAX: u32 = 100;

/// The most visits that a step may allow.
const VISITS_MAX: u32 = 10_000;

/// What every kind of step may have.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct CommonDocument {
    /// A CEL expression that gives true or false: where it does not hold, the step is passed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// The next step where `when` does not hold, or `end`. The step's `next` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<String>,
    /// How long one attempt of the step may take. What is left of the run's deadline by default.
    #[serde(default, with = "crate::duration_text::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub deadline: Option<Duration>,
    /// How the step is tried again after a technical error. It is not by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<StepRetry>,
    /// What takes back what the step did, where the run does not complete after it: a list of steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compensate: Option<Vec<Value>>,
    /// How often the run may come to the step: 1 to 10,000. A run that comes once more ends as an error. Steps may go
    /// round through a step that has this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visits_max: Option<u32>,
}

/// How a step is tried again after a technical error (F-10). Business failures are not errors and never tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StepRetry {
    /// How often it is tried in all: 2 to 100.
    pub attempts: u32,
    /// The pause before the second attempt; it doubles each time, and each is up to a quarter longer or shorter by
    /// chance. `1s` by default.
    #[serde(default = "backoff", with = "crate::duration_text")]
    #[schemars(with = "String")]
    pub backoff: Duration,
    /// The longest pause. `5m` by default.
    #[serde(default = "backoff_max", with = "crate::duration_text")]
    #[schemars(with = "String")]
    pub backoff_max: Duration,
    /// The codes of the errors after which it is tried again, such as `connector.request-timeout`, or families of them,
    /// such as `connector.*`. By default every error but those of the flow's own making: `expression.*`, `flow.*`,
    /// `prompt.*`, `connector.invalid-argument`, `connector.interpolation`, `connector.request-not-permitted` and
    /// `run.step-too-large`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<String>,
    /// What comes after the last attempt.
    #[serde(default)]
    pub exhausted: Exhausted,
}

/// What comes after the last attempt of a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Exhausted {
    /// The error counts: `on-error`, or the end of the run.
    #[default]
    Error,
    /// The run is paused until somebody lets it go on.
    Pause,
}

fn backoff() -> Duration {
    Duration::from_secs(1)
}

fn backoff_max() -> Duration {
    Duration::from_secs(300)
}

/// What every kind of step may have, compiled.
#[derive(Debug, Default)]
pub struct Common {
    /// The step is passed over where this does not hold.
    pub when: Option<Expression>,
    /// Where it leads then; to its `next` without.
    pub otherwise: Option<Target>,
    /// How long one attempt may take.
    pub deadline: Option<Duration>,
    /// How it is tried again.
    pub retry: Option<StepRetry>,
    /// What takes back what it did.
    pub compensate: Option<Block>,
    /// How often a run may come to it.
    pub visits_max: Option<u32>,
}

impl Compiler<'_> {
    /// Reads what every kind of step may have.
    pub(super) fn common(&mut self, pointer: &str) -> Option<Common> {
        let says_when = self.says_when(pointer);
        let is_common = |member: &str| is_common(member, says_when);
        let it: CommonDocument =
            read_members(self.document, pointer, &Members { are: &is_common, others: &[] }, SHAPE, self.faults)?;
        let when = match &it.when {
            Some(when) => Some(self.expression(&format!("{pointer}/when"), when)?),
            None => None,
        };
        let otherwise = match &it.otherwise {
            Some(otherwise) => Some(self.target(&format!("{pointer}/otherwise"), otherwise)?),
            None => None,
        };
        if otherwise.is_some() && when.is_none() && !says_when {
            let message = "`otherwise` says where to go when `when` does not hold; there is no `when`";
            self.error(&format!("{pointer}/otherwise"), SHAPE, message);
        }
        if it.deadline.is_some_and(|deadline| deadline.is_zero()) {
            self.error(
                &format!("{pointer}/deadline"),
                "flow.deadline",
                "with no time at all the step would never be done",
            );
        }
        if let Some(retry) = &it.retry {
            self.retry(&format!("{pointer}/retry"), retry);
        }
        if it.visits_max.is_some_and(|most| !(1..=VISITS_MAX).contains(&most)) {
            let message = format!("a run comes to a step 1 to {VISITS_MAX} times");
            self.error(&format!("{pointer}/visits-max"), SHAPE, message);
        }
        let compensate = match &it.compensate {
            Some(_) => Some(self.block(&format!("{pointer}/compensate"))?),
            None => None,
        };
        let CommonDocument { deadline, retry, visits_max, .. } = it;
        Some(Common { when, otherwise, deadline, retry, compensate, visits_max })
    }

    fn retry(&mut self, pointer: &str, retry: &StepRetry) {
        if !(2..=ATTEMPTS_MAX).contains(&retry.attempts) {
            let message = format!("a step that is tried again has 2 to {ATTEMPTS_MAX} attempts");
            self.error(&format!("{pointer}/attempts"), SHAPE, message);
        }
        if retry.backoff_max < retry.backoff {
            let [longest, first] = [retry.backoff_max, retry.backoff].map(duration_text::to_text);
            let message = format!("no pause is longer than `backoff-max`, {longest}, and the first would be {first}");
            let at = format!("{pointer}/backoff-max");
            let is_said = self.document.value.pointer(&at).is_some();
            self.error_of_save(&if is_said { at } else { format!("{pointer}/backoff") }, SHAPE, message);
        }
    }

    /// Warns of a step that says how it is tried again, and never is, or not as whoever writes it may think.
    pub(super) fn needs_retry(&mut self, pointer: &str, kind: &StepKind, common: &Common) {
        let (code, message) = match kind {
            StepKind::Fail { .. } | StepKind::End => {
                ("flow.needless-retry", "this step ends the run; nothing in it is tried again")
            }
            StepKind::Parallel(_) | StepKind::ForEach(_) | StepKind::CallFlow(_) => {
                let message = "this begins all of its runs anew, also those that were done, each call with a new key; \
                               a `retry` of the steps inside repeats only what went wrong";
                ("flow.retry-of-runs", message)
            }
            _ => return,
        };
        if self.is_save && common.retry.is_some() {
            self.faults.warning(self.document, &format!("{pointer}/retry"), code, message);
        }
    }

    /// Whether the kind says itself when the step runs, as an action does.
    pub(super) fn says_when(&self, pointer: &str) -> bool {
        self.document.value.pointer(pointer).is_some_and(|step| step.get("action").is_some())
    }

    /// Reads an expression.
    pub(super) fn expression(&mut self, pointer: &str, source: &str) -> Option<Expression> {
        match Expression::parse(source) {
            Ok(expression) => Some(expression),
            Err(fault) => {
                let fault = TemplateFault { message: fault.message, offset: fault.offset };
                self.expression_fault(pointer, source, &fault);
                None
            }
        }
    }
}
