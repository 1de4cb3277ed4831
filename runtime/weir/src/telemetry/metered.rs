//! A store that counts what goes by. Every step of every run passes here with its journal entry, so that nothing else
//! has to measure.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::diagnostics;
use async_trait::async_trait;
use bytes::Bytes;
use metrics::{counter, histogram};
use weir_engine::digest::Digest;
use weir_engine::engine::SUSPENSION_EXPIRED;
use weir_engine::ids::{RunId, TenantId};
use weir_engine::ports::{
    CallRoom, ClaimedRun, CommitStep, Definition, DefinitionKind, Expectation, Health, HookReport, Intervened,
    Intervention, Lease, NewDefinition, NewRun, OwnerId, Page, PageRequest, RunFilter, Started, Store, StoreError,
};
use weir_engine::run::{
    Ending, HookKind, HookRecord, JournalEntry, Run, RunContext, RunState, StepOutcome, StepRecord, Waits,
};
use weir_engine::time::Timestamp;

/// See the module.
pub(crate) struct MeteredStore {
    pub(super) inner: Arc<dyn Store>,
}

impl MeteredStore {
    /// Counts what goes to that store.
    pub(crate) fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner }
    }
}

pub(super) fn seconds(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64()
}

fn count_entry(entry: &JournalEntry) {
    let kind = match &entry.record {
        StepRecord::Call(call) => {
            call.pre_call.iter().for_each(|hook| count_hook(HookKind::PreCall, hook));
            call.post_response.iter().for_each(|hook| count_hook(HookKind::PostResponse, hook));
            "call"
        }
        StepRecord::Action(action) => {
            action.hook.iter().for_each(|hook| count_hook(HookKind::Action, hook));
            "action"
        }
        StepRecord::Condition(_) => "condition",
        StepRecord::Claims(_) => "claims",
        StepRecord::Set => "set",
        StepRecord::Transform(transform) => {
            transform.hook.iter().for_each(|hook| count_hook(HookKind::PostResponse, hook));
            "transform"
        }
        StepRecord::Wait(_) => "wait",
        StepRecord::Redirect(_) => "redirect",
        StepRecord::Skipped { .. } => "skipped",
        StepRecord::Fail => "fail",
        StepRecord::End => "end",
        StepRecord::Resumed { .. } => "resumed",
        StepRecord::Prompt { .. } => "prompt",
        StepRecord::Reminder(_) => "reminder",
        StepRecord::Continued { .. } => "continued",
        StepRecord::Children(_) => "children",
        StepRecord::Cancelled { .. } => "cancelled",
        StepRecord::Compensation { .. } => "compensation",
        StepRecord::NotRun => "not-run",
    };
    histogram!("weir_step_seconds", "kind" => kind).record(seconds(entry.elapsed_us));
    let error = match &entry.outcome {
        StepOutcome::Next { caught_error, .. } => caught_error.as_ref(),
        StepOutcome::End(Ending::Error { error, .. }) => Some(error),
        StepOutcome::Waiting { error, .. } => error.as_ref(),
        StepOutcome::Paused { error, .. } => Some(error),
        StepOutcome::Suspended { .. } | StepOutcome::End(_) => None,
    };
    if let Some(error) = error {
        counter!("weir_step_errors_total", "code" => error.code.clone()).increment(1);
    }
}

fn count_hook<D>(kind: HookKind, hook: &HookRecord<D>) {
    let HookReport { outcome, fuel, elapsed_us, logs_dropped, .. } = &hook.report;
    let outcome = outcome.as_ref().err().map_or("ok", |error| error.kind.code());
    histogram!("weir_hook_seconds", "hook" => kind.as_str(), "outcome" => outcome).record(seconds(*elapsed_us));
    histogram!("weir_hook_fuel", "hook" => kind.as_str()).record(fuel_units(*fuel));
    if *logs_dropped > 0 {
        counter!("weir_hook_logs_dropped_total", "hook" => kind.as_str()).increment(u64::from(*logs_dropped));
    }
}

/// Histograms take floating-point numbers: exact up to 2^53 units of fuel.
#[expect(clippy::cast_precision_loss, reason = "see above")]
fn fuel_units(fuel: u64) -> f64 {
    fuel as f64
}

/// The counter of runs that come to rest so.
fn counter_of_rest(state: &RunState) -> Option<&'static str> {
    match state {
        RunState::Suspended { .. } => Some("weir_runs_suspended_total"),
        RunState::Waiting { on: Waits::Retry, .. } => Some("weir_step_retries_total"),
        RunState::Paused { .. } => Some("weir_runs_paused_total"),
        RunState::Ready { .. } | RunState::Waiting { .. } | RunState::Ended { .. } => None,
    }
}

fn count_ending(ending: &Ending) {
    if matches!(ending, Ending::Error { error, .. } if error.code == SUSPENSION_EXPIRED) {
        counter!("weir_runs_suspension_expired_total").increment(1);
    }
    counter!("weir_runs_ended_total", "state" => ending.kind().as_str()).increment(1);
}

#[async_trait]
impl Store for MeteredStore {
    async fn start_run(&self, new: NewRun) -> Result<Started, StoreError> {
        let started = self.inner.start_run(new).await?;
        if matches!(started, Started::New(_)) {
            counter!("weir_runs_started_total").increment(1);
        }
        Ok(started)
    }

    async fn commit_step(&self, commit: CommitStep) -> Result<(), StoreError> {
        let entry = commit.entry.clone();
        let ending = commit.run.ending().cloned();
        let (is_child, begun) = (commit.run.parent.is_some(), commit.children.len() as u64);
        let hands_over = commit.outbox.is_some();
        let is_reminder = matches!(commit.entry.record, StepRecord::Reminder(_));
        let rests = if is_reminder { None } else { counter_of_rest(&commit.run.state) };
        let began = Instant::now();
        self.inner.commit_step(commit).await?;
        histogram!("weir_commit_seconds").record(began.elapsed().as_secs_f64());
        count_entry(&entry);
        diagnostics::committed(&entry);
        match ending {
            Some(ending) if is_child => {
                counter!("weir_child_runs_ended_total", "state" => ending.kind().as_str()).increment(1);
            }
            ending => ending.iter().for_each(count_ending),
        }
        counter!("weir_child_runs_started_total").increment(begun);
        if let Some(counter) = rests {
            counter!(counter).increment(1);
        }
        if let StepRecord::Reminder(reminder) = &entry.record {
            let outcome = if reminder.error.is_none() { "ok" } else { "failed" };
            counter!("weir_prompt_calls_total", "outcome" => outcome).increment(1);
        }
        if hands_over {
            counter!("weir_background_calls_total").increment(1);
        }
        Ok(())
    }

    async fn release_run(&self, run: &Run, lease: &Lease) -> Result<(), StoreError> {
        self.inner.release_run(run, lease).await
    }

    async fn intervene(&self, intervention: Intervention) -> Result<Intervened, StoreError> {
        let entry = intervention.entry.clone();
        let intervened = self.inner.intervene(intervention).await?;
        if matches!(intervened, Intervened::Done(_)) {
            count_entry(&entry);
            match entry.record {
                StepRecord::Resumed { .. } => counter!("weir_runs_resumed_total").increment(1),
                StepRecord::Continued { .. } => counter!("weir_runs_continued_total").increment(1),
                StepRecord::Cancelled { .. } => counter!("weir_runs_cancelled_total").increment(1),
                _ => {}
            }
        }
        Ok(intervened)
    }

    async fn intervened_with(&self, tenant: &TenantId, run: RunId, client_key: &str) -> Result<bool, StoreError> {
        self.inner.intervened_with(tenant, run, client_key).await
    }

    async fn claim_runs_within(
        &self,
        owner: &OwnerId,
        now: Timestamp,
        lease: Duration,
        room: CallRoom,
    ) -> Result<Vec<ClaimedRun>, StoreError> {
        self.inner.claim_runs_within(owner, now, lease, room).await
    }

    async fn end_orphaned_leases(&self) -> Result<(), StoreError> {
        self.inner.end_orphaned_leases().await
    }

    async fn renew_lease(
        &self,
        tenant: &TenantId,
        run: RunId,
        lease: &Lease,
        until: Timestamp,
    ) -> Result<Lease, StoreError> {
        self.inner.renew_lease(tenant, run, lease, until).await
    }

    async fn run(&self, tenant: &TenantId, run: RunId) -> Result<Option<Run>, StoreError> {
        self.inner.run(tenant, run).await
    }

    async fn run_context(&self, tenant: &TenantId, run: RunId) -> Result<Option<RunContext>, StoreError> {
        self.inner.run_context(tenant, run).await
    }

    async fn journal(
        &self,
        tenant: &TenantId,
        run: RunId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, StoreError> {
        self.inner.journal(tenant, run, after, limit).await
    }

    async fn runs(&self, tenant: &TenantId, filter: &RunFilter, page: &PageRequest) -> Result<Page<Run>, StoreError> {
        self.inner.runs(tenant, filter, page).await
    }

    async fn put_artifact(&self, tenant: &TenantId, bytes: Bytes) -> Result<Digest, StoreError> {
        self.inner.put_artifact(tenant, bytes).await
    }

    async fn artifact(&self, tenant: &TenantId, digest: &Digest) -> Result<Option<Bytes>, StoreError> {
        self.inner.artifact(tenant, digest).await
    }

    fn definitions_edition(&self) -> Option<u64> {
        self.inner.definitions_edition()
    }

    async fn put_definition(&self, new: NewDefinition, expected: Expectation) -> Result<Definition, StoreError> {
        self.inner.put_definition(new, expected).await
    }

    async fn definition(
        &self,
        tenant: &TenantId,
        kind: DefinitionKind,
        name: &str,
        version: Option<u32>,
    ) -> Result<Option<Definition>, StoreError> {
        self.inner.definition(tenant, kind, name, version).await
    }

    async fn definitions(
        &self,
        tenant: &TenantId,
        kind: DefinitionKind,
        prefix: &str,
        page: &PageRequest,
    ) -> Result<Page<Definition>, StoreError> {
        self.inner.definitions(tenant, kind, prefix, page).await
    }

    async fn definition_versions(
        &self,
        tenant: &TenantId,
        kind: DefinitionKind,
        name: &str,
        page: &PageRequest,
    ) -> Result<Page<Definition>, StoreError> {
        self.inner.definition_versions(tenant, kind, name, page).await
    }

    async fn set_live(
        &self,
        tenant: &TenantId,
        kind: DefinitionKind,
        name: &str,
        version: u32,
    ) -> Result<Definition, StoreError> {
        self.inner.set_live(tenant, kind, name, version).await
    }

    async fn delete_definition(&self, tenant: &TenantId, kind: DefinitionKind, name: &str) -> Result<bool, StoreError> {
        self.inner.delete_definition(tenant, kind, name).await
    }

    async fn health(&self) -> Health {
        self.inner.health().await
    }
}
