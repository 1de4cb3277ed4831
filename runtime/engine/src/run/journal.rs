//! The journal: what each step of a run did, in order.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::{RunId, StepId};
use crate::message::Failure;
use crate::run::call_records::{ActionRecord, CallRecord};
use crate::run::context::ContextChange;
use crate::run::diagnostic::DiagnosticEntry;
use crate::run::record::Run;
use crate::run::recorded::Recorded;
use crate::run::state::{Ending, RunStateKind, Waits};
use crate::run::step_records::{
    BranchRecord, ChildrenRecord, ClaimRecord, RedirectRecord, ReminderRecord, TransformRecord, WaitRecord,
};
use crate::run::suspension::{Awaits, Reminder};
use crate::time::Timestamp;

/// What one step did, committed together with the context that it changed (F-06).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// The revision of the run that this entry made: 1 for the first step.
    pub sequence: u64,
    /// The step.
    pub step: StepId,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took without the commit, in microseconds.
    pub elapsed_us: u64,
    /// What it did, by its kind.
    pub record: StepRecord,
    /// Where it led.
    pub outcome: StepOutcome,
    /// What it changed in the context.
    pub changes: Vec<ContextChange>,
    /// What is told of it to people (D-01).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<DiagnosticEntry>,
    /// Diagnostic entries over the limits of a step.
    #[serde(default, skip_serializing_if = "crate::left_out::is_zero")]
    pub diagnostics_dropped: u32,
    /// What its step was given besides, for a replay.
    #[serde(default, skip_serializing_if = "Recorded::is_empty")]
    pub recorded: Recorded,
}

impl JournalEntry {
    /// What the engine or somebody from outside did to a run, at the instant at which it made the run what it is now:
    /// no step took time, and nothing of the context has changed.
    pub(crate) fn of_run(run: &Run, step: &StepId, record: StepRecord, outcome: StepOutcome) -> Self {
        Self {
            sequence: run.revision,
            step: step.clone(),
            started_at: run.updated_at,
            elapsed_us: 0,
            record,
            outcome,
            changes: Vec::new(),
            diagnostics: Vec::new(),
            diagnostics_dropped: 0,
            recorded: Recorded::default(),
        }
    }
}

/// Where a step led.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepOutcome {
    /// On to this step.
    Next {
        /// The step.
        step: StepId,
        /// The failure that was caught by `on-failure`, where one was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caught_failure: Option<Failure>,
        /// The error that was caught by `on-error`, where one was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caught_error: Option<StepError>,
    },
    /// The run waits for somebody.
    Suspended {
        /// For what.
        #[serde(flatten)]
        awaits: Awaits,
        /// The next call that reminds somebody, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remind: Option<Reminder>,
        /// When the run ends as an error if nobody resumes it.
        until: Timestamp,
    },
    /// The step waits for something else.
    Waiting {
        /// For what.
        on: Waits,
        /// When somebody looks at the run at the latest.
        until: Timestamp,
        /// The error that the next attempt is to mend, where it waits for one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<StepError>,
    },
    /// The run waits until somebody lets it go on.
    Paused {
        /// Why.
        error: StepError,
        /// When the run ends as an error if nobody does.
        until: Timestamp,
    },
    /// The run is over.
    End(Ending),
}

impl StepOutcome {
    /// On to a step, with nothing caught.
    pub(crate) fn next(step: StepId) -> Self {
        Self::Next { step, caught_failure: None, caught_error: None }
    }
}

/// A technical error of a step (F-10). Holds no secret; is never shown to an end user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct StepError {
    /// The stable code, such as `plugin.fuel-exhausted`.
    pub code: String,
    /// What happened, where, and how to mend it.
    pub message: String,
    /// More of it: a trap's frames, a fault's description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What a step did, by its kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum StepRecord {
    /// A connector call with its hooks.
    Call(Box<CallRecord>),
    /// A condition.
    Condition(BranchRecord),
    /// An action.
    Action(Box<ActionRecord>),
    /// Claims.
    Claims(ClaimRecord),
    /// Values of the context were assigned.
    Set,
    /// A plugin made a value of others.
    Transform(Box<TransformRecord>),
    /// The run rests, or has rested.
    Wait(WaitRecord),
    /// The end user is sent elsewhere, or has come back.
    Redirect(RedirectRecord),
    /// The step was passed over: its `when` does not hold.
    Skipped {
        /// The expression.
        when: String,
    },
    /// A `fail` step.
    Fail,
    /// An `end` step.
    End,
    /// The run was resumed: what came back. The step that suspended it is next.
    Resumed {
        /// What came back.
        input: Value,
    },
    /// A `prompt` step: it asked, or has its answer.
    Prompt {
        /// Whether the answer is there.
        answered: bool,
    },
    /// A call that reminded somebody of a suspended run.
    Reminder(Box<ReminderRecord>),
    /// Somebody let a paused run go on.
    Continued {
        /// The version of the flow that it goes on with, where that is another one than before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        flow_version: Option<u32>,
    },
    /// Child runs of a step: some were begun, the rest is cancelled, or the step came to its end with them.
    Children(ChildrenRecord),
    /// Somebody cancelled the run.
    Cancelled {
        /// Why, in the words of who did it.
        reason: String,
        /// Who: the id of the key; none where the run was a part of one that needed it no more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// A run takes back what a step did, or has: `state` says how that ended.
    Compensation {
        /// The step that was done.
        of: StepId,
        /// The run that takes it back; none where it could not be begun.
        run: Option<RunId>,
        /// How it ended; none where it was begun now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<RunStateKind>,
    },
    /// The step was not run: the run could not go on.
    NotRun,
}
