//! Turns: how many invocations run at once, of all tenants and of each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use weir_engine::ids::TenantId;

/// From how many tenants on those without invocations are forgotten.
const TENANTS_KEPT: usize = 64;

/// The turns of all invocations. A tenant that has all of its own waits, while some are left for others.
pub(crate) struct Turns {
    all: Arc<Semaphore>,
    max: u32,
    per_tenant_max: u32,
    queue_time: Duration,
    tenants: Mutex<Tenants>,
}

#[derive(Default)]
struct Tenants {
    by_id: HashMap<TenantId, Weak<Semaphore>>,
    /// At how many of them to look for some to forget.
    forget_at: usize,
}

/// One turn; it is given back when dropped.
pub(crate) struct Turn {
    _own: OwnedSemaphorePermit,
    _one_of_all: OwnedSemaphorePermit,
}

/// Why there was no turn within the queueing time.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoTurn {
    /// The tenant has all of its own.
    #[error(
        "all {max} invocations of this tenant stayed taken for {} ms; try again, or ask the operator to raise \
         `plugins.invocations-per-tenant-max`",
        waited.as_millis()
    )]
    OfTenant { max: u32, waited: Duration },
    /// All are taken.
    #[error(
        "all {max} invocations of the host stayed taken for {} ms; try again, or raise `plugins.invocations-max`",
        waited.as_millis()
    )]
    OfHost { max: u32, waited: Duration },
}

impl Turns {
    /// So many turns, so many of them for one tenant, and how long to wait for one.
    pub(crate) fn new(max: u32, per_tenant_max: u32, queue_time: Duration) -> Self {
        let all = Arc::new(Semaphore::new(max as usize));
        Self { all, max, per_tenant_max, queue_time, tenants: Mutex::default() }
    }

    /// A turn for the tenant, after at most the queueing time.
    pub(crate) async fn turn(&self, tenant: &TenantId) -> Result<Turn, NoTurn> {
        let deadline = tokio::time::Instant::now() + self.queue_time;
        let waited = self.queue_time;
        // Where a tenant may have all turns, the host's words are the right ones.
        let of_host = NoTurn::OfHost { max: self.max, waited };
        let of_tenant = if self.per_tenant_max < self.max {
            NoTurn::OfTenant { max: self.per_tenant_max, waited }
        } else {
            NoTurn::OfHost { max: self.max, waited }
        };
        // Its own first: whoever waits for that takes no turn from others.
        let own = acquire(self.tenant(tenant), deadline).await.ok_or(of_tenant)?;
        let one_of_all = acquire(Arc::clone(&self.all), deadline).await.ok_or(of_host)?;
        Ok(Turn { _own: own, _one_of_all: one_of_all })
    }

    /// The tenant's turns. They live as long as somebody has or awaits one of them.
    fn tenant(&self, tenant: &TenantId) -> Arc<Semaphore> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = tenants.by_id.get(tenant).and_then(Weak::upgrade) {
            return turns;
        }
        if tenants.by_id.len() >= tenants.forget_at.max(TENANTS_KEPT) {
            tenants.by_id.retain(|_, turns| turns.strong_count() > 0);
            tenants.forget_at = 2 * tenants.by_id.len();
        }
        let turns = Arc::new(Semaphore::new(self.per_tenant_max as usize));
        tenants.by_id.insert(tenant.clone(), Arc::downgrade(&turns));
        turns
    }
}

async fn acquire(turns: Arc<Semaphore>, deadline: tokio::time::Instant) -> Option<OwnedSemaphorePermit> {
    // The common case takes no timer.
    if let Ok(turn) = Arc::clone(&turns).try_acquire_owned() {
        return Some(turn);
    }
    tokio::time::timeout_at(deadline, turns.acquire_owned()).await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(max: u32, per_tenant_max: u32) -> Turns {
        Turns::new(max, per_tenant_max, Duration::from_millis(10))
    }

    fn tenant(id: &str) -> TenantId {
        id.parse().unwrap()
    }

    #[tokio::test]
    async fn a_tenant_has_its_own_and_no_more() {
        // keeps S-05
        let turns = turns(3, 2);
        let waited = Duration::from_millis(10);
        let (one, other) = (tenant("one"), tenant("other"));
        let first = turns.turn(&one).await.unwrap();
        let _second = turns.turn(&one).await.unwrap();
        assert_eq!(turns.turn(&one).await.err(), Some(NoTurn::OfTenant { max: 2, waited }));
        let _third = turns.turn(&other).await.unwrap();
        assert_eq!(turns.turn(&other).await.err(), Some(NoTurn::OfHost { max: 3, waited }));
        drop(first);
        assert!(turns.turn(&one).await.is_ok());
    }

    #[tokio::test]
    async fn tenants_without_invocations_are_forgotten() {
        let turns = turns(10_000, 1);
        let mut kept = Vec::new();
        for number in 0..1_000 {
            let turn = turns.turn(&tenant(&format!("tenant-{number}"))).await.unwrap();
            if number % 10 == 0 {
                kept.push(turn);
            }
        }
        let known = turns.tenants.lock().unwrap().by_id.len();
        assert!((kept.len()..=3 * kept.len()).contains(&known), "{known}");
    }
}
