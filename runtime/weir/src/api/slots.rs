//! How many things one tenant may have in hand at once, so that no tenant takes the places of another (T-01).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use weir_engine::ids::TenantId;

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
}
