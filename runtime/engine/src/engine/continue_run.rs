//! Lets a paused run go on, when what made its step fail is mended (F-10).

use std::sync::Arc;

use super::Engine;
use super::resume::{Entry, Taken};
use super::start::is_client_key;
use crate::flow::Flow;
use crate::ids::{RequestId, RunId, StepId, TenantId};
use crate::ports::{Intervened, StoreError};
use crate::run::{DiagnosticEvent, Event, Run, RunState, RunStateKind, StepRecord};

/// How many entries of a journal are read at a time.
const ENTRIES: usize = 50;

/// What a caller asks for.
#[derive(Debug, Clone)]
pub struct ContinueRun {
    /// Whose.
    pub tenant: TenantId,
    /// The run.
    pub run: RunId,
    /// A newer version of the run's flow to go on with, in which its step exists; the one that it has without.
    pub flow_version: Option<u32>,
    /// The revision at which the caller saw it paused; as it is paused now without.
    pub revision: Option<u64>,
    /// Two of these in the run with the same key are one. 1 to 255 visible ASCII characters.
    pub client_key: Option<String>,
    /// The request that asks for it, for the log.
    pub request_id: Option<RequestId>,
}

/// What it gave.
#[derive(Debug, Clone)]
pub struct ContinuedRun {
    /// The run.
    pub run: Run,
    /// `false` where an earlier one with the same client key did it.
    pub continued: bool,
}

/// Why a run does not go on.
#[derive(Debug, thiserror::Error)]
pub enum ContinueError {
    /// The tenant has no such run.
    #[error("there is no run {0}")]
    UnknownRun(RunId),
    /// It is not paused, or not at that revision any more.
    #[error("run {run} is {} at revision {revision}, not paused{}", state.as_str(), wanted.map(|it| format!(" at revision {it}")).unwrap_or_default())]
    NotPaused {
        /// The run.
        run: RunId,
        /// Where it stands.
        state: RunStateKind,
        /// Its revision.
        revision: u64,
        /// The revision that the caller meant.
        wanted: Option<u64>,
    },
    /// The version cannot take the run over.
    #[error("run {run} cannot go on with version {version} of its flow: {problem}")]
    Version {
        /// The run.
        run: RunId,
        /// The version.
        version: u32,
        /// Why.
        problem: String,
    },
    /// The client key is not one.
    #[error("the client key must be 1 to 255 visible ASCII characters")]
    InvalidClientKey,
    /// The process is about to stop.
    #[error("the server is about to stop and lets no runs go on; try again in a moment")]
    Draining,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ContinueError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownRun(_) => "object.not-found",
            Self::NotPaused { .. } => "run.not-paused",
            Self::Version { .. } => "run.continue-version",
            Self::InvalidClientKey => "run.invalid-client-key",
            Self::Draining => "server.draining",
            Self::Store(error) => error.code(),
        }
    }
}

impl Engine {
    /// Lets a paused run go on and returns when that is durable: its step runs again, its attempts are counted anew.
    ///
    /// # Errors
    /// See [`ContinueError`]. Nothing has changed then.
    pub async fn continue_run(self: &Arc<Self>, wanted: ContinueRun) -> Result<ContinuedRun, ContinueError> {
        if *self.draining.borrow() {
            return Err(ContinueError::Draining);
        }
        if !wanted.client_key.as_deref().is_none_or(is_client_key) {
            return Err(ContinueError::InvalidClientKey);
        }
        // A caller that goes away must not leave a run behind that nobody drives.
        let engine = self.clone();
        let continued = tokio::spawn(async move { engine.take_off(wanted).await });
        continued.await.unwrap_or(Err(ContinueError::Draining))
    }

    async fn take_off(self: &Arc<Self>, wanted: ContinueRun) -> Result<ContinuedRun, ContinueError> {
        let ContinueRun { tenant, run: id, .. } = &wanted;
        let unknown = || ContinueError::UnknownRun(*id);
        let mut found = self.ports.store.run(tenant, *id).await?.ok_or_else(unknown)?;
        let step = match &found.state {
            RunState::Paused { step, .. } if wanted.revision.is_none_or(|it| it == found.revision) => step.clone(),
            _ => return self.not_paused(&wanted, found).await,
        };
        let flow_version = wanted.flow_version.filter(|version| *version != found.flow_version);
        if let Some(version) = flow_version {
            self.check_version(&found, &step, version).await?;
            self.count_visits(&mut found).await?;
        }
        let context = self.ports.store.run_context(tenant, *id).await?.ok_or_else(unknown)?;
        let mut run = found.apply(Event::Continued(step.clone()), self.ports.clock.now());
        run.flow_version = flow_version.unwrap_or(run.flow_version);
        let told = (DiagnosticEvent::RunContinued, "the paused run goes on", wanted.request_id.clone());
        let entry = Entry { step, record: StepRecord::Continued { flow_version }, changes: Vec::new(), told };
        let taken = Taken { run, context, client_key: wanted.client_key.clone(), from: RunStateKind::Paused };
        match self.intervene(taken, entry).await {
            Ok((Intervened::Done(_), run)) => Ok(ContinuedRun { run, continued: true }),
            Ok((Intervened::Before, _)) => {
                let run = self.ports.store.run(tenant, *id).await?.ok_or_else(unknown)?;
                Ok(ContinuedRun { run, continued: false })
            }
            Err(StoreError::RevisionConflict { .. } | StoreError::UnexpectedState { .. }) => {
                let present = self.ports.store.run(tenant, *id).await?.ok_or_else(unknown)?;
                self.not_paused(&wanted, present).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What cannot be done may have been done before, with the same key.
    async fn not_paused(&self, wanted: &ContinueRun, run: Run) -> Result<ContinuedRun, ContinueError> {
        if let Some(key) = &wanted.client_key
            && self.ports.store.intervened_with(&wanted.tenant, wanted.run, key).await?
        {
            return Ok(ContinuedRun { run, continued: false });
        }
        let (state, revision) = (run.state_kind(), run.revision);
        Err(ContinueError::NotPaused { run: run.id, state, revision, wanted: wanted.revision })
    }

    /// Counts how often a run has gone on from each of its steps: under another version each may come again.
    async fn count_visits(&self, run: &mut Run) -> Result<(), StoreError> {
        run.visits.clear();
        let mut after = 0;
        loop {
            let entries = self.ports.store.journal(&run.tenant, run.id, after, ENTRIES).await?;
            let Some(last) = entries.last() else { return Ok(()) };
            after = last.sequence;
            entries.iter().filter(|entry| entry.leaves_step()).for_each(|entry| run.leave(&entry.step));
        }
    }

    /// Whether a run can go on with another version of its flow.
    async fn check_version(&self, run: &Run, step: &StepId, version: u32) -> Result<(), ContinueError> {
        let refused = |problem: String| Err(ContinueError::Version { run: run.id, version, problem });
        if version < run.flow_version {
            return refused(format!("it has version {}, which is newer", run.flow_version));
        }
        if run.parent.is_some() {
            return refused("it is a part of another run, whose version it has".to_owned());
        }
        let found = self.ports.definitions.flow(&run.tenant, &run.flow, Some(version)).await?;
        let Some((_, flow)) = found else { return refused("there is no such version".to_owned()) };
        match run.compensations.iter().map(|it| &it.step).chain([step]).find(|step| !is_in_main(&flow, step)) {
            Some(missing) => refused(format!("it has no step `{missing}` in its own list of steps")),
            None => Ok(()),
        }
    }
}

fn is_in_main(flow: &Flow, step: &StepId) -> bool {
    flow.main.steps.contains(step)
}
