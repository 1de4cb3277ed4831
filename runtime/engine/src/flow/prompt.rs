//! `prompt` asks somebody and waits for the answer (F-02): what an author writes, its check, and what the engine runs.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::compile::{Compiler, Parts, SHAPE};
use super::model::{CallStep, StepKind, Target};
use super::reference::FunctionRef;
use crate::expression::{PROMPT_ROOT, ROOTS, Template, ValueTemplate};
use crate::ids::StepId;
use crate::run::{ContextKey, Reminder};
use crate::schema::Schema;
use crate::time::Timestamp;

/// The largest form, in bytes of JSON: the run's record holds it while somebody is asked.
const FORM_BYTES_MAX: usize = 16 << 10;

/// Most reminders of one prompt.
const REMINDERS_MAX: usize = 10;

/// Asks somebody, and waits for the answer.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct PromptStepDocument {
    /// Its name within the flow.
    pub id: StepId,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// What is asked, how long, and who is told.
    pub prompt: PromptDocument,
    /// The next step after the answer, or `end`. The one that follows in the document by default.
    #[serde(default)]
    pub next: Option<String>,
    /// The next step where nobody answers in time. The run ends as an error by default.
    #[serde(default)]
    pub on_expiry: Option<String>,
    /// The next step after a text that cannot be made. The run ends as an error by default.
    #[serde(default)]
    pub on_error: Option<String>,
}

/// What is asked, how long, and who is told.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct PromptDocument {
    /// The JSON Schema of the answer, of `type: object`, without remote references; at most 16 KiB.
    pub form: Value,
    /// What is asked, for people: a template. Cut after 4,000 characters.
    #[serde(default)]
    pub text: Option<String>,
    /// How long the run waits for the answer, up to `engine.suspension-max`: `1h` by default.
    #[serde(default = "time_to_live", with = "crate::duration_text")]
    #[schemars(with = "String")]
    pub time_to_live: Duration,
    /// A call that is made as soon as the run waits.
    #[serde(default)]
    pub notify: Option<NotifyDocument>,
    /// Calls that are made while the run waits, the earliest first; at most 10.
    #[serde(default)]
    pub reminders: Vec<ReminderDocument>,
}

fn time_to_live() -> Duration {
    Duration::from_secs(3600)
}

/// A call that tells somebody of the prompt.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct NotifyDocument {
    /// The connector's function.
    pub call: FunctionRef,
    /// Templates for its arguments. They see `prompt` too: its `token`, `url`, `until` and `text`.
    #[serde(default)]
    pub arguments: BTreeMap<String, Value>,
}

/// A call that reminds somebody of the prompt.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ReminderDocument {
    /// How long after the run began to wait.
    #[serde(with = "crate::duration_text")]
    #[schemars(with = "String")]
    pub after: Duration,
    /// The connector's function.
    pub call: FunctionRef,
    /// Templates for its arguments. They see `prompt` too: its `token`, `url`, `until` and `text`.
    #[serde(default)]
    pub arguments: BTreeMap<String, Value>,
}

/// A prompt, compiled.
#[derive(Debug)]
pub struct PromptStep {
    /// The JSON Schema of the answer.
    pub form: Value,
    /// What is asked.
    pub text: Option<Template>,
    /// How long the run waits.
    pub time_to_live: Duration,
    /// Who is told while it does, the earliest call first.
    pub calls: Vec<PromptCall>,
}

/// A call that tells somebody of a prompt.
#[derive(Debug)]
pub struct PromptCall {
    /// How long after the run began to wait; zero for `notify`.
    pub after: Duration,
    /// Where it stands in its step, as a JSON pointer.
    pub place: String,
    /// The call. Its result is not kept in the context.
    pub call: CallStep,
}

impl PromptStep {
    /// The first call of a run that begins to wait now, where there is one before `until`.
    pub(crate) fn first_reminder(&self, now: Timestamp, until: Timestamp) -> Option<Reminder> {
        let at = now.after(self.calls.first()?.after);
        (at < until).then_some(Reminder { index: 0, at })
    }

    /// The call after that one, where there is one before `until`.
    pub(crate) fn reminder_after(&self, made: Reminder, until: Timestamp) -> Option<Reminder> {
        let place = usize::try_from(made.index).ok()?;
        let index = made.index.checked_add(1)?;
        let (before, next) = (self.calls.get(place)?, self.calls.get(place.checked_add(1)?)?);
        let at = made.at.after(next.after.saturating_sub(before.after));
        (at < until).then_some(Reminder { index, at })
    }
}

impl Compiler<'_> {
    pub(super) fn prompt(&mut self, pointer: &str, following: Target) -> Option<Parts> {
        let it: PromptStepDocument = self.read_kind(pointer)?;
        let at = format!("{pointer}/prompt");
        self.form(&format!("{at}/form"), &it.prompt.form);
        let text = match &it.prompt.text {
            Some(text) => Some(self.template(&format!("{at}/text"), text)?),
            None => None,
        };
        if it.prompt.time_to_live.is_zero() {
            let message = "with no time at all nobody could answer";
            self.error(&format!("{at}/time-to-live"), "flow.prompt-time", message);
        }
        let calls = self.prompt_calls(pointer, &it.id, &it.prompt);
        let mut transitions = self.transitions(pointer, it.next, following, [None, it.on_error]);
        transitions.on_expiry = it.on_expiry.and_then(|text| self.target(&format!("{pointer}/on-expiry"), &text));
        let PromptDocument { form, time_to_live, .. } = it.prompt;
        let prompt = PromptStep { form, text, time_to_live, calls: calls? };
        Some((it.id, StepKind::Prompt(Box::new(prompt)), transitions))
    }

    fn form(&mut self, pointer: &str, form: &Value) {
        if form.get("type").and_then(Value::as_str) != Some("object") {
            self.error(pointer, "flow.prompt-form", "an answer is an object; write `type: object`");
        } else if form.to_string().len() > FORM_BYTES_MAX {
            let message = format!("the form is over {FORM_BYTES_MAX} bytes of JSON; ask for less at once");
            self.error(pointer, "flow.prompt-form", message);
        } else if let Err(fault) = Schema::compile(form) {
            self.error(&format!("{pointer}{}", fault.pointer), "flow.prompt-form", fault.message);
        }
    }

    fn prompt_calls(&mut self, step: &str, id: &StepId, prompt: &PromptDocument) -> Option<Vec<PromptCall>> {
        if prompt.reminders.len() > REMINDERS_MAX {
            let message = format!("a prompt has at most {REMINDERS_MAX} reminders, not {}", prompt.reminders.len());
            self.error(&format!("{step}/prompt/reminders"), SHAPE, message);
            return None;
        }
        let mut calls = Vec::new();
        if let Some(NotifyDocument { call, arguments }) = &prompt.notify {
            calls.push(self.prompt_call(step, "prompt/notify".to_owned(), id, (Duration::ZERO, call, arguments)));
        }
        let mut before = Duration::ZERO;
        for (index, ReminderDocument { after, call, arguments }) in prompt.reminders.iter().enumerate() {
            let place = format!("prompt/reminders/{index}");
            if *after <= before || *after >= prompt.time_to_live {
                let message = "reminders come one after the other, the last one before `time-to-live` is over";
                self.error(&format!("{step}/{place}/after"), "flow.prompt-time", message);
            }
            before = *after;
            calls.push(self.prompt_call(step, place, id, (*after, call, arguments)));
        }
        calls.into_iter().collect()
    }

    fn prompt_call(
        &mut self,
        step: &str,
        place: String,
        id: &StepId,
        (after, function, arguments): (Duration, &FunctionRef, &BTreeMap<String, Value>),
    ) -> Option<PromptCall> {
        let roots: Vec<&'static str> = ROOTS.into_iter().chain([PROMPT_ROOT]).collect();
        let given = Value::Object(arguments.clone().into_iter().collect());
        let parsed = ValueTemplate::parse_over(&roots, &given);
        let arguments = self.parsed_values(&format!("{step}/{place}/arguments"), &given, parsed)?;
        let call = CallStep {
            function: function.clone(),
            arguments,
            pre_call: Vec::new(),
            post_response: Vec::new(),
            context_key: ContextKey::step(id),
        };
        Some(PromptCall { after, place, call })
    }
}
