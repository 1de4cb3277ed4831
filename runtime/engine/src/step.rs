//! One attempt of one step: the product's sentence. Start reading here.
//!
//! bind → pre-call hooks → permit → the host's call → post-response hooks → changes. The engine commits the changes
//! together with the journal entry, and only then goes on.

mod outcome; // how a step came out

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::time::Instant;

pub(crate) use self::outcome::{Begun, Done, Outcome, Way};
use crate::connector::Connector;
use crate::engine::{CallLimits, Ports, SuspensionLimits, Trouble};
use crate::expression::{EvaluationError, Scope};
use crate::flow::{Flow, Step, StepKind, Target};
use crate::ids::{ConnectorName, StepId};
use crate::outside::Outside;
use crate::ports::StoreError;
use crate::run::{
    Children, Compensation, ContextChange, ContextKey, Ending, Event, JournalEntry, Run, RunContext, StepError,
    StepOutcome, StepRecord, Waits,
};
use crate::sensitive::SensitiveNames;
use crate::steps;
use crate::steps::Diagnostics;

/// Everything that a step may use.
pub(crate) struct Attempt<'a> {
    pub(crate) ports: &'a Ports,
    /// What time and chance give it.
    pub(crate) outside: Outside<'a>,
    pub(crate) flow: &'a Flow,
    pub(crate) step: &'a Step,
    pub(crate) run: &'a Run,
    pub(crate) context: &'a RunContext,
    pub(crate) scope: Scope,
    /// When the run's deadline passes.
    pub(crate) until: Instant,
    /// What hooks and calls may still answer, in bytes: it is kept until the commit.
    pub(crate) bytes_left: AtomicUsize,
    /// Where a call is tried: the connector that is meant by its name, saved or not (C-16).
    pub(crate) tried: Option<&'a Arc<Connector>>,
    /// What is told of it to people.
    pub(crate) diagnostics: Diagnostics<'a>,
    /// The names that operators add to those that connectors mark.
    pub(crate) sensitive_names: &'a [String],
    /// How it may suspend the run.
    pub(crate) suspensions: SuspensionLimits,
    /// What tells its calls from those of its step: none where they are the step's own.
    pub(crate) reminder: Option<String>,
    /// How it may call other flows.
    pub(crate) calls: CallLimits,
    /// What hooks see; made when the first one asks.
    pub(crate) shown: OnceCell<Shown>,
}

/// What hooks and people see of a step's data.
pub(crate) struct Shown {
    names: SensitiveNames,
    scope: Scope,
}

/// Runs a step, once. An error of the store leaves nothing to commit.
pub(crate) async fn attempt(attempt: &Attempt<'_>) -> Result<Outcome, StoreError> {
    let started = Instant::now();
    let done = match (steps::passed_over(attempt), attempt.step.common.deadline) {
        (Some(done), _) => done,
        _ if must_be_remembered(attempt.step) && !attempt.run.may_remember() => too_many_compensations(),
        // How long it took is told by the journal.
        (None, Some(_)) if attempt.outside.is_replay() => run_kind(attempt).await,
        (None, Some(deadline)) => steps::within(deadline, Box::pin(run_kind(attempt))).await,
        (None, None) => run_kind(attempt).await,
    };
    let done = steps::unless_run_is_over(attempt, done);
    conclude(attempt, done, started.elapsed())
}

/// What the step does, by its kind.
async fn run_kind(attempt: &Attempt<'_>) -> Done {
    match &attempt.step.kind {
        StepKind::Call(call) => steps::run_call(attempt, call).await,
        StepKind::Action(action) => steps::run_action(attempt, action).await,
        StepKind::Condition(branches) => steps::run_condition(attempt, branches),
        StepKind::Claims(claims) => steps::run_claims(attempt, claims).await,
        StepKind::Parallel(parallel) => steps::run_parallel(attempt, parallel),
        StepKind::ForEach(each) => steps::run_for_each(attempt, each),
        StepKind::CallFlow(call) => steps::run_call_flow(attempt, call).await,
        StepKind::Set(templates) => steps::run_set(attempt, templates),
        StepKind::Transform(transform) => steps::run_transform(attempt, transform).await,
        StepKind::Wait(wait) => steps::run_wait(attempt, wait),
        StepKind::Redirect(redirect) => steps::run_redirect(attempt, redirect),
        StepKind::Prompt(prompt) => steps::run_prompt(attempt, prompt),
        StepKind::Fail { reason, description } => steps::run_fail(attempt, reason, description.as_ref()),
        StepKind::End => Done { record: StepRecord::End, way: Way::Branch(Target::End), changes: Vec::new() },
    }
}

/// Brings a step to its end whose child runs are over.
pub(crate) async fn join(attempt: &Attempt<'_>, children: &Children) -> Result<Outcome, StoreError> {
    let started = Instant::now();
    let done = steps::join(attempt, children).await;
    conclude(attempt, done, started.elapsed())
}

fn must_be_remembered(step: &Step) -> bool {
    step.common.compensate.is_some() || step.has_children()
}

fn too_many_compensations() -> Done {
    let most = Run::COMPENSATIONS_MAX;
    let message = format!("the run has {most} steps to take back, the most that a run may have; it begins no more");
    let way = Way::Error(step_error("run.too-many-compensations", message));
    Done { record: StepRecord::NotRun, way, changes: Vec::new() }
}

/// The run after a step that is done and can be taken back: it remembers it. What was passed over was not done.
fn remembering(attempt: &Attempt<'_>, record: &StepRecord, way: &Way) -> Run {
    // The children of a step that is over are its own no more.
    let mut run = Run { children: None, ..attempt.run.clone() };
    let is_passed_over = match record {
        StepRecord::Action(action) => action.skipped.is_some(),
        record => matches!(record, StepRecord::Skipped { .. }),
    };
    let is_done = matches!(way, Way::Next | Way::Branch(_)) && !is_passed_over;
    if is_done && attempt.step.common.compensate.is_some() {
        run.remember(Compensation { step: attempt.step.id.clone(), children: None });
    }
    run
}

/// From what a step did to what its commit says.
fn conclude(attempt: &Attempt<'_>, done: Done, elapsed: Duration) -> Result<Outcome, StoreError> {
    let Done { record, mut way, mut changes } = done;
    let run = remembering(attempt, &record, &way);
    let begun = match &mut way {
        Way::Begin(begun) => Some((begun.children.clone(), (std::mem::take(&mut begun.runs), begun.items.take()))),
        _ => None,
    };
    let (children, begun) = begun.unzip();
    let (begun, items) = begun.unwrap_or_default();
    let (outcome, left_behind) = lead_on(attempt, way, &changes)?;
    if matches!(outcome, StepOutcome::Waiting { error: Some(_), .. } | StepOutcome::Paused { .. }) {
        // The next attempt finds what this one found.
        changes.clear();
    }
    changes.extend(left_behind);
    let event = event_of(&attempt.step.id, &outcome);
    let (recorded, done_at) = attempt.outside.conclude(attempt.sensitive_names);
    let mut run = Run { children, ..run.apply(event, done_at) };
    run.keep_result(&record);
    if attempt.step.common.visits_max.is_some() && attempt.run.children.is_none() {
        run.count_visit(attempt.run, &attempt.step.id);
    }
    let (diagnostics, diagnostics_dropped) = attempt.take_diagnostics();
    let entry = JournalEntry {
        sequence: run.revision,
        step: attempt.step.id.clone(),
        started_at: attempt.outside.began(),
        elapsed_us: micros(elapsed),
        record,
        outcome,
        changes: changes.clone(),
        diagnostics,
        diagnostics_dropped,
        recorded,
    };
    // The engine's own, which the journal does not show.
    changes.extend(items.map(|items| ContextChange { key: ContextKey::items(), value: Value::Array(items) }));
    Ok(Outcome { run, entry, changes, children: begun })
}

/// What an outcome of a step is to its run.
pub(crate) fn event_of(step: &StepId, outcome: &StepOutcome) -> Event {
    let step = step.clone();
    match outcome {
        StepOutcome::Next { step, .. } => Event::Advanced(step.clone()),
        StepOutcome::Suspended { awaits, remind, until } => {
            Event::Suspended { step, awaits: awaits.clone(), remind: *remind, until: *until }
        }
        StepOutcome::Waiting { on, until, .. } => Event::Waiting { step, on: *on, until: *until },
        StepOutcome::Paused { error, until } => Event::Paused { step, error: error.clone(), until: *until },
        StepOutcome::End(ending) => Event::Ended(ending.clone()),
    }
}

/// Where a step leads, and what it leaves under `steps.ID` for the ones that come after a failure or an error.
fn lead_on(
    attempt: &Attempt<'_>,
    way: Way,
    changes: &[ContextChange],
) -> Result<(StepOutcome, Option<ContextChange>), StoreError> {
    let transitions = &attempt.step.transitions;
    let step = attempt.step.id.clone();
    let left = |value: Value| Some(ContextChange { key: ContextKey::step(&step), value });
    let (target, caught_failure, caught_error, left_behind) = match way {
        Way::Next => (transitions.next.clone(), None, None, None),
        Way::Branch(target) => (target, None, None, None),
        Way::Failure(failure) => {
            let left_behind = left(json!({ "failure": failure }));
            match &transitions.on_failure {
                Some(target) => (target.clone(), Some(failure), None, left_behind),
                None => return Ok((StepOutcome::End(Ending::Failed { step: step.clone(), failure }), left_behind)),
            }
        }
        // Nothing of the run comes after its deadline.
        Way::Error(error) if error.code == RUN_DEADLINE => {
            return Ok((StepOutcome::End(Ending::Error { step: step.clone(), error }), None));
        }
        Way::Error(error) => {
            if let Some(rests) = steps::rest_after(attempt, &error) {
                return Ok((rests, None));
            }
            let left_behind = left(json!({ "error": { "code": error.code, "message": error.message } }));
            match &transitions.on_error {
                Some(target) => (target.clone(), None, Some(error), left_behind),
                None => return Ok((StepOutcome::End(Ending::Error { step: step.clone(), error }), left_behind)),
            }
        }
        Way::Suspend { awaits, remind, until } => return Ok((StepOutcome::Suspended { awaits, remind, until }, None)),
        Way::Wait { on, until } => return Ok((StepOutcome::Waiting { on, until, error: None }, None)),
        Way::Begin(begun) => {
            return Ok((StepOutcome::Waiting { on: Waits::Children, until: begun.until, error: None }, None));
        }
        Way::Later(error) => return Err(error),
    };
    let outcome = match target {
        Target::Step(step) => StepOutcome::Next { step, caught_failure, caught_error },
        Target::End => StepOutcome::End(Ending::Completed { claims: steps_claims(attempt, changes) }),
    };
    Ok((outcome, left_behind))
}

/// The claims of the result: those that the context has, and those that this last step adds.
fn steps_claims(attempt: &Attempt<'_>, changes: &[ContextChange]) -> Vec<crate::run::Claim> {
    let mut context = attempt.context.clone();
    changes.iter().for_each(|change| context.apply(change));
    context.claims()
}

impl Attempt<'_> {
    /// The connector of that name: the one that is tried, or else the tenant's live one.
    pub(crate) async fn connector(&self, name: &ConnectorName) -> Result<Arc<Connector>, Trouble> {
        match self.tried {
            Some(tried) if tried.document.connector == *name => Ok(tried.clone()),
            _ => self.ports.definitions.connector(&self.run.tenant, name, self.outside.versions()).await,
        }
    }

    /// What is left of the run's time.
    pub(crate) fn budget(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Counts what a hook or a call answered.
    pub(crate) fn keep(&self, bytes: usize) -> Result<(), StepError> {
        let take = |left: usize| left.checked_sub(bytes);
        match self.bytes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(_) => Ok(()),
            Err(_) => {
                let message = "the hooks and calls of this step answered more than one step may keep; answer less";
                Err(step_error("run.step-too-large", message))
            }
        }
    }

    /// The names that the flow's connectors and the operator mark as sensitive (D-04).
    pub(crate) async fn marked(&self) -> Result<&SensitiveNames, StoreError> {
        self.shown().await.map(|shown| &shown.names)
    }

    /// What the input of a hook is made of: the scope without what is marked as sensitive. The request and the response
    /// of its own call a hook sees as they are, because what it returns is what is sent and kept.
    pub(crate) async fn hook_scope(&self) -> Result<&Scope, StoreError> {
        self.shown().await.map(|shown| &shown.scope)
    }

    async fn shown(&self) -> Result<&Shown, StoreError> {
        let make = async || {
            let (definitions, versions) = (&self.ports.definitions, self.outside.versions());
            let mut names = definitions.marked_names(&self.run.tenant, self.flow, versions).await?;
            let tried = self.tried.into_iter().flat_map(|connector| &connector.document.sensitive);
            names.mark(tried.chain(self.sensitive_names).chain(&self.run.sensitive).map(String::as_str));
            let scope = self.scope.masked(&names);
            Ok(Shown { names, scope })
        };
        self.shown.get_or_try_init(make).await
    }

    /// A key for one call: the same whenever this call is made again, also after a crash (F-06). A step that runs
    /// again because its run was resumed makes other calls.
    pub(crate) fn idempotency_key(&self, call: &str) -> String {
        if let Some(reminder) = &self.reminder {
            return format!("{}.{}.{reminder}{call}", self.run.id, self.step.id);
        }
        match self.run.resumptions {
            0 => format!("{}.{}{call}", self.run.id, self.step.id),
            round => format!("{}.{}~{round}{call}", self.run.id, self.step.id),
        }
    }
}

/// The code of the error that ends a run at its deadline (F-12).
pub(crate) const RUN_DEADLINE: &str = "run.deadline";

/// A step error of a code.
pub(crate) fn step_error(code: &str, message: impl ToString) -> StepError {
    StepError { code: code.to_owned(), message: message.to_string(), detail: None }
}

impl From<EvaluationError> for StepError {
    fn from(error: EvaluationError) -> Self {
        step_error("expression.evaluation", error)
    }
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
