//! Claiming calls in the background, and what makes them due.

use weir_engine::ports::{CallRoom, Lease, StoreError};
use weir_engine::time::Timestamp;

use super::super::claim::{Claim, RUNS_MAX};
use super::super::keys::lease_end;
use super::super::rows::{self, Draft};
use super::keys::{self, CallKey};
use super::standing::{self, CallPlace, CallStanding};

/// A call that somebody sends now.
pub(crate) struct Claimed {
    pub(crate) call: CallKey,
    pub(crate) lease: Lease,
    pub(crate) claims: u64,
}

/// How many calls of tenants that have as many out as they may leave the front of the queue with one claim. With each
/// claim about one of them comes to stand there, so that they never fill it.
const HELD_MAX: usize = 128;

/// Queues the calls whose leases are over and those that are due again, then takes the first of the queue that there is
/// room for.
pub(crate) fn claim(claim: &Claim, room: &CallRoom, draft: &mut Draft<'_>) -> Result<Vec<Claimed>, StoreError> {
    let after_now = Timestamp::from_millis(claim.now.as_millis().saturating_add(1));
    end_leases(draft, &keys::before(keys::LEASED, after_now))?;
    queue_due(draft, &keys::before(keys::PUT_OFF, after_now))?;
    let before = standing::served_pass(draft)?;
    let mut served = before;
    let mut claimed = Vec::new();
    let mut out = room.out.clone();
    let mut held = Vec::new();
    let limit = claim.limit.min(RUNS_MAX);
    // Where no tenant can have too many out, there is nothing to look for behind the first of the queue.
    let window = if room.per_tenant < limit || !out.is_empty() { RUNS_MAX } else { limit };
    let mut looked_at = 0;
    for (key, _) in rows::take(draft, keys::QUEUE, keys::QUEUE, window)? {
        if claimed.len() >= limit {
            break;
        }
        looked_at += 1;
        let tenant = CallKey::at_end(&key, keys::QUEUE_SKIP).ok().map(|call| call.run.tenant);
        let of_tenant = tenant.map(|tenant| out.entry(tenant).or_default());
        if of_tenant.as_ref().is_some_and(|out| **out >= room.per_tenant) {
            held.push(key);
            continue;
        }
        let Some((call, pass)) = claim_one(claim, draft, key)? else { continue };
        if let Some(out) = of_tenant {
            *out = out.saturating_add(1);
        }
        served = served.max(pass);
        claimed.push(call);
    }
    if looked_at == RUNS_MAX {
        held.truncate(HELD_MAX);
        hold_back(draft, held)?;
    }
    if served > before {
        standing::set_served_pass(draft, served)?;
    }
    Ok(claimed)
}

fn claim_one(claim: &Claim, draft: &mut Draft<'_>, key: Vec<u8>) -> Result<Option<(Claimed, u64)>, StoreError> {
    let until = claim.now.after(claim.lease);
    let Some((call, found)) = standing_of(draft, &key, keys::QUEUE_SKIP)? else { return Ok(None) };
    let Some(before) = found else {
        // Out of the way of the others for as long as a lease, then looked at again.
        draft.remove(key);
        draft.put_key(call.leased(until));
        return Ok(None);
    };
    let lease = Lease { owner: claim.owner.clone(), fence: before.fence.saturating_add(1), until };
    let owner = Some(claim.owner.clone());
    let after = CallStanding { fence: lease.fence, owner, place: CallPlace::Leased { until }, ..before.clone() };
    after.write(draft, &call, Some(&before))?;
    let claims = lease.fence.saturating_sub(before.settled_fence);
    Ok(Some((Claimed { call, lease, claims }, before.pass)))
}

/// Queues the calls whose leases lie before the key `end`, in the turns that they had. Says how many it looked at:
/// [`RUNS_MAX`] where there may be more.
pub(crate) fn end_leases(draft: &mut Draft<'_>, end: &[u8]) -> Result<usize, StoreError> {
    let over = rows::take_until(draft, keys::LEASED, end, RUNS_MAX)?;
    for (key, _) in &over {
        let since = lease_end(key);
        match standing_of(draft, key, keys::INSTANT_SKIP)? {
            None => {}
            Some((call, Some(before))) => {
                let after = CallStanding { place: CallPlace::Queued { since }, ..before.clone() };
                after.write(draft, &call, Some(&before))?;
            }
            Some((call, None)) => {
                // The next claim says so and sets it aside again.
                draft.remove(key.clone());
                draft.put_key(call.queued(0, since));
            }
        }
    }
    Ok(over.len())
}

/// Gives calls that wait for others of their tenant a new turn, behind everything that the tenant has in the queue.
fn hold_back(draft: &mut Draft<'_>, held: Vec<Vec<u8>>) -> Result<(), StoreError> {
    for key in held {
        // What is damaged is set aside by the claim that may take it.
        if let Some((call, Some(before))) = standing_of(draft, &key, keys::QUEUE_SKIP)? {
            let after = CallStanding { pass: standing::take_turn(draft, &call)?, ..before.clone() };
            after.write(draft, &call, Some(&before))?;
        }
    }
    Ok(())
}

/// Queues the calls that are due again, each in a new turn of its tenant.
fn queue_due(draft: &mut Draft<'_>, end: &[u8]) -> Result<(), StoreError> {
    for (key, _) in rows::take_until(draft, keys::PUT_OFF, end, RUNS_MAX)? {
        let since = lease_end(&key);
        match standing_of(draft, &key, keys::INSTANT_SKIP)? {
            None => {}
            Some((call, Some(before))) => {
                let pass = standing::take_turn(draft, &call)?;
                let after = CallStanding { pass, place: CallPlace::Queued { since }, ..before.clone() };
                after.write(draft, &call, Some(&before))?;
            }
            Some((call, None)) => {
                draft.remove(key);
                draft.put_key(call.queued(0, since));
            }
        }
    }
    Ok(())
}

/// The call that a row names, and its standing, which is none where it is damaged. A row that does not name a call, or
/// that its call does not know of, is removed.
fn standing_of(
    draft: &mut Draft<'_>,
    key: &[u8],
    skip: usize,
) -> Result<Option<(CallKey, Option<CallStanding>)>, StoreError> {
    let call = match CallKey::at_end(key, skip) {
        Ok(call) => call,
        Err(error) => {
            tracing::error!(%error, "a row that names no call in the background was removed");
            draft.remove(key.to_vec());
            return Ok(None);
        }
    };
    match CallStanding::read(draft, &call) {
        Ok(Some(standing)) if standing.place_key(&call).as_deref() == Some(key) => Ok(Some((call, Some(standing)))),
        Ok(_) => {
            let (run, tenant) = (&call.run.run, &call.run.tenant);
            tracing::error!(%run, %tenant, "a row of a call in the background that is elsewhere was removed");
            draft.remove(key.to_vec());
            Ok(None)
        }
        Err(error @ StoreError::Corrupt { .. }) => {
            let (run, tenant) = (&call.run.run, &call.run.tenant);
            tracing::error!(%run, %tenant, %error, "a damaged call in the background was not claimed");
            Ok(Some((call, None)))
        }
        Err(error) => Err(error),
    }
}

/// Puts a call that a step hands over into the queue.
pub(crate) fn hand_over(draft: &mut Draft<'_>, call: &CallKey, created_at: Timestamp) -> Result<(), StoreError> {
    CallStanding::new(draft, call, created_at)?.write(draft, call, None)
}

/// Gives a call back: until `next_at`, or for ever.
pub(crate) fn give_back(
    draft: &mut Draft<'_>,
    call: &CallKey,
    lease: &Lease,
    next_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    let before = CallStanding::read(draft, call)?.ok_or(StoreError::NotFound("background call"))?;
    before.check_lease(call, lease)?;
    let place = next_at.map_or(CallPlace::Done, |until| CallPlace::PutOff { until });
    let after = CallStanding { owner: None, place, settled_fence: before.fence, ..before.clone() };
    after.write(draft, call, Some(&before))
}
