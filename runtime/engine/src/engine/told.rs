//! What is kept of a call that tells somebody of a prompt. Its templates may have put the token anywhere, encoded, cut
//! or folded into something else, and what came back may repeat it: so what is kept is made of what no template reaches.

use serde_json::Value;

use crate::message::Octets;
use crate::ports::ConnectorError;
use crate::run::{CallRecord, DiagnosticEntry, DiagnosticEvent, StepError};

/// In the place of words that may hold the token.
const NOT_KEPT: &str = "what was said is not kept: it may hold the prompt's token";

/// Methods, hosts, status and times.
pub(super) fn call(record: CallRecord) -> CallRecord {
    let request = |mut request: crate::message::Request| {
        request.uri.set_path("");
        request.uri.set_query(None);
        request.uri.set_fragment(None);
        request.headers.clear();
        request.body = None;
        request
    };
    let exchange = record.exchange.map(|mut exchange| {
        exchange.outcome = exchange.outcome.map_err(silent).map(|mut response| {
            response.headers.clear();
            response.body = Octets::default();
            response.transformed_data = None;
            response
        });
        for attempt in &mut exchange.attempts {
            attempt.hops.clear();
            attempt.error = attempt.error.take().map(silent);
        }
        exchange
    });
    CallRecord {
        arguments: Value::Null,
        bound_request: record.bound_request.map(request),
        pre_call: Vec::new(),
        sent_request: record.sent_request.map(request),
        exchange,
        post_response: Vec::new(),
        final_response: None,
        ..record
    }
}

fn silent(error: ConnectorError) -> ConnectorError {
    ConnectorError { message: NOT_KEPT.to_owned(), ..error }
}

/// The code, which no template reaches.
pub(super) fn error(error: StepError) -> StepError {
    StepError { code: error.code, message: NOT_KEPT.to_owned(), detail: None }
}

/// That it happened, when, to whom and how it went. Lines of plugins are words of who has seen the token.
pub(super) fn diagnostics(entries: Vec<DiagnosticEntry>) -> Vec<DiagnosticEntry> {
    let of_plugins = |event| matches!(event, DiagnosticEvent::PluginLog | DiagnosticEvent::PluginLogLimit);
    let kept = entries.into_iter().filter(|entry| !of_plugins(entry.action_id));
    kept.map(|entry| DiagnosticEntry {
        result_message: NOT_KEPT.to_owned(),
        configurations: Value::Null,
        input: Value::Null,
        ..entry
    })
    .collect()
}
