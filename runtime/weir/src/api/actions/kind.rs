//! Which type, and which definition, a path of an action means.

use std::sync::Arc;

use weir_engine::action::ActionType;
use weir_engine::engine::action_definition_name;
use weir_engine::ids::{ActionName, TenantId};
use weir_engine::ports::StoreError;

use super::super::app::App;
use super::super::documents;
use super::place;
use crate::problem::{Problem, code};

/// The types of the reference, in its own words: one that this server has not is not built, and not a slip.
const DECLARED: [&str; 6] = [
    "PRE_ISSUE_ACCESS_TOKEN",
    "PRE_ISSUE_ID_TOKEN",
    "PRE_REGISTRATION",
    "PRE_UPDATE_PASSWORD",
    "PRE_UPDATE_PROFILE",
    "AUTHENTICATION",
];

/// The type that a path names: as on the wire (`FLOW_EXTENSION`), or in the reference's way (`flowExtension`).
///
/// # Errors
/// `action.type-not-built` for a type of the reference that this server has not, `object.not-found` for others.
pub(in crate::api) fn kind_of(app: &App, text: &str) -> Result<Arc<ActionType>, Problem> {
    let types = app.engine.definitions().action_types();
    let wire = on_the_wire(text);
    if let Some(kind) = types.get(&wire) {
        return Ok(Arc::clone(kind));
    }
    if DECLARED.contains(&wire.as_str()) {
        let detail = "The requested action type is not currently supported by the server.";
        return Err(Problem::new(&code::ACTION_TYPE_NOT_BUILT, detail));
    }
    let known = types.names().join("`, `");
    let text: String = text.chars().take(80).collect();
    Err(Problem::new(&code::NOT_FOUND, format!("There is no action type `{text}`; there are `{known}`.")))
}

fn on_the_wire(text: &str) -> String {
    if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        let parts = text.chars().flat_map(|it| it.is_ascii_uppercase().then_some('_').into_iter().chain([it]));
        parts.map(|it| it.to_ascii_uppercase()).collect()
    } else {
        text.to_owned()
    }
}

/// The definition that a path names, also one whose type is gone: it can still be read and removed.
pub(super) async fn definition_of(
    app: &App,
    tenant: &TenantId,
    kind: &str,
    name: &ActionName,
) -> Result<String, Problem> {
    let unknown = match kind_of(app, kind) {
        Ok(kind) => return Ok(action_definition_name(&kind.name, name.as_str())),
        Err(problem) => problem,
    };
    for kind in [kind.to_owned(), on_the_wire(kind)] {
        let definition = action_definition_name(&kind, name.as_str());
        match documents::find(app, place(tenant, &definition), None).await {
            Ok(Some(_)) => return Ok(definition),
            Ok(None) | Err(StoreError::InvalidName { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(unknown)
}
