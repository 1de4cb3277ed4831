//! The part of [`super::MeteredStore`] that counts what is removed.

use async_trait::async_trait;
use metrics::counter;
use weir_engine::ids::{RunId, TenantId};
use weir_engine::ports::{Removal, Retained, Retention, RetentionTurn, StoreError, Swept};
use weir_engine::time::Timestamp;

use super::metered::MeteredStore;

#[async_trait]
impl Retention for MeteredStore {
    async fn remove_ended(&self, turn: RetentionTurn) -> Result<Retained, StoreError> {
        let retained = self.inner.remove_ended(turn).await?;
        counter!("weir_runs_removed_total", "by" => "retention").increment(retained.removed as u64);
        Ok(retained)
    }

    async fn remove_run(&self, tenant: &TenantId, run: RunId) -> Result<Removal, StoreError> {
        let removal = self.inner.remove_run(tenant, run).await?;
        if removal == Removal::Removed {
            counter!("weir_runs_removed_total", "by" => "request").increment(1);
        }
        Ok(removal)
    }

    async fn sweep(&self, now: Timestamp) -> Result<Swept, StoreError> {
        let swept = self.inner.sweep(now).await?;
        counter!("weir_store_values_removed_total").increment(swept.removed as u64);
        counter!("weir_store_values_removed_bytes_total").increment(swept.bytes);
        Ok(swept)
    }
}
