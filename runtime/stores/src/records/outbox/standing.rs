//! Where a call in the background stands for those who send it: who has it, its place, its turn.
//!
//! Turns are as those of runs: a call takes a pass one after its tenant's last when it is handed over, and again when it
//! becomes due again, so that a tenant with thousands of calls that fail stands before another's single one by one.

use serde::{Deserialize, Serialize};
use weir_engine::ports::{Backlog, Lease, OwnerId, StoreError};
use weir_engine::time::Timestamp;

use super::super::frame;
use super::super::keys::{lease_end, own};
use super::super::rows::{self, Draft, Rows};
use super::super::standing::next_pass;
use super::keys::{self, CallKey};

/// The record of a call's standing. Small, so that no verb that works on calls reads a large value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallStanding {
    pub(crate) created_at: Timestamp,
    /// Of the last claim; 0 before the first.
    pub(crate) fence: u64,
    /// Of the last claim of which something was recorded.
    pub(crate) settled_fence: u64,
    /// Who may say what has become of it.
    pub(crate) owner: Option<OwnerId>,
    /// Its turn in the queue.
    pub(crate) pass: u64,
    pub(crate) place: CallPlace,
}

/// Where a call is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum CallPlace {
    /// Waits to be claimed, since then.
    Queued { since: Timestamp },
    /// Is being sent, until then.
    Leased { until: Timestamp },
    /// Is to be sent again, not before then.
    PutOff { until: Timestamp },
    /// Is not sent any more.
    Done,
}

impl CallStanding {
    /// Of a call that is handed over.
    pub(crate) fn new(draft: &mut Draft<'_>, call: &CallKey, created_at: Timestamp) -> Result<Self, StoreError> {
        let pass = take_turn(draft, call)?;
        Ok(Self {
            created_at,
            fence: 0,
            settled_fence: 0,
            owner: None,
            pass,
            place: CallPlace::Queued { since: created_at },
        })
    }

    pub(crate) fn read(rows: &dyn Rows, call: &CallKey) -> Result<Option<Self>, StoreError> {
        frame::record(rows, &call.standing())
    }

    /// The key of the row that makes the place findable.
    pub(crate) fn place_key(&self, call: &CallKey) -> Option<Vec<u8>> {
        match &self.place {
            CallPlace::Queued { since } => Some(call.queued(self.pass, *since)),
            CallPlace::Leased { until } => Some(call.leased(*until)),
            CallPlace::PutOff { until } => Some(call.put_off(*until)),
            CallPlace::Done => None,
        }
    }

    /// Writes the standing and what is found by it, in the place of `before`.
    pub(crate) fn write(&self, draft: &mut Draft<'_>, call: &CallKey, before: Option<&Self>) -> Result<(), StoreError> {
        if let Some(key) = before.and_then(|before| before.place_key(call)) {
            draft.remove(key);
        }
        if let Some(key) = self.place_key(call) {
            draft.put_key(key);
        }
        let was_pending = before.is_some_and(|before| before.place != CallPlace::Done);
        match (was_pending, self.place != CallPlace::Done) {
            (false, true) => {
                draft.put_key(call.pending(self.created_at));
                count(draft, |pending| pending.saturating_add(1))?;
            }
            (true, false) => {
                draft.remove(call.pending(self.created_at));
                count(draft, |pending| pending.saturating_sub(1))?;
            }
            _ => {}
        }
        draft.put_record(call.standing(), self)
    }

    /// Whether work under the lease may still go on.
    pub(crate) fn check_lease(&self, call: &CallKey, lease: &Lease) -> Result<(), StoreError> {
        if self.owner.as_ref() == Some(&lease.owner) && self.fence == lease.fence {
            Ok(())
        } else {
            Err(StoreError::StaleLease { run: call.run.run, fence: lease.fence })
        }
    }
}

/// The next turn of the call's tenant.
pub(crate) fn take_turn(draft: &mut Draft<'_>, call: &CallKey) -> Result<u64, StoreError> {
    let key = keys::tenant_pass(&call.run.tenant);
    let last: u64 = frame::record(draft, &key)?.unwrap_or(0);
    let pass = next_pass(last, served_pass(draft)?);
    draft.put_record(key, &pass)?;
    Ok(pass)
}

/// The highest pass of a call that was claimed.
pub(crate) fn served_pass(rows: &dyn Rows) -> Result<u64, StoreError> {
    Ok(frame::record(rows, &own("served-call-pass"))?.unwrap_or(0))
}

pub(crate) fn set_served_pass(draft: &mut Draft<'_>, pass: u64) -> Result<(), StoreError> {
    draft.put_record(own("served-call-pass"), &pass)
}

fn pending(rows: &dyn Rows) -> Result<u64, StoreError> {
    Ok(frame::record(rows, &own("pending-calls"))?.unwrap_or(0))
}

fn count(draft: &mut Draft<'_>, change: impl Fn(u64) -> u64) -> Result<(), StoreError> {
    let pending = change(pending(draft)?);
    draft.put_record(own("pending-calls"), &pending)
}

/// What is pending.
pub(crate) fn backlog(rows: &dyn Rows) -> Result<Backlog, StoreError> {
    let oldest = rows::take(rows, keys::PENDING, keys::PENDING, 1)?.pop().map(|(key, _)| lease_end(&key));
    Ok(Backlog { pending: pending(rows)?, oldest })
}
