//! Holds on to a run while a step of it takes its time, and lets go when it is changed from outside.

use std::sync::PoisonError;

use super::Engine;
use super::drive::Left;
use crate::ports::{Lease, StoreError};
use crate::run::Run;

impl Engine {
    /// Does something for a run that may take its time. It is given up where another process has the run, or somebody
    /// has changed it from outside.
    pub(super) async fn while_held<T>(
        &self,
        run: &Run,
        lease: &mut Lease,
        work: impl Future<Output = Result<T, Left>>,
    ) -> Result<T, Left> {
        tokio::select! {
            done = work => done,
            error = self.keep_lease(run, lease) => Err(Left::Store(error)),
            () = self.changed_from_outside(run) => Err(Left::Changed),
        }
    }

    /// Returns when somebody has changed the run from outside since the present step began.
    pub(super) async fn changed_from_outside(&self, run: &Run) {
        let changes = {
            let driven = self.driven.lock().unwrap_or_else(PoisonError::into_inner);
            driven.get(&run.id).map(|driver| driver.changed_at.subscribe())
        };
        let since = run.revision;
        if let Some(mut changes) = changes
            && changes.wait_for(|revision| *revision > since).await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }

    /// Prolongs a lease again and again; returns only when another process has the run.
    pub(super) async fn keep_lease(&self, run: &Run, lease: &mut Lease) -> StoreError {
        loop {
            tokio::time::sleep(self.settings.lease / 3).await;
            let until = self.ports.clock.now().after(self.settings.lease);
            match self.ports.store.renew_lease(&run.tenant, run.id, lease, until).await {
                Ok(renewed) => *lease = renewed,
                Err(error @ (StoreError::StaleLease { .. } | StoreError::NotFound(_))) => match self.newer_lease(run) {
                    Some(newer) => *lease = newer,
                    None => return error,
                },
                // The step goes on: a lease that has run out is good until somebody claims the run.
                Err(error) => {
                    let run = run.id;
                    tracing::warn!(%run, error = &error as &dyn std::error::Error, code = error.code(), "lease not prolonged");
                }
            }
        }
    }

    /// The lease of a claim that this process made while it drove the run. A resume is more than a lease.
    pub(super) fn newer_lease(&self, run: &Run) -> Option<Lease> {
        let mut driven = self.driven.lock().unwrap_or_else(PoisonError::into_inner);
        let claimed = driven.get_mut(&run.id)?.claimed.take_if(|claimed| claimed.run.revision == run.revision)?;
        Some(claimed.lease)
    }
}
