//! Types of actions: the same for every tenant.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use weir_engine::action::ActionType;

use super::app::App;
use super::caller::{Caller, ReadDefinitions};
use super::path::PathOf;
use crate::action_types::is_shipped;
use crate::problem::{Problem, code};

/// A type in the list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ActionTypeRow {
    /// Its name on the wire, such as `FLOW_EXTENSION`.
    #[serde(rename = "type")]
    name: String,
    /// A few words.
    title: String,
    /// `shipped` with the program, or of the `operator`.
    origin: &'static str,
    /// The operations that a step may allow it.
    operations: Vec<&'static str>,
}

/// Every type of actions.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ActionTypeList {
    /// By name.
    items: Vec<ActionTypeRow>,
}

/// A type of actions.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ActionTypeView {
    /// `shipped` with the program, or of the `operator`.
    origin: &'static str,
    /// What it says: the event that an action sees, with its JSON Schema, what it may be allowed to do, the fields that
    /// rules may speak of, and what clients get. The form that an operator's file has.
    #[schema(value_type = Object)]
    document: Value,
}

fn origin(kind: &ActionType) -> &'static str {
    if is_shipped(kind) { "shipped" } else { "operator" }
}

/// Every type of actions, the operator's too.
#[utoipa::path(get, path = "/v1/action-types", tag = "actions", operation_id = "action-types",
    security(("key" = ["definitions.read"])),
    responses((status = 200, body = ActionTypeList, description = "All of them.")))]
pub(super) async fn list(_: Caller<ReadDefinitions>, State(app): State<Arc<App>>) -> Json<ActionTypeList> {
    let types = app.engine.definitions().action_types();
    let row = |kind: &Arc<ActionType>| ActionTypeRow {
        name: kind.name.clone(),
        title: kind.title.clone(),
        origin: origin(kind),
        operations: kind.operations.iter().map(|operation| operation.as_str()).collect(),
    };
    Json(ActionTypeList { items: types.iter().map(row).collect() })
}

/// A type of actions, with all that it says.
#[utoipa::path(get, path = "/v1/action-types/{type}", tag = "actions", operation_id = "action-type",
    security(("key" = ["definitions.read"])),
    params(("type" = String, Path, description = "The type, such as `FLOW_EXTENSION`.")),
    responses((status = 200, body = ActionTypeView, description = "The type.")))]
pub(super) async fn get(
    _: Caller<ReadDefinitions>,
    State(app): State<Arc<App>>,
    PathOf(name): PathOf<String>,
) -> Result<Json<ActionTypeView>, Problem> {
    let kind = app.engine.definitions().action_types().get(&name).ok_or_else(|| {
        Problem::new(
            &code::NOT_FOUND,
            "There is no such type of actions; `weir action types` lists those that there are.",
        )
    })?;
    let document = serde_json::to_value(kind.as_ref()).map_err(|error| Problem::internal(&error))?;
    Ok(Json(ActionTypeView { origin: origin(kind), document }))
}
