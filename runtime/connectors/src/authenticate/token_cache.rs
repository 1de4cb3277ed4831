//! Granted tokens, in memory only. One request to a token endpoint serves all calls that wait for it; it goes on when
//! the call that began it is given up, so that nobody who waits has to begin again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::future::Cache;
use moka::ops::compute::Op;
use tokio::time::Instant;
use weir_engine::ids::TenantId;
use weir_engine::ports::{ConnectorError, ConnectorErrorKind};

use crate::error::error;

/// What a token or a nonce was got for: another tenant, connector, setting or version of a credential never sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct CacheKey {
    pub(super) tenant: TenantId,
    pub(super) connector: String,
    /// The SHA-256 of the authentication and of what else matters: documents may be long.
    pub(super) settings: [u8; 32],
    /// Of the credentials and identities.
    pub(super) versions: Vec<u32>,
}

#[cfg(test)]
impl CacheKey {
    pub(super) fn for_tests() -> Self {
        let tenant = "acme".parse().expect("a tenant");
        Self { tenant, connector: "api".to_owned(), settings: [0; 32], versions: vec![1] }
    }
}

/// A granted token, or keys that are granted for a while.
#[derive(Clone)]
pub(super) struct Granted<T> {
    pub(super) it: T,
    /// Calls that begin later get another one.
    pub(super) use_until: Instant,
}

/// What an answer that names no life lives: RFC 6749 section 5.1 leaves it to the client.
pub(super) const DEFAULT_LIFE: Duration = Duration::from_secs(300);
/// The longest life that is believed.
const LIFE_MAX: Duration = Duration::from_secs(86_400);
/// How long before its end a token is replaced: a tenth of its life, and at most that long.
const EARLY_MAX: Duration = Duration::from_secs(30);

/// Until when a token of that life is used.
pub(super) fn use_until(asked_at: Instant, life: Duration) -> Instant {
    let life = life.min(LIFE_MAX);
    asked_at + life - (life / 10).min(EARLY_MAX)
}

/// Granted tokens by what they were got for.
pub(super) struct TokenCache<T> {
    cache: Cache<CacheKey, Arc<Kept<T>>>,
    generations: AtomicU64,
}

struct Kept<T> {
    /// Tells two grants apart, also of the same token.
    generation: u64,
    /// Whether it was got because the one before was refused.
    replaced_refused: bool,
    got_at: Instant,
    /// Errors are for those who wait, and not kept.
    outcome: Result<Granted<T>, ConnectorError>,
}

/// Tokens that are kept, those of one tenant, and how long one is that nobody uses.
const TOKENS_MAX: u64 = 4096;
const TENANT_TOKENS_MAX: usize = 256;
const UNUSED_FOR: Duration = Duration::from_secs(3600);
/// A token that was got because the one before was refused is not itself replaced before: a system that refuses
/// every token would make each call ask for one.
const REFUSED_AGAIN_AFTER: Duration = Duration::from_secs(10);

impl<T> Default for TokenCache<T>
where
    T: Clone + Send + Sync + 'static,
{
    fn default() -> Self {
        let cache = Cache::builder().max_capacity(TOKENS_MAX).time_to_idle(UNUSED_FOR).build();
        Self { cache, generations: AtomicU64::new(0) }
    }
}

impl<T> Kept<T> {
    fn is_usable(&self, refused: Option<u64>) -> bool {
        let lives = |granted: &Granted<T>| Instant::now() < granted.use_until;
        refused != Some(self.generation) && self.outcome.as_ref().is_ok_and(lives)
    }
}

impl<T> TokenCache<T>
where
    T: Clone + Send + Sync + 'static,
{
    /// The token for `key`, from `load` where there is none that can be used. `is_refused` says of the one that is
    /// there whether this call has had it refused.
    ///
    /// # Errors
    /// What `load` says, to all who wait for it. The next call loads anew.
    pub(super) async fn get(
        &self,
        key: CacheKey,
        is_refused: impl FnOnce(&T) -> bool,
        load: impl Future<Output = Result<Granted<T>, ConnectorError>> + Send + 'static,
    ) -> Result<T, ConnectorError> {
        let known = self.cache.get(&key).await;
        let refused = known.as_ref().and_then(|kept| {
            let old_enough = !kept.replaced_refused || kept.got_at.elapsed() >= REFUSED_AGAIN_AFTER;
            let refused = kept.outcome.as_ref().is_ok_and(|granted| old_enough && is_refused(&granted.it));
            refused.then_some(kept.generation)
        });
        let kept = match known.filter(|kept| kept.is_usable(refused)) {
            Some(kept) => kept,
            None => self.loaded(key, refused, load).await?,
        };
        kept.outcome.as_ref().map(|granted| granted.it.clone()).map_err(Clone::clone)
    }

    async fn loaded(
        &self,
        key: CacheKey,
        refused: Option<u64>,
        load: impl Future<Output = Result<Granted<T>, ConnectorError>> + Send + 'static,
    ) -> Result<Arc<Kept<T>>, ConnectorError> {
        let cache = self.cache.clone();
        let generation = self.generations.fetch_add(1, Ordering::Relaxed);
        let replaced_refused = refused.is_some();
        // A task of its own: a call that is out of time leaves its place in the queue, not the others without a load.
        let task = tokio::spawn(async move {
            let load = async move {
                let outcome = load.await;
                Arc::new(Kept { generation, replaced_refused, got_at: Instant::now(), outcome })
            };
            let entry = cache.entry(key.clone());
            let kept = entry.or_insert_with_if(load, |kept| !kept.is_usable(refused)).await.into_value();
            if kept.generation == generation {
                match kept.outcome {
                    Ok(_) => make_room(&cache, &key.tenant).await,
                    Err(_) => forget(&cache, key, generation).await,
                }
            }
            kept
        });
        task.await.map_err(|_| error(ConnectorErrorKind::Token, "asking for a token broke off; the host stops"))
    }
}

/// Forgets what was loaded, unless another load has taken its place.
async fn forget<T>(cache: &Cache<CacheKey, Arc<Kept<T>>>, key: CacheKey, generation: u64)
where
    T: Clone + Send + Sync + 'static,
{
    let removed = cache.entry(key).and_compute_with(|entry| {
        let is_it = entry.is_some_and(|entry| entry.value().generation == generation);
        std::future::ready(if is_it { Op::Remove } else { Op::Nop })
    });
    drop(removed.await);
}

/// Forgets the oldest tokens of a tenant that has too many. Looks at all that are kept: asking for the one that came
/// in has taken longer.
async fn make_room<T>(cache: &Cache<CacheKey, Arc<Kept<T>>>, tenant: &TenantId)
where
    T: Clone + Send + Sync + 'static,
{
    let of_tenant = cache.iter().filter(|(key, _)| key.tenant == *tenant);
    let mut of_tenant: Vec<_> = of_tenant.map(|(key, kept)| (kept.generation, key)).collect();
    of_tenant.sort_unstable_by_key(|(generation, _)| *generation);
    let too_many = of_tenant.len().saturating_sub(TENANT_TOKENS_MAX);
    for (_, key) in of_tenant.into_iter().take(too_many) {
        cache.invalidate(&*key).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use tokio::sync::Notify;

    type Loads = Arc<AtomicUsize>;

    async fn load(loads: Loads, life: Duration) -> Result<Granted<usize>, ConnectorError> {
        let asked_at = Instant::now();
        Ok(Granted { it: loads.fetch_add(1, Ordering::SeqCst) + 1, use_until: use_until(asked_at, life) })
    }

    const LIFE: Duration = Duration::from_secs(100);

    #[tokio::test(start_paused = true)]
    async fn tokens_are_replaced_a_little_early() {
        // covers C-06
        let (cache, loads) = (TokenCache::default(), Loads::default());
        let get = || cache.get(CacheKey::for_tests(), |_| false, load(loads.clone(), LIFE));
        assert_eq!(get().await, Ok(1));
        tokio::time::advance(Duration::from_secs(89)).await;
        assert_eq!(get().await, Ok(1));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(get().await, Ok(2));
        let start = Instant::now();
        assert_eq!(use_until(start, Duration::from_secs(3600)), start + Duration::from_secs(3570));
        assert_eq!(use_until(start, Duration::ZERO), start);
        assert_eq!(use_until(start, Duration::MAX), start + LIFE_MAX - EARLY_MAX);
    }

    #[tokio::test]
    async fn errors_are_shared_and_not_kept() {
        // covers C-06
        let (cache, loads, begin) =
            (Arc::new(TokenCache::<usize>::default()), Loads::default(), Arc::new(Notify::new()));
        let calls: Vec<_> = (0..20)
            .map(|_| {
                let (cache, loads, begin) = (cache.clone(), loads.clone(), begin.clone());
                tokio::spawn(async move {
                    let fails = async move {
                        begin.notified().await;
                        loads.fetch_add(1, Ordering::SeqCst);
                        Err(error(ConnectorErrorKind::Token, "no"))
                    };
                    cache.get(CacheKey::for_tests(), |_| false, fails).await
                })
            })
            .collect();
        // Everybody waits before the one load goes on: the calls, then their tasks.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        begin.notify_one();
        for call in calls {
            assert_eq!(call.await.expect("no panic").expect_err("no token").message, "no");
        }
        assert_eq!(loads.load(Ordering::SeqCst), 1);
        assert!(!cache.cache.contains_key(&CacheKey::for_tests()));
        assert_eq!(cache.get(CacheKey::for_tests(), |_| false, load(loads, LIFE)).await, Ok(2));
    }

    #[tokio::test]
    async fn a_tenant_has_its_share_and_no_more() {
        // covers C-06
        let (cache, loads) = (TokenCache::default(), Loads::default());
        let get = |tenant: &str, number: usize| {
            let key = CacheKey {
                tenant: tenant.parse().expect("a tenant"),
                connector: format!("api-{number}"),
                ..CacheKey::for_tests()
            };
            cache.get(key, |_| false, load(loads.clone(), LIFE))
        };
        assert_eq!(get("other", 0).await, Ok(1));
        for number in 0..=TENANT_TOKENS_MAX {
            assert_eq!(get("acme", number).await, Ok(number + 2));
        }
        // The other tenant's is still there, and so are all but the first.
        assert_eq!(get("other", 0).await, Ok(1));
        assert_eq!(get("acme", 1).await, Ok(3));
        assert_eq!(get("acme", 0).await, Ok(TENANT_TOKENS_MAX + 3));
    }

    #[tokio::test]
    async fn a_call_that_is_given_up_leaves_its_load_to_the_others() {
        // covers C-06, keeps S-04
        let (cache, loads, begin) = (Arc::new(TokenCache::default()), Loads::default(), Arc::new(Notify::new()));
        let call = || {
            let (cache, loads, begin) = (cache.clone(), loads.clone(), begin.clone());
            async move {
                let waits = async move {
                    begin.notified().await;
                    load(loads, LIFE).await
                };
                cache.get(CacheKey::for_tests(), |_| false, waits).await
            }
        };
        for _ in 0..300 {
            // Each is dropped while it waits; moka alone would panic for those that see so many given up.
            let given_up = tokio::spawn(call());
            tokio::task::yield_now().await;
            given_up.abort();
        }
        let patient = tokio::spawn(call());
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        begin.notify_one();
        assert_eq!(patient.await.expect("no panic"), Ok(1));
        assert_eq!(loads.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_token_is_replaced_once() {
        // covers C-06
        let (cache, loads) = (TokenCache::default(), Loads::default());
        let get =
            |refused: usize| cache.get(CacheKey::for_tests(), move |it| *it == refused, load(loads.clone(), LIFE));
        assert_eq!(get(0).await, Ok(1));
        assert_eq!(get(1).await, Ok(2));
        // Another call that had the first one refused, and comes late.
        assert_eq!(get(1).await, Ok(2));
        // The new one is refused as well: not asked again at once.
        assert_eq!(get(2).await, Ok(2));
        tokio::time::advance(REFUSED_AGAIN_AFTER).await;
        assert_eq!(get(2).await, Ok(3));
        let other = CacheKey { versions: vec![2], ..CacheKey::for_tests() };
        assert_eq!(cache.get(other, |_| false, load(loads.clone(), LIFE)).await, Ok(4));
    }
}
