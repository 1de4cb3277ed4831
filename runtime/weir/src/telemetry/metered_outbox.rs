//! The part of [`super::MeteredStore`] that counts calls in the background.

use std::time::Duration;

use async_trait::async_trait;
use metrics::counter;
use weir_engine::ids::{RunId, TenantId};
use weir_engine::ports::{Backlog, CallRoom, ClaimedCall, Lease, Outbox, OwnerId, StoreError};
use weir_engine::run::{BackgroundCall, BackgroundProgress, BackgroundState};
use weir_engine::time::Timestamp;

use super::metered::MeteredStore;

#[async_trait]
impl Outbox for MeteredStore {
    async fn claim_background_calls(
        &self,
        owner: &OwnerId,
        now: Timestamp,
        lease: Duration,
        room: CallRoom,
    ) -> Result<Vec<ClaimedCall>, StoreError> {
        self.inner.claim_background_calls(owner, now, lease, room).await
    }

    async fn settle_background_call(
        &self,
        tenant: &TenantId,
        run: RunId,
        sequence: u64,
        lease: &Lease,
        progress: BackgroundProgress,
    ) -> Result<(), StoreError> {
        let outcome = match &progress.state {
            BackgroundState::Pending { .. } => "again",
            BackgroundState::Succeeded { .. } => "succeeded",
            BackgroundState::Failed { .. } => "failed",
        };
        self.inner.settle_background_call(tenant, run, sequence, lease, progress).await?;
        counter!("weir_background_sends_total", "outcome" => outcome).increment(1);
        Ok(())
    }

    async fn background_calls(
        &self,
        tenant: &TenantId,
        run: RunId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<BackgroundCall>, StoreError> {
        self.inner.background_calls(tenant, run, after, limit).await
    }

    async fn background_backlog(&self) -> Result<Backlog, StoreError> {
        self.inner.background_backlog().await
    }
}
