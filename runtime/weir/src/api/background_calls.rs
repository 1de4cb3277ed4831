//! Calls in the background of a run (C-11): what was handed over, and what has become of it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use weir_engine::run::BackgroundCall;

use super::app::App;
use super::caller::{Caller, InspectRuns};
use super::masking::masked;
use super::page;
use super::path::{PathOf, QueryOf};
use super::runs;
use crate::problem::Problem;

/// Which calls.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct BackgroundCallsQuery {
    /// Those of journal entries with a greater sequence number: 0, which is all, by default.
    #[serde(default)]
    after: u64,
    /// Calls of this part: 1 to 200, 50 by default.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
}

/// A part of a run's calls in the background.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct BackgroundCallsView {
    /// In the order of their steps: the request without credentials, `state` (`pending`, `succeeded`, `failed`),
    /// `sends`, `next_at` or `finished_at`, and what came of the last send.
    #[schema(value_type = Vec<Object>)]
    items: Vec<BackgroundCall>,
    /// `after` for the next part; absent where there is none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_after: Option<u64>,
}

/// The calls that steps of a run have handed over to be made in the background, and what has become of each.
#[utoipa::path(get, path = "/v1/runs/{id}/background-calls", tag = "runs", security(("key" = ["runs.inspect"])),
    params(("id" = String, Path, description = "The run."), BackgroundCallsQuery),
    responses((status = 200, body = BackgroundCallsView, description = "A part of the calls.")))]
pub(super) async fn background_calls(
    caller: Caller<InspectRuns>,
    State(app): State<Arc<App>>,
    PathOf(id): PathOf<String>,
    QueryOf(query): QueryOf<BackgroundCallsQuery>,
) -> Result<Json<BackgroundCallsView>, Problem> {
    let limit = page::request(query.limit, None)?.limit;
    let run = runs::find(&app, caller.tenant(), &id).await?;
    // One more, to know whether there is a next part.
    let mut items = app.store.background_calls(caller.tenant(), run.id, query.after, limit.saturating_add(1)).await?;
    let has_more = items.len() > limit;
    items.truncate(limit);
    let names = app.engine.hidden_names(&run).await?;
    let items = masked(names, items, |items, names| items.iter_mut().for_each(|call| call.mask(names))).await?;
    let next_after = items.last().map(|call| call.entry.sequence).filter(|_| has_more);
    Ok(Json(BackgroundCallsView { items, next_after }))
}
