//! A connector call between its hooks (F-05): bind, pre-call hooks, permit, send, post-response hooks.

use serde_json::{Map, Value, json};

use super::hooks::prepare;
use crate::connector::{BoundRequest, PermittedRequest};
use crate::engine::Trouble;
use crate::flow::CallStep;
use crate::ids::RequestId;
use crate::message::{Failure, Octets, Request, Response};
use crate::ports::{CallContext, Exchange, PostResponseDecision, PreCallDecision};
use crate::run::{CallRecord, ContextChange, HookRecord, StepError, StepRecord};
use crate::step::{Attempt, Done, Way, step_error};

/// Why a call did not come to its end.
enum Stop {
    Failure(Failure),
    Trouble(Trouble),
}

impl<E: Into<StepError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Trouble(Trouble::Step(error.into()))
    }
}

/// For what may fail because the store does.
fn stop(trouble: Trouble) -> Stop {
    Stop::Trouble(trouble)
}

/// What is left to do after the pre-call hooks.
enum Prelude {
    Call(Request),
    Respond(Response),
}

pub(crate) async fn run_call(attempt: &Attempt<'_>, call: &CallStep) -> Done {
    let mut record = CallRecord {
        connector: call.function.connector.clone(),
        connector_version: 0,
        function: call.function.function.clone(),
        arguments: Value::Null,
        bound_request: None,
        pre_call: Vec::new(),
        sent_request: None,
        idempotency_key: None,
        exchange: None,
        post_response: Vec::new(),
        final_response: None,
    };
    let mut changes = Vec::new();
    let way = match the_call(attempt, call, &mut record, &mut changes).await {
        Ok(()) => Way::Next,
        Err(Stop::Failure(failure)) => Way::Failure(failure),
        Err(Stop::Trouble(trouble)) => trouble.into(),
    };
    Done { record: StepRecord::Call(Box::new(record)), way, changes }
}

async fn the_call(
    attempt: &Attempt<'_>,
    call: &CallStep,
    record: &mut CallRecord,
    changes: &mut Vec<ContextChange>,
) -> Result<(), Stop> {
    let bound = bind(attempt, call, record).await?;
    let prelude = pre_call(attempt, call, bound.request().clone(), record).await?;
    let (request, permitted, response) = match prelude {
        Prelude::Call(request) => {
            // After the hooks: none of them can widen what its flow may do.
            let permitted = permit(bound, request)?;
            let response = send(attempt, &permitted, record).await?;
            (permitted.request().clone(), permitted, response)
        }
        Prelude::Respond(response) => {
            let request = bound.request().clone();
            let permitted = permit(bound, request.clone())?;
            (request, permitted, response)
        }
    };
    let response = post_response(attempt, call, &request, response, record).await?;
    record.final_response = Some(response.clone());
    let elapsed_us = record.exchange.as_ref().map_or(0, |exchange| exchange.elapsed_us);
    conclude(attempt, call, &permitted, &response, elapsed_us, changes).inspect_err(|stop| {
        if let Stop::Trouble(trouble) = stop {
            attempt.log_unusable(&permitted, trouble);
        }
    })
}

async fn bind(attempt: &Attempt<'_>, call: &CallStep, record: &mut CallRecord) -> Result<BoundRequest, Stop> {
    let ports = attempt.ports;
    let connector = ports.definitions.connector(&attempt.run.tenant, &call.function.connector).await.map_err(stop)?;
    record.connector_version = connector.version;
    let arguments = match call.arguments.evaluate(&attempt.scope)? {
        Value::Object(arguments) => arguments,
        _ => Map::new(),
    };
    record.arguments = Value::Object(arguments.clone());
    let bound = ports.connectors.bind(&connector, &call.function.function, &arguments, &attempt.scope);
    let bound = bound.inspect_err(|error| attempt.log_unbound(&connector, &call.function.function, error))?;
    record.bound_request = Some(bound.request().clone());
    Ok(bound)
}

async fn pre_call(
    attempt: &Attempt<'_>,
    call: &CallStep,
    mut request: Request,
    record: &mut CallRecord,
) -> Result<Prelude, Stop> {
    for (index, hook) in call.pre_call.iter().enumerate() {
        let prepared = prepare(attempt, hook, &format!("pre-call.{index}")).await.map_err(stop)?;
        let report = attempt.ports.plugins.pre_call(&prepared.invocation, &request, &prepared.calls).await;
        attempt.log_plugin(&prepared.invocation, &report).await;
        let outcome = report.outcome.clone();
        let granted_calls = prepared.calls.into_made();
        record.pre_call.push(HookRecord { invocation: prepared.invocation, report, granted_calls });
        match outcome? {
            PreCallDecision::Call(changed) => {
                attempt.keep(changed.body.as_ref().map_or(0, Octets::len))?;
                request = changed;
            }
            PreCallDecision::Respond(response) => {
                attempt.keep(response.body.len())?;
                return Ok(Prelude::Respond(response));
            }
            PreCallDecision::Fail(failure) => return Err(Stop::Failure(failure)),
        }
    }
    Ok(Prelude::Call(request))
}

fn permit(bound: BoundRequest, request: Request) -> Result<PermittedRequest, Stop> {
    bound.permit(request).map_err(|error| Stop::from(step_error("connector.request-not-permitted", error)))
}

async fn send(attempt: &Attempt<'_>, permitted: &PermittedRequest, record: &mut CallRecord) -> Result<Response, Stop> {
    let context = CallContext {
        tenant: attempt.run.tenant.clone(),
        request_id: RequestId::generate(),
        idempotency_key: attempt.idempotency_key(""),
        budget: attempt.budget(),
    };
    record.sent_request = Some(permitted.request().clone());
    record.idempotency_key = Some(context.idempotency_key.clone());
    attempt.log_request(&context, permitted).await;
    let exchange: Exchange = attempt.ports.connectors.send(&context, permitted).await;
    attempt.log_exchange(&context, permitted, &exchange).await;
    let outcome = exchange.outcome.clone();
    record.exchange = Some(exchange);
    let response = outcome?;
    attempt.keep(response.body.len())?;
    Ok(response)
}

async fn post_response(
    attempt: &Attempt<'_>,
    call: &CallStep,
    request: &Request,
    mut response: Response,
    record: &mut CallRecord,
) -> Result<Response, Stop> {
    for (index, hook) in call.post_response.iter().enumerate() {
        let prepared = prepare(attempt, hook, &format!("post-response.{index}")).await.map_err(stop)?;
        let report =
            attempt.ports.plugins.post_response(&prepared.invocation, request, &response, &prepared.calls).await;
        attempt.log_plugin(&prepared.invocation, &report).await;
        let outcome = report.outcome.clone();
        let granted_calls = prepared.calls.into_made();
        record.post_response.push(HookRecord { invocation: prepared.invocation, report, granted_calls });
        match outcome? {
            PostResponseDecision::Keep(changed) => {
                attempt.keep(changed.body.len())?;
                response = changed;
            }
            PostResponseDecision::Fail(failure) => return Err(Stop::Failure(failure)),
        }
    }
    Ok(response)
}

/// Puts the result into the context (C-17) and judges the status (C-12), which the hooks may have changed.
fn conclude(
    attempt: &Attempt<'_>,
    call: &CallStep,
    permitted: &PermittedRequest,
    response: &Response,
    elapsed_us: u64,
    changes: &mut Vec<ContextChange>,
) -> Result<(), Stop> {
    let settings = &permitted.function().response;
    let accepted = settings.valid_statuses.contains(response.status) || !settings.fail_on_invalid_status;
    let parsed = attempt.ports.connectors.parse_body(permitted, response);
    // A refusal often has a body of another format: it is attached as text then.
    let body = match parsed {
        Ok(body) => body,
        Err(error) if accepted => return Err(error.into()),
        Err(_) => Value::String(String::from_utf8_lossy(response.body.as_slice()).into_owned()),
    };
    let value = json!({
        "status": response.status,
        "headers": headers_json(response),
        "body": body,
        "transformed_data": response.transformed_data,
        "elapsed_ms": elapsed_us / 1000,
    });
    changes.push(ContextChange { key: call.context_key.clone(), value });
    if accepted {
        return Ok(());
    }
    // The end user reads this; the journal has the response.
    Err(Stop::Failure(Failure { reason: "The request was not accepted".to_owned(), description: None }))
}

/// One member a name; repeated fields are joined by `, ` (RFC 9110 section 5.3).
fn headers_json(response: &Response) -> Value {
    let mut headers: Map<String, Value> = Map::new();
    for header in &response.headers {
        let text = String::from_utf8_lossy(header.value.as_slice()).into_owned();
        match headers.get_mut(&header.name) {
            Some(Value::String(joined)) => {
                joined.push_str(", ");
                joined.push_str(&text);
            }
            _ => {
                headers.insert(header.name.clone(), Value::String(text));
            }
        }
    }
    Value::Object(headers)
}
