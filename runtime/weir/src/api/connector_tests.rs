//! Tries one call of a connector's function, without any run (C-16). It is a real call with the tenant's credentials:
//! whoever may save the connector may make it, and nobody else.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::RETRY_AFTER;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use weir_engine::connector::Authentication;
use weir_engine::document::Format;
use weir_engine::engine::{TriedCall, TriedOutcome, TryCall, TryCallError, TryConnector};
use weir_engine::ids::{ConnectorName, FunctionName};
use weir_engine::message::{Failure, Request, Response};
use weir_engine::ports::{Attempt, PostResponseDecision, PreCallDecision};
use weir_engine::run::{CallRecord, HookRecord, RunContext, StepError};

use super::app::App;
use super::body::TestJson;
use super::caller::{Caller, WriteDefinitions};
use super::documents;
use super::path::PathOf;
use crate::documents::check_connector;
use crate::problem::{Problem, code};

/// A call to try.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TestBody {
    /// The function's arguments: values, no templates.
    #[serde(default)]
    #[schema(value_type = Object)]
    arguments: Map<String, Value>,
    /// What templates and hooks see: `{event, connectors, steps, claims}`.
    #[serde(default)]
    #[schema(value_type = Object)]
    context: Value,
    /// Hooks before the call, as a step of a flow has them: `[{plugin, input, config}]`.
    #[serde(default = "none")]
    #[schema(value_type = Vec<Object>)]
    pre_call: Value,
    /// Hooks after the response, as a step of a flow has them.
    #[serde(default = "none")]
    #[schema(value_type = Vec<Object>)]
    post_response: Value,
}

fn none() -> Value {
    Value::Array(Vec::new())
}

/// A call of a connector that is not saved.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UnsavedTestBody {
    /// The connector: an object, or the text of a YAML or JSON document.
    #[schema(value_type = Object)]
    document: Value,
    /// Its function.
    #[schema(value_type = String)]
    function: FunctionName,
    /// As for a saved connector.
    #[serde(default)]
    #[schema(value_type = Object)]
    arguments: Map<String, Value>,
    /// As for a saved connector.
    #[serde(default)]
    #[schema(value_type = Object)]
    context: Value,
    /// As for a saved connector.
    #[serde(default = "none")]
    #[schema(value_type = Vec<Object>)]
    pre_call: Value,
    /// As for a saved connector.
    #[serde(default = "none")]
    #[schema(value_type = Vec<Object>)]
    post_response: Value,
}

/// How a tried call came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CallOutcome {
    /// A run would go on.
    Success,
    /// A business failure: a run would take `on-failure`.
    Failure,
    /// A technical error: a run would take `on-error`.
    Error,
}

/// What a tried call did, step by step. Credentials are in none of it.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct TestView {
    /// How it came out.
    pub(crate) outcome: CallOutcome,
    /// The business failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) failure: Option<Failure>,
    /// The technical error: code, message, detail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) error: Option<StepError>,
    /// The connector.
    #[schema(value_type = String)]
    pub(crate) connector: ConnectorName,
    /// Its version; 0 where it is not saved.
    pub(crate) connector_version: u32,
    /// The function.
    #[schema(value_type = String)]
    pub(crate) function: FunctionName,
    /// The type of authentication that the host added after the last hook; it is in none of the requests here.
    pub(crate) authentication: String,
    /// The arguments.
    #[schema(value_type = Object)]
    pub(crate) arguments: Value,
    /// The request before the first hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) bound_request: Option<Request>,
    /// Each hook before the call: what went in, what came out, what it used.
    #[schema(value_type = Vec<Object>)]
    pub(crate) pre_call: Vec<HookRecord<PreCallDecision>>,
    /// The request as sent, without credentials; absent where no call was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) sent_request: Option<Request>,
    /// The key that went with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) idempotency_key: Option<String>,
    /// Each attempt with its status, redirects, error and times.
    #[schema(value_type = Vec<Object>)]
    pub(crate) attempts: Vec<Attempt>,
    /// The response as it came, secrets masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) response: Option<Response>,
    /// Each hook after the response.
    #[schema(value_type = Vec<Object>)]
    pub(crate) post_response: Vec<HookRecord<PostResponseDecision>>,
    /// What a run would have under the step's context key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) result: Option<Value>,
    /// The call with all attempts, in microseconds.
    pub(crate) call_us: u64,
    /// All of it, with the hooks, in microseconds.
    pub(crate) elapsed_us: u64,
}

impl TestView {
    fn of(tried: TriedCall) -> Self {
        let TriedCall { outcome, authentication, record, result, elapsed_us } = tried;
        let (outcome, failure, error) = match outcome {
            TriedOutcome::Success => (CallOutcome::Success, None, None),
            TriedOutcome::Failure(failure) => (CallOutcome::Failure, Some(failure), None),
            TriedOutcome::Error(error) => (CallOutcome::Error, None, Some(error)),
        };
        let CallRecord { connector, connector_version, function, arguments, exchange, .. } = record;
        let call_us = exchange.as_ref().map_or(0, |exchange| exchange.elapsed_us);
        let (response, attempts) =
            exchange.map_or_else(Default::default, |exchange| (exchange.outcome.ok(), exchange.attempts));
        Self {
            outcome,
            failure,
            error,
            connector,
            connector_version,
            function,
            authentication: kind_of(&authentication),
            arguments,
            bound_request: record.bound_request,
            pre_call: record.pre_call,
            sent_request: record.sent_request,
            idempotency_key: record.idempotency_key,
            attempts,
            response,
            post_response: record.post_response,
            result,
            call_us,
            elapsed_us,
        }
    }
}

/// The type as documents write it.
fn kind_of(authentication: &Authentication) -> String {
    let document = serde_json::to_value(authentication).unwrap_or_default();
    document.get("type").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Tries one call of a function, with the tenant's credentials, and waits for it. No run, journal or context knows of
/// it.
#[utoipa::path(post, path = "/v1/connectors/{name}/functions/{function}/test", tag = "connectors",
    operation_id = "test", security(("key" = ["definitions.write"])),
    params(
        ("name" = String, Path, description = "The connector."),
        ("function" = String, Path, description = "Its function.")
    ),
    request_body = TestBody,
    responses((status = 200, body = TestView, description = "The call was tried; `outcome` says how it came out.")))]
pub(super) async fn saved(
    caller: Caller<WriteDefinitions>,
    State(app): State<Arc<App>>,
    PathOf((name, function)): PathOf<(ConnectorName, FunctionName)>,
    TestJson(body): TestJson<TestBody>,
) -> Result<Json<TestView>, Problem> {
    let TestBody { arguments, context, pre_call, post_response } = body;
    let call = TryCall {
        tenant: caller.tenant().clone(),
        connector: TryConnector::Saved(name),
        function,
        arguments,
        context: context_of(context)?,
        pre_call,
        post_response,
    };
    make(&caller, &app, call).await
}

/// Tries one call of a function of a connector that is not saved; it is checked as at a save.
#[utoipa::path(post, path = "/v1/connector-tests", tag = "connectors", operation_id = "test-unsaved",
    security(("key" = ["definitions.write"])),
    request_body = UnsavedTestBody,
    responses((status = 200, body = TestView, description = "The call was tried; `outcome` says how it came out.")))]
pub(super) async fn unsaved(
    caller: Caller<WriteDefinitions>,
    State(app): State<Arc<App>>,
    TestJson(body): TestJson<UnsavedTestBody>,
) -> Result<Json<TestView>, Problem> {
    let UnsavedTestBody { document, function, arguments, context, pre_call, post_response } = body;
    let (text, format) = match document {
        Value::String(text) if text.trim_start().starts_with('{') => (text, Format::Json),
        Value::String(text) => (text, Format::Yaml),
        object => (object.to_string(), Format::Json),
    };
    let (connector, _) = check_connector(&text, format, &app.ceilings).map_err(documents::faulty)?;
    let call = TryCall {
        tenant: caller.tenant().clone(),
        connector: TryConnector::Unsaved(Box::new(connector)),
        function,
        arguments,
        context: context_of(context)?,
        pre_call,
        post_response,
    };
    make(&caller, &app, call).await
}

fn context_of(context: Value) -> Result<RunContext, Problem> {
    RunContext::try_from(context)
        .map_err(|error| Problem::new(&code::INVALID_BODY, format!("`context` cannot be read: {error}.")))
}

async fn make(caller: &Caller<WriteDefinitions>, app: &App, call: TryCall) -> Result<Json<TestView>, Problem> {
    let _place = app.connector_tests.take(caller.tenant()).ok_or_else(|| {
        let detail = "As many calls of the tenant as may be tried at once (`limits.connector-tests`) are in hand. Try again in a moment.";
        Problem::new(&code::TOO_MANY_TESTS, detail).with_header(RETRY_AFTER, "1")
    })?;
    let tried = app.engine.try_call(call).await?;
    let view = TestView::of(tried);
    let outcome = match view.outcome {
        CallOutcome::Success => "success",
        CallOutcome::Failure => "failure",
        CallOutcome::Error => "error",
    };
    metrics::counter!("weir_connector_tests_total", "outcome" => outcome).increment(1);
    // Who made a call with the tenant's credentials outside of any run; neither arguments nor addresses.
    tracing::info!(
        tenant = %caller.tenant(),
        key = caller.principal.key.as_str(),
        connector = %view.connector,
        version = view.connector_version,
        function = %view.function,
        outcome,
        code = view.error.as_ref().map(|error| error.code.as_str()),
        elapsed_us = view.elapsed_us,
        "a connector call was tried"
    );
    Ok(Json(view))
}

impl From<TryCallError> for Problem {
    fn from(error: TryCallError) -> Self {
        let detail = format!("{error}.");
        match error {
            TryCallError::UnknownConnector(_) => Self::not_found("connector"),
            TryCallError::UnknownFunction(..) => Self::named(&code::NOT_FOUND, error.code(), detail),
            TryCallError::Plugin(_) => Self::new(&code::TEST_HOOKS, detail),
            TryCallError::Hooks(faults) => {
                let errors = faults
                    .0
                    .iter()
                    .map(|fault| json!({ "pointer": fault.pointer, "code": fault.code, "message": fault.message }));
                Self::new(&code::TEST_HOOKS, detail).with_errors(errors.collect())
            }
            TryCallError::TimedOut(_) => Self::new(&code::TEST_TIMEOUT, detail),
            TryCallError::Store(error) => error.into(),
        }
    }
}
