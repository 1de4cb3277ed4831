//! Cancels a run (F-07).
//!
//! The cancel itself is one write: the run is ready and keeps how it will end. Whoever works on it gives up its step at
//! once and can commit nothing of it. What is left to do, `engine/wind_down.rs` does.

use std::sync::{Arc, PoisonError};

use super::Engine;
use crate::ids::{RequestId, RunId, TenantId};
use crate::ports::{Intervened, Intervention, StoreError};
use crate::run::{Ending, Event, JournalEntry, Run, RunStateKind, StepOutcome, StepRecord};

/// The longest reason, in characters.
const REASON_CHARS_MAX: usize = 300;

/// The states in which a run can be cancelled.
const FROM: [RunStateKind; 4] =
    [RunStateKind::Ready, RunStateKind::Suspended, RunStateKind::Waiting, RunStateKind::Paused];

/// What a caller asks for.
#[derive(Debug, Clone)]
pub struct CancelRun {
    /// Whose.
    pub tenant: TenantId,
    /// The run.
    pub run: RunId,
    /// Why, for people: up to 300 characters, without control characters. Shown to all who may see the run.
    pub reason: String,
    /// Only where the run is at this revision.
    pub revision: Option<u64>,
    /// Who asks: the id of the key, for the journal.
    pub by: Option<String>,
    /// The request that asks for it, for the log.
    pub request_id: Option<RequestId>,
}

/// What a cancel gave.
#[derive(Debug, Clone)]
pub struct CancelledRun {
    /// The run. It has ended once its child runs have and what it did is taken back.
    pub run: Run,
    /// `false` where it was cancelled before.
    pub cancelled: bool,
}

/// Why a run was not cancelled.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// The tenant has no such run.
    #[error("there is no run {0}")]
    UnknownRun(RunId),
    /// It has ended otherwise, or is about to.
    #[error("run {run} is {}, and ends as {}; it cannot be cancelled any more", state.as_str(), ending.as_str())]
    TooLate {
        /// The run.
        run: RunId,
        /// Where it stands.
        state: RunStateKind,
        /// How it ends.
        ending: RunStateKind,
    },
    /// It is at another revision than the caller meant.
    #[error("run {run} is at revision {revision}, not {wanted}")]
    Changed {
        /// The run.
        run: RunId,
        /// Its revision.
        revision: u64,
        /// The one that was meant.
        wanted: u64,
    },
    /// The reason is none.
    #[error("the reason must have at most 300 characters and no control characters")]
    InvalidReason,
    /// The process is about to stop.
    #[error("the server is about to stop and cancels no runs; try again in a moment")]
    Draining,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CancelError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownRun(_) => "object.not-found",
            Self::TooLate { .. } => "run.not-cancellable",
            Self::Changed { .. } => "run.changed",
            Self::InvalidReason => "run.invalid-reason",
            Self::Draining => "server.draining",
            Self::Store(error) => error.code(),
        }
    }
}

/// What became of a cancel.
pub(super) enum Cancelled {
    /// It is cancelled from now on.
    Now(Box<Run>),
    /// It was cancelled before.
    Before(Box<Run>),
    /// It has ended otherwise, or is about to.
    TooLate(Box<Run>),
    /// There is no such run.
    Gone,
}

impl Engine {
    /// Cancels a run and returns when that is durable. A run that was cancelled before stays as it is.
    ///
    /// # Errors
    /// See [`CancelError`]. Nothing has changed then.
    pub async fn cancel(self: &Arc<Self>, cancel: CancelRun) -> Result<CancelledRun, CancelError> {
        if *self.draining.borrow() {
            return Err(CancelError::Draining);
        }
        if cancel.reason.chars().count() > REASON_CHARS_MAX || cancel.reason.contains(char::is_control) {
            return Err(CancelError::InvalidReason);
        }
        let CancelRun { tenant, run: id, reason, revision, by, request_id } = cancel;
        if let Some(wanted) = revision {
            let found = self.ports.store.run(&tenant, id).await?.ok_or(CancelError::UnknownRun(id))?;
            if found.revision != wanted && planned(&found) != Some(RunStateKind::Cancelled) {
                return Err(CancelError::Changed { run: id, revision: found.revision, wanted });
            }
        }
        match self.cancel_run(&tenant, id, &reason, by).await? {
            Cancelled::Gone => Err(CancelError::UnknownRun(id)),
            Cancelled::Before(run) => Ok(CancelledRun { run: *run, cancelled: false }),
            Cancelled::TooLate(run) => {
                let state = run.state_kind();
                Err(CancelError::TooLate { run: id, state, ending: planned(&run).unwrap_or(state) })
            }
            Cancelled::Now(run) => {
                let request_id = request_id.as_ref().map(tracing::field::display);
                tracing::info!(run = %id, %tenant, request_id, "run cancelled");
                Ok(CancelledRun { run: *run, cancelled: true })
            }
        }
    }

    /// Cancels a run, whoever changes it meanwhile.
    pub(super) async fn cancel_run(
        &self,
        tenant: &TenantId,
        id: RunId,
        reason: &str,
        by: Option<String>,
    ) -> Result<Cancelled, StoreError> {
        loop {
            let Some(found) = self.ports.store.run(tenant, id).await? else { return Ok(Cancelled::Gone) };
            match planned(&found) {
                Some(RunStateKind::Cancelled) => return Ok(Cancelled::Before(Box::new(found))),
                Some(_) => return Ok(Cancelled::TooLate(Box::new(found))),
                None => {}
            }
            let Some(intervention) = self.cancelling(found, reason, by.clone()) else { return Ok(Cancelled::Gone) };
            let run = intervention.run.clone();
            match self.ports.store.intervene(intervention).await {
                Ok(Intervened::Done(_) | Intervened::Before) => {
                    self.interrupt(&run);
                    return Ok(Cancelled::Now(Box::new(run)));
                }
                // Somebody was faster: the run is looked at anew. Each time around, it has come further.
                Err(StoreError::RevisionConflict { .. } | StoreError::UnexpectedState { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn cancelling(&self, run: Run, reason: &str, by: Option<String>) -> Option<Intervention> {
        let now = self.ports.clock.now();
        let step = run.state.step()?.clone();
        let reason = reason.to_owned();
        let ending = Ending::Cancelled { step: step.clone(), reason: reason.clone() };
        let run = Run { looks: run.looks.saturating_add(1), ..run }.apply(Event::Cancelled(ending.clone()), now);
        let entry = JournalEntry::of_run(&run, &step, StepRecord::Cancelled { reason, by }, StepOutcome::End(ending));
        Some(Intervention { run, changes: Vec::new(), entry, client_key: None, lease: None, from: FROM.to_vec() })
    }

    /// Tells whoever works on a run here that it was changed from outside, and has it claimed.
    fn interrupt(&self, run: &Run) {
        let driven = self.driven.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(driver) = driven.get(&run.id) {
            driver.changed_at.send_replace(run.revision);
        }
        drop(driven);
        self.progress.committed(run);
        self.wake.notify_one();
    }
}

/// How a run has ended, or is about to.
fn planned(run: &Run) -> Option<RunStateKind> {
    run.ending().or(run.ends_as.as_deref()).map(Ending::kind)
}
