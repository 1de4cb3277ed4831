//! The part of the store that keeps calls in the background (C-11): handed over with a step's commit, sent by whoever
//! claims them, and kept with what became of them.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;

use super::lease::{Lease, OwnerId};
use super::store_error::StoreError;
use crate::ids::{RunId, TenantId};
use crate::run::{BackgroundCall, BackgroundProgress};
use crate::time::Timestamp;

/// A call in the background that the caller now sends.
#[derive(Debug, Clone)]
pub struct ClaimedCall {
    /// The call, and what had become of it before.
    pub call: BackgroundCall,
    /// The right to say what becomes of it.
    pub lease: Lease,
    /// How often it was claimed since something was recorded of it, this time included: more than once where an owner
    /// was lost.
    pub claims: u64,
}

/// The calls that are still to be sent, or to be sent again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many there are, of all tenants.
    pub pending: u64,
    /// When the oldest of them was handed over.
    pub oldest: Option<Timestamp>,
}

/// How many calls a claim may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRoom {
    /// Of all tenants together; at most 1,024 are taken at once.
    pub calls: usize,
    /// The most that one tenant may have out at a time, those in `out` included.
    pub per_tenant: usize,
    /// How many calls the claimer already sends, by tenant.
    pub out: HashMap<TenantId, usize>,
}

impl CallRoom {
    /// Room for so many calls, whoever has them.
    pub fn of(calls: usize) -> Self {
        Self { calls, per_tenant: usize::MAX, out: HashMap::new() }
    }
}

/// The verbs of calls in the background. Part of [`super::Store`], with the same promises.
///
/// A run that has ended keeps its calls: what is pending is still sent. Whatever removes runs must leave those that
/// have a pending call.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Claims as many calls that are due at `now` as there is `room` for, for `lease` from `now`. Fair to tenants as
    /// [`super::Store::claim_runs`], also where calls become due again; calls of a tenant that has as many out as it may
    /// wait, and do not stand before another's. A call that cannot be read is left out and logged, and looked at again
    /// after as long as a lease.
    async fn claim_background_calls(
        &self,
        owner: &OwnerId,
        now: Timestamp,
        lease: Duration,
        room: CallRoom,
    ) -> Result<Vec<ClaimedCall>, StoreError>;

    /// Records what has become of a claimed call, and gives the lease back. A call that is still pending is due again at
    /// its `next_at`; one that is done is never claimed again. Under a lease that somebody else has taken over since,
    /// [`StoreError::StaleLease`].
    async fn settle_background_call(
        &self,
        tenant: &TenantId,
        run: RunId,
        sequence: u64,
        lease: &Lease,
        progress: BackgroundProgress,
    ) -> Result<(), StoreError>;

    /// The calls of a run with a sequence number greater than `after`, oldest first.
    async fn background_calls(
        &self,
        tenant: &TenantId,
        run: RunId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<BackgroundCall>, StoreError>;

    /// What is pending, of all tenants. Cheap, however much it is.
    async fn background_backlog(&self) -> Result<Backlog, StoreError>;
}
