//! How many things one tenant may have in hand at once, so that no tenant takes the places of another (T-01).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use weir_engine::ids::{RunId, TenantId};

/// A number of places for each tenant.
pub(super) struct TenantSlots {
    most: usize,
    /// One entry for each tenant that ever had a valid key: bounded by the number of tenants.
    taken: Mutex<HashMap<TenantId, Arc<Semaphore>>>,
}

impl TenantSlots {
    pub(super) fn new(most: usize) -> Self {
        Self { most, taken: Mutex::new(HashMap::new()) }
    }

    /// A place, until it is dropped. `None` where all are taken.
    pub(super) fn take(&self, tenant: &TenantId) -> Option<OwnedSemaphorePermit> {
        self.places(tenant).try_acquire_owned().ok()
    }

    /// A place, until it is dropped, as soon as there is one.
    pub(super) async fn wait(&self, tenant: &TenantId) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.places(tenant).acquire_owned().await
    }

    fn places(&self, tenant: &TenantId) -> Arc<Semaphore> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(taken.entry(tenant.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.most))))
    }
}

/// The places of one run for those who hold the token of its prompt.
const PLACES_OF_RUN: usize = 2;

/// Places for those who hold tokens of prompts, apart from those for API keys: a token, which is in many hands, locks
/// out no key, and that of one run no other run's.
pub(super) struct PromptSlots {
    of_tenant: TenantSlots,
    /// One entry for each run that has a place taken.
    of_runs: Arc<Mutex<HashMap<RunId, usize>>>,
}

/// A place, until it is dropped.
pub(super) struct PromptPlace {
    run: RunId,
    of_runs: Arc<Mutex<HashMap<RunId, usize>>>,
    _of_tenant: OwnedSemaphorePermit,
}

impl PromptSlots {
    /// With so many places for each tenant. What the server as a whole has in hand, `limits.requests` bounds.
    pub(super) fn new(most: usize) -> Self {
        Self { of_tenant: TenantSlots::new(most), of_runs: Arc::default() }
    }

    /// A place. `None` where all of the run or the tenant are taken.
    pub(super) fn take(&self, tenant: &TenantId, run: RunId) -> Option<PromptPlace> {
        let mut of_runs = self.of_runs.lock().unwrap_or_else(PoisonError::into_inner);
        if of_runs.get(&run).is_some_and(|taken| *taken >= PLACES_OF_RUN) {
            return None;
        }
        let of_tenant = self.of_tenant.take(tenant)?;
        *of_runs.entry(run).or_default() += 1;
        Some(PromptPlace { run, of_runs: Arc::clone(&self.of_runs), _of_tenant: of_tenant })
    }
}

impl Drop for PromptPlace {
    fn drop(&mut self) {
        let mut of_runs = self.of_runs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = of_runs.get_mut(&self.run) {
            *taken = taken.saturating_sub(1);
            if *taken == 0 {
                of_runs.remove(&self.run);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tenant_does_not_take_the_places_of_another() {
        // keeps A4, covers T-01
        let slots = TenantSlots::new(2);
        let (acme, other) = ("acme".parse().unwrap(), "other".parse().unwrap());
        let first = slots.take(&acme).unwrap();
        let _second = slots.take(&acme).unwrap();
        assert!(slots.take(&acme).is_none());
        assert!(slots.take(&other).is_some());
        drop(first);
        assert!(slots.take(&acme).is_some());
    }

    #[test]
    fn tokens_of_one_run_do_not_take_the_places_of_another() {
        // keeps A4, covers T-01
        let slots = PromptSlots::new(3);
        let (acme, globex) = ("acme".parse().unwrap(), "globex".parse().unwrap());
        let (run, other) = (RunId::generate(), RunId::generate());
        let first = slots.take(&acme, run).unwrap();
        let second = slots.take(&acme, run).unwrap();
        assert!(slots.take(&acme, run).is_none());
        let third = slots.take(&acme, other).unwrap();
        assert!(slots.take(&acme, other).is_none(), "the tenant has three");
        assert!(slots.take(&globex, RunId::generate()).is_some(), "another tenant has its own");
        drop(first);
        assert!(slots.take(&acme, run).is_some());
        drop((second, third));
        assert!(slots.of_runs.lock().unwrap().is_empty());
    }
}
