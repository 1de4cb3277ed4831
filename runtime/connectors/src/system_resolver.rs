//! The resolver of the operating system, with a bounded number of threads.
//!
//! `getaddrinfo` cannot be cancelled: a name server that never answers holds its thread long after the caller has
//! given up. So a thread is counted until it comes back, and names of one tenant can neither hold all that there are
//! nor the threads that read the stores.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use weir_engine::ids::TenantId;

use crate::resolve::{Question, Resolver};

/// Names that are looked up at once, in the whole process.
const LOOKUPS_MAX: usize = 64;

/// Names that are looked up at once for one tenant.
const LOOKUPS_PER_TENANT_MAX: usize = 8;

/// Threads belong to the process, and so does the count of them.
static LOOKUPS: LazyLock<Lookups> = LazyLock::new(|| Lookups::new(LOOKUPS_MAX));

/// The resolver of the operating system. At most 64 names are looked up at once, and 8 for one tenant.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn lookup(&self, question: Question<'_>) -> io::Result<Vec<IpAddr>> {
        let host = question.host.to_owned();
        let look = move || Ok((host.as_str(), 0).to_socket_addrs()?.map(|address| address.ip()).collect());
        LOOKUPS.run(question.tenant, question.patience, look).await
    }
}

/// The lookups that are under way.
struct Lookups {
    all: Arc<Semaphore>,
    /// Only of tenants with a lookup waiting or under way.
    tenants: Mutex<HashMap<TenantId, Weak<Semaphore>>>,
}

impl Lookups {
    fn new(most: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(most)), tenants: Mutex::default() }
    }

    /// Runs `look` on a thread of its own when there is room, and counts it until it returns.
    ///
    /// # Errors
    /// What `look` says; [`io::ErrorKind::ResourceBusy`] where there was no room within `patience`.
    async fn run<T: Send + 'static>(
        &self,
        tenant: &TenantId,
        patience: Duration,
        look: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let room = tokio::time::timeout(patience, self.room(tenant)).await;
        let room = room.map_err(|_| io::Error::from(io::ErrorKind::ResourceBusy))??;
        let looked = tokio::task::spawn_blocking(move || {
            let answer = look();
            drop(room);
            answer
        });
        looked.await.map_err(io::Error::other)?
    }

    /// First among the tenant's own, so that a tenant never waits for room that it cannot use.
    async fn room(&self, tenant: &TenantId) -> io::Result<[OwnedSemaphorePermit; 2]> {
        let own = self.of_tenant(tenant).acquire_owned().await.map_err(io::Error::other)?;
        let one = self.all.clone().acquire_owned().await.map_err(io::Error::other)?;
        Ok([own, one])
    }

    fn of_tenant(&self, tenant: &TenantId) -> Arc<Semaphore> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = tenants.get(tenant).and_then(Weak::upgrade) {
            return known;
        }
        // At most as many are left as there are calls that wait.
        tenants.retain(|_, semaphore| semaphore.strong_count() > 0);
        let semaphore = Arc::new(Semaphore::new(LOOKUPS_PER_TENANT_MAX));
        tenants.insert(tenant.clone(), Arc::downgrade(&semaphore));
        semaphore
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn tenant(name: &str) -> TenantId {
        name.parse().expect(name)
    }

    /// Starts lookups that return when the sender is dropped, and gives up on them as a call's time-out does.
    async fn abandoned(lookups: &Lookups, name: &str, count: usize) -> Vec<mpsc::Sender<()>> {
        let mut senders = Vec::new();
        for _ in 0..count {
            let (sender, receiver) = mpsc::channel::<()>();
            let (started, running) = tokio::sync::oneshot::channel();
            let tenant = tenant(name);
            let lookup = lookups.run(&tenant, LONG, move || {
                let _ = started.send(());
                let _ = receiver.recv();
                Ok(())
            });
            tokio::select! {
                _ = lookup => panic!("returned"),
                it = running => it.expect("started"),
            }
            senders.push(sender);
        }
        senders
    }

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn abandoned_lookups_count_until_they_return() {
        // keeps E-05: at N, at N + 1, and once one has returned
        let lookups = Lookups::new(100);
        let mut held = abandoned(&lookups, "acme", LOOKUPS_PER_TENANT_MAX).await;
        let error = lookups.run(&tenant("acme"), SHORT, || Ok(())).await.expect_err("no room");
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
        lookups.run(&tenant("other"), LONG, || Ok(())).await.expect("another tenant's room");
        held.pop();
        lookups.run(&tenant("acme"), LONG, || Ok(())).await.expect("room again");
    }

    #[tokio::test]
    async fn all_tenants_together_are_bounded() {
        let lookups = Lookups::new(3);
        let _a = abandoned(&lookups, "a", 2).await;
        let b = abandoned(&lookups, "b", 1).await;
        assert!(lookups.run(&tenant("c"), SHORT, || Ok(())).await.is_err());
        drop(b);
        lookups.run(&tenant("c"), LONG, || Ok(())).await.expect("room again");
        assert!(lookups.tenants.lock().expect("not poisoned").len() <= 3);
    }

    #[tokio::test]
    async fn names_resolve() {
        let acme = tenant("acme");
        let question = |host| Question { tenant: &acme, host, patience: LONG };
        let addresses = SystemResolver.lookup(question("127.0.0.1")).await.expect("an address");
        assert_eq!(addresses, [IpAddr::from([127, 0, 0, 1])]);
        assert!(SystemResolver.lookup(question("no such name")).await.is_err());
    }
}
