//! How a step came out, before and after it is put into words for the store.

use serde_json::Value;

use crate::engine::Trouble;
use crate::flow::Target;
use crate::ids::StepId;
use crate::message::Failure;
use crate::ports::{NewRun, StoreError};
use crate::run::{
    Awaits, Children, ContextChange, JournalEntry, Reminder, Run, StepError, StepOutcome, StepRecord, Waits,
};
use crate::time::Timestamp;

/// What a step did and where it wants to go. Nothing of it is durable yet.
pub(crate) struct Done {
    pub(crate) record: StepRecord,
    pub(crate) way: Way,
    pub(crate) changes: Vec<ContextChange>,
}

/// How a step came out.
#[derive(Debug)]
pub(crate) enum Way {
    /// It is done; on to its `next`.
    Next,
    /// It is done; on to this branch.
    Branch(Target),
    /// A business failure.
    Failure(Failure),
    /// A technical error.
    Error(StepError),
    /// Somebody is to answer, or to come back; the step runs again when the run is resumed.
    Suspend {
        /// For what the run waits.
        awaits: Awaits,
        /// The first call that reminds somebody, where there is one.
        remind: Option<Reminder>,
        /// How long the run waits.
        until: Timestamp,
    },
    /// The step waits for something else; whoever looks at the run afterwards knows how it goes on.
    Wait {
        /// For what.
        on: Waits,
        /// When somebody looks at the run at the latest.
        until: Timestamp,
    },
    /// The step waits for child runs that it begins.
    Begin(Box<Begun>),
    /// The store does not answer: nothing of the step counts, it is tried again later.
    Later(StoreError),
}

/// The child runs that a step begins.
#[derive(Debug)]
pub(crate) struct Begun {
    /// What the run knows of them.
    pub(crate) children: Children,
    /// They themselves.
    pub(crate) runs: Vec<NewRun>,
    /// The list of which items are still to be begun, where some are.
    pub(crate) items: Option<Vec<Value>>,
    /// When somebody looks at them at the latest: at once where more can be begun.
    pub(crate) until: Timestamp,
}

impl From<Trouble> for Way {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Step(error) => Self::Error(error),
            Trouble::Store(error) => Self::Later(error),
        }
    }
}

/// What a step makes durable.
pub(crate) struct Outcome {
    pub(crate) run: Run,
    pub(crate) entry: JournalEntry,
    pub(crate) changes: Vec<ContextChange>,
    /// The child runs that it begins.
    pub(crate) children: Vec<NewRun>,
}

impl Outcome {
    /// Of what the engine itself did to a run, see [`JournalEntry::of_run`].
    pub(crate) fn of_run(run: Run, step: &StepId, record: StepRecord, outcome: StepOutcome) -> Self {
        let entry = JournalEntry::of_run(&run, step, record, outcome);
        Self::from((run, entry))
    }
}

impl From<(Run, JournalEntry)> for Outcome {
    /// Of what begins no child runs.
    fn from((run, entry): (Run, JournalEntry)) -> Self {
        Self { run, changes: entry.changes.clone(), entry, children: Vec::new() }
    }
}
