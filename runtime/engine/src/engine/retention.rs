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

/// A turn of each tenant.
#[derive(Default)]
struct Round {
    /// The tenant that had the last one.
    after: Option<TenantId>,
    /// Whether something was left.
    more: bool,
}

impl Engine {
    /// Works until the process drains.
    pub(super) async fn work_on_retention(&self) {
        let mut draining = self.draining.subscribe();
        let mut round = Round::default();
        let mut pause = IDLE_PAUSE;
        loop {
            tokio::select! {
                _ = draining.wait_for(|draining| *draining) => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = match self.retention_turn(&mut round).await {
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

    /// One turn: runs of the next tenant, and, once all have had theirs, a part of the large values. Whether there is
    /// more to do at once.
    async fn retention_turn(&self, round: &mut Round) -> Result<bool, StoreError> {
        let now = self.ports.clock.now();
        let turn = RetentionTurn {
            after: round.after.clone(),
            ended_before: now.before(self.settings.keep_ended_for),
            per_tenant_max: self.settings.keep_ended_max,
            limit: RUNS_PER_TURN,
        };
        let retained = self.ports.store.remove_ended(turn).await?;
        round.more |= retained.more;
        round.after = retained.tenant;
        if round.after.is_some() {
            return Ok(true);
        }
        // All have a rest, where none has anything left.
        let more = std::mem::take(&mut round.more);
        self.ports.store.sweep(now).await?;
        Ok(more)
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
