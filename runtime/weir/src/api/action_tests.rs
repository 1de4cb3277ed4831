//! Tries one action, without any run: what it is asked, what it answers, what becomes of each operation. Its calls are
//! real: whoever may save the flow may make them, and nobody else.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::RETRY_AFTER;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use weir_engine::engine::{TriedAction, TriedOutcome, TryAction, TryActionError};
use weir_engine::message::Failure;
use weir_engine::run::{ActionRecord, DiagnosticEntry, RunContext, StepError};

use super::app::App;
use super::body::TestJson;
use super::caller::{Caller, WriteDefinitions};
use super::connector_tests::CallOutcome;
use crate::problem::{Problem, code};

/// An action to try.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ActionTestBody {
    /// The action as a step of a flow has it: `action`, who serves it (`plugin`, `service` or `uses`), and its rules.
    /// Where a flow would go on from there (`id`, `next`, …) is ignored.
    #[schema(value_type = Object)]
    step: Map<String, Value>,
    /// The run's event.
    #[serde(default)]
    #[schema(value_type = Object)]
    event: Map<String, Value>,
    /// What templates see besides: `{connectors, steps, claims}`.
    #[serde(default)]
    #[schema(value_type = Object)]
    context: Map<String, Value>,
    /// What starts the flow, such as `REGISTRATION`.
    #[serde(default)]
    trigger: String,
}

/// What a tried action did. Credentials are in none of it, and values under sensitive names are masked.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct ActionTestView {
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
    /// Where the end user would be sent, where the run would be suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) redirect: Option<String>,
    /// What it was asked, the invocation or the calls, the answer, what became of each operation and why.
    #[schema(value_type = Object)]
    pub(crate) record: ActionRecord,
    /// The run's event before.
    #[schema(value_type = Object)]
    pub(crate) event_before: Value,
    /// The run's event afterwards.
    #[schema(value_type = Object)]
    pub(crate) event_after: Value,
    /// The diagnostic entries that a run would have.
    #[schema(value_type = Vec<Object>)]
    pub(crate) diagnostics: Vec<DiagnosticEntry>,
    /// All of it, in microseconds.
    pub(crate) elapsed_us: u64,
}

impl ActionTestView {
    fn of(tried: TriedAction) -> Self {
        let TriedAction { outcome, record, redirect, before, after, diagnostics, elapsed_us } = tried;
        let (outcome, failure, error) = match outcome {
            TriedOutcome::Success => (CallOutcome::Success, None, None),
            TriedOutcome::Failure(failure) => (CallOutcome::Failure, Some(failure), None),
            TriedOutcome::Error(error) => (CallOutcome::Error, None, Some(error)),
        };
        Self {
            outcome,
            failure,
            error,
            redirect,
            record,
            event_before: before,
            event_after: after,
            diagnostics,
            elapsed_us,
        }
    }
}

/// Tries one action with a given event, with the tenant's plugins, connectors and credentials. Nothing is stored.
#[utoipa::path(post, path = "/v1/action-tests", tag = "actions", operation_id = "test",
    security(("key" = ["definitions.write"])),
    request_body = ActionTestBody,
    responses((status = 200, body = ActionTestView, description = "It was tried; `outcome` says how it came out.")))]
pub(super) async fn test(
    caller: Caller<WriteDefinitions>,
    State(app): State<Arc<App>>,
    TestJson(body): TestJson<ActionTestBody>,
) -> Result<Json<ActionTestView>, Problem> {
    let ActionTestBody { step, event, mut context, trigger } = body;
    context.insert("event".to_owned(), Value::Object(event));
    let context = RunContext::try_from(Value::Object(context))
        .map_err(|error| Problem::new(&code::INVALID_BODY, format!("`context` cannot be read: {error}.")))?;
    let _place = app.connector_tests.take(caller.tenant()).ok_or_else(|| {
        let detail = "As many calls of the tenant as may be tried at once (`limits.connector-tests`) are in hand. Try again in a moment.";
        Problem::new(&code::TOO_MANY_TESTS, detail).with_header(RETRY_AFTER, "1")
    })?;
    let call = TryAction { tenant: caller.tenant().clone(), step, trigger, context };
    let view = ActionTestView::of(app.engine.try_action(call).await?);
    tracing::info!(
        tenant = %caller.tenant(),
        key = caller.principal.key.as_str(),
        action_type = view.record.event.action_type,
        outcome = ?view.outcome,
        code = view.error.as_ref().map(|error| error.code.as_str()),
        elapsed_us = view.elapsed_us,
        "an action was tried"
    );
    Ok(Json(view))
}

impl From<TryActionError> for Problem {
    fn from(error: TryActionError) -> Self {
        let detail = format!("{error}.");
        match error {
            TryActionError::Action(faults) => {
                let view = |fault: &weir_engine::document::Fault| json!({ "pointer": fault.pointer, "code": fault.code, "message": fault.message });
                Self::new(&code::ACTION_TEST_INVALID, detail).with_errors(faults.0.iter().map(view).collect())
            }
            TryActionError::TimedOut(_) => Self::new(&code::ACTION_TEST_TIMEOUT, detail),
            TryActionError::Store(error) => error.into(),
        }
    }
}
