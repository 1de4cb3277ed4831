//! The flow runner's view of a run (F-09): step by step what was sent, what came back, what each hook saw and did, and
//! what changed in the context.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::app::App;
use super::caller::{Caller, InspectRuns};
use super::masking::masked;
use super::path::{PathOf, QueryOf};
use super::runs::{self, JournalQuery};
use crate::flow_runner::DebugStep;
use crate::problem::Problem;

/// A part of a run's steps.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DebugView {
    /// What each step did, oldest first.
    items: Vec<DebugStep>,
    /// `after` for the next part; absent where no more is committed yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_after: Option<u64>,
}

/// What each step did, in one form for every kind of step: requests and responses, the input, output, logs, fuel and
/// time of each hook, and what changed in the context.
#[utoipa::path(get, path = "/v1/runs/{id}/debug", tag = "runs", security(("key" = ["runs.inspect"])),
    params(("id" = String, Path, description = "The run."), JournalQuery),
    responses((status = 200, body = DebugView, description = "A part of the steps.")))]
pub(super) async fn debug(
    caller: Caller<InspectRuns>,
    State(app): State<Arc<App>>,
    PathOf(id): PathOf<String>,
    QueryOf(query): QueryOf<JournalQuery>,
) -> Result<Json<DebugView>, Problem> {
    let (names, entries, next_after) = runs::entries(&app, caller.tenant(), &id, &query).await?;
    let (_, items) = masked(names, (entries, Vec::new()), |(entries, items), names| {
        items.extend(entries.drain(..).map(|mut entry| {
            entry.mask(names);
            DebugStep::of(entry)
        }));
    })
    .await?;
    Ok(Json(DebugView { items, next_after }))
}
