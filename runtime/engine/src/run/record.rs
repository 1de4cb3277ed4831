//! The life of a run. `apply` is pure: somebody else does the I/O.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::family::{Children, Compensated, Compensation, Parent, Part};
use super::state::{Ending, Event, RunState, RunStateKind, Waits};
use crate::digest::Digest;
use crate::ids::{FlowName, RequestId, RunId, StepId, TenantId};
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
    #[serde(default, skip_serializing_if = "crate::left_out::is_zero")]
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
    /// How often its present step has failed and is tried again (F-10).
    #[serde(default, skip_serializing_if = "crate::left_out::is_zero")]
    pub attempts: u32,
    /// The digest of the event that it was started with, where that was with a client key: another start with that key
    /// must mean the same (F-13).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_digest: Option<Digest>,
    /// The run that it is a part of, where it is one. It shows in no listing, and goes with that run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Box<Parent>>,
    /// The child runs of its present step, where it has begun some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub children: Option<Children>,
    /// What is taken back where the run does not complete, in the order in which it was done; at most
    /// [`Run::COMPENSATIONS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compensations: Vec<Compensation>,
    /// What became of its compensations, in order; the first [`Run::COMPENSATIONS_MAX`]. The journal has all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compensated: Vec<Compensated>,
    /// How many of its revisions are no steps: looks at its child runs, and what its end takes.
    #[serde(default, skip_serializing_if = "crate::left_out::is_zero")]
    pub looks: u64,
    /// How it will end once its child runs have ended and its compensations are done. No further step is begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_as: Option<Box<Ending>>,
    /// How often it has gone on from each step that it may come to again: a bound (F-03), and what tells the calls of one
    /// visit from those of another (F-06).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub visits: BTreeMap<StepId, u32>,
    /// The JWT over its claims, where a step has signed them: a part of its result (F-08).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<String>,
    /// Where its end user is sent with its result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect: Option<String>,
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

impl Run {
    /// A run at its first step, which nobody has worked on yet, of a version of a flow.
    pub fn new(
        tenant: TenantId,
        id: RunId,
        (flow, flow_version): (FlowName, u32),
        first: StepId,
        created_at: Timestamp,
        deadline: Timestamp,
    ) -> Self {
        Self {
            tenant,
            id,
            flow,
            flow_version,
            revision: 0,
            state: RunState::Ready { step: first },
            created_at,
            updated_at: created_at,
            deadline,
            fence: 0,
            resumptions: 0,
            resumed: false,
            trace_id: None,
            sensitive: Vec::new(),
            attempts: 0,
            event_digest: None,
            parent: None,
            children: None,
            compensations: Vec::new(),
            compensated: Vec::new(),
            looks: 0,
            ends_as: None,
            visits: BTreeMap::new(),
            jwt: None,
            redirect: None,
        }
    }

    /// Most names of what its actions encrypted. An action that would go beyond them is not asked.
    pub const SENSITIVE_MAX: usize = 1000;

    /// Most steps that are taken back where the run does not complete. No further step that has a compensation or child
    /// runs is begun.
    pub const COMPENSATIONS_MAX: usize = 1000;

    /// Whether one more step may be remembered.
    pub fn may_remember(&self) -> bool {
        self.compensations.len() < Self::COMPENSATIONS_MAX
    }

    /// Remembers a step that is done and has a compensation, once.
    pub fn remember(&mut self, compensation: Compensation) {
        if !self.compensations.contains(&compensation) {
            self.compensations.push(compensation);
        }
    }

    /// Keeps what became of a compensation.
    pub fn keep_compensated(&mut self, compensated: Compensated) {
        if self.compensated.len() < Self::COMPENSATIONS_MAX {
            self.compensated.push(compensated);
        }
    }

    /// The run that somebody started: itself, or the one at the top of its family.
    pub fn top(&self) -> RunId {
        self.parent.as_ref().map_or(self.id, |parent| parent.top)
    }

    /// Whether something must be done before it can end otherwise than completed.
    fn must_wind_down(&self) -> bool {
        !self.compensations.is_empty() || self.children.is_some()
    }

    /// The child runs of its present step, not those that take back what other steps did.
    pub fn children_of_step(&self) -> Option<&Children> {
        self.children.as_ref().filter(|children| children.part != Part::Compensation)
    }

    /// What an end comes to. A run that has something to take back, or child runs, is ready for that first, and ends so
    /// afterwards; one that is about to end in a way keeps to it.
    fn ends(&mut self, ending: Ending) -> RunState {
        if let Some(ending) = self.ends_as.take() {
            return RunState::Ended { ending: *ending };
        }
        match self.state.step() {
            Some(step) if ending.kind() != RunStateKind::Completed && self.must_wind_down() => {
                let step = step.clone();
                self.ends_as = Some(Box::new(ending));
                RunState::Ready { step }
            }
            _ => RunState::Ended { ending },
        }
    }

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
    /// The deadline of a run is for what it does, not for the time that people and timers take: whatever ends such a
    /// time moves it by as long as that took.
    #[must_use]
    pub fn apply(mut self, event: Event, now: Timestamp) -> Self {
        if matches!(self.state, RunState::Ended { .. }) {
            return self;
        }
        self.deadline = self.deadline_at(now);
        match &event {
            Event::Advanced(_) => (self.resumptions, self.attempts) = (0, 0),
            Event::Resumed(_) => {
                self.resumptions = self.resumptions.saturating_add(1);
                self.attempts = 0;
                self.resumed = true;
            }
            Event::Waiting { on: Waits::Retry, .. } => self.attempts = self.attempts.saturating_add(1),
            Event::Continued(_) => self.attempts = 0,
            Event::Suspended { .. }
            | Event::Reminded { .. }
            | Event::Waiting { .. }
            | Event::Paused { .. }
            | Event::Cancelled(_)
            | Event::Ended(_) => {}
        }
        self.revision += 1;
        self.updated_at = now;
        self.state = match event {
            Event::Advanced(step) | Event::Resumed(step) | Event::Continued(step) => RunState::Ready { step },
            Event::Suspended { step, awaits, remind, until } => {
                RunState::Suspended { step, awaits, since: self.revision, remind, until }
            }
            Event::Reminded { remind: next } => {
                if let RunState::Suspended { remind, .. } = &mut self.state {
                    *remind = next;
                }
                return self;
            }
            Event::Waiting { step, on, until } => RunState::Waiting { step, on, until },
            Event::Paused { step, error, until } => RunState::Paused { step, error, until },
            Event::Cancelled(ending) => {
                let step = ending.step().or(self.state.step()).cloned();
                self.ends_as.get_or_insert(Box::new(ending.clone()));
                step.map_or(RunState::Ended { ending }, |step| RunState::Ready { step })
            }
            Event::Ended(ending) => self.ends(ending),
        };
        self
    }

    /// How many steps it has taken.
    pub fn steps_taken(&self) -> u64 {
        self.revision.saturating_sub(self.looks)
    }

    /// Whether it has been resumed before, in its present step or in an earlier one.
    pub fn was_resumed(&self) -> bool {
        self.resumed || self.resumptions > 0
    }

    /// The name of the state.
    pub fn state_kind(&self) -> RunStateKind {
        self.state.kind()
    }

    /// Until when nobody works on it, where it rests: then somebody looks at it. A child run that ends, a resume and
    /// whatever else concerns it makes somebody look earlier.
    pub fn rests_until(&self) -> Option<Timestamp> {
        match &self.state {
            RunState::Suspended { remind, until, .. } => {
                Some(remind.map_or(*until, |reminder| reminder.at.min(*until)))
            }
            RunState::Waiting { until, .. } | RunState::Paused { until, .. } => Some(*until),
            RunState::Ready { .. } | RunState::Ended { .. } => None,
        }
    }

    /// How it ended, where it has.
    pub fn ending(&self) -> Option<&Ending> {
        match &self.state {
            RunState::Ended { ending } => Some(ending),
            _ => None,
        }
    }
}
