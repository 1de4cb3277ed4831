//! Child runs: the branches of a `parallel`, the items of a `for-each`, called flows, compensations.
//!
//! A child is a run like any other, with a record, a context and a journal of its own. Its end and the news of it for its
//! parent are one atomic write, so that no parent waits for a child that is gone.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::ids::{RunId, StepId};

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
    /// The numbers of those that are known to have ended in another way: the first one decides how the step fails.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_completed: Vec<u32>,
    /// Whether those that run are to be cancelled: the step needs them no more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancelling: bool,
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
