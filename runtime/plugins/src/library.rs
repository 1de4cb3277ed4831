//! Plugins that are loaded: linked and ready to be instantiated, a bounded number of them. One load at a time for each
//! component; whoever else asks waits for its result.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre, Linker};
use weir_engine::digest::Digest;

use crate::compile::{Cache, CompileError, Compiler};
use crate::invoke::{Hooks, HostState};

/// How long a failed load is remembered: waiters share the failure instead of each compiling again for half a minute.
const FAILURE_KEPT: Duration = Duration::from_secs(60);

/// A plugin that is ready to be instantiated.
pub(crate) struct Loaded {
    instance_pre: InstancePre<HostState>,
    hooks: Hooks,
}

impl Loaded {
    pub(crate) fn engine(&self) -> &Engine {
        self.instance_pre.engine()
    }

    pub(crate) fn instance_pre(&self) -> &InstancePre<HostState> {
        &self.instance_pre
    }

    pub(crate) fn hooks(&self) -> &Hooks {
        &self.hooks
    }
}

/// Why a component could not be loaded.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum LoadError {
    /// Its bytes could not be had, or are not those of its digest.
    #[error("{0}")]
    Bytes(String),
    /// It does not compile.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// It compiles but does not fit the host.
    #[error("it cannot be linked: {0}")]
    Link(String),
}

impl LoadError {
    /// Whether trying again at once may help.
    fn is_transient(&self) -> bool {
        match self {
            Self::Bytes(_) => true,
            Self::Compile(error) => error.is_transient(),
            Self::Link(_) => false,
        }
    }
}

type Outcome = Result<Arc<Loaded>, LoadError>;

struct Slot {
    cell: Arc<OnceCell<(Outcome, Instant)>>,
    /// When it was last asked for, in asks.
    used: u64,
}

#[derive(Default)]
struct Slots {
    by_digest: HashMap<Digest, Slot>,
    asks: u64,
}

/// All loaded plugins, and how more are loaded.
pub(crate) struct Library {
    engine: Engine,
    linker: Linker<HostState>,
    compiler: Compiler,
    cache: Cache,
    slots: Mutex<Slots>,
    slots_max: usize,
}

impl Library {
    pub(crate) fn new(
        engine: Engine,
        linker: Linker<HostState>,
        compiler: Compiler,
        cache: Cache,
        slots_max: usize,
    ) -> Self {
        Self { engine, linker, compiler, cache, slots: Mutex::default(), slots_max }
    }

    /// The loaded component of that digest. `bytes` is asked for its bytes where it must be compiled.
    pub(crate) async fn get<F>(&self, digest: &Digest, bytes: F) -> Outcome
    where
        F: AsyncFnOnce() -> Result<Bytes, LoadError>,
    {
        let cell = self.slot(digest);
        let load = async || (self.load(digest, bytes).await, Instant::now());
        let (outcome, _) = cell.get_or_init(load).await;
        outcome.clone()
    }

    /// The slot of a component; a new one where there is none, or where the last load failed long enough ago.
    fn slot(&self, digest: &Digest) -> Arc<OnceCell<(Outcome, Instant)>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.asks += 1;
        let asks = slots.asks;
        if let Some(slot) = slots.by_digest.get_mut(digest).filter(|slot| is_current(slot)) {
            slot.used = asks;
            return Arc::clone(&slot.cell);
        }
        let cell = Arc::new(OnceCell::new());
        slots.by_digest.insert(*digest, Slot { cell: Arc::clone(&cell), used: asks });
        if slots.by_digest.len() > self.slots_max {
            let oldest = slots.by_digest.iter().min_by_key(|(_, slot)| slot.used).map(|(digest, _)| *digest);
            oldest.and_then(|oldest| slots.by_digest.remove(&oldest));
        }
        cell
    }

    /// From the cache on disk, or compiled anew.
    async fn load<F>(&self, digest: &Digest, bytes: F) -> Outcome
    where
        F: AsyncFnOnce() -> Result<Bytes, LoadError>,
    {
        if let Some(loaded) = self.load_cached(digest).await {
            return Ok(loaded);
        }
        let component = bytes().await?;
        let artifact = self.compiler.compile(&component).await?;
        let (cache, digest, engine, linker) = self.owned(digest);
        blocking(move || {
            let loaded = link(&engine, &linker, &artifact)?;
            if let Err(error) = cache.store(&digest, &artifact) {
                // It runs all the same; the next start compiles again.
                tracing::warn!(%digest, %error, "a compiled plugin could not be kept");
            }
            Ok(loaded)
        })
        .await
    }

    /// A cache file that does not load is no better than none: it is removed.
    async fn load_cached(&self, digest: &Digest) -> Option<Arc<Loaded>> {
        let (cache, digest, engine, linker) = self.owned(digest);
        let loaded = blocking(move || {
            let Some(artifact) = cache.load(&digest) else {
                return Err(LoadError::Bytes("it is not in the cache".to_owned()));
            };
            link(&engine, &linker, &artifact).inspect_err(|_| cache.remove(&digest))
        });
        loaded.await.ok()
    }

    fn owned(&self, digest: &Digest) -> (Cache, Digest, Engine, Linker<HostState>) {
        (self.cache.clone(), *digest, self.engine.clone(), self.linker.clone())
    }
}

fn is_current(slot: &Slot) -> bool {
    match slot.cell.get() {
        None | Some((Ok(_), _)) => true,
        Some((Err(error), at)) => !error.is_transient() && at.elapsed() < FAILURE_KEPT,
    }
}

/// Runs disk and loader work where it does not hold up other tasks.
async fn blocking(work: impl FnOnce() -> Outcome + Send + 'static) -> Outcome {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(LoadError::Link(format!("the loader failed: {error}"))),
    }
}

fn link(engine: &Engine, linker: &Linker<HostState>, artifact: &[u8]) -> Outcome {
    let words = |error: wasmtime::Error| LoadError::Link(format!("{error:#}"));
    let component = deserialize(engine, artifact).map_err(words)?;
    let instance_pre = linker.instantiate_pre(&component).map_err(words)?;
    let hooks = Hooks::find(&instance_pre);
    Ok(Arc::new(Loaded { instance_pre, hooks }))
}

/// Loads compiled code.
fn deserialize(engine: &Engine, artifact: &[u8]) -> wasmtime::Result<Component> {
    #[expect(unsafe_code, reason = "compiled code can only be loaded so; wasmtime cannot know who compiled it")]
    // SAFETY: the bytes come from our compiling child, directly, or by way of a file in a folder that only this user
    // may enter (0700) whose tag over engine, component and contents was checked. Nothing from outside gets here.
    // wasmtime itself refuses code of another version, configuration or processor.
    unsafe {
        Component::deserialize(engine, artifact)
    }
}
