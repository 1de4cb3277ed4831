//! Connectors: outside systems and their functions.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use weir_engine::document::Faults;
use weir_engine::ids::ConnectorName;
use weir_engine::ports::DefinitionKind;

use super::app::App;
use super::body::DocumentText;
use super::caller::{Caller, ReadDefinitions, WriteDefinitions};
use super::documents::{self, Checked, DocumentView, Place, SavedView, VersionQuery, VersionView};
use super::page::{Listing, PageQuery};
use super::path::{PathOf, QueryOf};
use super::precondition::Precondition;
use crate::documents::check_connector;
use crate::problem::Problem;

fn place<'a, A>(caller: &'a Caller<A>, name: &'a ConnectorName) -> Place<'a> {
    Place { tenant: caller.tenant(), kind: DefinitionKind::Connector, noun: "connector", name: name.as_str() }
}

/// Saves a connector. Flows use it from their next call on.
#[utoipa::path(put, path = "/v1/connectors/{name}", tag = "connectors", security(("key" = ["definitions.write"])),
    params(
        ("name" = String, Path, description = "The connector."),
        ("if-match" = Option<String>, Header, description = "The `ETag` that the live version must have."),
        ("if-none-match" = Option<String>, Header, description = "`*`: there must be none.")
    ),
    request_body(description = "A connector document.", content(
        (String = "application/yaml"), (Object = "application/json"))),
    responses(
        (status = 200, body = SavedView, description = "A new version, or the live one where nothing has changed.",
            headers(("etag" = String))),
        (status = 201, body = SavedView, description = "The first version.", headers(("etag" = String)))
    ))]
pub(super) async fn put(
    caller: Caller<WriteDefinitions>,
    State(app): State<Arc<App>>,
    PathOf(name): PathOf<ConnectorName>,
    Precondition(expected): Precondition,
    text: DocumentText,
) -> Result<Response, Problem> {
    let (connector, document) = check_connector(&text.source, text.format, &app.ceilings).map_err(documents::faulty)?;
    let place = place(&caller, &name);
    documents::check_name(place, connector.connector.as_str())?;
    let checked = Checked { text, document: document.value, warnings: Faults::default() };
    documents::save(&app, place, checked, expected).await
}

/// One version of a connector; the live one without `version`.
#[utoipa::path(get, path = "/v1/connectors/{name}", tag = "connectors", security(("key" = ["definitions.read"])),
    params(("name" = String, Path, description = "The connector."), VersionQuery),
    responses((status = 200, body = DocumentView, description = "The document.", headers(("etag" = String)))))]
pub(super) async fn get(
    caller: Caller<ReadDefinitions>,
    State(app): State<Arc<App>>,
    PathOf(name): PathOf<ConnectorName>,
    QueryOf(query): QueryOf<VersionQuery>,
) -> Result<Response, Problem> {
    documents::get(&app, place(&caller, &name), query.version).await
}

/// The tenant's connectors, by name.
#[utoipa::path(get, path = "/v1/connectors", tag = "connectors", security(("key" = ["definitions.read"])),
    params(PageQuery),
    responses((status = 200, body = Listing<VersionView>, description = "One part of the list.")))]
pub(super) async fn list(
    caller: Caller<ReadDefinitions>,
    State(app): State<Arc<App>>,
    QueryOf(page): QueryOf<PageQuery>,
) -> Result<Json<Listing<VersionView>>, Problem> {
    documents::list(&app, caller.tenant(), DefinitionKind::Connector, &page.request()?).await
}

/// All versions of a connector, newest first.
#[utoipa::path(get, path = "/v1/connectors/{name}/versions", tag = "connectors",
    security(("key" = ["definitions.read"])),
    params(("name" = String, Path, description = "The connector."), PageQuery),
    responses((status = 200, body = Listing<VersionView>, description = "One part of the list.")))]
pub(super) async fn versions(
    caller: Caller<ReadDefinitions>,
    State(app): State<Arc<App>>,
    PathOf(name): PathOf<ConnectorName>,
    QueryOf(page): QueryOf<PageQuery>,
) -> Result<Json<Listing<VersionView>>, Problem> {
    documents::versions(&app, place(&caller, &name), &page.request()?).await
}

/// Removes a connector with all of its versions. Steps that call it fail from then on.
#[utoipa::path(delete, path = "/v1/connectors/{name}", tag = "connectors", security(("key" = ["definitions.write"])),
    params(("name" = String, Path, description = "The connector.")),
    responses((status = 204, description = "Removed.")))]
pub(super) async fn delete(
    caller: Caller<WriteDefinitions>,
    State(app): State<Arc<App>>,
    PathOf(name): PathOf<ConnectorName>,
) -> Result<StatusCode, Problem> {
    let deleted = app.store.delete_definition(caller.tenant(), DefinitionKind::Connector, name.as_str()).await?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found("connector")) }
}
