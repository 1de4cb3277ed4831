//! Calls in the background, in the model.

use weir_engine::ids::RunId;
use weir_engine::ports::{CallRoom, ClaimedCall, Lease, StoreError};
use weir_engine::run::{BackgroundProgress, OutboxEntry};
use weir_engine::time::Timestamp;

use super::World;
use crate::support::{LEASE, again, at, owner, progress, settle, taken};

/// A call as it should be.
pub(super) struct ExpectedCall {
    entry: OutboxEntry,
    progress: BackgroundProgress,
    /// Of the last claim.
    lease: Lease,
    claims: u64,
    /// Whether the lease's owner may settle it.
    held: bool,
    /// Whether it waits until it is due again.
    put_off: bool,
    done: bool,
    /// When anybody may claim it.
    free_at: Timestamp,
}

impl ExpectedCall {
    pub(super) fn of(entry: OutboxEntry) -> Self {
        let progress = BackgroundProgress::new(entry.created_at);
        let lease = Lease { owner: owner("nobody"), fence: 0, until: at(0) };
        Self { entry, progress, lease, claims: 0, held: false, put_off: false, done: false, free_at: at(0) }
    }

    /// What a start does to the calls that are out.
    pub(super) fn end_lease(&mut self) {
        if !self.put_off {
            self.free_at = at(0);
        }
    }

    fn is(&self, run: RunId, sequence: u64) -> bool {
        (self.entry.run, self.entry.sequence) == (run, sequence)
    }
}

impl World {
    pub(super) async fn claim_calls(&mut self, limit: usize) {
        let now = at(self.now);
        let claimed =
            self.store().claim_background_calls(&owner("sender"), now, LEASE, CallRoom::of(limit)).await.unwrap();
        let mut claimable = 0;
        for expected in &mut self.calls {
            let free = !expected.done && expected.free_at <= now;
            claimable += usize::from(free);
            let entry = &expected.entry;
            let found = claimed
                .iter()
                .find(|claimed| claimed.call.entry.run == entry.run && claimed.call.entry.sequence == entry.sequence);
            let Some(claimed) = found else { continue };
            assert!(free, "{:?} was not to be claimed", expected.entry);
            assert_eq!((&claimed.call.entry, &claimed.call.progress), (&expected.entry, &expected.progress));
            assert_eq!(claimed.lease.fence, expected.lease.fence + 1);
            expected.claims += 1;
            assert_eq!(claimed.claims, expected.claims);
            expected.lease = claimed.lease.clone();
            (expected.held, expected.put_off, expected.free_at) = (true, false, claimed.lease.until);
        }
        assert_eq!(claimed.len(), limit.min(claimable));
    }

    pub(super) async fn settle_call(&mut self, call: usize, fence_back: u64, pause: Option<u64>, bytes: usize) {
        let Some(index) = call.checked_rem(self.calls.len()) else { return };
        let expected = &self.calls[index];
        let mut lease = expected.lease.clone();
        lease.fence -= fence_back.min(lease.fence);
        let state = pause.map_or_else(taken, |pause| again(self.now + pause));
        let after = progress(&expected.progress, state, bytes);
        let call = weir_engine::run::BackgroundCall { entry: expected.entry.clone(), progress: after.clone() };
        let claimed = ClaimedCall { call, lease, claims: 1 };
        let outcome = settle(self.store(), &claimed, after.clone()).await;
        if !expected.held || claimed.lease != expected.lease {
            assert!(matches!(outcome, Err(StoreError::StaleLease { .. })), "{outcome:?}");
            return;
        }
        outcome.unwrap();
        let expected = &mut self.calls[index];
        (expected.held, expected.claims, expected.progress) = (false, 0, after);
        (expected.done, expected.put_off) = (pause.is_none(), pause.is_some());
        expected.free_at = at(self.now + pause.unwrap_or_default());
    }

    pub(super) async fn check_calls(&self) {
        for expected in &self.runs {
            let run = &expected.run;
            let found = self.store().background_calls(&run.tenant, run.id, 0, 100).await.unwrap();
            let of_run: Vec<_> = self.calls.iter().filter(|call| call.entry.run == run.id).collect();
            assert_eq!(found.len(), of_run.len());
            for call in of_run {
                let there = found.iter().find(|found| call.is(found.entry.run, found.entry.sequence)).unwrap();
                assert_eq!((&there.entry, &there.progress), (&call.entry, &call.progress));
            }
        }
        let pending = self.calls.iter().filter(|call| !call.done);
        let backlog = self.store().background_backlog().await.unwrap();
        assert_eq!(backlog.pending, pending.clone().count() as u64);
        assert_eq!(backlog.oldest, pending.map(|call| call.entry.created_at).min());
    }
}
