//! What a step comes to when its child runs are over.

use serde_json::{Map, Value, json};

use super::{named, policy};
use crate::engine::{Trouble, scope_of};
use crate::expression::{ValueTemplate, weight};
use crate::flow::{ParallelStep, StepKind};
use crate::ids::RunId;
use crate::message::Failure;
use crate::ports::StoreError;
use crate::run::{
    Children, ChildrenRecord, ContextChange, ContextKey, Ending, Run, RunContext, RunStateKind, StepError, StepRecord,
};
use crate::step::{Attempt, Done, Way, step_error};

/// Joins the children: their results, or how the step fails.
pub(crate) async fn join(attempt: &Attempt<'_>, children: &Children) -> Done {
    let record = StepRecord::Children(ChildrenRecord { joined: true, ..ChildrenRecord::of(children) });
    match joined(attempt, children).await {
        Ok((way, changes)) => Done { record, way, changes },
        Err(trouble) => Done { record, way: trouble.into(), changes: Vec::new() },
    }
}

type Joined = (Way, Vec<ContextChange>);

async fn joined(attempt: &Attempt<'_>, children: &Children) -> Result<Joined, Trouble> {
    let kind = &attempt.step.kind;
    let fails = policy(kind, children.total).is_some_and(|policy| policy.stop && !children.is_reached(policy));
    if let Some(first) = children.first_not_completed.filter(|_| fails) {
        let child = child(attempt, children, first).await?;
        return Ok((failing(attempt, &child, first), Vec::new()));
    }
    let (value, mut changes) = match kind {
        StepKind::Parallel(step) => branches(attempt, children, step).await?,
        StepKind::ForEach(step) => (results(attempt, children, step.result.as_ref()).await?, Vec::new()),
        _ => (of_flow(&child(attempt, children, 0).await?), Vec::new()),
    };
    changes.push(ContextChange { key: ContextKey::step(&attempt.step.id), value });
    Ok((Way::Next, changes))
}

async fn child(attempt: &Attempt<'_>, children: &Children, index: u32) -> Result<Run, StoreError> {
    let id = RunId::child(attempt.run.id, children.since, index);
    attempt.outside.child(&*attempt.ports.store, &attempt.run.tenant, id).await
}

async fn context(attempt: &Attempt<'_>, child: &Run) -> Result<RunContext, StoreError> {
    attempt.outside.context_of(&*attempt.ports.store, child).await
}

/// The branches that completed leave behind what they changed, in the order of the document: a later one wins, leaf by leaf.
/// One that was not needed any more may never have been begun.
async fn branches(
    attempt: &Attempt<'_>,
    children: &Children,
    step: &ParallelStep,
) -> Result<(Value, Vec<ContextChange>), Trouble> {
    let mut after = attempt.context.clone();
    let mut told = Map::new();
    for (index, branch) in (0..).zip(&step.branches) {
        if index >= children.begun {
            told.insert(branch.name.to_string(), json!({ "state": RunStateKind::Cancelled.as_str() }));
            continue;
        }
        let child = child(attempt, children, index).await?;
        let mut result = None;
        if let Some(Ending::Completed { .. }) = child.ending() {
            let context = context(attempt, &child).await?;
            let changes = context.changes_since(attempt.context);
            attempt.keep(changes.iter().map(|change| weight(&change.value)).sum())?;
            changes.iter().for_each(|change| after.merge(change, attempt.context));
            result = evaluated(attempt, &child, &context, branch.result.as_ref())?;
        }
        told.insert(branch.name.to_string(), tell(&child, result));
    }
    let value = json!({ "branches": told, "completed": children.completed });
    Ok((value, after.changes_since(attempt.context)))
}

/// What became of each item, in order. Only where there is something to evaluate is its context read.
async fn results(
    attempt: &Attempt<'_>,
    children: &Children,
    template: Option<&ValueTemplate>,
) -> Result<Value, Trouble> {
    let mut results = Vec::new();
    for index in 0..children.begun {
        let child = child(attempt, children, index).await?;
        let mut result = None;
        if template.is_some() && matches!(child.ending(), Some(Ending::Completed { .. })) {
            result = evaluated(attempt, &child, &context(attempt, &child).await?, template)?;
        }
        let told = tell(&child, result);
        attempt.keep(weight(&told))?;
        results.push(told);
    }
    Ok(json!({ "results": results, "completed": children.completed }))
}

fn evaluated(
    attempt: &Attempt<'_>,
    child: &Run,
    context: &RunContext,
    template: Option<&ValueTemplate>,
) -> Result<Option<Value>, StepError> {
    let Some(template) = template else { return Ok(None) };
    let value = template.evaluate(&scope_of(child, context))?;
    attempt.keep(weight(&value))?;
    Ok(Some(value))
}

/// What the flow sees of a child that is over.
fn tell(child: &Run, result: Option<Value>) -> Value {
    let mut told = json!({ "run": child.id, "state": child.state_kind().as_str() });
    let more = match child.ending() {
        Some(Ending::Completed { .. }) => result.map(|result| ("result", result)),
        Some(Ending::Failed { failure, .. }) => Some(("failure", json!(failure))),
        Some(Ending::Error { error, .. }) => Some(("error", json!({ "code": error.code, "message": error.message }))),
        Some(Ending::Cancelled { .. }) | None => None,
    };
    if let (Some((member, value)), Some(told)) = (more, told.as_object_mut()) {
        told.insert(member.to_owned(), value);
    }
    told
}

/// What the flow sees of a called flow that completed.
fn of_flow(child: &Run) -> Value {
    let claims: Map<String, Value> = match child.ending() {
        Some(Ending::Completed { claims }) => claims.iter().map(|it| (it.key.clone(), it.value.clone())).collect(),
        _ => Map::new(),
    };
    let mut told = json!({ "run": child.id, "state": child.state_kind().as_str(), "claims": claims });
    if let (Some(jwt), Some(told)) = (&child.jwt, told.as_object_mut()) {
        told.insert("jwt".to_owned(), json!(jwt));
    }
    told
}

/// How the step fails: as its child that did not complete first.
fn failing(attempt: &Attempt<'_>, child: &Run, index: u32) -> Way {
    let what = match &attempt.step.kind {
        StepKind::Parallel(step) => {
            let name = usize::try_from(index).ok().and_then(|index| step.branches.get(index));
            name.map_or_else(|| "a branch".to_owned(), |branch| format!("branch `{}`", branch.name))
        }
        StepKind::CallFlow(step) => named(step),
        _ => format!("item {index}"),
    };
    let run = child.id;
    match child.ending() {
        Some(Ending::Failed { failure, .. }) => {
            let Failure { reason, description } = failure.clone();
            Way::Failure(Failure { reason, description })
        }
        Some(Ending::Error { error, .. }) => Way::Error(of_error(&attempt.step.kind, &what, child, error)),
        _ => Way::Error(step_error("run.child-cancelled", format!("{what} was cancelled (run {run})"))),
    }
}

fn of_error(kind: &StepKind, what: &str, child: &Run, error: &StepError) -> StepError {
    let code = match kind {
        StepKind::CallFlow(_) => "flow.called-flow-error",
        _ => error.code.as_str(),
    };
    let message = format!("{what} ended with the error `{}`: {} (run {})", error.code, error.message, child.id);
    StepError { detail: error.detail.clone(), ..step_error(code, message) }
}
