//! Flows: versioned documents of steps.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use weir_engine::document::{Fault, Faults};
use weir_engine::flow;
use weir_engine::ids::FlowName;
use weir_engine::ports::DefinitionKind;

use super::app::App;
use super::body::{DocumentText, SmallJson};
use super::caller::{Caller, ReadDefinitions, WriteDefinitions};
use super::documents::{self, Checked, DocumentView, Place, SavedView, VersionQuery, VersionView};
use super::page::{Listing, PageQuery};
use super::path::{PathOf, QueryOf};
use super::precondition::Precondition;
use super::{flow_codes, flow_signing};
use crate::problem::Problem;

fn place<'a, A>(caller: &'a Caller<A>, name: &'a FlowName) -> Place<'a> {
    Place { tenant: caller.tenant(), kind: DefinitionKind::Flow, noun: "flow", name: name.as_str() }
}

/// What the check of a flow found.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct CheckView {
    /// Whether it could be saved.
    valid: bool,
    /// Every fault, also the warnings, with its place.
    #[schema(value_type = Vec<Object>)]
    faults: Vec<Fault>,
}

/// Which version is to be live.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LiveVersion {
    /// The version.
    version: u32,
}

/// Checks a flow against everything that the tenant has, and saves nothing.
#[utoipa::path(post, path = "/v1/flows/validate", tag = "flows", security(("key" = ["definitions.read"])),
    request_body(description = "A flow document.", content((String = "application/yaml"), (Object = "application/json"))),
    responses((status = 200, body = CheckView, description = "What the check found.")))]
pub(super) async fn validate(
    caller: Caller<ReadDefinitions>,
    State(app): State<Arc<App>>,
    text: DocumentText,
) -> Result<Json<CheckView>, Problem> {
    let catalogue = app.engine.definitions().catalogue(caller.tenant()).await?;
    let (valid, Faults(faults)) = match flow::check(&text.source, text.format, &catalogue) {
        Ok((flow, document, warnings)) => {
            let warnings = flow_codes::check(&flow, &document, warnings);
            (true, flow_signing::check(&app, caller.tenant(), &flow, &document, warnings).await?)
        }
        Err(faults) => (false, faults),
    };
    Ok(Json(CheckView { valid, faults }))
}

/// Saves a flow. New runs take the new version; runs that have begun keep theirs.
#[utoipa::path(put, path = "/v1/flows/{name}", tag = "flows", security(("key" = ["definitions.write"])),
    params(
        ("name" = String, Path, description = "The flow."),
        ("if-match" = Option<String>, Header, description = "The `ETag` that the live version must have."),
        ("if-none-match" = Option<String>, Header, description = "`*`: there must be none.")
    ),
    request_body(description = "A flow document.", content((String = "application/yaml"), (Object = "application/json"))),
    responses(
        (status = 200, body = SavedView, description = "A new version, or the live one where nothing has changed.",
            headers(("etag" = String))),
        (status = 201, body = SavedView, description = "The first version.", headers(("etag" = String)))
    ))]
pub(super) async fn put(
    caller: Caller<WriteDefinitions>,
    State(app): State<Arc<App>>,
    PathOf(name): PathOf<FlowName>,
    Precondition(expected): Precondition,
    text: DocumentText,
) -> Result<Response, Problem> {
    let catalogue = app.engine.definitions().catalogue(caller.tenant()).await?;
    let (flow, document, warnings) = flow::check(&text.source, text.format, &catalogue).map_err(documents::faulty)?;
    let place = place(&caller, &name);
    documents::check_name(place, flow.name.as_str())?;
    let warnings = flow_codes::check(&flow, &document, warnings);
    let warnings = flow_signing::check(&app, caller.tenant(), &flow, &document, warnings).await?;
    documents::save(&app, place, Checked { text, document: document.value, warnings }, expected).await
}

/// One version of a flow; the live one without `version`.
#[utoipa::path(get, path = "/v1/flows/{name}", tag = "flows", security(("key" = ["definitions.read"])),
    params(("name" = String, Path, description = "The flow."), VersionQuery),
    responses((status = 200, body = DocumentView, description = "The document.", headers(("etag" = String)))))]
pub(super) async fn get(
    caller: Caller<ReadDefinitions>,
    State(app): State<Arc<App>>,
    PathOf(name): PathOf<FlowName>,
    QueryOf(query): QueryOf<VersionQuery>,
) -> Result<Response, Problem> {
    documents::get(&app, place(&caller, &name), query.version).await
}

/// The tenant's flows, by name.
#[utoipa::path(get, path = "/v1/flows", tag = "flows", security(("key" = ["definitions.read"])),
    params(PageQuery),
    responses((status = 200, body = Listing<VersionView>, description = "One part of the list.")))]
pub(super) async fn list(
    caller: Caller<ReadDefinitions>,
    State(app): State<Arc<App>>,
    QueryOf(page): QueryOf<PageQuery>,
) -> Result<Json<Listing<VersionView>>, Problem> {
    documents::list(&app, caller.tenant(), DefinitionKind::Flow, &page.request()?).await
}

/// All versions of a flow, newest first.
#[utoipa::path(get, path = "/v1/flows/{name}/versions", tag = "flows", security(("key" = ["definitions.read"])),
    params(("name" = String, Path, description = "The flow."), PageQuery),
    responses((status = 200, body = Listing<VersionView>, description = "One part of the list.")))]
pub(super) async fn versions(
    caller: Caller<ReadDefinitions>,
    State(app): State<Arc<App>>,
    PathOf(name): PathOf<FlowName>,
    QueryOf(page): QueryOf<PageQuery>,
) -> Result<Json<Listing<VersionView>>, Problem> {
    documents::versions(&app, place(&caller, &name), &page.request()?).await
}

/// Makes a version the live one: new runs take it.
#[utoipa::path(post, path = "/v1/flows/{name}/live", tag = "flows", security(("key" = ["definitions.write"])),
    params(("name" = String, Path, description = "The flow.")),
    request_body = LiveVersion,
    responses((status = 200, body = VersionView, description = "The live version.")))]
pub(super) async fn set_live(
    caller: Caller<WriteDefinitions>,
    State(app): State<Arc<App>>,
    PathOf(name): PathOf<FlowName>,
    SmallJson(live): SmallJson<LiveVersion>,
) -> Result<Json<VersionView>, Problem> {
    let found = app.store.set_live(caller.tenant(), DefinitionKind::Flow, name.as_str(), live.version).await?;
    Ok(Json(documents::version_view(found, None)))
}
