//! The part of the store that gives space back (F-14): it removes runs that have ended, with all that they held, and
//! large values that nothing names any more.

use async_trait::async_trait;

use super::store_error::StoreError;
use crate::ids::{RunId, TenantId};
use crate::run::RunStateKind;
use crate::time::Timestamp;

/// One turn of removing runs that have ended. It looks at one tenant, so that each gets its turn.
#[derive(Debug, Clone)]
pub struct RetentionTurn {
    /// The tenant that the turn before looked at; the first one without.
    pub after: Option<TenantId>,
    /// Runs that ended before then are removed.
    pub ended_before: Timestamp,
    /// How many runs that have ended a tenant keeps; of more, those that ended first are removed.
    pub per_tenant_max: u64,
    /// At most so many runs are removed.
    pub limit: usize,
}

/// What a turn did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retained {
    /// The tenant that it looked at; `None` where there is none after the one of the turn before.
    pub tenant: Option<TenantId>,
    /// How many runs it removed, child runs not counted.
    pub removed: usize,
    /// Whether there is more to remove: of this tenant, or rows of runs that were removed.
    pub more: bool,
}

/// What became of a run that somebody wants removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// It is gone.
    Removed,
    /// The tenant has no such run, or it is a child run, which goes with its parent.
    Unknown,
    /// It has not ended.
    NotEnded(RunStateKind),
    /// It, or a child run of it, has a call in the background that is not done, or a child run has not ended.
    Held,
}

/// What a look for garbage found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many large values it looked at.
    pub looked_at: usize,
    /// How many of them it removed.
    pub removed: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// The verbs that give space back. Part of [`super::Store`], with the same promises.
#[async_trait]
pub trait Retention: Send + Sync {
    /// Removes runs of one tenant that have ended and need not be kept, with their child runs and all that they held:
    /// record, standing, context, journal, calls in the background, client keys. A run is gone for every verb at once,
    /// and its client key is free; its rows go in small pieces, also after a crash, in this turn and later ones.
    /// A run that has a call in the background which is not done is kept, with its family.
    async fn remove_ended(&self, turn: RetentionTurn) -> Result<Retained, StoreError>;

    /// Removes one run that has ended.
    async fn remove_run(&self, tenant: &TenantId, run: RunId) -> Result<Removal, StoreError>;

    /// Looks at the next 256th part of the large values, and removes what no record has named since a look at least
    /// [`GARBAGE_KEPT`] ago. What a verb is about to name is never removed.
    async fn sweep(&self, now: Timestamp) -> Result<Swept, StoreError>;
}

/// How long a large value that nothing names is kept at least.
pub const GARBAGE_KEPT: std::time::Duration = std::time::Duration::from_secs(600);
