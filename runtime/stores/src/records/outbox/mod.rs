//! Calls in the background, verb by verb.

mod claim; // somebody sends it
mod keys; // the layout
mod standing; // where it stands for those who send it

use std::time::Duration;

use async_trait::async_trait;
use weir_engine::ids::{RunId, TenantId};
use weir_engine::ports::{Backlog, CallRoom, ClaimedCall, Lease, Outbox, OwnerId, StoreError};
use weir_engine::run::{BackgroundCall, BackgroundProgress, BackgroundState, OutboxEntry};
use weir_engine::time::Timestamp;

use super::Records;
use super::backend::{Backend, Blobs, prepare, value};
use super::claim::{Claim, RUNS_MAX};
use super::frame::{self, Payload, damaged};
use super::keys::RunKey;
use super::rows::{self, Rows};

use self::claim::Claimed;
pub(super) use self::claim::hand_over;
pub(super) use self::keys::CallKey;

/// The rows of a call: what was handed over, and what has become of it.
type Found = (Option<Payload>, Option<Payload>);

fn find(rows: &dyn Rows, call: &CallKey) -> Result<Found, StoreError> {
    Ok((frame::payload(rows, &call.entry())?, frame::payload(rows, &call.progress())?))
}

fn load(blobs: &dyn Blobs, call: &CallKey, (entry, progress): Found) -> Result<BackgroundCall, StoreError> {
    let missing = || damaged(&call.entry(), "the call in the background is missing; restore the store from a backup");
    let entry: OutboxEntry = value(blobs, &call.entry(), &entry.ok_or_else(missing)?)?;
    let progress = match progress {
        Some(found) => value(blobs, &call.progress(), &found)?,
        None => BackgroundProgress::new(entry.created_at),
    };
    Ok(BackgroundCall { entry, progress })
}

/// Whether no call of a run is still to be sent.
pub(super) fn all_done(rows: &dyn Rows, run: &RunKey) -> Result<bool, StoreError> {
    let prefix = keys::standings(run);
    for (key, _) in rows::take(rows, &prefix, &prefix, usize::MAX)? {
        let standing: Option<standing::CallStanding> = frame::record(rows, &key)?;
        if standing.is_some_and(|standing| standing.place != standing::CallPlace::Done) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Ends the leases of every call.
pub(super) async fn end_orphaned_leases<B: Backend>(backend: &B) -> Result<(), StoreError> {
    let all = || rows::end_of(keys::LEASED);
    while backend.write(move |draft| claim::end_leases(draft, &all())).await? == RUNS_MAX {}
    Ok(())
}

#[async_trait]
impl<B: Backend> Outbox for Records<B> {
    async fn claim_background_calls(
        &self,
        owner: &OwnerId,
        now: Timestamp,
        lease: Duration,
        room: CallRoom,
    ) -> Result<Vec<ClaimedCall>, StoreError> {
        type Part = (Claimed, Result<Found, StoreError>);
        let claim = Claim { owner: owner.clone(), now, lease, limit: room.calls };
        let claimed = self.backend.write(move |draft| claim::claim(&claim, &room, draft)).await?;
        if claimed.is_empty() {
            return Ok(Vec::new());
        }
        let left_out = self.left_out.clone();
        let collect = move |rows: &dyn Rows| -> Result<Vec<Part>, StoreError> {
            let part = |claimed: Claimed| {
                let found = find(rows, &claimed.call);
                (claimed, found)
            };
            Ok(claimed.into_iter().map(part).collect())
        };
        let finish = move |parts: Vec<Part>, blobs: &dyn Blobs| {
            let whole = |(Claimed { call: key, lease, claims }, found): Part| {
                let call = left_out.run(&key.run, found.and_then(|found| load(blobs, &key, found)))?;
                Some(ClaimedCall { call, lease, claims })
            };
            Ok(parts.into_iter().filter_map(whole).collect())
        };
        self.backend.read(collect, finish).await
    }

    async fn settle_background_call(
        &self,
        tenant: &TenantId,
        run: RunId,
        sequence: u64,
        lease: &Lease,
        progress: BackgroundProgress,
    ) -> Result<(), StoreError> {
        let call = CallKey::new(RunKey::new(tenant, run), sequence);
        let json = frame::encode("what has become of a call in the background", &progress)?;
        let values = prepare(&self.backend, vec![(call.progress(), json)]).await?;
        let next_at = match progress.state {
            BackgroundState::Pending { next_at } => Some(next_at),
            BackgroundState::Succeeded { .. } | BackgroundState::Failed { .. } => None,
        };
        let lease = lease.clone();
        let settle = move |draft: &mut super::Draft<'_>| {
            claim::give_back(draft, &call, &lease, next_at)?;
            values.put(draft);
            Ok(())
        };
        self.backend.write(settle).await
    }

    async fn background_calls(
        &self,
        tenant: &TenantId,
        run: RunId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<BackgroundCall>, StoreError> {
        let run = RunKey::new(tenant, run);
        let Some(first) = after.checked_add(1) else { return Ok(Vec::new()) };
        let collect = move |rows: &dyn Rows| -> Result<Vec<(CallKey, Found)>, StoreError> {
            // Of a run that was removed there may be rows left.
            if rows.get(&run.record())?.is_none() {
                return Ok(Vec::new());
            }
            let from = CallKey::new(run.clone(), first).entry();
            let listed = rows::take(rows, &keys::entries(&run), &from, limit)?;
            let found = |(key, _): rows::Row| {
                let call = CallKey::at_end(&key, 1)?;
                let found = find(rows, &call)?;
                Ok((call, found))
            };
            listed.into_iter().map(found).collect()
        };
        let finish = |found: Vec<(CallKey, Found)>, blobs: &dyn Blobs| {
            found.into_iter().map(|(call, found)| load(blobs, &call, found)).collect()
        };
        self.backend.read(collect, finish).await
    }

    async fn background_backlog(&self) -> Result<Backlog, StoreError> {
        self.backend.read(standing::backlog, |backlog, _| Ok(backlog)).await
    }
}
