//! Letting a paused run go on (F-10).

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::RETRY_AFTER;
use axum::response::Response;
use serde::Deserialize;
use weir_engine::engine::{ContinueError, ContinueRun};

use super::app::App;
use super::body::SmallJson;
use super::caller::{Caller, StartRuns};
use super::path::PathOf;
use super::runs::{Identity, StartQuery, Wait, answer};
use super::views::RunView;
use crate::problem::{Problem, code};

/// How it goes on.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ContinueBody {
    /// A newer version of the run's flow to go on with, in which its step exists. The one that it has without.
    #[serde(default)]
    flow_version: Option<u32>,
    /// The revision at which the run was seen paused. As it is paused now without.
    #[serde(default)]
    revision: Option<u64>,
}

/// Lets a paused run go on: the step that paused it runs again, its attempts are counted anew. With a wait, answers when
/// the run has ended, is suspended or is paused again; without one, or when the wait is over, at once.
#[utoipa::path(post, path = "/v1/runs/{id}/continue", tag = "runs", operation_id = "continue",
    security(("key" = ["runs.start"])),
    params(
        ("id" = String, Path, description = "The run."),
        ("idempotency-key" = Option<String>, Header, description = "Two of these in the run with the same key are one: 1 to 255 visible ASCII characters."),
        ("prefer" = Option<String>, Header, description = "`wait=SECONDS` (RFC 7240)."),
        StartQuery
    ),
    request_body = Option<ContinueBody>,
    responses(
        (status = 200, body = RunView, description = "The run has ended."),
        (status = 202, body = RunView, description = "The run goes on, or is suspended or paused; `Location` is where to look.",
            headers(("location" = String)))
    ))]
pub(super) async fn continue_run(
    caller: Caller<StartRuns>,
    State(app): State<Arc<App>>,
    PathOf(id): PathOf<String>,
    Wait(wait): Wait,
    Identity { client_key, request_id }: Identity,
    body: Option<SmallJson<ContinueBody>>,
) -> Result<Response, Problem> {
    let ContinueBody { flow_version, revision } = body.map(|SmallJson(body)| body).unwrap_or_default();
    let (tenant, run) = (caller.tenant().clone(), id.parse()?);
    let wanted = ContinueRun { tenant, run, flow_version, revision, client_key, request_id };
    let continued = app.engine.continue_run(wanted).await?;
    answer((&app, &caller.principal), continued.run, wait, !continued.continued).await
}

impl From<ContinueError> for Problem {
    fn from(error: ContinueError) -> Self {
        let name = error.code();
        let detail = format!("{error}.");
        match error {
            ContinueError::UnknownRun(_) => Self::not_found("run"),
            ContinueError::NotPaused { .. } => Self::new(&code::NOT_PAUSED, detail),
            ContinueError::Version { .. } => Self::new(&code::CONTINUE_VERSION, detail),
            ContinueError::InvalidClientKey => Self::named(&code::INVALID_HEADER, name, detail),
            ContinueError::Draining => Self::new(&code::DRAINING, detail).with_header(RETRY_AFTER, "5"),
            ContinueError::Store(error) => error.into(),
        }
    }
}
