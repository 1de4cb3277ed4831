//! Where a run stands, how it ended, and what can happen to it.

use serde::{Deserialize, Serialize};

use super::record::Claim;
use super::suspension::{Awaits, Reminder};
use crate::ids::StepId;
use crate::message::Failure;
use crate::run::journal::StepError;
use crate::time::Timestamp;

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum RunState {
    /// `step` is next.
    Ready {
        /// The next step.
        step: StepId,
    },
    /// `step` waits for somebody; it runs again when the run is resumed.
    Suspended {
        /// The step that suspended the run.
        step: StepId,
        /// For what.
        #[serde(flatten)]
        awaits: Awaits,
        /// The revision that began it, see [`super::Suspension::id`].
        #[serde(default)]
        since: u64,
        /// The next call that reminds somebody, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remind: Option<Reminder>,
        /// When the run ends as an error if nobody resumes it.
        until: Timestamp,
    },
    /// `step` waits for something other than its end user.
    Waiting {
        /// The step.
        step: StepId,
        /// For what.
        on: Waits,
        /// When somebody looks at the run at the latest.
        until: Timestamp,
    },
    /// `step` failed as often as it may be tried; it runs again when somebody lets the run go on.
    Paused {
        /// The step.
        step: StepId,
        /// Why its last attempt failed.
        error: StepError,
        /// When the run ends as an error if nobody lets it go on.
        until: Timestamp,
    },
    /// No step will run any more.
    Ended {
        /// How it ended.
        ending: Ending,
    },
}

/// What a step waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Waits {
    /// An instant; the run's deadline stands still meanwhile.
    Timer,
    /// Its next attempt.
    Retry,
    /// Child runs of its own, see [`super::Children`].
    Children,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum Ending {
    /// Its flow came to its end.
    Completed {
        /// The claims of the result, by key.
        claims: Vec<Claim>,
    },
    /// A business failure.
    Failed {
        /// The step that failed.
        step: StepId,
        /// What the end user may read.
        failure: Failure,
    },
    /// A technical error. Its message is for the author and the operator, never for the end user.
    Error {
        /// The step in which it happened.
        step: StepId,
        /// What happened.
        error: StepError,
    },
    /// Somebody cancelled it, or the run that it is a part of needs it no more.
    Cancelled {
        /// The step that was next.
        step: StepId,
        /// Why, in the words of who did it; empty where nobody said.
        reason: String,
    },
}

/// The names of the states, for filters and listings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "see RunState and Ending")]
pub enum RunStateKind {
    Ready,
    Suspended,
    Waiting,
    Paused,
    Completed,
    Failed,
    Error,
    Cancelled,
}

impl RunStateKind {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Ready,
        Self::Suspended,
        Self::Waiting,
        Self::Paused,
        Self::Completed,
        Self::Failed,
        Self::Error,
        Self::Cancelled,
    ];

    /// The name as JSON and logs write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Suspended => "suspended",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether no step will run any more.
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Error | Self::Cancelled)
    }
}

/// What can happen to a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The step is done; this one is next.
    Advanced(StepId),
    /// Something came back for the step that suspended the run; it runs again.
    Resumed(StepId),
    /// The step waits for somebody.
    Suspended {
        /// The step.
        step: StepId,
        /// For what.
        awaits: Awaits,
        /// The first call that reminds somebody, where there is one.
        remind: Option<Reminder>,
        /// How long.
        until: Timestamp,
    },
    /// Somebody was reminded of the suspended run.
    Reminded {
        /// The next such call, where there is one.
        remind: Option<Reminder>,
    },
    /// The step waits for something else.
    Waiting {
        /// The step.
        step: StepId,
        /// For what.
        on: Waits,
        /// When somebody looks at the run at the latest.
        until: Timestamp,
    },
    /// The step failed as often as it may be tried.
    Paused {
        /// The step.
        step: StepId,
        /// Why its last attempt failed.
        error: StepError,
        /// When the run ends as an error if nobody lets it go on.
        until: Timestamp,
    },
    /// The step, which waited or was paused, runs again.
    Continued(StepId),
    /// The run is over.
    Ended(Ending),
}

impl RunState {
    /// The name of the state.
    pub fn kind(&self) -> RunStateKind {
        match self {
            Self::Ready { .. } => RunStateKind::Ready,
            Self::Suspended { .. } => RunStateKind::Suspended,
            Self::Waiting { .. } => RunStateKind::Waiting,
            Self::Paused { .. } => RunStateKind::Paused,
            Self::Ended { ending } => ending.kind(),
        }
    }

    /// The step that is next, or waits; none once the run has ended.
    pub fn step(&self) -> Option<&StepId> {
        match self {
            Self::Ready { step }
            | Self::Suspended { step, .. }
            | Self::Waiting { step, .. }
            | Self::Paused { step, .. } => Some(step),
            Self::Ended { .. } => None,
        }
    }

    /// Whether nothing goes on before somebody does something, or ever.
    pub fn is_settled(&self) -> bool {
        matches!(self, Self::Suspended { .. } | Self::Paused { .. } | Self::Ended { .. })
    }

    /// Whether the run's deadline stands still: it is for what the run does, not for the time that people and timers
    /// take.
    pub(super) fn is_still(&self) -> bool {
        match self {
            Self::Suspended { .. } | Self::Paused { .. } | Self::Waiting { on: Waits::Timer, .. } => true,
            Self::Waiting { on: Waits::Retry | Waits::Children, .. } | Self::Ready { .. } | Self::Ended { .. } => false,
        }
    }
}

impl Ending {
    /// The name of the state of a run that ended so.
    pub fn kind(&self) -> RunStateKind {
        match self {
            Self::Completed { .. } => RunStateKind::Completed,
            Self::Failed { .. } => RunStateKind::Failed,
            Self::Error { .. } => RunStateKind::Error,
            Self::Cancelled { .. } => RunStateKind::Cancelled,
        }
    }
}
