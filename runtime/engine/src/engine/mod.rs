//! The engine: starts runs, drives them step by step, goes on with them after a crash.

mod background; // sends what steps hand over
mod cancel;
mod children; // looks at child runs
mod committing;
mod background_entries; // diagnostic entries of calls in the background
mod continue_run; // a paused one
mod definitions;
mod drive;
mod holding; // leases of what is driven
mod feed; // diagnostic entries, live
mod progress;
mod prompts; // for those who have a token
mod resting; // what becomes of runs that rest
mod resume;
mod scope; // what a step sees
mod serve_action; // actions for other systems
mod served_answer; // what their types say of the answers
mod retention; // what need not be kept
mod told; // what is kept of calls that had a prompt's token
mod settings;
mod slots; // how many runs at a time
mod start;
mod try_action;
mod try_call;
mod verdict; // what an exchange in the background comes to
mod visits;
mod wind_down; // the ends of runs that do not complete

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

pub use self::cancel::{CancelError, CancelRun, CancelledRun};
pub(crate) use self::children::LOOK_AT_LATEST;
pub use self::continue_run::{ContinueError, ContinueRun, ContinuedRun};
pub use self::definitions::{Definitions, action_definition_name};
pub(crate) use self::definitions::{Trouble, Versions};
pub use self::feed::{DiagnosticReader, Heard};
pub use self::progress::LatestCommit;
pub use self::prompts::{OpenPrompt, PromptError};
pub use self::resting::SUSPENSION_EXPIRED;
pub use self::resume::{Resume, ResumeError, ResumedRun};
pub(crate) use self::scope::scope_of;
pub use self::serve_action::{ServeAction, ServeActionError};
pub(crate) use self::settings::{CallLimits, SuspensionLimits};
pub use self::settings::{EngineSettings, InvalidSettings};
pub use self::start::{StartError, StartRun, StartedRun};
pub use self::try_action::{TriedAction, TryAction, TryActionError};
pub use self::try_call::{TriedCall, TriedOutcome, TryCall, TryCallError, TryConnector};
use crate::ids::{RunId, TenantId};
use crate::ports::{
    ClaimedRun, Clock, Connectors, Encryption, InvocationLimits, OwnerId, Plugins, Signer, Store, StoreError, Tokens,
};
use crate::run::{DiagnosticFilter, Run};
use crate::sensitive::SensitiveNames;
use background::Outbound;
use feed::Feed;
use progress::{Progress, next_settled};
use slots::Slots;

/// The outside, as the engine sees it.
pub struct Ports {
    /// Untrusted code.
    pub plugins: Arc<dyn Plugins>,
    /// Outside systems.
    pub connectors: Arc<dyn Connectors>,
    /// What survives.
    pub store: Arc<dyn Store>,
    /// What is encrypted for the other side of an action.
    pub encryption: Arc<dyn Encryption>,
    /// What signs the claims of runs.
    pub signer: Arc<dyn Signer>,
    /// What lets somebody without an API key answer a prompt.
    pub tokens: Arc<dyn Tokens>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// What tenants have defined.
    pub definitions: Definitions,
    /// The most that any invocation may use up.
    pub limits: InvocationLimits,
}

/// Who works on a run in this process.
struct Driver {
    /// Whose run it is.
    tenant: TenantId,
    /// What was claimed of the run meanwhile.
    claimed: Option<ClaimedRun>,
    /// The revision at which somebody changed the run from outside: work on an earlier one is in vain.
    changed_at: watch::Sender<u64>,
}

/// Runs flows. One a process; every method may be called from any task.
pub struct Engine {
    ports: Ports,
    settings: EngineSettings,
    owner: OwnerId,
    /// Room for the runs that this process drives at a time.
    slots: Arc<Slots>,
    progress: Progress,
    feed: Feed,
    /// The runs that this process drives now: a claim never drives one of them a second time, but leaves what it
    /// claimed here.
    driven: Mutex<HashMap<RunId, Driver>>,
    /// Whether runs may wait in the store: then new ones do not go before them.
    queued: AtomicBool,
    /// Tells the claim loop that there may be something to claim.
    wake: Notify,
    draining: watch::Sender<bool>,
    outbound: Outbound,
}

impl Engine {
    /// An engine that has not begun to work: call [`Engine::recover`], then spawn [`Engine::work`].
    pub fn new(settings: EngineSettings, ports: Ports) -> Arc<Self> {
        Arc::new(Self {
            slots: Slots::new(&settings),
            owner: OwnerId(uuid::Uuid::now_v7().to_string()),
            progress: Progress::default(),
            feed: Feed::default(),
            driven: Mutex::new(HashMap::new()),
            queued: AtomicBool::new(false),
            wake: Notify::new(),
            draining: watch::Sender::new(false),
            outbound: Outbound::new(&settings),
            ports,
            settings,
        })
    }

    /// What tenants have defined.
    pub fn definitions(&self) -> &Definitions {
        &self.ports.definitions
    }

    /// How many runs this process drives now.
    pub fn driven(&self) -> usize {
        self.driven.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// How many runs this process drives of the tenant of which it drives the most.
    pub fn driven_of_one_tenant(&self) -> usize {
        self.slots.most_of_one_tenant()
    }

    /// Waits until a run has ended, is suspended or is paused, but at most so long. `None` where the tenant has no such run.
    ///
    /// # Errors
    /// The store's.
    pub async fn wait(&self, tenant: &TenantId, run: RunId, at_most: Duration) -> Result<Option<Run>, StoreError> {
        self.wait_since(tenant, run, 0, at_most).await
    }

    /// The same for somebody who knows the run as it was at a revision, and is not told how it was before.
    ///
    /// # Errors
    /// The store's.
    pub async fn wait_since(
        &self,
        tenant: &TenantId,
        run: RunId,
        revision: u64,
        at_most: Duration,
    ) -> Result<Option<Run>, StoreError> {
        let until = tokio::time::Instant::now() + at_most;
        loop {
            // Before the store is asked: a commit in between must not be missed.
            let mut commits = self.watch(run);
            // Of a run that is driven here, its driver tells.
            if !self.drives(tenant, run) {
                let found = self.ports.store.run(tenant, run).await?;
                if found.as_ref().is_none_or(|run| run.state.is_settled()) {
                    return Ok(found);
                }
            }
            match tokio::time::timeout_at(until, next_settled(&mut commits, revision)).await {
                Ok(Some(settled)) => return Ok(Some(Run::clone(&settled))),
                // The run has ended, or its drive stopped and will go on after a claim.
                Ok(None) => {}
                Err(_) => return self.ports.store.run(tenant, run).await,
            }
        }
    }

    /// Whether this process drives the run, and it is the tenant's.
    fn drives(&self, tenant: &TenantId, run: RunId) -> bool {
        let driven = self.driven.lock().unwrap_or_else(PoisonError::into_inner);
        driven.get(&run).is_some_and(|driver| driver.tenant == *tenant)
    }

    /// Changes after every commit of this process. Closed when the run has ended.
    pub fn watch(&self, run: RunId) -> watch::Receiver<LatestCommit> {
        self.progress.watch(run)
    }

    /// The tenant's diagnostic entries from now on, as soon as their steps are durable. Of runs that this process
    /// drives.
    pub fn follow_diagnostics(&self, tenant: &TenantId, filter: DiagnosticFilter) -> DiagnosticReader {
        self.feed.follow(tenant, filter, &self.settings.diagnostics)
    }

    /// The names whose values nobody is shown of a run (D-04): those that are sensitive by themselves, those that the
    /// connectors of its flow mark now, the operator's, and those of what its actions encrypted.
    ///
    /// # Errors
    /// The store's.
    pub async fn hidden_names(&self, run: &Run) -> Result<SensitiveNames, StoreError> {
        let definitions = &self.ports.definitions;
        let mut names = match definitions.flow(&run.tenant, &run.flow, Some(run.flow_version)).await {
            Ok(Some((_, flow))) => definitions.marked_names(&run.tenant, &flow, &Versions::default()).await?,
            Err(StoreError::Unreadable { .. }) => definitions.all_marked_names(&run.tenant).await?,
            Err(error) => return Err(error),
            Ok(None) => SensitiveNames::default(),
        };
        let kept = self.settings.diagnostics.sensitive_names.iter().chain(&run.sensitive);
        names.mark(kept.map(String::as_str));
        Ok(names.and_standard())
    }

    /// Ends the leases of a process that is gone, and claims its runs. The number of runs that go on.
    ///
    /// # Errors
    /// The store's.
    pub async fn recover(self: &Arc<Self>) -> Result<usize, StoreError> {
        self.ports.store.end_orphaned_leases().await?;
        self.claim().await
    }

    /// Claims and drives runs, and sends calls in the background, until the process drains. Spawn it once.
    pub async fn work(self: Arc<Self>) {
        tokio::join!(self.work_on_runs(), self.work_in_background(), self.work_on_retention());
    }

    /// Stops to begin steps and to send calls in the background, and waits until the steps that run are committed and
    /// the calls that are out have their outcome, but at most so long. The number of runs that were still in a step
    /// then; the next start goes on with them, and with the calls.
    pub async fn drain(&self, grace: Duration) -> usize {
        self.draining.send_replace(true);
        let steps = self.slots.drain(grace);
        let (_, calls) = tokio::join!(steps, self.outbound.drain(grace));
        if calls > 0 {
            tracing::warn!(calls, "calls in the background were still out; the next start sends them again");
        }
        self.driven()
    }
}
