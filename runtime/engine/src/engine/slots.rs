//! The runs that this process drives at a time: so many of all tenants, and so many of one, so that one whose calls are
//! slow, or whose `for-each` has many items, leaves room for the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::EngineSettings;
use crate::ids::TenantId;
use crate::ports::CallRoom;

/// Room for runs.
pub(super) struct Slots {
    all: Arc<Semaphore>,
    all_max: usize,
    per_tenant_max: usize,
    /// How many each tenant has.
    out: Mutex<HashMap<TenantId, usize>>,
}

/// Room for one run, free again when this is dropped.
pub(super) struct Slot {
    slots: Arc<Slots>,
    tenant: TenantId,
    permit: Option<OwnedSemaphorePermit>,
}

impl Slots {
    pub(super) fn new(settings: &EngineSettings) -> Arc<Self> {
        let all_max = settings.runs_driven_max;
        let all = Arc::new(Semaphore::new(all_max));
        Arc::new(Self { all, all_max, per_tenant_max: settings.runs_driven_of_one_tenant(), out: Mutex::default() })
    }

    fn out(&self) -> MutexGuard<'_, HashMap<TenantId, usize>> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a claim may take.
    pub(super) fn room(&self) -> CallRoom {
        CallRoom { calls: self.all.available_permits(), per_tenant: self.per_tenant_max, out: self.out().clone() }
    }

    /// Room for a run that begins or goes on now, where there is some.
    pub(super) fn try_take(self: &Arc<Self>, tenant: &TenantId) -> Option<Slot> {
        let mut out = self.out();
        if out.get(tenant).is_some_and(|out| *out >= self.per_tenant_max) {
            return None;
        }
        let permit = Arc::clone(&self.all).try_acquire_owned().ok()?;
        Some(self.taken(&mut out, tenant, permit))
    }

    /// Room for a run that was claimed; a start or a resume may have taken what was free then.
    pub(super) async fn take(self: &Arc<Self>, tenant: &TenantId) -> Option<Slot> {
        let permit = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(self.taken(&mut self.out(), tenant, permit))
    }

    fn taken(
        self: &Arc<Self>,
        out: &mut HashMap<TenantId, usize>,
        tenant: &TenantId,
        permit: OwnedSemaphorePermit,
    ) -> Slot {
        let of_tenant = out.entry(tenant.clone()).or_default();
        *of_tenant = of_tenant.saturating_add(1);
        Slot { slots: Arc::clone(self), tenant: tenant.clone(), permit: Some(permit) }
    }

    /// How many runs of the tenant that has the most are driven.
    pub(super) fn most_of_one_tenant(&self) -> usize {
        self.out().values().copied().max().unwrap_or(0)
    }

    /// Waits until nothing is driven, but at most so long.
    pub(super) async fn drain(&self, grace: Duration) {
        let all = u32::try_from(self.all_max).unwrap_or(u32::MAX);
        // Who asked sees by the number of runs whether it worked.
        let _ = tokio::time::timeout(grace, self.all.acquire_many(all)).await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut out = self.slots.out();
        if let Some(of_tenant) = out.get_mut(&self.tenant) {
            *of_tenant = of_tenant.saturating_sub(1);
            if *of_tenant == 0 {
                out.remove(&self.tenant);
            }
        }
        drop(out);
        drop(self.permit.take());
    }
}
