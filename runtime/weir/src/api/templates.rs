//! Ready-made connectors (C-22): the same for every tenant. Filling one in saves nothing.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use weir_engine::document::Format;
use weir_engine::ids::ConnectorName;

use super::app::App;
use super::body::SmallJson;
use super::caller::{Caller, ReadDefinitions};
use super::documents;
use super::path::PathOf;
use crate::documents::check_connector;
use crate::problem::{Problem, code};
use crate::templates::{FillError, Filled, Origin, Setting, Template};

/// A template in the list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct TemplateRow {
    /// Its name.
    #[schema(value_type = String)]
    name: ConnectorName,
    /// A few words.
    title: String,
    /// `shipped` with the program, or of the `operator`.
    origin: Origin,
}

/// Every template.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct TemplateList {
    /// By name.
    items: Vec<TemplateRow>,
}

/// A template.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct TemplateView {
    /// Its name.
    #[schema(value_type = String)]
    name: ConnectorName,
    /// A few words.
    title: String,
    /// What it is for, and what a tenant needs before it works.
    description: String,
    /// `shipped` with the program, or of the `operator`.
    origin: Origin,
    /// What a tenant fills in.
    settings: Vec<Setting>,
    /// The connector's document, with `{"$setting": NAME}` where a value goes.
    #[schema(value_type = Object)]
    connector: Value,
}

/// What a template is filled with.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FillBody {
    /// The connector's name; the template's without.
    #[schema(value_type = Option<String>)]
    name: Option<ConnectorName>,
    /// Settings with their values.
    #[serde(default)]
    #[schema(value_type = Object)]
    values: Map<String, Value>,
}

/// A connector's document, which is not saved.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct FilledView {
    /// The connector's name.
    #[schema(value_type = String)]
    name: ConnectorName,
    /// The document as YAML, with the template's comments.
    source: String,
    /// What it says.
    #[schema(value_type = Object)]
    document: Value,
}

/// Every template, the operator's too.
#[utoipa::path(get, path = "/v1/connector-templates", tag = "connectors", operation_id = "templates",
    security(("key" = ["definitions.read"])),
    responses((status = 200, body = TemplateList, description = "All of them.")))]
pub(super) async fn list(
    _: Caller<ReadDefinitions>,
    State(app): State<Arc<App>>,
) -> Result<Json<TemplateList>, Problem> {
    let templates = Arc::clone(&app.templates);
    let all = tokio::task::spawn_blocking(move || templates.all()).await.map_err(|error| Problem::internal(&error))?;
    let row = |template: &Arc<Template>| TemplateRow {
        name: template.name().clone(),
        title: template.document.title.clone(),
        origin: template.origin,
    };
    Ok(Json(TemplateList { items: all.iter().map(row).collect() }))
}

/// A template with its settings.
#[utoipa::path(get, path = "/v1/connector-templates/{name}", tag = "connectors", operation_id = "template",
    security(("key" = ["definitions.read"])),
    params(("name" = String, Path, description = "The template.")),
    responses((status = 200, body = TemplateView, description = "The template.")))]
pub(super) async fn get(
    _: Caller<ReadDefinitions>,
    State(app): State<Arc<App>>,
    PathOf(name): PathOf<ConnectorName>,
) -> Result<Json<TemplateView>, Problem> {
    let template = find(&app, name).await?;
    let document = template.document.clone();
    Ok(Json(TemplateView {
        name: document.template,
        title: document.title,
        description: document.description,
        origin: template.origin,
        settings: document.settings,
        connector: document.connector,
    }))
}

/// Fills a template in. The document that comes of it can be saved; nothing is saved here.
#[utoipa::path(post, path = "/v1/connector-templates/{name}/document", tag = "connectors",
    operation_id = "fill-template", security(("key" = ["definitions.read"])),
    params(("name" = String, Path, description = "The template.")),
    request_body = FillBody,
    responses((status = 200, body = FilledView, description = "The connector's document.")))]
pub(super) async fn fill(
    _: Caller<ReadDefinitions>,
    State(app): State<Arc<App>>,
    PathOf(name): PathOf<ConnectorName>,
    SmallJson(body): SmallJson<FillBody>,
) -> Result<Json<FilledView>, Problem> {
    let template = find(&app, name).await?;
    let name = body.name.unwrap_or_else(|| template.name().clone());
    let Filled { source, document } = template.fill(&name, &body.values)?;
    check_connector(&source, Format::Yaml, &app.ceilings).map_err(documents::faulty)?;
    Ok(Json(FilledView { name, source, document }))
}

async fn find(app: &App, name: ConnectorName) -> Result<Arc<Template>, Problem> {
    let templates = Arc::clone(&app.templates);
    let found = tokio::task::spawn_blocking(move || templates.get(&name)).await;
    found.map_err(|error| Problem::internal(&error))?.ok_or_else(|| {
        Problem::new(
            &code::NOT_FOUND,
            "There is no such template; `weir connector templates` lists those that there are.",
        )
    })
}

impl From<FillError> for Problem {
    fn from(error: FillError) -> Self {
        match error {
            FillError::Settings(settings) => {
                let detail =
                    format!("{} setting(s) of the template cannot be used; `errors` names them.", settings.len());
                let errors = settings
                    .into_iter()
                    .map(|(name, message)| json!({ "pointer": format!("/values/{name}"), "message": message }));
                Self::new(&code::TEMPLATE_SETTINGS, detail).with_errors(errors.collect())
            }
            // Its check has tried that when it was read.
            error @ FillError::Layout => Self::internal(&error),
        }
    }
}
