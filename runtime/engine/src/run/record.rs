//! The life of a run. `apply` is pure: somebody else does the I/O.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::{FlowName, RequestId, RunId, StepId, TenantId};
use crate::message::Failure;
use crate::run::journal::StepError;
use crate::time::Timestamp;

/// What is known of a run, besides its context and its journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub id: RunId,
    /// The flow.
    pub flow: FlowName,
    /// The version that the run is pinned to.
    pub flow_version: u32,
    /// 0 at the start, one more with every commit.
    pub revision: u64,
    /// Where it stands.
    pub state: RunState,
    /// When it was started.
    pub created_at: Timestamp,
    /// When it was committed last.
    pub updated_at: Timestamp,
    /// When it ends as an error at the latest. A resume moves it: see [`Run::apply`].
    pub deadline: Timestamp,
    /// The fence of its last commit's lease: how often it was claimed since tells a run that brings its process down.
    #[serde(default)]
    pub fence: u64,
    /// How often its present step has been resumed: 0 for a step that has not suspended the run.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub resumptions: u32,
    /// Whether any step of it has been resumed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resumed: bool,
    /// The id of the request that started it, where one did: it ties the run's log entries to its caller's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<RequestId>,
    /// The names of what its actions encrypted until now, at most [`Run::SENSITIVE_MAX`]. Their documents may change, and
    /// what the run holds must stay hidden (D-04).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sensitive: Vec<String>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum RunState {
    /// `step` is next.
    Ready {
        /// The next step.
        step: StepId,
    },
    /// `step` waits for the end user, who was sent elsewhere; it runs again when the run is resumed.
    Suspended {
        /// The step that suspended the run.
        step: StepId,
        /// Where the end user was sent.
        redirect: String,
        /// When the run ends as an error if nobody resumes it.
        until: Timestamp,
    },
    /// No step will run any more.
    Ended {
        /// How it ended.
        ending: Ending,
    },
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
}

/// One claim of a run's result (F-08).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// Its name, often a URI.
    pub key: String,
    /// Its value, which is of the declared type.
    pub value: Value,
}

/// The types of claims (F-08).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are JSON's; `dynamic` takes any of them")]
pub enum ClaimType {
    String,
    Number,
    Boolean,
    Array,
    Object,
    Dynamic,
}

/// The names of the states, for filters and listings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "see RunState and Ending")]
pub enum RunStateKind {
    Ready,
    Suspended,
    Completed,
    Failed,
    Error,
}

/// What can happen to a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The step is done; this one is next.
    Advanced(StepId),
    /// Something came back for the step that suspended the run; it runs again.
    Resumed(StepId),
    /// The step waits for the end user.
    Suspended {
        /// The step.
        step: StepId,
        /// Where the end user is sent.
        redirect: String,
        /// How long.
        until: Timestamp,
    },
    /// The run is over.
    Ended(Ending),
}

impl Run {
    /// Most names of what its actions encrypted. An action that would go beyond them is not asked.
    pub const SENSITIVE_MAX: usize = 1000;

    /// Keeps names of what was encrypted, each once.
    pub fn keep_sensitive(&mut self, names: &[String]) {
        for name in names {
            if !self.sensitive.contains(name) {
                self.sensitive.push(name.clone());
            }
        }
    }

    /// The next state of the run: one revision more. A run that has ended ignores every event.
    ///
    /// The deadline of a run is for what it does, not for the time that its end user takes: a resume moves it by as
    /// long as the run was suspended.
    #[must_use]
    pub fn apply(mut self, event: Event, now: Timestamp) -> Self {
        if matches!(self.state, RunState::Ended { .. }) {
            return self;
        }
        match event {
            Event::Advanced(_) => self.resumptions = 0,
            Event::Resumed(_) => {
                self.resumptions = self.resumptions.saturating_add(1);
                self.resumed = true;
                self.deadline = self.deadline.after(now.since(self.updated_at));
            }
            Event::Suspended { .. } | Event::Ended(_) => {}
        }
        self.state = match event {
            Event::Advanced(step) | Event::Resumed(step) => RunState::Ready { step },
            Event::Suspended { step, redirect, until } => RunState::Suspended { step, redirect, until },
            Event::Ended(ending) => RunState::Ended { ending },
        };
        self.revision += 1;
        self.updated_at = now;
        self
    }

    /// Whether it has been resumed before, in its present step or in an earlier one.
    pub fn was_resumed(&self) -> bool {
        self.resumed || self.resumptions > 0
    }

    /// The name of the state.
    pub fn state_kind(&self) -> RunStateKind {
        match &self.state {
            RunState::Ready { .. } => RunStateKind::Ready,
            RunState::Suspended { .. } => RunStateKind::Suspended,
            RunState::Ended { ending: Ending::Completed { .. } } => RunStateKind::Completed,
            RunState::Ended { ending: Ending::Failed { .. } } => RunStateKind::Failed,
            RunState::Ended { ending: Ending::Error { .. } } => RunStateKind::Error,
        }
    }

    /// Until when it waits for its end user, where it does.
    pub fn suspended_until(&self) -> Option<Timestamp> {
        match &self.state {
            RunState::Suspended { until, .. } => Some(*until),
            RunState::Ready { .. } | RunState::Ended { .. } => None,
        }
    }

    /// How it ended, where it has.
    pub fn ending(&self) -> Option<&Ending> {
        match &self.state {
            RunState::Ended { ending } => Some(ending),
            RunState::Ready { .. } | RunState::Suspended { .. } => None,
        }
    }
}
