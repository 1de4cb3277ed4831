//! Durable steps without an engine: the store's own verbs, and many runs at once to fill it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::json;
use weir_engine::ids::{RunId, TenantId};
use weir_engine::ports::{Clock as _, CommitStep, Lease, NewRun, OwnerId, Started, Store as _};
use weir_engine::run::{
    Claim, ClaimRecord, ContextChange, Ending, Event, JournalEntry, Run, RunContext, RunState, StepOutcome, StepRecord,
};
use weir_engine::time::Timestamp;
use weir_stores::SledStore;

use crate::nobody::SystemClock;
use crate::steps::{Done, TIME};

/// Starts that are under way at a time while the store is filled.
const FILLERS: usize = 2048;

/// So many callers, each commits one step after the other, of one run.
pub(crate) async fn drive(store: &Arc<SledStore>, tenant: &TenantId, callers: usize) -> anyhow::Result<Done> {
    let mut begun = Vec::new();
    for _ in 0..callers {
        begun.push(begin(store, tenant).await?);
    }
    let (started, groups) = (Instant::now(), store.commit_groups());
    let mut tasks = Vec::new();
    for (mut run, lease) in begun {
        let store = Arc::clone(store);
        tasks.push(tokio::spawn(async move {
            let mut latencies = Vec::new();
            while started.elapsed() < TIME {
                let commit = step(&run, &lease)?;
                run = commit.run.clone();
                let begun = Instant::now();
                store.commit_step(commit).await?;
                latencies.push(begun.elapsed());
            }
            anyhow::Ok(latencies)
        }));
    }
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await??);
    }
    Ok(Done { latencies, elapsed: started.elapsed(), groups: store.commit_groups() - groups })
}

fn new_run(tenant: &TenantId, state: RunState) -> anyhow::Result<Run> {
    let now = SystemClock.now();
    let (pinned, deadline) = (("three".parse()?, 1), now.after(Duration::from_secs(300)));
    let run = Run::new(tenant.clone(), RunId::generate(), pinned, "a".parse()?, now, deadline);
    Ok(Run { state, ..run })
}

async fn begin(store: &SledStore, tenant: &TenantId) -> anyhow::Result<(Run, Lease)> {
    let run = new_run(tenant, RunState::Ready { step: "a".parse()? })?;
    let lease = Some((OwnerId("bench".to_owned()), until()));
    let new = NewRun { run: run.clone(), context: RunContext::of_event(json!({})), client_key: None, lease };
    match store.start_run(new).await? {
        Started::New(Some(lease)) => Ok((run, lease)),
        other => bail!("a new run began as {other:?}"),
    }
}

fn until() -> Timestamp {
    SystemClock.now().after(Duration::from_secs(300))
}

/// What a step of the flow commits.
fn step(run: &Run, lease: &Lease) -> anyhow::Result<CommitStep> {
    let next = "a".parse()?;
    let claims = vec![Claim { key: "a".to_owned(), value: json!(1) }];
    let changes = vec![ContextChange { key: "claims.a".parse()?, value: json!(1) }];
    let after = run.clone().apply(Event::Advanced("a".parse()?), SystemClock.now());
    let entry = JournalEntry {
        sequence: after.revision,
        step: "a".parse()?,
        started_at: after.updated_at,
        elapsed_us: 12,
        record: StepRecord::Claims(ClaimRecord { claims, signed: None }),
        outcome: StepOutcome::Next { step: next, caught_failure: None, caught_error: None },
        changes: changes.clone(),
        diagnostics: Vec::new(),
        diagnostics_dropped: 0,
        recorded: weir_engine::run::Recorded::default(),
    };
    let (lease, keep_until) = (lease.clone(), Some(lease.until));
    Ok(CommitStep {
        run: after,
        lease,
        changes,
        entry,
        outbox: None,
        children: Vec::new(),
        family_runs_max: 20_000,
        keep_until,
    })
}

/// Stores so many runs that have ended, by the verb that starts one, many at once. How long it took.
pub(crate) async fn fill(store: &Arc<SledStore>, tenant: &TenantId, runs: u64) -> anyhow::Result<Duration> {
    let (started, left) = (Instant::now(), Arc::new(AtomicU64::new(runs)));
    let mut tasks = Vec::new();
    for _ in 0..FILLERS {
        let (store, tenant, left) = (Arc::clone(store), tenant.clone(), Arc::clone(&left));
        tasks.push(tokio::spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                let ending = Ending::Completed { claims: vec![Claim { key: "a".to_owned(), value: json!(1) }] };
                let run = new_run(&tenant, RunState::Ended { ending })?;
                let context = RunContext::of_event(json!({ "user": "ada" }));
                store.start_run(NewRun { run, context, client_key: None, lease: None }).await?;
            }
            anyhow::Ok(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(started.elapsed())
}
