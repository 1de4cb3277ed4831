//! Asks an external service.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Acting;
use crate::action::{ActionAnswer, ProviderError};
use crate::engine::Trouble;
use crate::flow::FunctionRef;
use crate::ids::RequestId;
use crate::message::{Failure, Header, Octets, Request, Response};
use crate::ports::{Attempts, CallContext};
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
    let bound = attempt.ports.connectors.bind(&connector, &wanted.function, &Map::new(), &attempt.scope);
    let bound = bound.map_err(StepError::from)?;
    let request_id = RequestId::generate();
    let mut envelope = json!({
        "actionType": record.event.action_type,
        "event": record.event.payload,
        "allowedOperations": record.event.allowed_operations,
        "requestId": request_id,
    });
    if acting.kind.flow_id
        && let Some(envelope) = envelope.as_object_mut()
    {
        envelope.insert("flowId".to_owned(), json!(attempt.run.id));
    }
    let mut headers: Vec<Header> =
        bound.request().headers.iter().filter(|header| header.name != "content-type").cloned().collect();
    headers.push(Header::new("content-type", "application/json"));
    let request = Request { headers, body: Some(Octets::from(envelope.to_string())), ..bound.request().clone() };
    let permitted = bound.permit(request).map_err(|error| step_error("connector.request-not-permitted", error))?;
    let timeout: Duration = acting.set_up.profile.request_timeout.unwrap_or(acting.kind.request_timeout);
    let context = CallContext {
        tenant: attempt.run.tenant.clone(),
        request_id,
        idempotency_key: attempt.idempotency_key(""),
        budget: attempt.budget(),
        attempts: Attempts::One { timeout },
    };
    service.sent_request = Some(permitted.request().clone());
    service.idempotency_key = Some(context.idempotency_key.clone());
    attempt.log_request(&context, &permitted).await;
    let exchange = attempt.ports.connectors.send(&context, &permitted).await;
    attempt.log_exchange(&context, &permitted, &exchange).await;
    let outcome = exchange.outcome.clone();
    service.exchanges.push(exchange);
    let response = outcome.map_err(StepError::from)?;
    Ok(read(&response)?)
}

fn read(response: &Response) -> Result<ActionAnswer, StepError> {
    let unusable = |why: String| step_error("action.unusable-answer", why);
    let body: Value = serde_json::from_slice(response.body.as_slice()).map_err(|error| unusable(error.to_string()))?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let operations = || match body.get("operations") {
        None => Ok(Vec::new()),
        Some(operations) => serde_json::from_value(operations.clone()).map_err(|error| unusable(error.to_string())),
    };
    match body.get("actionStatus").and_then(Value::as_str) {
        Some("SUCCESS") => Ok(ActionAnswer::Success { operations: operations()?, data: body.get("data").cloned() }),
        Some("INCOMPLETE") => Ok(ActionAnswer::Incomplete { operations: operations()? }),
        Some("FAILED") => Ok(ActionAnswer::Failed(Failure {
            reason: text("failureReason").unwrap_or_default(),
            description: text("failureDescription"),
        })),
        Some("ERROR") => Ok(ActionAnswer::Error(ProviderError {
            message: text("errorMessage").unwrap_or_default(),
            description: text("errorDescription"),
        })),
        _ => Err(unusable("it has no known `actionStatus`".to_owned())),
    }
}
