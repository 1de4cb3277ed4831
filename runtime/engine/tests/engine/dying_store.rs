//! A store that dies at a write: for a process that goes down between any two of them, or in the middle of one.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use weir_engine::digest::Digest;
use weir_engine::ids::{RunId, TenantId};
use weir_engine::ports::{
    Backlog, CallRoom, ClaimedCall, ClaimedRun, CommitStep, Definition, DefinitionKind, Expectation, Health,
    Intervened, Intervention, Lease, NewDefinition, NewRun, Outbox, OwnerId, Page, PageRequest, Removal, Retained,
    Retention, RetentionTurn, RunFilter, Started, Store, StoreError, Swept,
};
use weir_engine::run::{BackgroundCall, BackgroundProgress, JournalEntry, Run, RunContext};
use weir_engine::time::Timestamp;
use weir_stores::MemoryStore;

/// See the module.
pub(crate) struct DyingStore {
    inner: Arc<MemoryStore>,
    /// How many writes it lives for.
    left: AtomicUsize,
    /// Whether the last write is made all the same: nobody is told.
    writes_last: bool,
    dead: AtomicBool,
    /// A run whose context is damaged.
    damaged: Mutex<Option<RunId>>,
}

impl DyingStore {
    pub(crate) fn new(inner: Arc<MemoryStore>, writes: usize, writes_last: bool) -> Self {
        Self {
            inner,
            left: AtomicUsize::new(writes),
            writes_last,
            dead: AtomicBool::new(false),
            damaged: Mutex::default(),
        }
    }

    /// The context of this run cannot be read from now on.
    pub(crate) fn damage(&self, run: RunId) {
        *self.damaged.lock().unwrap() = Some(run);
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    fn read(&self) -> Result<(), StoreError> {
        let gone = || StoreError::Backend { verb: "die", source: "the process is gone".into() };
        if self.is_dead() { Err(gone()) } else { Ok(()) }
    }

    async fn write<T>(&self, verb: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        self.read()?;
        let lives = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if lives {
            return verb.await;
        }
        self.dead.store(true, Ordering::SeqCst);
        if self.writes_last {
            let _ = verb.await;
        }
        Err(self.read().expect_err("it is dead"))
    }
}

#[async_trait]
impl Retention for DyingStore {
    async fn remove_ended(&self, turn: RetentionTurn) -> Result<Retained, StoreError> {
        self.write(self.inner.remove_ended(turn)).await
    }

    async fn remove_run(&self, tenant: &TenantId, run: RunId) -> Result<Removal, StoreError> {
        self.write(self.inner.remove_run(tenant, run)).await
    }

    async fn sweep(&self, now: Timestamp) -> Result<Swept, StoreError> {
        self.write(self.inner.sweep(now)).await
    }
}

#[async_trait]
impl Store for DyingStore {
    async fn start_run(&self, new: NewRun) -> Result<Started, StoreError> {
        self.write(self.inner.start_run(new)).await
    }

    async fn commit_step(&self, commit: CommitStep) -> Result<(), StoreError> {
        self.write(self.inner.commit_step(commit)).await
    }

    async fn release_run(&self, run: &Run, lease: &Lease) -> Result<(), StoreError> {
        self.write(self.inner.release_run(run, lease)).await
    }

    async fn intervene(&self, intervention: Intervention) -> Result<Intervened, StoreError> {
        self.write(self.inner.intervene(intervention)).await
    }

    async fn intervened_with(&self, tenant: &TenantId, run: RunId, client_key: &str) -> Result<bool, StoreError> {
        self.read()?;
        self.inner.intervened_with(tenant, run, client_key).await
    }

    async fn claim_runs_within(
        &self,
        owner: &OwnerId,
        now: Timestamp,
        lease: Duration,
        room: CallRoom,
    ) -> Result<Vec<ClaimedRun>, StoreError> {
        self.write(self.inner.claim_runs_within(owner, now, lease, room)).await
    }

    async fn end_orphaned_leases(&self) -> Result<(), StoreError> {
        self.read()?;
        self.inner.end_orphaned_leases().await
    }

    async fn renew_lease(
        &self,
        tenant: &TenantId,
        run: RunId,
        lease: &Lease,
        until: Timestamp,
    ) -> Result<Lease, StoreError> {
        self.read()?;
        self.inner.renew_lease(tenant, run, lease, until).await
    }

    async fn run(&self, tenant: &TenantId, run: RunId) -> Result<Option<Run>, StoreError> {
        self.read()?;
        self.inner.run(tenant, run).await
    }

    async fn run_context(&self, tenant: &TenantId, run: RunId) -> Result<Option<RunContext>, StoreError> {
        self.read()?;
        if *self.damaged.lock().unwrap() == Some(run) {
            return Err(StoreError::Corrupt { place: run.to_string(), what: "as the test says".to_owned() });
        }
        self.inner.run_context(tenant, run).await
    }

    async fn journal(
        &self,
        tenant: &TenantId,
        run: RunId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, StoreError> {
        self.read()?;
        self.inner.journal(tenant, run, after, limit).await
    }

    async fn runs(&self, tenant: &TenantId, filter: &RunFilter, page: &PageRequest) -> Result<Page<Run>, StoreError> {
        self.read()?;
        self.inner.runs(tenant, filter, page).await
    }

    async fn put_artifact(&self, tenant: &TenantId, bytes: Bytes) -> Result<Digest, StoreError> {
        self.read()?;
        self.inner.put_artifact(tenant, bytes).await
    }

    async fn artifact(&self, tenant: &TenantId, digest: &Digest) -> Result<Option<Bytes>, StoreError> {
        self.read()?;
        self.inner.artifact(tenant, digest).await
    }

    fn definitions_edition(&self) -> Option<u64> {
        self.inner.definitions_edition()
    }

    async fn put_definition(&self, new: NewDefinition, expected: Expectation) -> Result<Definition, StoreError> {
        self.read()?;
        self.inner.put_definition(new, expected).await
    }

    async fn definition(
        &self,
        tenant: &TenantId,
        kind: DefinitionKind,
        name: &str,
        version: Option<u32>,
    ) -> Result<Option<Definition>, StoreError> {
        self.read()?;
        self.inner.definition(tenant, kind, name, version).await
    }

    async fn definitions(
        &self,
        tenant: &TenantId,
        kind: DefinitionKind,
        prefix: &str,
        page: &PageRequest,
    ) -> Result<Page<Definition>, StoreError> {
        self.read()?;
        self.inner.definitions(tenant, kind, prefix, page).await
    }

    async fn definition_versions(
        &self,
        tenant: &TenantId,
        kind: DefinitionKind,
        name: &str,
        page: &PageRequest,
    ) -> Result<Page<Definition>, StoreError> {
        self.read()?;
        self.inner.definition_versions(tenant, kind, name, page).await
    }

    async fn set_live(
        &self,
        tenant: &TenantId,
        kind: DefinitionKind,
        name: &str,
        version: u32,
    ) -> Result<Definition, StoreError> {
        self.read()?;
        self.inner.set_live(tenant, kind, name, version).await
    }

    async fn delete_definition(&self, tenant: &TenantId, kind: DefinitionKind, name: &str) -> Result<bool, StoreError> {
        self.read()?;
        self.inner.delete_definition(tenant, kind, name).await
    }

    async fn health(&self) -> Health {
        self.inner.health().await
    }
}

#[async_trait]
impl Outbox for DyingStore {
    async fn claim_background_calls(
        &self,
        owner: &OwnerId,
        now: Timestamp,
        lease: Duration,
        room: CallRoom,
    ) -> Result<Vec<ClaimedCall>, StoreError> {
        self.read()?;
        self.inner.claim_background_calls(owner, now, lease, room).await
    }

    async fn settle_background_call(
        &self,
        tenant: &TenantId,
        run: RunId,
        sequence: u64,
        lease: &Lease,
        progress: BackgroundProgress,
    ) -> Result<(), StoreError> {
        self.write(self.inner.settle_background_call(tenant, run, sequence, lease, progress)).await
    }

    async fn background_calls(
        &self,
        tenant: &TenantId,
        run: RunId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<BackgroundCall>, StoreError> {
        self.read()?;
        self.inner.background_calls(tenant, run, after, limit).await
    }

    async fn background_backlog(&self) -> Result<Backlog, StoreError> {
        self.read()?;
        self.inner.background_backlog().await
    }
}
