//! How many things one tenant may have in hand at once, so that no tenant takes the places of another (T-01).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
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
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let places = taken.entry(tenant.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.most)));
        Arc::clone(places).try_acquire_owned().ok()
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
