//! Removing a run that has ended (F-14).

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use weir_engine::ids::RunId;
use weir_engine::ports::Removal;

use super::app::App;
use super::caller::{Caller, DeleteRuns};
use super::path::PathOf;
use crate::problem::{Problem, code};

/// Removes a run that has ended, with all that it held: its context, journal, diagnostic entries, calls in the background
/// and child runs. Its `Idempotency-Key` is free again. A run that goes on, or has a call in the background that is not
/// done, is kept: `run.not-ended`, `run.held`.
#[utoipa::path(delete, path = "/v1/runs/{id}", tag = "runs", security(("key" = ["runs.delete"])),
    params(("id" = String, Path, description = "The run.")),
    responses((status = 204, description = "The run is gone.")))]
pub(super) async fn delete(
    caller: Caller<DeleteRuns>,
    State(app): State<Arc<App>>,
    PathOf(id): PathOf<String>,
) -> Result<StatusCode, Problem> {
    let run: RunId = id.parse()?;
    match app.engine.remove_run(caller.tenant(), run).await? {
        Removal::Removed => Ok(StatusCode::NO_CONTENT),
        Removal::Unknown => Err(Problem::not_found("run")),
        Removal::NotEnded(state) => {
            let detail = format!("Run {run} is {}: only a run that has ended can be removed.", state.as_str());
            Err(Problem::new(&code::NOT_ENDED, detail))
        }
        Removal::Held => {
            let detail = format!(
                "Run {run}, or a child run of it, has a call in the background that is not done, or a child run that \
                 has not ended. Wait for it: `weir run background {run}` shows the calls."
            );
            Err(Problem::new(&code::RUN_HELD, detail))
        }
    }
}
