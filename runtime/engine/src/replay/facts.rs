//! What a replay takes from the record of each kind of step: one arm a kind.

use serde_json::Value;

use crate::ids::{ConnectorName, FunctionName};
use crate::ports::{Exchange, HookError, InvocationLimits, LogLine};
use crate::run::{
    ChildrenRecord, Ending, GrantedCallRecord, HookRecord, JournalEntry, StepError, StepOutcome, StepRecord,
};
use crate::step::{RUN_DEADLINE, STEP_DEADLINE, TOO_MANY_COMPENSATIONS};

/// A hook's invocation, whatever it decided.
pub(super) struct HookFacts<'a> {
    pub(super) request_id: &'a str,
    pub(super) limits: InvocationLimits,
    pub(super) error: Option<&'a HookError>,
    pub(super) logs: &'a [LogLine],
    pub(super) logs_dropped: u32,
    pub(super) fuel: u64,
    pub(super) granted_calls: &'a [GrantedCallRecord],
}

/// A call that a hook made, for one that is not run again.
#[derive(Clone)]
pub(super) struct MadeCall {
    pub(super) connector: ConnectorName,
    pub(super) function: FunctionName,
    pub(super) arguments: Value,
}

/// Whether a step was executed, and can be again.
pub(super) fn is_executed(entry: &JournalEntry) -> bool {
    let error = match &entry.outcome {
        StepOutcome::Next { caught_error: error, .. } | StepOutcome::Waiting { error, .. } => error.as_ref(),
        StepOutcome::Paused { error, .. } | StepOutcome::End(Ending::Error { error, .. }) => Some(error),
        StepOutcome::Suspended { .. } | StepOutcome::End(_) => None,
    };
    // What a clock cut short is not cut short again, and what was never begun has no beginning.
    let is_not =
        |error: &StepError| matches!(error.code.as_str(), STEP_DEADLINE | RUN_DEADLINE | TOO_MANY_COMPENSATIONS);
    entry.is_of_step() && !error.is_some_and(is_not)
}

/// The child runs with which a step came to its end, where it had some.
pub(super) fn joined(entry: &JournalEntry) -> Option<&ChildrenRecord> {
    match &entry.record {
        StepRecord::Children(children) if children.joined && children.begun > 0 => Some(children),
        _ => None,
    }
}

/// Whether the engine ended the run for what the step had done, not the step.
pub(super) fn is_decided_by_engine(outcome: &StepOutcome) -> bool {
    matches!(outcome, StepOutcome::End(Ending::Error { error, .. }) if error.code == "run.context-too-large")
}

/// The hooks of a step, in order.
pub(super) fn hooks(record: &StepRecord) -> Vec<HookFacts<'_>> {
    match record {
        StepRecord::Call(call) => call.pre_call.iter().map(facts).chain(call.post_response.iter().map(facts)).collect(),
        StepRecord::Action(action) => action.hook.iter().map(facts).collect(),
        StepRecord::Transform(transform) => transform.hook.iter().map(facts).collect(),
        _ => Vec::new(),
    }
}

/// What came back to a step's own calls, each with its key, in order.
pub(super) fn exchanges(record: &StepRecord) -> Vec<(&str, &Exchange)> {
    let mut exchanges = Vec::new();
    match record {
        StepRecord::Call(call) => exchanges.extend(call.idempotency_key.as_deref().zip(call.exchange.as_ref())),
        StepRecord::Action(action) => {
            if let Some(service) = &action.service {
                let key = service.idempotency_key.as_deref().unwrap_or_default();
                exchanges.extend(service.exchanges.iter().map(|exchange| (key, exchange)));
            }
        }
        _ => {}
    }
    let granted = hooks(record).into_iter().flat_map(|hook| hook.granted_calls);
    exchanges.extend(granted.filter_map(|call| call.idempotency_key.as_deref().zip(call.exchange.as_ref())));
    exchanges
}

/// Takes out how long hooks took.
pub(super) fn forget_times(record: &mut StepRecord) {
    match record {
        StepRecord::Call(call) => {
            call.pre_call.iter_mut().for_each(forget_time);
            call.post_response.iter_mut().for_each(forget_time);
        }
        StepRecord::Action(action) => action.hook.iter_mut().for_each(forget_time),
        StepRecord::Transform(transform) => transform.hook.iter_mut().for_each(forget_time),
        _ => {}
    }
}

/// Wall time is what differs: what was left of a deadline too.
fn forget_time<D>(hook: &mut HookRecord<D>) {
    hook.report.elapsed_us = 0;
    hook.invocation.limits.time_ms = 0;
}

/// The most that the hooks of a step were allowed by their host: at least what each of them was, so that each is
/// allowed the same again.
pub(super) fn limits(record: &StepRecord) -> InvocationLimits {
    let each = hooks(record).into_iter().map(|hook| hook.limits);
    let larger = |one: InvocationLimits, other: InvocationLimits| InvocationLimits {
        time_ms: one.time_ms.max(other.time_ms),
        fuel: one.fuel.max(other.fuel),
        memory_bytes: one.memory_bytes.max(other.memory_bytes),
        table_elements: one.table_elements.max(other.table_elements),
        output_bytes: one.output_bytes.max(other.output_bytes),
        log_bytes: one.log_bytes.max(other.log_bytes),
        log_lines: one.log_lines.max(other.log_lines),
        connector_calls: one.connector_calls.max(other.connector_calls),
    };
    each.reduce(larger).unwrap_or_default()
}

fn facts<D>(hook: &HookRecord<D>) -> HookFacts<'_> {
    HookFacts {
        request_id: hook.invocation.request_id.as_str(),
        limits: hook.invocation.limits,
        error: hook.report.outcome.as_ref().err(),
        logs: &hook.report.logs,
        logs_dropped: hook.report.logs_dropped,
        fuel: hook.report.fuel,
        granted_calls: &hook.granted_calls,
    }
}
