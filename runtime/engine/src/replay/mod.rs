//! Executes the steps of a run again from its journal alone (F-11): plugins run again, nothing else of the outside is
//! asked. What comes out is held against what the journal has, byte by byte.
//!
//! Each step is executed for itself, from the context that the journal says it had, so that one difference does not
//! hide the next. What the engine itself decided of a run (its deadline, its size, a definition that is gone) is taken
//! from the journal.

mod compare;
mod facts; // what a replay takes from the record of a kind of step
mod outside;
mod report;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

pub use self::report::{Difference, ReplayReport, Replayed, ReplayedStep};
use crate::action::ActionTypes;
use crate::engine::{Definitions, EngineSettings, Ports, scope_of};
use crate::flow::{Flow, Step};
use crate::outside::{Family, Outside};
use crate::ports::{Connectors, Encryption, InvocationLimits, NoEncryption, NoSigner, Plugins, Store, StoreError};
use crate::run::{JournalEntry, Run, RunContext, RunState, StepRecord};
use crate::step::{Attempt, attempt, join};
use crate::steps::Diagnostics;
use crate::time::Timestamp;
use outside::{JournalClock, NoPrompts, RecordedExchanges, RecordedPlugins, Script};

/// How long one step may take again.
const STEP_TIME_MAX: Duration = Duration::from_secs(600);

/// A run with its journal, as a store has it: unmasked.
#[derive(Debug, Clone)]
pub struct RecordedRun {
    /// The run as it stands.
    pub run: Run,
    /// Its context as it stands.
    pub context: RunContext,
    /// Every entry, in order.
    pub entries: Vec<JournalEntry>,
    /// The child runs that its steps began, as they ended, with their contexts: what its joins read. Each of them is
    /// executed again from a journal of its own, as another recorded run.
    pub children: Vec<(Run, RunContext)>,
}

/// What a replay needs besides a journal.
pub struct ReplayHouse {
    /// The definitions, with all versions that the run used. Nothing else is read of it, and nothing written.
    pub store: Arc<dyn Store>,
    /// The types of actions.
    pub types: Arc<ActionTypes>,
    /// Runs the hooks again.
    pub plugins: Arc<dyn Plugins>,
    /// Binds requests and reads responses again. Is never asked to send anything.
    pub connectors: Arc<dyn Connectors>,
    /// The bounds of steps: those of the engine that made the run, where the replay is to come out the same.
    pub settings: EngineSettings,
}

/// Why a run could not be executed again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Its flow is gone.
    #[error("version {version} of flow `{flow}` is gone; a replay needs the definitions that the run used")]
    NoFlow {
        /// The flow.
        flow: String,
        /// The version that the run is pinned to.
        version: u32,
    },
    /// The journal does not begin with its first entry, or misses one.
    #[error("the journal misses entry {sequence}; a replay needs all of them")]
    Gap {
        /// The first one that is missing.
        sequence: u64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ReplayError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoFlow { .. } => "replay.no-flow",
            Self::Gap { .. } => "replay.gap",
            Self::Store(error) => error.code(),
        }
    }
}

/// Executes every step of a run again and says what differs.
///
/// # Errors
/// See [`ReplayError`]. A step that comes out differently is no error.
pub async fn replay_run(recorded: &RecordedRun, house: &ReplayHouse) -> Result<ReplayReport, ReplayError> {
    let script = Arc::new(Script::default());
    let definitions = Definitions::new(house.store.clone(), house.types.clone());
    let pinned = &recorded.run;
    let found = definitions.flow(&pinned.tenant, &pinned.flow, Some(pinned.flow_version)).await?;
    let gone = || ReplayError::NoFlow { flow: pinned.flow.to_string(), version: pinned.flow_version };
    let (_, flow) = found.ok_or_else(gone)?;
    let encryption: Arc<dyn Encryption> = Arc::new(NoEncryption);
    let ports = Ports {
        plugins: Arc::new(RecordedPlugins { inner: house.plugins.clone(), script: script.clone() }),
        connectors: Arc::new(RecordedExchanges { inner: house.connectors.clone(), script: script.clone() }),
        store: house.store.clone(),
        encryption,
        signer: Arc::new(NoSigner),
        tokens: Arc::new(NoPrompts),
        clock: Arc::new(JournalClock),
        definitions,
        limits: InvocationLimits::default(),
    };
    let family = recorded.children.iter().map(|child| (child.0.id, child.clone())).collect();
    let replay = Replay { ports, script, settings: &house.settings, flow: &flow, family };
    replay.all(recorded).await
}

/// A run before its first step, and its context then.
fn beginning(recorded: &RecordedRun) -> (Run, RunContext) {
    let mut context = recorded.context.clone();
    for entry in recorded.entries.iter().rev() {
        context.take_back(&entry.changes, &entry.recorded.replaced);
    }
    let last = &recorded.run;
    let first = recorded.entries.first().map(|entry| entry.step.clone());
    let first = first.unwrap_or_else(|| match &last.state {
        RunState::Ready { step } | RunState::Suspended { step, .. } => step.clone(),
        RunState::Waiting { step, .. } | RunState::Paused { step, .. } => step.clone(),
        RunState::Ended { .. } => crate::ids::StepId::tried(),
    });
    let pinned = (last.flow.clone(), last.flow_version);
    let sensitive = sensitive_at_first(recorded);
    let begun = |deadline| {
        let run = Run::new(last.tenant.clone(), last.id, pinned.clone(), first.clone(), last.created_at, deadline);
        let (trace_id, parent, sensitive) = (last.trace_id.clone(), last.parent.clone(), sensitive.clone());
        Run { trace_id, parent, sensitive, ..run }
    };
    // Time in which a run rests moves its deadline: what all of it came to says where it was at first.
    let moved = recorded.entries.iter().fold(begun(last.created_at), after);
    let moved = moved.deadline.since(last.created_at);
    let deadline = Timestamp::from_millis(last.deadline.as_millis().saturating_sub(millis(moved)));
    (begun(deadline), context)
}

/// The names of what is hidden with which a run began: a child run has those of its parent. Others came behind them.
fn sensitive_at_first(recorded: &RecordedRun) -> Vec<String> {
    let of_entry = |entry: &JournalEntry| {
        let taught = entry.recorded.taught.iter().flat_map(|taught| taught.sensitive.clone());
        let encrypted = match &entry.record {
            StepRecord::Action(action) => action.encrypted_names.clone(),
            _ => Vec::new(),
        };
        taught.chain(encrypted).collect::<Vec<String>>()
    };
    let came: BTreeSet<String> = recorded.entries.iter().flat_map(of_entry).collect();
    let mut names = recorded.run.sensitive.clone();
    while names.last().is_some_and(|name| came.contains(name)) {
        names.pop();
    }
    names
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A run with what the entry says that its child runs told it.
fn told(run: &Run, entry: &JournalEntry) -> Run {
    let mut run = run.clone();
    if let Some(taught) = &entry.recorded.taught {
        taught.tell(&mut run);
    }
    run
}

/// A run after an entry.
fn after(run: Run, entry: &JournalEntry) -> Run {
    let mut run = told(&run, entry).apply(entry.event(), entry.done_at());
    if let StepRecord::Action(action) = &entry.record {
        run.keep_sensitive(&action.encrypted_names);
    }
    run
}

/// One replay.
struct Replay<'a> {
    ports: Ports,
    script: Arc<Script>,
    settings: &'a EngineSettings,
    flow: &'a Flow,
    family: Family,
}

impl Replay<'_> {
    async fn all(&self, recorded: &RecordedRun) -> Result<ReplayReport, ReplayError> {
        let (mut run, mut context) = beginning(recorded);
        let mut steps = Vec::new();
        // What was done under an earlier version of the flow is not executed under the one that the run went on with.
        let newer = |entry: &JournalEntry| matches!(entry.record, StepRecord::Continued { flow_version: Some(_) });
        let taken = recorded.entries.iter().rposition(newer).unwrap_or(0);
        for ((index, entry), sequence) in recorded.entries.iter().enumerate().zip(1..) {
            if entry.sequence != sequence {
                return Err(ReplayError::Gap { sequence });
            }
            let how = match self.flow.step(&entry.step) {
                Some(step) if index >= taken && facts::is_executed(entry) => {
                    self.one(entry, step, &run, &context).await?
                }
                _ => Replayed::Taken,
            };
            steps.push(ReplayedStep { sequence, step: entry.step.clone(), how });
            entry.changes.iter().for_each(|change| context.apply(change));
            run = after(run, entry);
            // Who goes on with another version counts all steps until then.
            if entry.leaves_step() && (index < taken || self.flow.may_come_again(&entry.step)) {
                run.leave(&entry.step);
            }
        }
        Ok(ReplayReport { run: recorded.run.id, steps })
    }

    /// Executes a step again, from where the journal says that it began.
    async fn one(
        &self,
        entry: &JournalEntry,
        step: &Step,
        run: &Run,
        context: &RunContext,
    ) -> Result<Replayed, ReplayError> {
        self.script.set(entry);
        let clock = JournalClock;
        let told = told(run, entry);
        let run = &told;
        let this = Attempt {
            ports: &self.ports,
            outside: Outside::replayed(&clock, entry, facts::limits(&entry.record), &self.family),
            flow: self.flow,
            step,
            run,
            context,
            scope: scope_of(run, context),
            until: Instant::now() + STEP_TIME_MAX,
            bytes_left: AtomicUsize::new(self.settings.step_bytes_max),
            tried: None,
            diagnostics: Diagnostics::new(run, &step.id, &clock, &self.settings.diagnostics),
            sensitive_names: &entry.recorded.sensitive_names,
            suspensions: self.settings.suspensions(),
            calls: self.settings.calls(),
            shown: OnceCell::new(),
            reminder: None,
        };
        let mut again = match facts::joined(entry) {
            Some(children) => join(&this, &children.over()).await?.entry,
            None => attempt(&this).await?.entry,
        };
        again.recorded.replaced = context.replaced_by(&again.changes);
        again.recorded.taught = entry.recorded.taught.clone();
        Ok(compare::compare(entry, again))
    }
}
