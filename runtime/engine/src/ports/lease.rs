//! Who may work on something, and until when.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// A process that works on runs and their calls.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OwnerId(pub String);

/// The right to work on a run, or on a call in the background, until an instant. The fence grows with every claim: a
/// commit under an older one fails. A lease that is over stays good until somebody else claims what it is for, or its
/// owner gives it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who works on it.
    pub owner: OwnerId,
    /// Grows with every claim.
    pub fence: u64,
    /// When others may claim it.
    pub until: Timestamp,
}
