//! Asks an external service: at most twice, under one budget, with the same request.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::super::call::bytes_of_response;
use super::Acting;
use crate::action::{
    ATTEMPTS_MAX, ActionAnswer, AnswerRules, ReadAnswer, UnusableAnswer, budget_of, keeps_from_serving, read_answer,
};
use crate::connector::{Connector, PermittedRequest};
use crate::engine::Trouble;
use crate::flow::FunctionRef;
use crate::ids::RequestId;
use crate::message::{Header, Octets, Request, Response};
use crate::ports::{ActionEvent, Attempts, CallContext, ConnectorError, ConnectorErrorKind, Exchange};
use crate::run::{ActionRecord, ServiceRecord, StepError};
use crate::step::step_error;

pub(super) async fn ask(
    acting: &Acting<'_>,
    wanted: &FunctionRef,
    record: &mut ActionRecord,
) -> Result<ActionAnswer, Trouble> {
    let attempt = acting.attempt;
    let connector = attempt.connector(&wanted.connector).await?;
    let service = record.service.insert(ServiceRecord {
        connector: wanted.connector.clone(),
        connector_version: connector.version,
        function: wanted.function.clone(),
        sent_request: None,
        idempotency_key: None,
        exchanges: Vec::new(),
    });
    let request_id = attempt.outside.request_id("call");
    let envelope = envelope(acting, &request_id, &record.event)?;
    let permitted = permitted(acting, wanted, &connector, envelope)?;
    let timeout = acting.set_up.profile.request_timeout.unwrap_or(acting.kind.request_timeout);
    let context = CallContext {
        tenant: attempt.run.tenant.clone(),
        request_id,
        idempotency_key: attempt.idempotency_key(""),
        budget: budget_of(timeout),
        attempts: Attempts::One { timeout },
    };
    service.sent_request = Some(permitted.request().clone());
    service.idempotency_key = Some(context.idempotency_key.clone());
    let asking = Asking { acting, wanted, permitted };
    Ok(asking.answer(context, &mut service.exchanges).await?)
}

/// What is asked.
fn envelope(acting: &Acting<'_>, request_id: &RequestId, event: &ActionEvent) -> Result<Octets, StepError> {
    let mut envelope = Map::new();
    if acting.kind.flow_id {
        envelope.insert("flowId".to_owned(), json!(acting.attempt.run.id));
    }
    let allowed = serde_json::to_value(&event.allowed_operations);
    let allowed = allowed.map_err(|error| step_error("action.service-function", error))?;
    envelope.insert("requestId".to_owned(), json!(request_id));
    envelope.insert("actionType".to_owned(), json!(event.action_type));
    envelope.insert("event".to_owned(), event.payload.clone());
    envelope.insert("allowedOperations".to_owned(), allowed);
    Ok(Octets::from(Value::Object(envelope).to_string()))
}

/// The function's request with the envelope for its body.
fn permitted(
    acting: &Acting<'_>,
    wanted: &FunctionRef,
    connector: &Arc<Connector>,
    envelope: Octets,
) -> Result<PermittedRequest, StepError> {
    let attempt = acting.attempt;
    if let Some(problem) = connector.document.function(&wanted.function).and_then(keeps_from_serving) {
        // The connector was saved anew since the flow was.
        return Err(step_error("action.service-function", format!("`{wanted}` cannot serve an action: {problem}")));
    }
    let bound = attempt.ports.connectors.bind(connector, &wanted.function, &Map::new(), &attempt.scope);
    let bound = bound.inspect_err(|error| attempt.log_unbound(connector, &wanted.function, error))?;
    let ours = |header: &Header| header.name == "content-type" || header.name == "accept";
    let mut headers = vec![Header::new("content-type", "application/json"), Header::new("accept", "application/json")];
    headers.extend(bound.request().headers.iter().filter(|header| !ours(header)).cloned());
    let request = Request { headers, body: Some(envelope), ..bound.request().clone() };
    bound.permit(request).map_err(|error| step_error("connector.request-not-permitted", error))
}

/// The longest body, in bytes, that is read on a thread that serves other runs too.
const READ_HERE_MAX: usize = 64 << 10;

/// One question to one service.
struct Asking<'a> {
    acting: &'a Acting<'a>,
    wanted: &'a FunctionRef,
    permitted: PermittedRequest,
}

/// Whether a status without an ERROR of the service may be another one the next time.
fn may_pass(status: u16) -> bool {
    matches!(status, 500 | 502 | 503 | 504)
}

/// Why an attempt gave no answer, and whether another may.
struct Vain {
    error: StepError,
    again: bool,
}

impl Asking<'_> {
    async fn answer(&self, mut context: CallContext, exchanges: &mut Vec<Exchange>) -> Result<ActionAnswer, StepError> {
        let attempt = self.acting.attempt;
        let until = Instant::now() + context.budget.min(attempt.budget());
        loop {
            context.budget = until.saturating_duration_since(Instant::now());
            attempt.log_request(&context, &self.permitted).await;
            let exchange = attempt.ports.connectors.send(&context, &self.permitted).await;
            attempt.log_exchange(&context, &self.permitted, &exchange).await;
            let read = self.read(&exchange).await;
            let kept = exchange.outcome.as_ref().map_or(Ok(()), |response| attempt.keep(bytes_of_response(response)));
            if let (Ok(_), Err(vain)) = (&exchange.outcome, &read) {
                attempt.log_unusable(&self.permitted, &vain.error);
            }
            exchanges.push(exchange);
            kept?;
            match read {
                Ok(ReadAnswer { answer, ignored }) => {
                    if !ignored.is_empty() {
                        attempt.log_ignored(&self.permitted, &ignored);
                    }
                    return Ok(answer);
                }
                Err(vain)
                    if vain.again
                        && exchanges.len() < ATTEMPTS_MAX.into()
                        && !attempt.outside.is_late("another-attempt", until) => {}
                Err(vain) => return Err(vain.error),
            }
        }
    }

    /// What an attempt came to. A 500 that is not the service's own ERROR, a gateway's 502, 503 and 504 whatever they
    /// say, and a time-out are worth another; all else is final.
    async fn read(&self, exchange: &Exchange) -> Result<ReadAnswer, Vain> {
        let response = exchange.outcome.as_ref().map_err(|error| self.unread(error, exchange))?;
        self.read_response(response).await.map_err(|unusable| Vain {
            error: step_error(unusable.code, format!("`{}` {unusable}", self.wanted)),
            again: may_pass(response.status),
        })
    }

    /// Without a response there may be a status all the same: it tells more than what is wrong with the rest.
    fn unread(&self, error: &ConnectorError, exchange: &Exchange) -> Vain {
        use ConnectorErrorKind::{ConnectTimeout, Protocol, RequestTimeout, ResponseTooLarge};
        let timed_out = matches!(error.kind, ConnectTimeout | RequestTimeout);
        let began = matches!(error.kind, Protocol | RequestTimeout | ResponseTooLarge);
        let status = exchange.attempts.last().and_then(|attempt| attempt.status);
        match status.filter(|status| began && *status != 200) {
            None => Vain { error: error.clone().into(), again: timed_out },
            Some(status) => {
                let message = format!(
                    "`{}` answered with the status {status}, and the rest of the answer cannot be read: {}",
                    self.wanted, error.message
                );
                Vain { error: step_error("action.unexpected-status", message), again: timed_out || may_pass(status) }
            }
        }
    }

    /// Reads on a thread of its own what takes a while.
    async fn read_response(&self, response: &Response) -> Result<ReadAnswer, UnusableAnswer> {
        let depth_max = self.permitted.connector().document.connection.json_depth_max;
        let (kind, profile) = (self.acting.kind, self.acting.set_up.profile);
        if response.body.len() <= READ_HERE_MAX {
            return read_answer(response, &AnswerRules { kind, profile: &profile, depth_max });
        }
        let (kind, response) = (kind.clone(), response.clone());
        let reading = move || read_answer(&response, &AnswerRules { kind: &kind, profile: &profile, depth_max });
        tokio::task::spawn_blocking(reading).await.unwrap_or_else(|_| {
            let message = "answered, but the answer was not read; the host stops".to_owned();
            Err(UnusableAnswer { code: "action.unusable-answer", message })
        })
    }
}
