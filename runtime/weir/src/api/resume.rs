//! Resuming a suspended run with what came back from where its end user was sent (F-07).

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::RETRY_AFTER;
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;
use weir_engine::engine::{Resume, ResumeError};
use weir_engine::ids::RunId;

use super::app::App;
use super::body::EventJson;
use super::caller::{Caller, StartRuns};
use super::path::PathOf;
use super::prompts::violated;
use super::runs::{Identity, StartQuery, Wait, answer};
use super::views::RunView;
use crate::problem::{Problem, code};

/// What came back.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResumeBody {
    /// What the step finds under `steps.ID.resumed`; null without. The answer to a prompt is an object that its form
    /// takes, and lies under `steps.ID.input`.
    #[serde(default)]
    #[schema(value_type = Object)]
    input: Value,
    /// The revision at which the run was seen suspended. A run that has been resumed before needs it or an
    /// `Idempotency-Key`, so that a late resume is not taken for one of a later suspension.
    #[serde(default)]
    revision: Option<u64>,
}

/// Resumes a suspended run: the step that suspended it runs again. With a wait, answers when the run has ended or is
/// suspended again; without one, or when the wait is over, at once. Of two resumes one wins, the other gets
/// `run.not-suspended`. A run that has been resumed before is resumed with a `revision` or an `Idempotency-Key`; else the
/// answer is `run.resume-ambiguous`.
#[utoipa::path(post, path = "/v1/runs/{id}/resume", tag = "runs", security(("key" = ["runs.start"])),
    params(
        ("id" = String, Path, description = "The run."),
        ("idempotency-key" = Option<String>, Header, description = "Two resumes of the run with the same key are one: 1 to 255 visible ASCII characters."),
        ("prefer" = Option<String>, Header, description = "`wait=SECONDS` (RFC 7240)."),
        StartQuery
    ),
    request_body = ResumeBody,
    responses(
        (status = 200, body = RunView, description = "The run has ended."),
        (status = 202, body = RunView, description = "The run goes on, or is suspended again; `Location` is where to look.",
            headers(("location" = String)))
    ))]
pub(super) async fn resume(
    caller: Caller<StartRuns>,
    State(app): State<Arc<App>>,
    PathOf(id): PathOf<String>,
    Wait(wait): Wait,
    Identity { client_key, request_id }: Identity,
    EventJson(body): EventJson<ResumeBody>,
) -> Result<Response, Problem> {
    let run: RunId = id.parse()?;
    let ResumeBody { input, revision } = body;
    let resume = Resume { tenant: caller.tenant().clone(), run, input, revision, client_key, request_id };
    let resumed = app.engine.resume(resume).await?;
    answer((&app, &caller.principal), resumed.run, wait, !resumed.resumed).await
}

impl From<ResumeError> for Problem {
    fn from(error: ResumeError) -> Self {
        let name = error.code();
        let detail = format!("{error}.");
        match error {
            ResumeError::UnknownRun(_) => Self::not_found("run"),
            ResumeError::NotSuspended { .. } => Self::new(&code::NOT_SUSPENDED, detail),
            ResumeError::Ambiguous(_) => Self::new(&code::RESUME_AMBIGUOUS, detail),
            ResumeError::Expired { .. } => Self::new(&code::SUSPENSION_EXPIRED, detail),
            ResumeError::Form { violations } => violated(violations, detail),
            ResumeError::InvalidInput { .. } => Self::new(&code::INVALID_INPUT, detail),
            ResumeError::InvalidClientKey => Self::named(&code::INVALID_HEADER, name, detail),
            ResumeError::Draining => Self::new(&code::DRAINING, detail).with_header(RETRY_AFTER, "5"),
            ResumeError::Store(error) => error.into(),
        }
    }
}
