//! What a replay found.

use serde::Serialize;
use serde_json::Value;

use crate::ids::{RunId, StepId};

/// What became of each step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReplayReport {
    /// The run.
    pub run: RunId,
    /// One for each entry of its journal, in order.
    pub steps: Vec<ReplayedStep>,
}

/// What became of one step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReplayedStep {
    /// The entry.
    pub sequence: u64,
    /// Its step.
    pub step: StepId,
    /// How it came out.
    pub how: Replayed,
}

/// How a step came out.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Replayed {
    /// It gave the same bytes.
    Same,
    /// It was not executed: somebody else's doing, such as a resume, or a decision of the engine.
    Taken,
    /// It gave something else; this is the first of it.
    Differs(Difference),
}

/// The first member of an entry that came out differently.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Which, as a JSON pointer (RFC 6901) into the entry.
    pub member: String,
    /// What the journal has; none where it has no such member.
    pub recorded: Option<Value>,
    /// What came out now; none where it has no such member.
    pub replayed: Option<Value>,
}

impl ReplayReport {
    /// The first step that came out differently.
    pub fn first_difference(&self) -> Option<(&ReplayedStep, &Difference)> {
        self.steps.iter().find_map(|step| match &step.how {
            Replayed::Differs(difference) => Some((step, difference)),
            Replayed::Same | Replayed::Taken => None,
        })
    }

    /// How many steps were executed again.
    pub fn executed(&self) -> usize {
        self.steps.iter().filter(|step| step.how != Replayed::Taken).count()
    }
}
