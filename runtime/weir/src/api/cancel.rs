//! Cancelling a run (F-07).

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::RETRY_AFTER;
use axum::response::Response;
use serde::Deserialize;
use weir_engine::engine::{CancelError, CancelRun};
use weir_engine::ids::RunId;

use super::app::App;
use super::body::EventJson;
use super::caller::{Caller, StartRuns};
use super::path::PathOf;
use super::runs::{Identity, StartQuery, Wait, answer};
use super::views::RunView;
use crate::problem::{Problem, code};

/// Why a run is cancelled.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelBody {
    /// For people: up to 300 characters. Everybody who may see the run reads it.
    #[serde(default)]
    #[schema(max_length = 300)]
    reason: String,
    /// Only where the run is at this revision; whatever its revision without.
    #[serde(default)]
    revision: Option<u64>,
}

/// Cancels a run. The step that is under way is given up, its child runs are cancelled, what the run did is taken back by
/// its compensations, and then it ends as `cancelled`. A run that was cancelled before is answered as it is; one that has
/// ended otherwise, or is about to, with `run.not-cancellable`. With a wait, answers when the run has ended.
#[utoipa::path(post, path = "/v1/runs/{id}/cancel", tag = "runs", security(("key" = ["runs.start"])),
    params(
        ("id" = String, Path, description = "The run; also a child run."),
        ("prefer" = Option<String>, Header, description = "`wait=SECONDS` (RFC 7240)."),
        StartQuery
    ),
    request_body = Option<CancelBody>,
    responses(
        (status = 200, body = RunView, description = "The run has ended."),
        (status = 202, body = RunView, description = "The run is cancelled; its child runs or compensations are still under way. `Location` is where to look.",
            headers(("location" = String)))
    ))]
pub(super) async fn cancel(
    caller: Caller<StartRuns>,
    State(app): State<Arc<App>>,
    PathOf(id): PathOf<String>,
    Wait(wait): Wait,
    Identity { request_id, .. }: Identity,
    body: Option<EventJson<CancelBody>>,
) -> Result<Response, Problem> {
    let run: RunId = id.parse()?;
    let CancelBody { reason, revision } = body.map(|EventJson(body)| body).unwrap_or_default();
    let by = Some(caller.principal.key.to_string());
    let cancel = CancelRun { tenant: caller.tenant().clone(), run, reason, revision, by, request_id };
    let cancelled = app.engine.cancel(cancel).await?;
    answer((&app, &caller.principal), cancelled.run, wait, !cancelled.cancelled).await
}

impl From<CancelError> for Problem {
    fn from(error: CancelError) -> Self {
        let detail = format!("{error}.");
        match error {
            CancelError::UnknownRun(_) => Self::not_found("run"),
            CancelError::TooLate { .. } => Self::new(&code::NOT_CANCELLABLE, detail),
            CancelError::Changed { .. } => Self::new(&code::RUN_CHANGED, detail),
            CancelError::InvalidReason => Self::new(&code::INVALID_REASON, detail),
            CancelError::Draining => Self::new(&code::DRAINING, detail).with_header(RETRY_AFTER, "5"),
            CancelError::Store(error) => error.into(),
        }
    }
}
