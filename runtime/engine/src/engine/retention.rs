//! Removes runs that have ended and need not be kept (F-14), and what nothing names any more: in small turns, one tenant
//! after the other, with a pause after each, so that runs always go before it.

use std::time::Duration;

use super::Engine;
use crate::ids::{RunId, TenantId};
use crate::ports::{Removal, RetentionTurn, StoreError};

/// How many runs one turn removes at most.
const RUNS_PER_TURN: usize = 64;
/// The pause after a turn that left something to remove.
const BUSY_PAUSE: Duration = Duration::from_millis(20);
/// The pause after another one. All large values are looked at in 256 turns.
const IDLE_PAUSE: Duration = Duration::from_secs(1);

impl Engine {
    /// Works until the process drains.
    pub(super) async fn work_on_retention(&self) {
        let mut draining = self.draining.subscribe();
        let mut after = None;
        let mut pause = IDLE_PAUSE;
        loop {
            tokio::select! {
                _ = draining.wait_for(|draining| *draining) => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = match self.retention_turn(&mut after).await {
                Ok(true) => BUSY_PAUSE,
                Ok(false) => IDLE_PAUSE,
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        code = error.code(),
                        "nothing was removed"
                    );
                    IDLE_PAUSE
                }
            };
        }
    }

    /// One turn: runs of the next tenant, and, where there are none to remove, a part of the large values. Whether
    /// there is more to remove.
    async fn retention_turn(&self, after: &mut Option<TenantId>) -> Result<bool, StoreError> {
        let now = self.ports.clock.now();
        let turn = RetentionTurn {
            after: after.take(),
            ended_before: now.before(self.settings.keep_ended_for),
            per_tenant_max: self.settings.keep_ended_max,
            limit: RUNS_PER_TURN,
        };
        let retained = self.ports.store.remove_ended(turn).await?;
        let went_round = retained.tenant.is_none();
        *after = retained.tenant;
        if retained.more || retained.removed > 0 {
            return Ok(true);
        }
        if went_round {
            self.ports.store.sweep(now).await?;
        }
        // Each tenant has its turn at once; then all have a rest.
        Ok(!went_round)
    }

    /// Removes one run that has ended, with all that it held.
    ///
    /// # Errors
    /// The store's.
    pub async fn remove_run(&self, tenant: &TenantId, run: RunId) -> Result<Removal, StoreError> {
        let removal = self.ports.store.remove_run(tenant, run).await?;
        if removal == Removal::Removed {
            tracing::info!(%run, %tenant, "run removed");
        }
        Ok(removal)
    }
}
