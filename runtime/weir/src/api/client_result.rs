//! What a caller gives its own client for a run that an action ended. Nothing of an error is ever in it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use weir_engine::action::{ForClient, NoClientResult};
use weir_engine::ids::TenantId;
use weir_engine::ports::StoreError;
use weir_engine::run::{Ending, JournalEntry, Run};

use super::app::App;
use super::caller::{Caller, ReadRuns};
use super::path::{PathOf, QueryOf};
use super::runs::find;
use super::views::RunView;
use crate::auth::{Permission, Role};
use crate::problem::{Problem, code};

/// What a client gets.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ClientResultView {
    /// The type of action that it is written by.
    action_type: String,
    /// The endpoint of the caller that it is for.
    endpoint: String,
    /// The HTTP status.
    status: u16,
    /// The body.
    #[schema(value_type = Object)]
    body: Value,
}

/// For whom.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ClientResultQuery {
    /// The endpoint that the caller serves, as the type of the action names it; the type's first one without.
    endpoint: Option<String>,
    /// The type of action that is meant: for runs that ended with another step, such as `fail`. That of the action that
    /// ended the run without.
    #[serde(rename = "type")]
    #[param(rename = "type")]
    kind: Option<String>,
}

impl From<ForClient> for ClientResultView {
    fn from(ForClient { action_type, endpoint, status, body }: ForClient) -> Self {
        Self { action_type, endpoint, status, body }
    }
}

/// What to give a client for a run that has failed or ended in an error: status and body as the action's type says
/// them for an endpoint. Nothing of an error is in it.
#[utoipa::path(get, path = "/v1/runs/{id}/client-result", tag = "runs", operation_id = "client-result",
    security(("key" = ["runs.read"])),
    params(("id" = String, Path, description = "The run."), ClientResultQuery),
    responses((status = 200, body = ClientResultView, description = "What the client gets.")))]
pub(super) async fn get(
    caller: Caller<ReadRuns>,
    State(app): State<Arc<App>>,
    PathOf(id): PathOf<String>,
    QueryOf(query): QueryOf<ClientResultQuery>,
) -> Result<Json<ClientResultView>, Problem> {
    let run = find(&app, caller.tenant(), &id).await?;
    let last = last_entry(&app, caller.tenant(), &run).await?;
    let types = app.engine.definitions().action_types();
    let found = types.for_client(&run, last.as_ref(), query.kind.as_deref(), query.endpoint.as_deref());
    Ok(Json(found?.into()))
}

/// A run as the holder of a role sees it, with what its client gets where an action ended it.
pub(super) async fn view(app: &App, tenant: &TenantId, run: Run, role: Role) -> Result<RunView, StoreError> {
    let last = last_entry(app, tenant, &run).await?;
    let found = app.engine.definitions().action_types().for_client(&run, last.as_ref(), None, None);
    let (token, jwt) = match role.may(Permission::StartRuns) {
        true => (app.engine.prompt_token(&run), run.jwt.clone()),
        false => (None, None),
    };
    let client_result = found.ok().map(ClientResultView::from);
    let view = RunView::of(run, role, app.clock.now());
    Ok(view.with_token(token).with_jwt(jwt).with_client_result(client_result))
}

/// The last journal entry of a run that may have something for a client.
async fn last_entry(app: &App, tenant: &TenantId, run: &Run) -> Result<Option<JournalEntry>, StoreError> {
    if !matches!(run.ending(), Some(Ending::Failed { .. } | Ending::Error { .. })) {
        return Ok(None);
    }
    let entries = app.store.journal(tenant, run.id, run.revision.saturating_sub(1), 1).await?;
    Ok(entries.into_iter().next())
}

impl From<NoClientResult> for Problem {
    fn from(error: NoClientResult) -> Self {
        let detail = format!("{error}.");
        match error {
            NoClientResult::UnknownType { .. } | NoClientResult::UnknownEndpoint { .. } => {
                Self::new(&code::INVALID_QUERY, detail)
            }
            NoClientResult::NotEnded
            | NoClientResult::Completed
            | NoClientResult::NoAction
            | NoClientResult::NothingSaid { .. } => Self::new(&code::NO_CLIENT_RESULT, detail),
        }
    }
}
