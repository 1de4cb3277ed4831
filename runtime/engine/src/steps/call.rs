//! A connector call between its hooks (F-05): bind, pre-call hooks, permit, send, read, post-response hooks.

use serde_json::{Map, Value};

use super::background::hand_over;
use super::hooks::prepare;
use super::result::Reading;
use crate::connector::{BoundRequest, PermittedRequest, ResponseMode};
use crate::engine::Trouble;
use crate::expression::weight;
use crate::flow::{CallStep, HookUse};
use crate::message::{Failure, Header, Octets, Request, Response};
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

/// A call as it came out.
pub(crate) struct Called {
    pub(crate) record: CallRecord,
    pub(crate) way: Way,
    pub(crate) changes: Vec<ContextChange>,
}

pub(crate) async fn run_call(attempt: &Attempt<'_>, call: &CallStep) -> Done {
    let Called { record, way, changes } = make_call(attempt, call).await;
    Done { record: StepRecord::Call(Box::new(record)), way, changes }
}

/// Makes the call, in a run or without one.
pub(crate) async fn make_call(attempt: &Attempt<'_>, call: &CallStep) -> Called {
    let mut record = CallRecord {
        connector: call.function.connector.clone(),
        connector_version: 0,
        function: call.function.function.clone(),
        mode: ResponseMode::Wait,
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
    Called { record, way, changes }
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
            if permitted.function().mode == ResponseMode::Background {
                hand_over(attempt, call, &permitted, record, changes);
                return Ok(());
            }
            let response = send(attempt, &permitted, record).await?;
            (permitted.request().clone(), permitted, response)
        }
        Prelude::Respond(response) => {
            let request = bound.request().clone();
            let permitted = permit(bound, request.clone())?;
            (request, permitted, response)
        }
    };
    let elapsed_us = record.exchange.as_ref().map_or(0, |exchange| exchange.elapsed_us);
    let unusable = |error: &StepError| attempt.log_unusable(&permitted, error);
    let mut reading = Reading::new(attempt, &permitted, elapsed_us);
    let transforming = reading.transforming_hook(&response);
    let hooks = hooks_after(call, transforming.as_ref());
    let response = reading.begin(response, !hooks.is_empty()).await.inspect_err(&unusable)?;
    let response = post_response(attempt, &hooks, &request, response, record).await?;
    record.final_response = Some(response.clone());
    let (value, accepted) = reading.conclude(&response).await.inspect_err(&unusable)?;
    changes.push(ContextChange { key: call.context_key.clone(), value });
    if accepted {
        return Ok(());
    }
    // The end user reads this; the journal and the context have the response.
    Err(Stop::Failure(Failure { reason: "The request was not accepted".to_owned(), description: None }))
}

/// The hooks after a response, each with its place: the one that transforms it comes before the step's own.
fn hooks_after<'a>(call: &'a CallStep, transforming: Option<&'a HookUse>) -> Vec<(String, &'a HookUse)> {
    let own = call.post_response.iter().enumerate().map(|(index, hook)| (format!("post-response.{index}"), hook));
    transforming.into_iter().map(|hook| ("transformation".to_owned(), hook)).chain(own).collect()
}

async fn bind(attempt: &Attempt<'_>, call: &CallStep, record: &mut CallRecord) -> Result<BoundRequest, Stop> {
    let ports = attempt.ports;
    let connector = attempt.connector(&call.function.connector).await.map_err(stop)?;
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
                attempt.keep(changed.body.as_ref().map_or(0, Octets::len) + bytes_of(&changed.headers))?;
                request = changed;
            }
            PreCallDecision::Respond(response) => {
                attempt.keep(bytes_of_response(&response))?;
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
        request_id: attempt.outside.request_id("call"),
        idempotency_key: attempt.idempotency_key(""),
        budget: attempt.budget(),
        attempts: crate::ports::Attempts::OfFunction,
    };
    record.sent_request = Some(permitted.request().clone());
    record.idempotency_key = Some(context.idempotency_key.clone());
    attempt.log_request(&context, permitted).await;
    let exchange: Exchange = attempt.ports.connectors.send(&context, permitted).await;
    attempt.log_exchange(&context, permitted, &exchange).await;
    let outcome = exchange.outcome.clone();
    record.exchange = Some(exchange);
    let response = outcome?;
    attempt.keep(bytes_of_response(&response))?;
    Ok(response)
}

async fn post_response(
    attempt: &Attempt<'_>,
    hooks: &[(String, &HookUse)],
    request: &Request,
    mut response: Response,
    record: &mut CallRecord,
) -> Result<Response, Stop> {
    for (place, hook) in hooks {
        let prepared = prepare(attempt, hook, place).await.map_err(stop)?;
        let report =
            attempt.ports.plugins.post_response(&prepared.invocation, request, &response, &prepared.calls).await;
        attempt.log_plugin(&prepared.invocation, &report).await;
        let outcome = report.outcome.clone();
        let granted_calls = prepared.calls.into_made();
        record.post_response.push(HookRecord { invocation: prepared.invocation, report, granted_calls });
        match outcome? {
            PostResponseDecision::Keep(changed) => {
                attempt.keep(bytes_of_response(&changed))?;
                response = changed;
            }
            PostResponseDecision::Fail(failure) => return Err(Stop::Failure(failure)),
        }
    }
    Ok(response)
}

fn bytes_of(headers: &[Header]) -> usize {
    headers.iter().map(|header| header.name.len() + header.value.len()).sum()
}

/// What is kept of a response.
pub(super) fn bytes_of_response(response: &Response) -> usize {
    response.body.len() + bytes_of(&response.headers) + response.transformed_data.as_ref().map_or(0, weight)
}
