//! Runs, steps and stores to test with.

pub(crate) mod suspended; // runs that wait for their end user

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use weir_engine::ids::{RunId, TenantId};
use weir_engine::message::{Header, Method, Request, Response};
use weir_engine::ports::{
    CallRoom, ClaimedCall, ClaimedRun, CommitStep, Cursor, Exchange, Lease, NewRun, OwnerId, Page, PageRequest,
    Started, Store, StoreError,
};
use weir_engine::run::{
    BackgroundCall, BackgroundProgress, BackgroundState, Claim, ClaimRecord, ContextChange, Ending, Event,
    JournalEntry, OutboxEntry, Run, RunContext, StepOutcome, StepRecord,
};
use weir_engine::time::Timestamp;
use weir_stores::{MemoryStore, SledSettings, SledStore};

pub(crate) const LEASE: Duration = Duration::from_secs(60);

/// A store of a back end, and what must outlive it.
pub(crate) struct Bench {
    pub(crate) store: Arc<dyn Store>,
    _dir: Option<tempfile::TempDir>,
}

impl Bench {
    pub(crate) fn of(store: SledStore, dir: tempfile::TempDir) -> Self {
        Self { store: Arc::new(store), _dir: Some(dir) }
    }
}

pub(crate) fn memory() -> Bench {
    Bench { store: Arc::new(MemoryStore::default()), _dir: None }
}

pub(crate) fn sled() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    Bench { store: Arc::new(open(dir.path())), _dir: Some(dir) }
}

/// Settings for machines whose disk is nearly full of other tests.
pub(crate) fn settings() -> SledSettings {
    SledSettings { free_bytes_min: 0, cache_bytes: 16 * 1024 * 1024, ..SledSettings::default() }
}

pub(crate) fn open(dir: &Path) -> SledStore {
    SledStore::open(dir, settings()).unwrap()
}

/// Runs one future to its end, for tests that no attribute can make async.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

pub(crate) fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(crate) fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

pub(crate) fn owner(name: &str) -> OwnerId {
    OwnerId(name.to_owned())
}

pub(crate) fn new_run(tenant_name: &str, flow: &str) -> NewRun {
    let pinned = (flow.parse().unwrap(), 3);
    let run =
        Run::new(tenant(tenant_name), RunId::generate(), pinned, "first".parse().unwrap(), at(1_000), at(1_000_000));
    NewRun { run, context: RunContext::of_event(json!({"user": "ada"})), client_key: None, lease: None }
}

/// A run that its starter works on.
pub(crate) async fn begin(store: &dyn Store, tenant_name: &str, flow: &str) -> (Run, Lease) {
    let mut new = new_run(tenant_name, flow);
    new.lease = Some((owner("starter"), at(2_000)));
    let run = new.run.clone();
    match store.start_run(new).await.unwrap() {
        Started::New(Some(lease)) => (run, lease),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn change(key: &str, value: Value) -> ContextChange {
    ContextChange { key: key.parse().unwrap(), value }
}

/// The step after which the run is as `event` says.
pub(crate) fn step(run: &Run, lease: &Lease, event: Event, changes: Vec<ContextChange>) -> CommitStep {
    let outcome = match &event {
        Event::Advanced(step) | Event::Resumed(step) | Event::Continued(step) => {
            StepOutcome::Next { step: step.clone(), caught_failure: None, caught_error: None }
        }
        Event::Suspended { awaits, remind, until, .. } => {
            StepOutcome::Suspended { awaits: awaits.clone(), remind: *remind, until: *until }
        }
        Event::Reminded { .. } => panic!("a reminder is no step"),
        Event::Waiting { on, until, .. } => StepOutcome::Waiting { on: *on, until: *until, error: None },
        Event::Paused { error, until, .. } => StepOutcome::Paused { error: error.clone(), until: *until },
        Event::Cancelled(ending) | Event::Ended(ending) => StepOutcome::End(ending.clone()),
    };
    let run = run.clone().apply(event, at(1_000 + run.revision));
    let entry = JournalEntry {
        sequence: run.revision,
        step: "first".parse().unwrap(),
        started_at: at(1_500),
        elapsed_us: 12,
        record: StepRecord::Claims(ClaimRecord {
            claims: vec![Claim { key: "k".to_owned(), value: json!(1.5) }],
            signed: None,
        }),
        outcome,
        changes: changes.clone(),
        diagnostics: Vec::new(),
        diagnostics_dropped: 0,
        recorded: weir_engine::run::Recorded::default(),
    };
    CommitStep {
        run,
        lease: lease.clone(),
        changes,
        entry,
        outbox: None,
        children: Vec::new(),
        family_runs_max: 20_000,
        keep_until: Some(lease.until),
    }
}

/// The same step, with a call that it hands over. The request has a body of so many bytes.
pub(crate) fn with_call(mut commit: CommitStep, created_at: u64, bytes: usize) -> CommitStep {
    commit.outbox = Some(OutboxEntry {
        tenant: commit.run.tenant.clone(),
        run: commit.run.id,
        sequence: commit.entry.sequence,
        step: commit.entry.step.clone(),
        connector: "mail".parse().unwrap(),
        connector_version: 2,
        function: "send".parse().unwrap(),
        request: Request {
            method: Method::Post,
            uri: "https://mail.test/send?a=b".parse().unwrap(),
            headers: vec![Header::new("content-type", "text/plain")],
            body: Some(vec![b'x'; bytes].into()),
        },
        idempotency_key: format!("{}.first", commit.run.id),
        created_at: at(created_at),
        expires_at: at(created_at + 1_000_000),
    });
    commit
}

pub(crate) async fn claim_calls(store: &dyn Store, now: u64, limit: usize) -> Vec<ClaimedCall> {
    store.claim_background_calls(&owner("sender"), at(now), LEASE, CallRoom::of(limit)).await.unwrap()
}

pub(crate) async fn calls_of(store: &dyn Store, run: &Run) -> Vec<BackgroundCall> {
    store.background_calls(&run.tenant, run.id, 0, 100).await.unwrap()
}

/// What became of a call after one more send.
pub(crate) fn progress(before: &BackgroundProgress, state: BackgroundState, bytes: usize) -> BackgroundProgress {
    let response =
        Response { status: 503, headers: Vec::new(), body: vec![b'y'; bytes].into(), transformed_data: None };
    let exchange = Exchange { outcome: Ok(response), attempts: Vec::new(), elapsed_us: 7 };
    BackgroundProgress { sends: before.sends + 1, state, exchange: Some(exchange), ..before.clone() }
}

pub(crate) fn again(next_at: u64) -> BackgroundState {
    BackgroundState::Pending { next_at: at(next_at) }
}

pub(crate) fn taken() -> BackgroundState {
    BackgroundState::Succeeded { finished_at: at(9_000) }
}

pub(crate) async fn settle(
    store: &dyn Store,
    claimed: &ClaimedCall,
    progress: BackgroundProgress,
) -> Result<(), StoreError> {
    let OutboxEntry { tenant, run, sequence, .. } = &claimed.call.entry;
    store.settle_background_call(tenant, *run, *sequence, &claimed.lease, progress).await
}

pub(crate) fn advance() -> Event {
    Event::Advanced("second".parse().unwrap())
}

pub(crate) fn complete() -> Event {
    Event::Ended(Ending::Completed { claims: vec![] })
}

/// Commits a step that goes on; gives the run as it is then.
pub(crate) async fn commit(store: &dyn Store, run: &Run, lease: &Lease) -> Result<Run, StoreError> {
    let commit = step(run, lease, advance(), vec![]);
    let after = commit.run.clone();
    store.commit_step(commit).await.map(|()| after)
}

pub(crate) async fn claim(store: &dyn Store, now: u64, limit: usize) -> Vec<ClaimedRun> {
    store.claim_runs(&owner("worker"), at(now), LEASE, limit).await.unwrap()
}

pub(crate) fn first_page(limit: usize) -> PageRequest {
    PageRequest { limit, after: None }
}

pub(crate) fn next_page<T>(limit: usize, page: &Page<T>) -> Option<PageRequest> {
    page.next.clone().map(|cursor: Cursor| PageRequest { limit, after: Some(cursor) })
}

pub(crate) fn code<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> &'static str {
    outcome.unwrap_err().code()
}

/// Says what a trial came to, in the output of the tests.
pub(crate) fn tell(what: &str) {
    std::io::Write::write_all(&mut std::io::stderr(), format!("{what}\n").as_bytes()).unwrap();
}
