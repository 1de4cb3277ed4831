//! The flow runner (F-09): what one step did, in one form for every kind of step, with what it changed in the context.
//! Made of a journal entry that is masked already, for the API and for the command line alike.

mod context_diff;

use serde::Serialize;
use serde_json::{Value, json};
use weir_engine::message::{Request, Response};
use weir_engine::ports::{Exchange, LogLine};
use weir_engine::run::{
    CallRecord, DiagnosticEntry, HookKind, HookRecord, JournalEntry, OperationRecord, StepOutcome, StepRecord,
};
use weir_engine::time::Timestamp;

pub(crate) use self::context_diff::{Change, KeyDiff, MemberDiff, diff};

/// One step, as somebody sees it who looks for a fault.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct DebugStep {
    /// The number of its journal entry.
    sequence: u64,
    /// The step.
    step: String,
    /// Its kind, such as `call`.
    kind: String,
    /// When it began.
    #[schema(value_type = String)]
    started_at: Timestamp,
    /// How long it took without the commit, in microseconds.
    elapsed_us: u64,
    /// Its hooks, in the order in which they ran.
    hooks: Vec<DebugHook>,
    /// The calls of the step itself, in order. Those of its plugins stand with the hooks.
    calls: Vec<DebugCall>,
    /// What became of the operations of an action.
    #[schema(value_type = Vec<Object>)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    operations: Vec<OperationRecord>,
    /// Where it led.
    #[schema(value_type = Object)]
    outcome: StepOutcome,
    /// What it changed in the context, by key.
    context: Vec<KeyDiff>,
    /// What is told of it to people.
    #[schema(value_type = Vec<Object>)]
    diagnostics: Vec<DiagnosticEntry>,
}

/// One invocation of a hook.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct DebugHook {
    /// `pre-call`, `post-response` or `action`.
    hook: &'static str,
    /// The plugin, as `NAME@VERSION`.
    plugin: String,
    /// What it was given besides the request, response or event.
    #[schema(value_type = Object)]
    input: Value,
    /// Its settings.
    #[schema(value_type = Object)]
    config: Value,
    /// What it decided; null where it did not.
    #[schema(value_type = Object)]
    output: Value,
    /// Why it decided nothing, with code, message and detail.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
    /// What it logged.
    #[schema(value_type = Vec<Object>)]
    logs: Vec<LogLine>,
    /// Lines over the limit.
    logs_dropped: u32,
    /// Fuel used up.
    fuel: u64,
    /// The most fuel that it might have used up.
    fuel_max: u64,
    /// Wall time, in microseconds.
    elapsed_us: u64,
    /// The calls that it made.
    calls: Vec<DebugCall>,
}

/// One call of a connector.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct DebugCall {
    /// What was called, as `CONNECTOR.FUNCTION`.
    function: String,
    /// The version of the connector.
    connector_version: u32,
    /// What was sent, without the host's credentials; none where nothing was.
    #[schema(value_type = Option<Object>)]
    request: Option<Request>,
    /// What came back.
    #[schema(value_type = Option<Object>)]
    response: Option<Response>,
    /// Why nothing did, with code and message.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
    /// The key that went with it.
    idempotency_key: Option<String>,
    /// How often it was tried.
    attempts: usize,
    /// How long it took with all attempts, in microseconds.
    elapsed_us: u64,
}

impl DebugStep {
    /// The step of a masked entry.
    pub(crate) fn of(entry: JournalEntry) -> Self {
        let (hooks, calls) = match &entry.record {
            StepRecord::Call(call) => {
                let before = call.pre_call.iter().map(|hook| debug_hook(HookKind::PreCall, hook));
                let after = call.post_response.iter().map(|hook| debug_hook(HookKind::PostResponse, hook));
                (before.chain(after).collect(), call_of(call).into_iter().collect())
            }
            StepRecord::Action(action) => {
                let hooks = action.hook.iter().map(|hook| debug_hook(HookKind::Action, hook)).collect();
                let service = action.service.iter().flat_map(|service| {
                    let function = format!("{}.{}", service.connector, service.function);
                    service.exchanges.iter().map(move |exchange| DebugCall {
                        connector_version: service.connector_version,
                        request: service.sent_request.clone(),
                        idempotency_key: service.idempotency_key.clone(),
                        ..debug_call(function.clone(), Some(exchange))
                    })
                });
                (hooks, service.collect())
            }
            StepRecord::Transform(transform) => {
                (transform.hook.iter().map(|hook| debug_hook(HookKind::PostResponse, hook)).collect(), Vec::new())
            }
            _ => (Vec::new(), Vec::new()),
        };
        let kind =
            serde_json::to_value(&entry.record).ok().and_then(|record| Some(record.get("kind")?.as_str()?.to_owned()));
        let context = diff(&entry.recorded.replaced, &entry.changes);
        let operations = match entry.record {
            StepRecord::Action(action) => action.operations,
            _ => Vec::new(),
        };
        Self {
            sequence: entry.sequence,
            step: entry.step.to_string(),
            kind: kind.unwrap_or_default(),
            started_at: entry.started_at,
            elapsed_us: entry.elapsed_us,
            hooks,
            calls,
            operations,
            outcome: entry.outcome,
            context,
            diagnostics: entry.diagnostics,
        }
    }
}

fn call_of(call: &CallRecord) -> Option<DebugCall> {
    call.sent_request.as_ref()?;
    Some(DebugCall {
        connector_version: call.connector_version,
        request: call.sent_request.clone(),
        idempotency_key: call.idempotency_key.clone(),
        ..debug_call(format!("{}.{}", call.connector, call.function), call.exchange.as_ref())
    })
}

fn debug_call(function: String, exchange: Option<&Exchange>) -> DebugCall {
    let outcome = exchange.map(|exchange| &exchange.outcome);
    let response = outcome.and_then(|outcome| outcome.as_ref().ok()).cloned();
    let error = outcome.and_then(|outcome| outcome.as_ref().err());
    DebugCall {
        function,
        connector_version: 0,
        request: None,
        response,
        error: error.map(|error| json!({ "code": error.kind.code(), "message": error.message })),
        idempotency_key: None,
        attempts: exchange.map_or(0, |exchange| exchange.attempts.len()),
        elapsed_us: exchange.map_or(0, |exchange| exchange.elapsed_us),
    }
}

fn debug_hook<D: Serialize>(kind: HookKind, hook: &HookRecord<D>) -> DebugHook {
    let (invocation, report) = (&hook.invocation, &hook.report);
    let error = report.outcome.as_ref().err();
    let calls = hook.granted_calls.iter().map(|call| DebugCall {
        connector_version: call.connector_version,
        request: call.sent_request.clone(),
        idempotency_key: call.idempotency_key.clone(),
        error: call.outcome.as_ref().err().map(|error| json!({ "kind": error.kind, "message": error.message })),
        ..debug_call(format!("{}.{}", call.connector, call.function), call.exchange.as_ref())
    });
    DebugHook {
        hook: kind.as_str(),
        plugin: format!("{}@{}", invocation.plugin.name, invocation.plugin.version),
        input: invocation.input.clone(),
        config: invocation.config.clone(),
        output: report.outcome.as_ref().ok().and_then(|it| serde_json::to_value(it).ok()).unwrap_or_default(),
        error: error.map(|it| json!({ "code": it.kind.code(), "message": it.message, "detail": it.detail })),
        logs: report.logs.clone(),
        logs_dropped: report.logs_dropped,
        fuel: report.fuel,
        fuel_max: invocation.limits.fuel,
        elapsed_us: report.elapsed_us,
        calls: calls.collect(),
    }
}
