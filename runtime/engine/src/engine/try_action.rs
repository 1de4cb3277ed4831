//! Tries one action: the very step that a run would take, with a given event, but nothing of it is stored.

use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout};

use super::Engine;
use super::scope::scope_of;
use super::try_call::{GRACE, TriedOutcome};
use crate::document::{Document, Faults};
use crate::duration_text;
use crate::flow::{self, StepKind};
use crate::ids::TenantId;
use crate::outside::Outside;
use crate::ports::StoreError;
use crate::run::{ActionRecord, Awaits, ContextKey, DiagnosticEntry, RunContext, StepRecord};
use crate::step::{Attempt, Way, micros};
use crate::steps::{Diagnostics, run_action};

/// The flow and the step that an action sees that is only tried.
const TRIED: &str = "action-test";

/// Members of a step that say where a flow goes on: here nothing does.
const OF_THE_FLOW: [&str; 4] = ["id", "next", "on-failure", "on-error"];

/// An action to try.
#[derive(Debug, Clone)]
pub struct TryAction {
    /// Whose plugins, connectors and credentials.
    pub tenant: TenantId,
    /// The action as a step of a flow has it: `action`, `plugin` or `service` or `uses`, `allowed-operations`, ….
    pub step: Map<String, Value>,
    /// What starts the flow, such as `REGISTRATION`.
    pub trigger: String,
    /// The run's event, and what else templates see.
    pub context: RunContext,
}

/// What a tried action did. Values under sensitive names are masked.
#[derive(Debug, Clone, PartialEq)]
pub struct TriedAction {
    /// How it came out.
    pub outcome: TriedOutcome,
    /// What it was asked, what it answered, what became of each operation.
    pub record: ActionRecord,
    /// Where the end user would be sent, where the run would be suspended.
    pub redirect: Option<String>,
    /// The run's event before.
    pub before: Value,
    /// The run's event afterwards.
    pub after: Value,
    /// What people would be told (D-01).
    pub diagnostics: Vec<DiagnosticEntry>,
    /// All of it, in microseconds.
    pub elapsed_us: u64,
}

/// Why an action was not tried.
#[derive(Debug, thiserror::Error)]
pub enum TryActionError {
    /// It has faults. Their pointers are those of the step's members.
    #[error("the action has {} fault(s)", .0.0.len())]
    Action(Faults),
    /// It took longer than it may.
    #[error("the action took longer than {} (`engine.test-call-timeout`)", duration_text::to_text(*.0))]
    TimedOut(Duration),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Engine {
    /// Runs one action as a step of a run would. No run, journal or context ever knows of it.
    ///
    /// # Errors
    /// See [`TryActionError`]. An action that went wrong is no error here.
    pub async fn try_action(&self, call: TryAction) -> Result<TriedAction, TryActionError> {
        let mut step = call.step;
        step.retain(|name, _| !OF_THE_FLOW.contains(&name.as_str()));
        step.insert("id".to_owned(), json!(TRIED));
        let document = json!({ "flow": TRIED, "trigger": call.trigger, "steps": [step] });
        let types = self.ports.definitions.action_types();
        let flow = flow::read_stored(&document, types).map_err(|faults| TryActionError::Action(of_step(faults)))?;
        let Some((step, StepKind::Action(action))) = flow.steps.first().map(|step| (step, &step.kind)) else {
            let mut faults = Faults::default();
            let message = "write `action: TYPE` and who serves it";
            faults.error(&Document::of_value(document), "", "flow.shape", message);
            return Err(TryActionError::Action(faults));
        };
        let within = self.settings.test_call_timeout;
        let mut run = self.tried_run(call.tenant, within);
        run.flow = flow.name.clone();
        let started = Instant::now();
        let this = Attempt {
            ports: &self.ports,
            outside: Outside::live(&*self.ports.clock),
            flow: &flow,
            step,
            run: &run,
            context: &call.context,
            scope: scope_of(&run, &call.context),
            until: started + within,
            bytes_left: AtomicUsize::new(self.settings.step_bytes_max),
            tried: None,
            diagnostics: Diagnostics::new(&run, &step.id, &*self.ports.clock, &self.settings.diagnostics),
            sensitive_names: &self.settings.diagnostics.sensitive_names,
            shown: OnceCell::new(),
            reminder: None,
            suspensions: self.settings.suspensions(),
            calls: self.settings.calls(),
        };
        let done = timeout(within + GRACE, run_action(&this, action)).await;
        let done = done.map_err(|_| TryActionError::TimedOut(within))?;
        let mut redirect = None;
        let outcome = match done.way {
            Way::Later(error) => return Err(error.into()),
            Way::Error(error) => TriedOutcome::Error(error),
            Way::Failure(failure) => TriedOutcome::Failure(failure),
            Way::Suspend { awaits, .. } => {
                if let Awaits::Redirect(to) = awaits {
                    redirect = Some(to);
                }
                TriedOutcome::Success
            }
            Way::Next | Way::Branch(_) | Way::Wait { .. } | Way::Begin(_) => {
                match self.weigh(&call.context, &done.changes) {
                    Ok(()) => TriedOutcome::Success,
                    Err(error) => TriedOutcome::Error(error),
                }
            }
        };
        let StepRecord::Action(record) = done.record else {
            return Err(TryActionError::Action(Faults::default()));
        };
        let mut record = *record;
        let event = |context: &RunContext| context.get(&ContextKey::event()).cloned().unwrap_or_default();
        let mut changed = call.context.clone();
        done.changes.iter().for_each(|change| changed.apply(change));
        let (mut before, mut after) = (event(&call.context), event(&changed));
        let names = this.marked().await?.clone().and_standard();
        record.mask(&names);
        names.mask_json(&mut before);
        names.mask_json(&mut after);
        let (diagnostics, _) = this.take_diagnostics();
        Ok(TriedAction { outcome, record, redirect, before, after, diagnostics, elapsed_us: micros(started.elapsed()) })
    }
}

/// The same with pointers that begin at the step: nobody has written the flow around it.
fn of_step(mut faults: Faults) -> Faults {
    for fault in &mut faults.0 {
        if let Some(rest) = fault.pointer.strip_prefix("/steps/0") {
            fault.pointer = rest.to_owned();
        }
    }
    faults
}
