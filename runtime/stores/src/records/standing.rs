//! Where a run stands for those who work on it: its revision, who has it, its place in the queue.
//!
//! The queue is fair to tenants, not to runs: start-time fair queueing. Each queued run of a tenant takes a pass one
//! after the tenant's last, though never one behind the pass that is being served; the lowest pass is claimed first. A
//! tenant with 10,000 queued runs so stands before another's single one by one run, not by 10,000.

use serde::{Deserialize, Serialize};
use weir_engine::digest::Digest;
use weir_engine::ids::{FlowName, TenantId};
use weir_engine::ports::{Lease, OwnerId, StoreError};
use weir_engine::run::RunStateKind;
use weir_engine::time::Timestamp;

use super::backend::Prepared;
use super::frame;
use super::keys::{self, RunKey};
use super::rows::{Draft, Rows};

/// The record of a run's standing. Small, so that no verb that works on runs reads a large value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Standing {
    pub(crate) revision: u64,
    pub(crate) flow: FlowName,
    pub(crate) state: RunStateKind,
    /// Of the last claim; 0 before the first.
    pub(crate) fence: u64,
    /// Who may commit: the last one who claimed it, until the lease is given back. A lease that is over is good until
    /// somebody else claims the run.
    pub(crate) owner: Option<OwnerId>,
    /// Its turn in the queue.
    pub(crate) pass: u64,
    pub(crate) place: Place,
    /// Whether its record, its context or its journal may name large values. Where they do not, a commit need not read
    /// what it replaces.
    #[serde(default = "may_have_large")]
    pub(crate) has_large: bool,
    /// Whether it is a child run, which no listing shows.
    #[serde(default)]
    pub(crate) is_child: bool,
    /// Whether something has happened since it was claimed for which somebody must look at it again.
    #[serde(default)]
    pub(crate) signalled: bool,
    /// How many runs have been begun below it, where it is at the top; those that take something back do not count.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(crate) family: u64,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ended_at: Option<Timestamp>,
    /// The digest of the client key that started it, which is free again when the run is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_key: Option<Digest>,
}

/// Standings that an older program wrote do not say.
fn may_have_large() -> bool {
    true
}

fn is_none(number: &u64) -> bool {
    *number == 0
}

/// Where a run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Place {
    /// Waits to be claimed, since then.
    Queued { since: Timestamp },
    /// Is worked on, until then.
    Leased { until: Timestamp },
    /// Nobody works on it until then, or until something happens that concerns it.
    #[serde(alias = "suspended")]
    Resting { until: Timestamp },
    /// Needs no work any more.
    Ended,
}

impl Standing {
    pub(crate) fn read(rows: &dyn Rows, run: &RunKey) -> Result<Option<Self>, StoreError> {
        frame::record(rows, &run.standing())
    }

    /// The key of the row that makes the place findable.
    pub(crate) fn place_key(&self, run: &RunKey) -> Option<Vec<u8>> {
        match &self.place {
            Place::Queued { since } => Some(run.queued(self.pass, *since)),
            Place::Leased { until } => Some(run.leased(*until)),
            Place::Resting { until } => Some(run.resting(*until)),
            Place::Ended => None,
        }
    }

    /// Sets the rows of the run's next revision, and notes whether they are large.
    pub(crate) fn put_values(&mut self, draft: &mut Draft<'_>, values: Prepared) {
        if self.has_large {
            return values.put(draft);
        }
        self.has_large = values.has_large();
        values.put_over_small(draft);
    }

    /// Writes the standing and what is found by it, in the place of `before`.
    pub(crate) fn write(&self, draft: &mut Draft<'_>, run: &RunKey, before: Option<&Self>) -> Result<(), StoreError> {
        let (place_before, place) = (before.and_then(|before| before.place_key(run)), self.place_key(run));
        if place_before != place {
            place_before.into_iter().for_each(|key| draft.remove(key));
            place.into_iter().for_each(|key| draft.put_key(key));
        }
        if !self.is_child && before.map(|before| before.state) != Some(self.state) {
            if let Some(before) = before {
                draft.remove(run.by_state(before.state));
                draft.remove(run.by_flow(&before.flow, before.state));
            }
            draft.put_key(run.by_state(self.state));
            draft.put_key(run.by_flow(&self.flow, self.state));
        }
        if let Some(at) = self.ended_at
            && !self.is_child
            && before.is_none_or(|before| before.ended_at.is_none())
        {
            draft.put_key(run.ended(at));
            count_ended(draft, run, |count| count.saturating_add(1))?;
        }
        draft.put_record(run.standing(), self)
    }

    /// Removes it, and what is found by it.
    pub(crate) fn remove(&self, draft: &mut Draft<'_>, run: &RunKey) -> Result<(), StoreError> {
        if let Some(key) = self.place_key(run) {
            draft.remove(key);
        }
        if let Some(client_key) = &self.client_key {
            draft.remove(keys::client_key(&run.tenant, client_key));
        }
        if !self.is_child {
            draft.remove(run.by_state(self.state));
            draft.remove(run.by_flow(&self.flow, self.state));
            if let Some(at) = self.ended_at {
                draft.remove(run.ended(at));
                count_ended(draft, run, |count| count.saturating_sub(1))?;
            }
        }
        draft.remove(run.standing());
        Ok(())
    }

    /// Whether work under the lease may still go on.
    pub(crate) fn check_lease(&self, run: &RunKey, lease: &Lease) -> Result<(), StoreError> {
        if self.owner.as_ref() == Some(&lease.owner) && self.fence == lease.fence {
            Ok(())
        } else {
            Err(StoreError::StaleLease { run: run.run, fence: lease.fence })
        }
    }
}

/// How many runs of the tenant have ended.
pub(crate) fn ended_count(rows: &dyn Rows, tenant: &TenantId) -> Result<u64, StoreError> {
    Ok(frame::record(rows, &keys::ended_count(tenant))?.unwrap_or(0))
}

fn count_ended(draft: &mut Draft<'_>, run: &RunKey, change: impl Fn(u64) -> u64) -> Result<(), StoreError> {
    match change(ended_count(draft, &run.tenant)?) {
        0 => draft.remove(keys::ended_count(&run.tenant)),
        count => draft.put_record(keys::ended_count(&run.tenant), &count)?,
    }
    Ok(())
}

/// Counts runs that are begun below the one at the top of a family.
pub(crate) fn count_family(draft: &mut Draft<'_>, top: &RunKey, more: u64, most: u64) -> Result<(), StoreError> {
    let before = match Standing::read(draft, top) {
        Ok(Some(before)) => before,
        Ok(None) => return Ok(()),
        Err(error @ StoreError::Corrupt { .. }) => {
            // What is damaged of one run keeps no other from going on.
            tracing::error!(run = %top.run, tenant = %top.tenant, %error, "the runs below a damaged run are not counted");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let family = before.family.saturating_add(more);
    if family > most {
        return Err(StoreError::FamilyTooLarge { top: top.run, most });
    }
    Standing { family, ..before.clone() }.write(draft, top, Some(&before))
}

/// Tells a run that something has happened which concerns it: one that rests is queued, one that somebody works on is
/// looked at again before it rests.
pub(crate) fn signal(draft: &mut Draft<'_>, run: &RunKey, since: Timestamp) -> Result<(), StoreError> {
    let before = match Standing::read(draft, run) {
        Ok(Some(before)) => before,
        Ok(None) => return Ok(()),
        Err(error @ StoreError::Corrupt { .. }) => {
            // What is damaged of one run keeps no other from its end; the next claim says so again.
            tracing::error!(run = %run.run, tenant = %run.tenant, %error, "a damaged run was not told of its child's end");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let after = match before.place {
        Place::Resting { .. } => {
            let pass = take_turn(draft, run)?;
            Standing { place: Place::Queued { since }, pass, ..before.clone() }
        }
        Place::Leased { .. } => Standing { signalled: true, ..before.clone() },
        // Its lease is over, and its owner may still commit that it rests.
        Place::Queued { .. } if before.owner.is_some() => Standing { signalled: true, ..before.clone() },
        Place::Queued { .. } | Place::Ended => return Ok(()),
    };
    after.write(draft, run, Some(&before))
}

/// The next turn of the run's tenant, for a run that starts or is woken. Many that had the same turn would stand before
/// another tenant's single run.
pub(crate) fn take_turn(draft: &mut Draft<'_>, run: &RunKey) -> Result<u64, StoreError> {
    let pass = next_turn(draft, run)?;
    draft.put_record(keys::tenant_pass(&run.tenant), &pass)?;
    Ok(pass)
}

/// What [`take_turn`] would give.
pub(crate) fn next_turn(rows: &dyn Rows, run: &RunKey) -> Result<u64, StoreError> {
    let last: u64 = frame::record(rows, &keys::tenant_pass(&run.tenant))?.unwrap_or(0);
    Ok(next_pass(last, served_pass(rows)?))
}

/// The highest pass that was claimed.
pub(crate) fn served_pass(rows: &dyn Rows) -> Result<u64, StoreError> {
    Ok(frame::record(rows, &keys::own("served-pass"))?.unwrap_or(0))
}

pub(crate) fn set_served_pass(draft: &mut Draft<'_>, pass: u64) -> Result<(), StoreError> {
    draft.put_record(keys::own("served-pass"), &pass)
}

/// The turn after `last`, not behind the one that is being served.
pub(crate) fn next_pass(last: u64, served: u64) -> u64 {
    last.max(served).saturating_add(1)
}
