//! Claiming runs, and the ends of leases.

use std::collections::HashSet;
use std::time::Duration;

use weir_engine::ports::{CallRoom, Lease, OwnerId, StoreError};
use weir_engine::time::Timestamp;

use super::intervention;
use super::keys::{self, RunKey};
use super::rows::{self, Draft, Rows};
use super::standing::{self, Place, Standing};

/// How many runs one claim takes at most, and how many ended leases one verb looks at.
pub(crate) const RUNS_MAX: usize = 1024;

/// How many runs of tenants that have as many out as they may one claim looks at. Where they are more than half of
/// that, those whose turn is over leave the front of the queue, so that they never fill it.
const HELD_MAX: usize = 128;

/// How often one claim sets aside [`HELD_MAX`] runs that stand before others out of turn, and looks behind them.
const ROUNDS_MAX: usize = 8;
/// How many writes one claim makes at most where each wakes as many runs as it may and finds none to give.
pub(crate) const WAKES_MAX: usize = 16;

/// A claim about to be made.
#[derive(Clone)]
pub(crate) struct Claim {
    pub(crate) owner: OwnerId,
    pub(crate) now: Timestamp,
    pub(crate) lease: Duration,
    pub(crate) limit: usize,
}

/// What a claim gave.
pub(crate) struct Claimed {
    pub(crate) runs: Vec<(RunKey, Lease)>,
    /// Whether there may be more runs whose leases are over, or that rest and whose time is.
    pub(crate) more_to_queue: bool,
}

impl Claim {
    /// Queues the runs whose leases are over, and those that rest and whose time is, then takes the first runs of the
    /// queue. Also says whether there may be more to queue.
    pub(crate) fn apply(self, draft: &mut Draft<'_>, room: &CallRoom) -> Result<Claimed, StoreError> {
        let end = keys::leased_until(Timestamp::from_millis(self.now.as_millis().saturating_add(1)));
        let ended = end_leases(draft, &end)?;
        let woken = intervention::wake(draft, self.now)?;
        let runs = self.take_first(draft, room)?;
        Ok(Claimed { runs, more_to_queue: ended.max(woken) == RUNS_MAX })
    }

    fn take_first(&self, draft: &mut Draft<'_>, room: &CallRoom) -> Result<Vec<(RunKey, Lease)>, StoreError> {
        let before = standing::served_pass(draft)?;
        let mut served = before;
        let mut claimed = Vec::new();
        let mut out = room.out.clone();
        let mut held = Vec::new();
        let limit = self.limit.min(RUNS_MAX);
        let mut from = keys::QUEUE.to_vec();
        let mut rounds = 1;
        while claimed.len() < limit {
            if held.len() == HELD_MAX {
                // Where all of them stand where they belong, whoever is behind them has no turn yet.
                if rounds == ROUNDS_MAX || hold_back(draft, std::mem::take(&mut held), served)? == 0 {
                    break;
                }
                rounds += 1;
            }
            let Some((key, _)) = draft.next(&from, &rows::end_of(keys::QUEUE))? else { break };
            from = rows::after(&key);
            let tenant = RunKey::at_end(&key, keys::QUEUE_SKIP).ok().map(|run| run.tenant);
            let of_tenant = tenant.map(|tenant| out.entry(tenant).or_default());
            if of_tenant.as_ref().is_some_and(|out| **out >= room.per_tenant) {
                held.push(key);
                continue;
            }
            let Some((run, lease, pass)) = self.claim(draft, key)? else { continue };
            if let Some(out) = of_tenant {
                *out = out.saturating_add(1);
            }
            served = served.max(pass);
            claimed.push((run, lease));
        }
        if held.len() > HELD_MAX / 2 {
            hold_back(draft, held, served)?;
        }
        if served > before {
            standing::set_served_pass(draft, served)?;
        }
        Ok(claimed)
    }

    fn claim(&self, draft: &mut Draft<'_>, key: Vec<u8>) -> Result<Option<(RunKey, Lease, u64)>, StoreError> {
        let until = self.now.after(self.lease);
        let Some(run) = run_of(draft, &key, keys::QUEUE_SKIP) else { return Ok(None) };
        let before = match Standing::read(draft, &run) {
            Ok(Some(standing)) if standing.place_key(&run).as_ref() == Some(&key) => standing,
            Ok(_) => {
                tracing::error!(run = %run.run, tenant = %run.tenant, "a queue row of a run that is not queued was removed");
                draft.remove(key);
                return Ok(None);
            }
            Err(error @ StoreError::Corrupt { .. }) => {
                // Out of the way of the others for as long as a lease, then looked at again.
                tracing::error!(run = %run.run, tenant = %run.tenant, %error, "a damaged run was not claimed");
                draft.remove(key);
                draft.put_key(run.leased(until));
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let lease = Lease { owner: self.owner.clone(), fence: before.fence.saturating_add(1), until };
        let owner = Some(self.owner.clone());
        let place = Place::Leased { until };
        // Where a lease ran out, whoever had it may be this process, at work still on what it read before the signal.
        let signalled = before.signalled && before.owner.is_some();
        let after = Standing { fence: lease.fence, owner, place, signalled, ..before.clone() };
        after.write(draft, &run, Some(&before))?;
        Ok(Some((run, lease, before.pass)))
    }
}

/// Gives runs that wait for others of their tenant, and whose turn is over, a new one, behind everything that the tenant
/// has in the queue; those too that have the turn of another run of the tenant. Those whose turn comes stand before
/// nobody. How many it gave one.
fn hold_back(draft: &mut Draft<'_>, held: Vec<Vec<u8>>, served: u64) -> Result<usize, StoreError> {
    let mut turns = HashSet::new();
    let mut moved = 0;
    for key in held {
        let Some(run) = run_of(draft, &key, keys::QUEUE_SKIP) else { continue };
        let pass = keys::pass(&key);
        if turns.insert((run.tenant.clone(), pass)) && pass > served {
            continue;
        }
        // What is damaged is set aside by the claim that may take it.
        if let Ok(Some(before)) = Standing::read(draft, &run)
            && before.place_key(&run).as_ref() == Some(&key)
        {
            let pass = standing::take_turn(draft, &run)?;
            let after = Standing { pass, ..before.clone() };
            after.write(draft, &run, Some(&before))?;
            moved += 1;
        }
    }
    Ok(moved)
}

/// Queues the runs whose leases lie before the key `end`, in the turns that they had. Says how many it looked at:
/// [`RUNS_MAX`] where there may be more.
pub(crate) fn end_leases(draft: &mut Draft<'_>, end: &[u8]) -> Result<usize, StoreError> {
    let over = rows::take_until(draft, keys::LEASED, end, RUNS_MAX)?;
    for (key, _) in &over {
        let Some(run) = run_of(draft, key, keys::LEASED_SKIP) else { continue };
        let since = keys::lease_end(key);
        match Standing::read(draft, &run) {
            Ok(Some(before)) if before.place_key(&run).as_ref() == Some(key) => {
                let after = Standing { place: Place::Queued { since }, ..before.clone() };
                after.write(draft, &run, Some(&before))?;
            }
            Ok(_) => {
                tracing::error!(run = %run.run, tenant = %run.tenant, "a lease row of a run that is not leased was removed");
                draft.remove(key.clone());
            }
            Err(StoreError::Corrupt { .. }) => {
                // The next claim says so and sets it aside again.
                draft.remove(key.clone());
                draft.put_key(run.queued(0, since));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(over.len())
}

/// The run at the end of a key. A row whose key names none is removed.
pub(super) fn run_of(draft: &mut Draft<'_>, key: &[u8], skip: usize) -> Option<RunKey> {
    RunKey::at_end(key, skip)
        .inspect_err(|error| {
            tracing::error!(%error, "a row that names no run was removed");
            draft.remove(key.to_vec());
        })
        .ok()
}
