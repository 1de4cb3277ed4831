//! The step's part of a call in the background (C-11): it hands the permitted request over and answers at once. The
//! commit makes the call durable; `engine/background.rs` sends it afterwards.

use serde_json::{Value, json};

use crate::connector::{PermittedRequest, ResponseFormat, ResponseMode};
use crate::flow::CallStep;
use crate::run::{CallRecord, ContextChange};
use crate::step::Attempt;

/// Notes in the record what is to be sent, and puts the empty response into the context.
pub(super) fn hand_over(
    attempt: &Attempt<'_>,
    call: &CallStep,
    permitted: &PermittedRequest,
    record: &mut CallRecord,
    changes: &mut Vec<ContextChange>,
) {
    record.mode = ResponseMode::Background;
    record.sent_request = Some(permitted.request().clone());
    record.idempotency_key = Some(attempt.idempotency_key(""));
    let value = empty_response(permitted.function().response.format);
    changes.push(ContextChange { key: call.context_key.clone(), value });
}

/// What later steps see: no status, no headers, and the empty value of the function's format as body.
fn empty_response(format: ResponseFormat) -> Value {
    let body = match format {
        ResponseFormat::None => Value::Null,
        ResponseFormat::String => json!(""),
        ResponseFormat::JsonObject | ResponseFormat::Xml => json!({}),
        ResponseFormat::JsonArray => json!([]),
    };
    json!({ "status": 0, "headers": {}, "body": body, "transformed_data": null, "elapsed_ms": 0 })
}
