//! Resumes a suspended run with what came back (F-07).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::Engine;
use super::start::is_client_key;
use crate::ids::{RequestId, RunId, StepId, TenantId};
use crate::ports::{ClaimedRun, Intervened, Intervention, Lease, StoreError};
use crate::run::{
    ContextChange, ContextKey, Event, JournalEntry, Recorded, Run, RunContext, RunState, RunStateKind, StepOutcome,
    StepRecord,
};
use crate::time::Timestamp;

/// The deepest input of a resume, in levels of arrays and objects: the context holds it deeper by some.
const INPUT_LEVELS_MAX: usize = 64;

/// What a caller asks for.
#[derive(Debug, Clone)]
pub struct Resume {
    /// Whose.
    pub tenant: TenantId,
    /// The run.
    pub run: RunId,
    /// What came back; the step finds it under `steps.ID.resumed`, and its action where its type says so.
    pub input: Value,
    /// The revision at which the caller saw it suspended. A run that has been resumed before needs it, or a client key:
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
            Self::InvalidInput { .. } => "run.invalid-input",
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
        let Resume { tenant, run: id, .. } = &resume;
        let found = self.ports.store.run(tenant, *id).await?.ok_or(ResumeError::UnknownRun(*id))?;
        let now = self.ports.clock.now();
        let step = match suspended_step(&found, resume.revision, now) {
            Ok(step) => step,
            Err(refused) => return self.refuse(&resume, found, refused).await,
        };
        if found.was_resumed() && resume.revision.is_none() && resume.client_key.is_none() {
            return Err(ResumeError::Ambiguous(*id));
        }
        let context = self.ports.store.run_context(tenant, *id).await?.ok_or(ResumeError::UnknownRun(*id))?;
        let change = ContextChange { key: ContextKey::step(&step), value: json!({ "resumed": resume.input }) };
        self.weigh(&context, std::slice::from_ref(&change))
            .map_err(|error| ResumeError::InvalidInput { problem: format!("is too large: {error}") })?;
        let run = found.apply(Event::Resumed(step.clone()), now);
        let waits = self.queued.load(Ordering::Relaxed);
        let slot = if waits { None } else { self.slots.clone().try_acquire_owned().ok() };
        let lease = slot.is_some().then(|| (self.owner.clone(), now.after(self.settings.lease)));
        let replaced = context.replaced_by(std::slice::from_ref(&change));
        let recorded = Recorded { replaced, ..Recorded::default() };
        let commit = Intervention {
            run: run.clone(),
            changes: vec![change.clone()],
            entry: entry_of(&run, (step, resume.input.clone()), change.clone(), recorded, now),
            client_key: resume.client_key.clone(),
            lease,
            from: vec![RunStateKind::Suspended],
        };
        let lease = match self.ports.store.intervene(commit).await {
            Ok(Intervened::Done(lease)) => lease,
            Ok(Intervened::Before) => return Ok(ResumedRun { run: self.present(&resume).await?, resumed: false }),
            Err(StoreError::RevisionConflict { .. } | StoreError::UnexpectedState { .. }) => {
                let present = self.present(&resume).await?;
                let refused = not_suspended(&present, resume.revision);
                return self.refuse(&resume, present, refused).await;
            }
            Err(error) => return Err(error.into()),
        };
        let request_id = resume.request_id.as_ref().map(tracing::field::display);
        tracing::info!(run = %id, %tenant, request_id, "run resumed");
        self.progress.committed(*id, run.revision);
        self.take_up(ClaimedResume { run: run.clone(), context, change, lease }, slot);
        Ok(ResumedRun { run, resumed: true })
    }

    /// Drives it at once where there is room; else it waits in the store.
    fn take_up(self: &Arc<Self>, resumed: ClaimedResume, slot: Option<OwnedSemaphorePermit>) {
        let ClaimedResume { run, mut context, change, lease } = resumed;
        match (slot, lease) {
            (Some(slot), Some(lease)) => {
                context.apply(&change);
                self.spawn(ClaimedRun { run, context, lease }, slot);
            }
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

/// A run that has just been resumed, as the store gave it.
struct ClaimedResume {
    run: Run,
    context: RunContext,
    change: ContextChange,
    lease: Option<Lease>,
}

/// The step that waits, where the run waits in time.
fn suspended_step(run: &Run, wanted: Option<u64>, now: Timestamp) -> Result<StepId, ResumeError> {
    match &run.state {
        RunState::Suspended { step, until, .. } if wanted.is_none_or(|wanted| wanted == run.revision) => {
            if now >= *until {
                return Err(ResumeError::Expired { run: run.id, until: *until });
            }
            Ok(step.clone())
        }
        _ => Err(not_suspended(run, wanted)),
    }
}

fn not_suspended(run: &Run, wanted: Option<u64>) -> ResumeError {
    ResumeError::NotSuspended { run: run.id, state: run.state_kind(), revision: run.revision, wanted }
}

fn entry_of(
    run: &Run,
    (step, input): (StepId, Value),
    change: ContextChange,
    recorded: Recorded,
    now: Timestamp,
) -> JournalEntry {
    JournalEntry {
        sequence: run.revision,
        step: step.clone(),
        started_at: now,
        elapsed_us: 0,
        record: StepRecord::Resumed { input },
        outcome: StepOutcome::Next { step, caught_failure: None, caught_error: None },
        changes: vec![change],
        diagnostics: Vec::new(),
        diagnostics_dropped: 0,
        recorded,
    }
}

/// How deep arrays and objects nest.
fn levels(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(levels).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(levels).max().unwrap_or(0),
        _ => 0,
    }
}
