//! `transform`: the `post-response` hook of a plugin on a response that nobody sent.

use serde_json::Value;

use super::call::bytes_of_response;
use super::hooks::prepare;
use crate::engine::Trouble;
use crate::flow::TransformStep;
use crate::message::{Failure, Header, Method, Request, Response};
use crate::ports::PostResponseDecision;
use crate::run::{ContextChange, HookRecord, StepRecord, TransformRecord};
use crate::step::{Attempt, Done, Way, step_error};

/// What the hook sees as the request: it is sent nowhere, and no such host exists (RFC 2606, section 2).
const NO_REQUEST: &str = "https://transform.invalid/";

pub(crate) async fn run_transform(attempt: &Attempt<'_>, transform: &TransformStep) -> Done {
    let mut record = TransformRecord { hook: None };
    let (way, changes) = match ask(attempt, transform, &mut record).await {
        Ok(Ok(value)) => (Way::Next, vec![ContextChange { key: transform.context_key.clone(), value }]),
        Ok(Err(failure)) => (Way::Failure(failure), Vec::new()),
        Err(trouble) => (trouble.into(), Vec::new()),
    };
    Done { record: StepRecord::Transform(Box::new(record)), way, changes }
}

/// The value that the hook made, or its business failure.
async fn ask(
    attempt: &Attempt<'_>,
    transform: &TransformStep,
    record: &mut TransformRecord,
) -> Result<Result<Value, Failure>, Trouble> {
    let prepared = prepare(attempt, &transform.hook, "transform").await?;
    let uri = url::Url::parse(NO_REQUEST).map_err(|error| step_error("flow.transform-body", error))?;
    let request = Request { method: Method::Get, uri, headers: Vec::new(), body: None };
    let response = Response {
        status: 200,
        headers: vec![Header { name: "content-type".to_owned(), value: "application/json".into() }],
        body: prepared.invocation.input.to_string().into_bytes().into(),
        transformed_data: None,
    };
    let report = attempt.ports.plugins.post_response(&prepared.invocation, &request, &response, &prepared.calls).await;
    attempt.log_plugin(&prepared.invocation, &report).await;
    let outcome = report.outcome.clone();
    let granted_calls = prepared.calls.into_made();
    record.hook = Some(HookRecord { invocation: prepared.invocation, report, granted_calls });
    match outcome.map_err(crate::run::StepError::from)? {
        PostResponseDecision::Fail(failure) => Ok(Err(failure)),
        PostResponseDecision::Keep(kept) => {
            attempt.keep(bytes_of_response(&kept))?;
            let value = match kept.transformed_data {
                Some(data) => data,
                None => serde_json::from_slice(kept.body.as_slice()).map_err(|error| {
                    let message = format!(
                        "the plugin left a body that is no JSON ({error}); let it set `transformed-data`, or a body of JSON"
                    );
                    step_error("flow.transform-body", message)
                })?,
            };
            Ok(Ok(value))
        }
    }
}
