//! Resumes a suspended run with what came back (F-07).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::Engine;
use super::slots::Slot;
use super::start::is_client_key;
use crate::ids::{RequestId, RunId, StepId, TenantId};
use crate::ports::{ClaimedRun, Intervened, Intervention, Lease, StoreError};
use crate::run::{
    ContextChange, ContextKey, DiagnosticEvent, Event, JournalEntry, Recorded, Run, RunContext, RunStateKind,
    StepOutcome, StepRecord, Suspension,
};
use crate::schema::Schema;
use crate::steps::Diagnostics;
use crate::time::Timestamp;

/// The deepest input of a resume, in levels of arrays and objects: the context holds it deeper by some.
const INPUT_LEVELS_MAX: usize = 64;

/// How often a resume is tried anew when a reminder came between.
const ROUNDS_MAX: usize = 8;

/// What a caller asks for.
#[derive(Debug, Clone)]
pub struct Resume {
    /// Whose.
    pub tenant: TenantId,
    /// The run.
    pub run: RunId,
    /// What came back; the step finds it under `steps.ID.resumed`, and its action where its type says so. The answer to a
    /// prompt is held against its form and lies under `steps.ID.input`.
    pub input: Value,
    /// A revision at which the caller saw it suspended. A run that has been resumed before needs it, or a client key:
    /// a resume that comes late would else be one of a later suspension.
    pub revision: Option<u64>,
    /// Two resumes of the run with the same key are one. 1 to 255 visible ASCII characters.
    pub client_key: Option<String>,
    /// The request that asks for it, for the log.
    pub request_id: Option<RequestId>,
}

/// What a resume gave.
#[derive(Debug, Clone)]
pub struct ResumedRun {
    /// The run.
    pub run: Run,
    /// `false` where an earlier resume with the same client key did it.
    pub resumed: bool,
}

/// Why a run was not resumed.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// The tenant has no such run.
    #[error("there is no run {0}")]
    UnknownRun(RunId),
    /// The run does not wait for anybody, or not at that revision any more.
    #[error("run {run} is {} at revision {revision}, not suspended{}", state.as_str(), wanted.map(|it| format!(" at revision {it}")).unwrap_or_default())]
    NotSuspended {
        /// The run.
        run: RunId,
        /// Where it stands.
        state: RunStateKind,
        /// Its revision.
        revision: u64,
        /// The revision that the caller meant.
        wanted: Option<u64>,
    },
    /// The run has been resumed before, and nothing says which suspension is meant.
    #[error(
        "run {0} has been resumed before, and the request does not say which suspension it means; give the \
         `revision` of the run's view, or an `Idempotency-Key`"
    )]
    Ambiguous(RunId),
    /// Nobody resumed it in time.
    #[error("run {run} waited until {until}; it can be resumed no more")]
    Expired {
        /// The run.
        run: RunId,
        /// How long it waited.
        until: Timestamp,
    },
    /// The input is too large, or nests too deep.
    #[error("the input {problem}")]
    InvalidInput {
        /// What is wrong with it.
        problem: String,
    },
    /// The input is not what the prompt's form asks for.
    #[error("the input does not match the form of the prompt")]
    Form {
        /// Pointer into the input and what is wrong there.
        violations: Vec<(String, String)>,
    },
    /// The client key is not one.
    #[error("the client key must be 1 to 255 visible ASCII characters")]
    InvalidClientKey,
    /// The process is about to stop.
    #[error("the server is about to stop and resumes no runs; try again in a moment")]
    Draining,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ResumeError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownRun(_) => "object.not-found",
            Self::NotSuspended { .. } => "run.not-suspended",
            Self::Ambiguous(_) => "run.resume-ambiguous",
            Self::Expired { .. } => "run.suspension-expired",
            Self::InvalidInput { .. } | Self::Form { .. } => "run.invalid-input",
            Self::InvalidClientKey => "run.invalid-client-key",
            Self::Draining => "server.draining",
            Self::Store(error) => error.code(),
        }
    }
}

impl Engine {
    /// Resumes a run and returns when that is durable: the step that suspended it runs again. Of two resumes of one
    /// suspension one wins; the other is told that the run is not suspended.
    ///
    /// # Errors
    /// See [`ResumeError`]. Nothing has changed then.
    pub async fn resume(self: &Arc<Self>, resume: Resume) -> Result<ResumedRun, ResumeError> {
        if *self.draining.borrow() {
            return Err(ResumeError::Draining);
        }
        if !resume.client_key.as_deref().is_none_or(is_client_key) {
            return Err(ResumeError::InvalidClientKey);
        }
        self.check_input(&resume.input)?;
        // A caller that goes away must not leave a resumed run behind that nobody drives.
        let engine = self.clone();
        let resumed = tokio::spawn(async move { engine.go_on(resume).await });
        resumed.await.unwrap_or(Err(ResumeError::Draining))
    }

    async fn go_on(self: &Arc<Self>, resume: Resume) -> Result<ResumedRun, ResumeError> {
        for _ in 0..ROUNDS_MAX {
            if let Some(resumed) = self.go_on_once(&resume).await? {
                return Ok(resumed);
            }
        }
        let present = self.present(&resume).await?;
        let refused = not_suspended(&present, resume.revision);
        self.refuse(&resume, present, refused).await
    }

    /// `None` where something came between that left the run suspended as it was: a reminder.
    async fn go_on_once(self: &Arc<Self>, resume: &Resume) -> Result<Option<ResumedRun>, ResumeError> {
        let Resume { tenant, run: id, .. } = resume;
        let found = self.present(resume).await?;
        let now = self.ports.clock.now();
        let step = match suspended_step(&found, resume.revision, now) {
            Ok(step) => step,
            Err(refused) => return self.refuse(resume, found, refused).await.map(Some),
        };
        if found.was_resumed() && resume.revision.is_none() && resume.client_key.is_none() {
            return Err(ResumeError::Ambiguous(*id));
        }
        let (suspension, name) = answered(&found, &resume.input)?;
        let context = self.ports.store.run_context(tenant, *id).await?.ok_or(ResumeError::UnknownRun(*id))?;
        let change = ContextChange { key: ContextKey::step(&step), value: json!({ name: resume.input }) };
        self.weigh(&context, std::slice::from_ref(&change))
            .map_err(|error| ResumeError::InvalidInput { problem: format!("is too large: {error}") })?;
        let run = found.apply(Event::Resumed(step.clone()), now);
        let told = (DiagnosticEvent::RunResumed, "the suspended run was resumed", resume.request_id.clone());
        let record = StepRecord::Resumed { input: resume.input.clone() };
        let entry = Entry { step, record, changes: vec![change], told };
        let client_key = resume.client_key.clone();
        let taken = Taken { run, context, client_key, from: RunStateKind::Suspended };
        match self.intervene(taken, entry).await {
            Ok((Intervened::Done(_), run)) => Ok(Some(ResumedRun { run, resumed: true })),
            Ok((Intervened::Before, _)) => Ok(Some(ResumedRun { run: self.present(resume).await?, resumed: false })),
            Err(StoreError::RevisionConflict { .. } | StoreError::UnexpectedState { .. }) => {
                let present = self.present(resume).await?;
                if present.suspension().is_some_and(|it| it.id == suspension) {
                    return Ok(None);
                }
                let refused = not_suspended(&present, resume.revision);
                self.refuse(resume, present, refused).await.map(Some)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Makes what came from outside durable, with an entry of it for people, and drives the run on at once where there
    /// is room; else it waits in the store.
    pub(super) async fn intervene(
        self: &Arc<Self>,
        taken: Taken,
        entry: Entry,
    ) -> Result<(Intervened, Run), StoreError> {
        let Taken { run, mut context, client_key, from } = taken;
        let Entry { step, record, changes, told: (event, message, request_id) } = entry;
        let (now, id, tenant) = (run.updated_at, run.id, run.tenant.clone());
        let mut input = match &record {
            StepRecord::Resumed { input } => input.clone(),
            _ => Value::Null,
        };
        self.hidden_names(&run).await?.mask_json(&mut input);
        let diagnostics = Diagnostics::new(&run, &step, &*self.ports.clock, &self.settings.diagnostics);
        let request = request_id.clone().unwrap_or_else(RequestId::generate);
        diagnostics.intervened(event, message, request, input);
        let (diagnostics, diagnostics_dropped) = diagnostics.take();
        let waits = self.queued.load(Ordering::Relaxed);
        let slot = if waits { None } else { self.slots.try_take(&tenant) };
        let lease = slot.is_some().then(|| (self.owner.clone(), now.after(self.settings.lease)));
        let recorded = Recorded { replaced: context.replaced_by(&changes), ..Recorded::default() };
        let outcome = StepOutcome::next(step.clone());
        let entry = JournalEntry {
            changes: changes.clone(),
            diagnostics: diagnostics.clone(),
            diagnostics_dropped,
            recorded,
            ..JournalEntry::of_run(&run, &step, record, outcome)
        };
        let commit =
            Intervention { run: run.clone(), changes: changes.clone(), entry, client_key, lease, from: vec![from] };
        let intervened = self.ports.store.intervene(commit).await?;
        if let Intervened::Done(lease) = &intervened {
            let request_id = request_id.as_ref().map(tracing::field::display);
            tracing::info!(run = %id, %tenant, request_id, "{message}");
            self.feed.committed(&tenant, &diagnostics);
            self.progress.committed(&run);
            changes.iter().for_each(|change| context.apply(change));
            self.take_up((run.clone(), context), lease.clone(), slot);
        }
        Ok((intervened, run))
    }

    /// Drives it at once where there is room; else it waits in the store.
    fn take_up(self: &Arc<Self>, (run, context): (Run, RunContext), lease: Option<Lease>, slot: Option<Slot>) {
        match (slot, lease) {
            (Some(slot), Some(lease)) => self.spawn(ClaimedRun { run, context, lease }, slot),
            _ => {
                self.queued.store(true, Ordering::Relaxed);
                self.wake.notify_one();
            }
        }
    }

    async fn present(&self, resume: &Resume) -> Result<Run, ResumeError> {
        let found = self.ports.store.run(&resume.tenant, resume.run).await?;
        found.ok_or(ResumeError::UnknownRun(resume.run))
    }

    /// A resume that cannot be made may have been made before, with the same key.
    async fn refuse(&self, resume: &Resume, run: Run, refused: ResumeError) -> Result<ResumedRun, ResumeError> {
        let Some(key) = &resume.client_key else { return Err(refused) };
        match self.ports.store.intervened_with(&resume.tenant, resume.run, key).await? {
            true => Ok(ResumedRun { run, resumed: false }),
            false => Err(refused),
        }
    }

    fn check_input(&self, input: &Value) -> Result<(), ResumeError> {
        let most = self.settings.event_bytes_max;
        let bytes = input.to_string().len();
        let problem = if bytes > most {
            format!("has {bytes} bytes; at most {most} are allowed (`engine.event-bytes-max`)")
        } else if levels(input) > INPUT_LEVELS_MAX {
            format!("nests deeper than {INPUT_LEVELS_MAX} levels of arrays and objects")
        } else {
            return Ok(());
        };
        Err(ResumeError::InvalidInput { problem })
    }
}

/// A run that somebody has stepped into.
pub(super) struct Taken {
    /// Its record afterwards.
    pub(super) run: Run,
    /// Its context before.
    pub(super) context: RunContext,
    pub(super) client_key: Option<String>,
    /// The state in which it was found.
    pub(super) from: RunStateKind,
}

/// What came from outside.
pub(super) struct Entry {
    /// The step, which is next.
    pub(super) step: StepId,
    pub(super) record: StepRecord,
    pub(super) changes: Vec<ContextChange>,
    /// What people are told, and the request that asked for it.
    pub(super) told: (DiagnosticEvent, &'static str, Option<RequestId>),
}

/// The id of a suspension whose answer may be this input, and the name under which its step finds it.
fn answered(run: &Run, input: &Value) -> Result<(u64, &'static str), ResumeError> {
    let suspension = run.suspension().ok_or_else(|| not_suspended(run, None))?;
    let Some(prompt) = suspension.prompt() else { return Ok((suspension.id, "resumed")) };
    let form = Schema::compile(&prompt.form)
        .map_err(|fault| ResumeError::InvalidInput { problem: format!("has no form that can be used: {fault}") })?;
    let violations = form.violations(input);
    if violations.is_empty() {
        return Ok((suspension.id, "input"));
    }
    Err(ResumeError::Form { violations: violations.into_iter().map(|it| (it.pointer, it.problem)).collect() })
}

/// The step that waits, where the run waits in time.
fn suspended_step(run: &Run, wanted: Option<u64>, now: Timestamp) -> Result<StepId, ResumeError> {
    // Reminders make revisions of their own; whichever of them the caller saw, it means this suspension.
    let is_meant = |since: u64| wanted.is_none_or(|wanted| (since..=run.revision).contains(&wanted));
    match (run.suspension(), run.state.step()) {
        (Some(Suspension { id, until, .. }), Some(step)) if is_meant(id) => {
            if now >= until {
                return Err(ResumeError::Expired { run: run.id, until });
            }
            Ok(step.clone())
        }
        _ => Err(not_suspended(run, wanted)),
    }
}

fn not_suspended(run: &Run, wanted: Option<u64>) -> ResumeError {
    ResumeError::NotSuspended { run: run.id, state: run.state_kind(), revision: run.revision, wanted }
}

/// How deep arrays and objects nest.
fn levels(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(levels).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(levels).max().unwrap_or(0),
        _ => 0,
    }
}
