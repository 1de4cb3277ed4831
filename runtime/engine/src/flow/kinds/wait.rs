//! `wait`: the run rests for a time, or until an instant (F-02).

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::expression::Template;
use crate::flow::compile::{Compiler, Parts, SHAPE};
use crate::flow::model::{StepKind, Target};
use crate::ids::StepId;

/// Lets the run rest; its deadline stands still meanwhile (F-02).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::flow) struct WaitDocument {
    /// Its name within the flow.
    pub id: StepId,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// How long: `for` or `until`. At most the operator's `engine.wait-max`.
    pub wait: HowLong,
    /// The next step, or `end`.
    #[serde(default)]
    pub next: Option<String>,
    /// The next step after an instant that is none, or lies too far ahead.
    #[serde(default)]
    pub on_error: Option<String>,
}

/// How long a run rests.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::flow) struct HowLong {
    /// So long, such as `15m`.
    #[serde(default, rename = "for", with = "crate::duration_text::option")]
    #[schemars(with = "Option<String>")]
    pub duration: Option<Duration>,
    /// Until this instant: a template that gives RFC 3339 text or seconds since 1970. One that is past is over at once.
    #[serde(default)]
    pub until: Option<String>,
}

/// How long a run rests, compiled.
#[derive(Debug)]
pub enum WaitStep {
    /// So long; more than nothing.
    For(Duration),
    /// Until this instant.
    Until(Template),
}

impl Compiler<'_> {
    pub(in crate::flow) fn wait(&mut self, pointer: &str, following: Target) -> Option<Parts> {
        let it: WaitDocument = self.read_kind(pointer)?;
        let at = format!("{pointer}/wait");
        let wait = match (it.wait.duration, it.wait.until) {
            (Some(duration), None) if duration.is_zero() => {
                self.error(&format!("{at}/for"), SHAPE, "a wait takes some time; leave out one that takes none");
                None
            }
            (Some(duration), None) => Some(WaitStep::For(duration)),
            (None, Some(until)) => self.template(&format!("{at}/until"), &until).map(WaitStep::Until),
            _ => {
                self.error(&at, SHAPE, "a wait has `for` or `until`, one of them");
                None
            }
        };
        let transitions = self.transitions(pointer, it.next, following, [None, it.on_error]);
        Some((it.id, StepKind::Wait(wait?), transitions))
    }
}
