//! Saved actions: flows mean them by name or by type, so that a flow need not change when one does.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use weir_engine::action::ActionType;
use weir_engine::catalogue::StoredDocument;
use weir_engine::document::Format;
use weir_engine::engine::action_definition_name;
use weir_engine::flow::{ActionStatus, SavedAction, check_action};
use weir_engine::ids::{ActionName, TenantId};
use weir_engine::ports::{Definition, DefinitionKind, Expectation, PageRequest};
use weir_engine::time::Timestamp;

use self::kind::definition_of;
pub(super) use self::kind::kind_of;
use super::action_reference::{EndpointView, endpoint_of};
use super::app::App;
use super::body::DocumentText;
use super::caller::{Caller, ReadDefinitions, WriteDefinitions};
use super::documents::{self, Checked, Place, SavedView, VersionQuery, VersionView};
use super::page::{Listing, PageQuery};
use super::path::{PathOf, QueryOf};
use super::precondition::{Precondition, tag};
use crate::problem::{Problem, code};

mod kind; // which one a path means
mod switch; // the status in the author's own text

/// What reads and removals of an action say that there is not; the reference's words.
const NOT_FOUND: &str = "No action is found for given action id and action type";
/// What changes of an action say that there is not; the reference's words.
pub(super) const NOT_CONFIGURED: &str = "No Action is configured on the given Action Type and Id.";

/// A saved action.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ActionView {
    /// Its name: flows write `uses: ID`.
    id: String,
    /// Its type, such as `FLOW_EXTENSION`.
    #[serde(rename = "type")]
    kind: String,
    /// For people: its title, or its id where it has none.
    name: String,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// `active` or `inactive`.
    #[schema(value_type = String)]
    status: ActionStatus,
    /// 1 for the first save, one more for each later one.
    version: u32,
    /// When this version was saved.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// The external service that serves it, where one does. Never a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<EndpointView>,
    /// `yaml` or `json`.
    #[schema(value_type = String)]
    format: Format,
    /// The text as its author wrote it.
    source: String,
    /// What it says.
    #[schema(value_type = Object)]
    document: Value,
}

/// A saved action in lists.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ActionSummary {
    /// Its name.
    id: String,
    /// Its type.
    #[serde(rename = "type")]
    kind: String,
    /// For people: its title, or its id where it has none.
    name: String,
    /// `active` or `inactive`.
    status: String,
    /// The live version.
    version: u32,
    /// When it was saved.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

pub(super) fn place<'a>(tenant: &'a TenantId, definition: &'a str) -> Place<'a> {
    Place { tenant, kind: DefinitionKind::Action, noun: "action", name: definition }
}

pub(super) fn missing(words: &'static str) -> Problem {
    Problem::new(&code::NOT_FOUND, words)
}

/// Saves an action. Flows use it from their next run of the step on.
#[utoipa::path(put, path = "/v1/actions/{type}/{name}", tag = "actions", security(("key" = ["definitions.write"])),
    params(
        ("type" = String, Path, description = "The action's type."),
        ("name" = String, Path, description = "The action."),
        ("if-match" = Option<String>, Header, description = "The `ETag` that the live version must have."),
        ("if-none-match" = Option<String>, Header, description = "`*`: there must be none.")
    ),
    request_body(description = "An action document.", content(
        (String = "application/yaml"), (Object = "application/json"))),
    responses(
        (status = 200, body = SavedView, description = "A new version, or the live one where nothing has changed.",
            headers(("etag" = String))),
        (status = 201, body = SavedView, description = "The first version.", headers(("etag" = String)))
    ))]
pub(super) async fn put(
    caller: Caller<WriteDefinitions>,
    State(app): State<Arc<App>>,
    PathOf((kind, name)): PathOf<(String, ActionName)>,
    Precondition(expected): Precondition,
    text: DocumentText,
) -> Result<Response, Problem> {
    let kind = kind_of(&app, &kind)?;
    let (action, checked) = check(&app, caller.tenant(), text).await?;
    if action.kind.name != kind.name {
        let detail = format!("The path says type `{}`, the document says `{}`.", kind.name, action.kind.name);
        return Err(Problem::new(&code::NAME_MISMATCH, detail));
    }
    let definition = action_definition_name(&kind.name, name.as_str());
    let own = action_definition_name(&kind.name, action.name.as_str());
    let place = place(caller.tenant(), &definition);
    documents::check_name(place, &own)?;
    save(&app, place, &kind, checked, expected).await
}

/// Checks a document of an action.
pub(super) async fn check(app: &App, tenant: &TenantId, text: DocumentText) -> Result<(SavedAction, Checked), Problem> {
    let catalogue = app.engine.definitions().catalogue(tenant).await?;
    let (action, document, warnings) = check_action(&text.source, text.format, &catalogue).map_err(|faults| {
        let is_of_rule = faults.0.iter().any(|fault| fault.pointer.starts_with("/rule"));
        let problem = documents::faulty(faults);
        if is_of_rule { problem.with_reference_code(super::action_reference::INVALID_RULE) } else { problem }
    })?;
    Ok((action, Checked { text, document: document.value, warnings }))
}

/// Saves a checked action, and a further one only where its type has not as many as it may have.
pub(super) async fn save(
    app: &App,
    place: Place<'_>,
    kind: &ActionType,
    checked: Checked,
    expected: Expectation,
) -> Result<Response, Problem> {
    let _adding = app.adding_actions.lock().await;
    if documents::find(app, place, None).await?.is_none() {
        let most = app.limits.actions_per_type;
        let prefix = action_definition_name(&kind.name, "");
        let page = PageRequest { limit: most, after: None };
        let there_are = app.store.definitions(place.tenant, DefinitionKind::Action, &prefix, &page).await?;
        if there_are.items.len() >= most || there_are.next.is_some() {
            let detail = "Maximum number of actions per action type is reached.";
            return Err(Problem::new(&code::TOO_MANY_ACTIONS, detail));
        }
    }
    let saved = documents::save(app, place, checked, expected).await?;
    tracing::info!(action = place.name, "action saved");
    Ok(saved)
}

/// One version of an action; the live one without `version`.
#[utoipa::path(get, path = "/v1/actions/{type}/{name}", tag = "actions", security(("key" = ["definitions.read"])),
    params(
        ("type" = String, Path, description = "The action's type."),
        ("name" = String, Path, description = "The action."),
        VersionQuery
    ),
    responses((status = 200, body = ActionView, description = "The action.", headers(("etag" = String)))))]
pub(super) async fn get(
    caller: Caller<ReadDefinitions>,
    State(app): State<Arc<App>>,
    PathOf((kind, name)): PathOf<(String, ActionName)>,
    QueryOf(query): QueryOf<VersionQuery>,
) -> Result<Response, Problem> {
    let definition = definition_of(&app, caller.tenant(), &kind, &name).await?;
    let found = documents::find(&app, place(caller.tenant(), &definition), query.version).await?;
    view(&app, found.ok_or_else(|| missing(NOT_FOUND))?, StatusCode::OK).await
}

/// An action as it is shown.
pub(super) async fn view(app: &App, found: Definition, status: StatusCode) -> Result<Response, Problem> {
    let stored: StoredDocument = serde_json::from_value(found.body).map_err(|error| Problem::internal(&error))?;
    let StoredDocument { source, format, document } = stored;
    let (kind, id) = found.name.split_once('/').unwrap_or_default();
    let text = |member: &str| document.get(member).and_then(Value::as_str).map(str::to_owned);
    let view = ActionView {
        name: text("title").unwrap_or_else(|| id.to_owned()),
        id: id.to_owned(),
        kind: kind.to_owned(),
        description: text("description"),
        status: switch::status_of(&document),
        version: found.version,
        created_at: found.created_at,
        endpoint: endpoint_of(app, &found.tenant, &document).await?,
        format,
        source,
        document,
    };
    Ok((status, [(header::ETAG, tag(found.version))], Json(view)).into_response())
}

/// The tenant's actions, by type and name.
#[utoipa::path(get, path = "/v1/actions", tag = "actions", security(("key" = ["definitions.read"])),
    params(PageQuery),
    responses((status = 200, body = Listing<ActionSummary>, description = "One part of the list.")))]
pub(super) async fn list(
    caller: Caller<ReadDefinitions>,
    State(app): State<Arc<App>>,
    QueryOf(page): QueryOf<PageQuery>,
) -> Result<Json<Listing<ActionSummary>>, Problem> {
    summaries(&app, caller.tenant(), "", &page).await
}

/// The tenant's actions of a type, by name.
#[utoipa::path(get, path = "/v1/actions/{type}", tag = "actions", security(("key" = ["definitions.read"])),
    params(("type" = String, Path, description = "The type."), PageQuery),
    responses((status = 200, body = Listing<ActionSummary>, description = "One part of the list.")))]
pub(super) async fn list_of_type(
    caller: Caller<ReadDefinitions>,
    State(app): State<Arc<App>>,
    PathOf(kind): PathOf<String>,
    QueryOf(page): QueryOf<PageQuery>,
) -> Result<Json<Listing<ActionSummary>>, Problem> {
    let kind = kind_of(&app, &kind)?;
    summaries(&app, caller.tenant(), &action_definition_name(&kind.name, ""), &page).await
}

async fn summaries(
    app: &App,
    tenant: &TenantId,
    prefix: &str,
    page: &PageQuery,
) -> Result<Json<Listing<ActionSummary>>, Problem> {
    let found = app.store.definitions(tenant, DefinitionKind::Action, prefix, &page.request()?).await?;
    Ok(Json(Listing::of(found, |found| {
        let (kind, id) = found.name.split_once('/').unwrap_or_default();
        let document = found.body.get("document").unwrap_or(&Value::Null);
        let title = document.get("title").and_then(Value::as_str);
        let is_active = switch::status_of(document) == ActionStatus::Active;
        ActionSummary {
            id: id.to_owned(),
            kind: kind.to_owned(),
            name: title.unwrap_or(id).to_owned(),
            status: if is_active { "active" } else { "inactive" }.to_owned(),
            version: found.version,
            created_at: found.created_at,
        }
    })))
}

/// All versions of an action, newest first.
#[utoipa::path(get, path = "/v1/actions/{type}/{name}/versions", tag = "actions",
    security(("key" = ["definitions.read"])),
    params(
        ("type" = String, Path, description = "The action's type."),
        ("name" = String, Path, description = "The action."),
        PageQuery
    ),
    responses((status = 200, body = Listing<VersionView>, description = "One part of the list.")))]
pub(super) async fn versions(
    caller: Caller<ReadDefinitions>,
    State(app): State<Arc<App>>,
    PathOf((kind, name)): PathOf<(String, ActionName)>,
    QueryOf(page): QueryOf<PageQuery>,
) -> Result<Json<Listing<VersionView>>, Problem> {
    let definition = definition_of(&app, caller.tenant(), &kind, &name).await?;
    documents::versions(&app, place(caller.tenant(), &definition), &page.request()?).await
}

/// Removes an action with all of its versions. Steps that use it end in an error from then on, or pass over it where
/// they say `when-unavailable: skip`. Its connector stays.
#[utoipa::path(delete, path = "/v1/actions/{type}/{name}", tag = "actions", security(("key" = ["definitions.write"])),
    params(
        ("type" = String, Path, description = "The action's type."),
        ("name" = String, Path, description = "The action.")
    ),
    responses((status = 204, description = "Removed.")))]
pub(super) async fn delete(
    caller: Caller<WriteDefinitions>,
    State(app): State<Arc<App>>,
    PathOf((kind, name)): PathOf<(String, ActionName)>,
) -> Result<StatusCode, Problem> {
    let definition = definition_of(&app, caller.tenant(), &kind, &name).await?;
    if !app.store.delete_definition(caller.tenant(), DefinitionKind::Action, &definition).await? {
        return Err(missing(NOT_FOUND));
    }
    tracing::info!(action = definition, "action removed");
    Ok(StatusCode::NO_CONTENT)
}

/// Switches an action on, as a new version of its document.
#[utoipa::path(post, path = "/v1/actions/{type}/{name}/activate", tag = "actions",
    security(("key" = ["definitions.write"])),
    params(
        ("type" = String, Path, description = "The action's type."),
        ("name" = String, Path, description = "The action.")
    ),
    responses((status = 200, body = ActionView, description = "The action.", headers(("etag" = String)))))]
pub(super) async fn activate(
    caller: Caller<WriteDefinitions>,
    State(app): State<Arc<App>>,
    PathOf((kind, name)): PathOf<(String, ActionName)>,
) -> Result<Response, Problem> {
    switched(&app, caller.tenant(), &kind, &name, ActionStatus::Active).await
}

/// Switches an action off, as a new version of its document: steps that use it end in an error, or pass over it where
/// they say `when-unavailable: skip`.
#[utoipa::path(post, path = "/v1/actions/{type}/{name}/deactivate", tag = "actions",
    security(("key" = ["definitions.write"])),
    params(
        ("type" = String, Path, description = "The action's type."),
        ("name" = String, Path, description = "The action.")
    ),
    responses((status = 200, body = ActionView, description = "The action.", headers(("etag" = String)))))]
pub(super) async fn deactivate(
    caller: Caller<WriteDefinitions>,
    State(app): State<Arc<App>>,
    PathOf((kind, name)): PathOf<(String, ActionName)>,
) -> Result<Response, Problem> {
    switched(&app, caller.tenant(), &kind, &name, ActionStatus::Inactive).await
}

async fn switched(
    app: &App,
    tenant: &TenantId,
    kind: &str,
    name: &ActionName,
    status: ActionStatus,
) -> Result<Response, Problem> {
    let definition = action_definition_name(&kind_of(app, kind)?.name, name.as_str());
    let place = place(tenant, &definition);
    let found = documents::find(app, place, None).await?.ok_or_else(|| missing(NOT_CONFIGURED))?;
    let stored: StoredDocument =
        serde_json::from_value(found.body.clone()).map_err(|error| Problem::internal(&error))?;
    if switch::status_of(&stored.document) == status {
        return view(app, found, StatusCode::OK).await;
    }
    // What has been saved in between is not undone.
    let checked = switch::switch(stored, status);
    documents::save(app, place, checked, Expectation::Version(found.version)).await?;
    tracing::info!(action = definition, ?status, "action switched");
    let saved = documents::find(app, place, None).await?.ok_or_else(|| missing(NOT_CONFIGURED))?;
    view(app, saved, StatusCode::OK).await
}
