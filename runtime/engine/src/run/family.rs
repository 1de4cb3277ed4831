//! Child runs: the branches of a `parallel`, the items of a `for-each`, called flows, compensations.
//!
//! A child is a run like any other, with a record, a context and a journal of its own. Its end and the news of it for its
//! parent are one atomic write, so that no parent waits for a child that is gone.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::record::Run;
use super::state::RunStateKind;
use crate::digest::Digest;
use crate::ids::{RunId, StepId};
use crate::time::Timestamp;

/// What a child run is to its parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The parent.
    pub run: RunId,
    /// The parent's step that began it.
    pub step: StepId,
    /// What of that step it runs.
    pub part: Part,
    /// Its number among the children of one beginning, from 0.
    pub index: u32,
    /// How many runs stand above it: 1 for the child of a run that somebody started.
    pub depth: u32,
    /// How many of those above it, itself included, are called flows.
    #[serde(default)]
    pub calls: u32,
    /// Whether it, or one above it, takes back what a step did.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undoes: bool,
    /// The run that somebody started, at the top of the family.
    pub top: RunId,
    /// The deadline that it began with. What people and timers have moved it by since, they move its parent's by.
    pub deadline: Timestamp,
}

/// What of a step a child run runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// A branch of a `parallel`: the one of the child's number.
    Branch,
    /// The steps of a `for-each`, for the item of the child's number.
    Item,
    /// A flow of its own.
    Flow,
    /// The compensation of a step that was done.
    Compensation,
}

/// The child runs that a step has begun. Their ids are derived, so that nothing needs to list them: see
/// [`RunId::child`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Children {
    /// The revision of the parent that began the first of them.
    pub since: u64,
    /// What they run.
    pub part: Part,
    /// How many there will be.
    pub total: u32,
    /// How many have been begun.
    pub begun: u32,
    /// The numbers of those that have been begun and are not known to have ended, in order.
    pub running: Vec<u32>,
    /// How many are known to have completed.
    pub completed: u32,
    /// How many are known to have ended in another way.
    #[serde(default)]
    pub not_completed: u32,
    /// The one of them that ended first: it decides how the step fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_not_completed: Option<u32>,
    /// Whether those that run are to be cancelled: the step needs them no more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancelling: bool,
    /// Whether one that completed has compensations of its own, or child runs that have.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub compensates: bool,
}

/// How the child runs of a step make it succeed or fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How many must complete.
    pub wait_for: u32,
    /// Whether the step fails as soon as `wait_for` cannot be reached any more.
    pub stop: bool,
    /// How many run at a time at most.
    pub concurrency: u32,
}

/// What is to be done about the child runs of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Care {
    /// So many more are to be begun.
    Begin(u32),
    /// Those that run are to be cancelled.
    Cancel,
    /// All are over: the step comes to its end.
    Join,
    /// Nothing: they run.
    Rest,
}

impl Children {
    /// None of so many is begun.
    pub fn of(part: Part, since: u64, total: u32) -> Self {
        Self {
            since,
            part,
            total,
            begun: 0,
            running: Vec::new(),
            completed: 0,
            not_completed: 0,
            first_not_completed: None,
            cancelling: false,
            compensates: false,
        }
    }

    /// Begins so many more; their numbers.
    pub fn begin(&mut self, more: u32) -> Range<u32> {
        let numbers = self.begun..self.begun.saturating_add(more).min(self.total);
        self.begun = numbers.end;
        self.running.extend(numbers.clone());
        numbers
    }

    /// Takes notice of those that have ended, in the order of their ends.
    pub fn note(&mut self, ended: &[(u32, Run)]) {
        for (index, run) in ended {
            self.running.retain(|running| running != index);
            if run.state_kind() == RunStateKind::Completed {
                self.completed += 1;
                self.compensates |= !run.compensations.is_empty();
            } else {
                self.not_completed += 1;
                self.first_not_completed.get_or_insert(*index);
            }
        }
    }

    /// Whether they are items of which some are still to be begun.
    pub fn needs_items(&self) -> bool {
        self.part == Part::Item && self.begun < self.total
    }

    /// Whether as many have completed as the step needs.
    pub fn is_reached(&self, policy: Policy) -> bool {
        self.completed >= policy.wait_for
    }

    /// What is to be done about them now.
    pub fn care(&self, policy: Policy) -> Care {
        let possible = self.total.saturating_sub(self.not_completed);
        let is_over = self.is_reached(policy) || (policy.stop && possible < policy.wait_for);
        let none_runs = self.running.is_empty();
        let running = u32::try_from(self.running.len()).unwrap_or(u32::MAX);
        match (is_over || self.cancelling, none_runs) {
            (true, true) => Care::Join,
            (true, false) => Care::Cancel,
            (false, true) if self.begun == self.total => Care::Join,
            (false, _) if self.begun < self.total && running < policy.concurrency => {
                Care::Begin((policy.concurrency - running).min(self.total - self.begun))
            }
            (false, _) => Care::Rest,
        }
    }
}

/// Something that was done, and is taken back where its run does not complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compensation {
    /// The step that is done.
    pub step: StepId,
    /// Where it is its child runs that have something to take back: which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub children: Option<DoneChildren>,
}

/// The child runs of a step that is over. Those that completed take back what they did, the last one first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoneChildren {
    /// Whose they are: the run's own, or those of the run whose compensations it runs.
    pub of: RunId,
    /// The revision that began the first of them.
    pub since: u64,
    /// How many of them are still to be looked at.
    pub left: u32,
}

/// What became of a compensation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compensated {
    /// The step that was done.
    pub step: StepId,
    /// The run that took it back, or was to.
    pub run: RunId,
    /// How that run ended.
    pub state: RunStateKind,
}

impl RunId {
    /// The id of a child run: of the parent, the parent's revision that began it, and its number. It sorts with its
    /// parent's time, so that listings by id need to know nothing of families.
    #[must_use]
    pub fn child(parent: Self, since: u64, index: u32) -> Self {
        let mut text = parent.as_bytes().to_vec();
        text.extend(since.to_be_bytes());
        text.extend(index.to_be_bytes());
        let digest = Digest::of(&text);
        let mut bytes = *parent.as_bytes();
        for (byte, hashed) in bytes.iter_mut().zip(digest.as_bytes()).skip(6) {
            *byte = *hashed;
        }
        // A UUID of version 8: what its bits mean is ours to say (RFC 9562, section 5.8).
        bytes[6] = (bytes[6] & 0x0f) | 0x80;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self::from_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_child_has_an_id_of_its_own_and_always_the_same() {
        // covers F-06
        let (one, other) = (RunId::generate(), RunId::generate());
        let mut seen = HashSet::new();
        for parent in [one, other] {
            for since in 0..20 {
                for index in 0..20 {
                    let child = RunId::child(parent, since, index);
                    assert_eq!(child, RunId::child(parent, since, index));
                    assert_eq!(child.as_bytes()[..6], parent.as_bytes()[..6]);
                    assert_eq!(child.to_string().parse(), Ok(child));
                    assert!(seen.insert(child));
                }
            }
        }
    }
}
