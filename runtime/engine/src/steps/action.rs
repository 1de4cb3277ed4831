//! An action: an event goes to a plugin, the operations that come back are applied.

use serde_json::Value;

use super::hooks::prepare;
use crate::action;
use crate::engine::Trouble;
use crate::flow::ActionStep;
use crate::ports::{ActionDecision, ActionEvent, HookReport};
use crate::run::{ActionRecord, ContextChange, ContextKey, HookRecord, OperationRecord, StepRecord};
use crate::step::{Attempt, Done, Way, step_error};

pub(crate) async fn run_action(attempt: &Attempt<'_>, action: &ActionStep) -> Done {
    let before = attempt.context.get(&ContextKey::event()).unwrap_or(&Value::Null);
    let event = ActionEvent {
        action_type: action.kind.name.to_owned(),
        payload: action.kind.payload(&attempt.flow.trigger, &attempt.run.id.to_string(), before),
        allowed_operations: action.allowed_operations.clone(),
    };
    let prepared = match prepare(attempt, &action.hook, "action").await {
        Ok(prepared) => prepared,
        Err(trouble) => return unprepared(event, trouble),
    };
    let report: HookReport<ActionDecision> =
        attempt.ports.plugins.action(&prepared.invocation, &event, &prepared.calls).await;
    attempt.log_plugin(&prepared.invocation, &report).await;
    let outcome = report.outcome.clone();
    let granted_calls = prepared.calls.into_made();
    let hook = HookRecord { invocation: prepared.invocation, report, granted_calls };
    let (way, operations, changes) = match outcome {
        Err(error) => (Way::Error(error.into()), Vec::new(), Vec::new()),
        Ok(ActionDecision::Failed(failure)) => (Way::Failure(failure), Vec::new(), Vec::new()),
        Ok(ActionDecision::Success(operations)) => apply(before, &operations, action),
        Ok(ActionDecision::Incomplete(_)) => {
            let message =
                format!("a `{}` action cannot suspend the run; answer `success` or `failed`", action.kind.name);
            (Way::Error(step_error("action.incomplete-not-allowed", message)), Vec::new(), Vec::new())
        }
    };
    let record = ActionRecord { event, hook: Some(hook), operations };
    Done { record: StepRecord::Action(Box::new(record)), way, changes }
}

fn unprepared(event: ActionEvent, trouble: Trouble) -> Done {
    let record = ActionRecord { event, hook: None, operations: Vec::new() };
    Done { record: StepRecord::Action(Box::new(record)), way: trouble.into(), changes: Vec::new() }
}

fn apply(
    before: &Value,
    operations: &[action::Operation],
    action: &ActionStep,
) -> (Way, Vec<OperationRecord>, Vec<ContextChange>) {
    match action::apply(before, operations, &action.allowed_operations) {
        Ok(applied) => {
            let change = ContextChange { key: ContextKey::event(), value: applied.event };
            let changes = if operations.is_empty() { Vec::new() } else { vec![change] };
            (Way::Next, applied.operations, changes)
        }
        Err(refused) => {
            let message = refused.to_string();
            (Way::Error(step_error(refused.code, message)), refused.operations, Vec::new())
        }
    }
}
