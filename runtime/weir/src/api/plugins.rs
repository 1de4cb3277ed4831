//! Plugins: uploaded components, versioned and immutable (P-02).

use std::sync::Arc;

use async_trait::async_trait;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use weir_engine::catalogue::PluginDefinition;
use weir_engine::digest::Digest;
use weir_engine::ids::{PluginName, TenantId};
use weir_engine::ports::{DefinitionKind, Expectation, NewDefinition, StoreError};
use weir_engine::run::HookKind;

use super::app::App;
use super::body::Component;
use super::caller::{Caller, ReadDefinitions, WriteDefinitions};
use super::page::{Listing, PageQuery};
use super::path::{PathOf, QueryOf};
use crate::problem::{Problem, code};

/// Longest version, in bytes.
const VERSION_BYTES_MAX: usize = 100;

/// What an accepted component is.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct Inspected {
    /// Its content address.
    #[schema(value_type = String)]
    pub(crate) digest: Digest,
    /// How many bytes it has.
    pub(crate) size: u64,
    /// The hooks that it exports.
    #[schema(value_type = Vec<String>)]
    pub(crate) hooks: Vec<HookKind>,
    /// The names of everything that it imports.
    pub(crate) imports: Vec<String>,
    /// The names of everything that it exports.
    pub(crate) exports: Vec<String>,
    /// The version of `weir:plugin` that it is built for.
    pub(crate) wit_version: String,
}

/// Why a component is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refused {
    /// The stable code.
    pub(crate) code: &'static str,
    /// What was found, where, and what was expected.
    pub(crate) message: String,
}

/// Looks at components before they are kept.
#[async_trait]
pub(crate) trait Uploads: Send + Sync {
    /// Looks at a component without compiling or running it.
    async fn inspect(&self, bytes: Bytes) -> Result<Inspected, Refused>;

    /// Looks at a component and compiles it, so that its first invocation finds it ready.
    async fn prepare(&self, bytes: Bytes) -> Result<Inspected, Refused>;
}

/// One version of a plugin.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct PluginView {
    /// Its name.
    name: String,
    /// Its version.
    version: String,
    /// The component's content address.
    #[schema(value_type = String)]
    digest: Digest,
    /// The component's size, in bytes.
    size: u64,
    /// The hooks that it exports.
    #[schema(value_type = Vec<String>)]
    hooks: Vec<HookKind>,
    /// Whether flows may not use it any more.
    disabled: bool,
}

/// One version of a plugin with everything that can be seen of its component.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct PluginDetail {
    #[serde(flatten)]
    plugin: PluginView,
    /// What the component is.
    component: Inspected,
}

/// Which plugin, as the path has it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct PluginPath {
    name: PluginName,
    version: semver::Version,
}

impl PluginPath {
    fn definition_name(&self) -> Result<String, Problem> {
        if self.version.to_string().len() > VERSION_BYTES_MAX {
            let detail = format!("The version has more than {VERSION_BYTES_MAX} characters.");
            return Err(Problem::new(&code::INVALID_NAME, detail));
        }
        Ok(PluginDefinition::definition_name(&self.name, &self.version))
    }
}

/// Uploads a version of a plugin. A version never changes: the same bytes again are no change, others are refused.
#[utoipa::path(put, path = "/v1/plugins/{name}/versions/{version}", tag = "plugins",
    security(("key" = ["definitions.write"])),
    params(
        ("name" = String, Path, description = "The plugin."),
        ("version" = String, Path, description = "The version (Semantic Versioning 2.0.0).")
    ),
    request_body(content = Vec<u8>, content_type = "application/wasm", description = "A component of one of the worlds in `wit/`."),
    responses(
        (status = 200, body = PluginView, description = "This version had these bytes already."),
        (status = 201, body = PluginView, description = "Uploaded.")
    ))]
pub(super) async fn put(
    caller: Caller<WriteDefinitions>,
    State(app): State<Arc<App>>,
    PathOf(path): PathOf<PluginPath>,
    Component(bytes): Component,
) -> Result<Response, Problem> {
    let name = path.definition_name()?;
    if let Some(stored) = find(&app, caller.tenant(), &name).await? {
        return existing(stored, Digest::of(&bytes));
    }
    let inspected = app.uploads.prepare(bytes.clone()).await?;
    let digest = app.store.put_artifact(caller.tenant(), bytes).await?;
    let plugin = PluginDefinition {
        name: path.name,
        version: path.version,
        digest,
        size: inspected.size,
        hooks: inspected.hooks,
        imports: inspected.imports,
        disabled: false,
    };
    match save(&app, caller.tenant(), &plugin, Expectation::Absent).await {
        Ok(()) => Ok((StatusCode::CREATED, Json(view(plugin))).into_response()),
        // Somebody else uploaded this version in the meantime.
        Err(StoreError::VersionConflict { .. }) => match find(&app, caller.tenant(), &name).await? {
            Some(stored) => existing(stored, digest),
            None => Err(StoreError::VersionConflict { stored: None }.into()),
        },
        Err(error) => Err(error.into()),
    }
}

fn existing(stored: PluginDefinition, digest: Digest) -> Result<Response, Problem> {
    if stored.digest == digest {
        return Ok(Json(view(stored)).into_response());
    }
    let detail = format!(
        "Version {} of plugin `{}` has other bytes ({}). A version never changes: upload them as a new version.",
        stored.version, stored.name, stored.digest
    );
    Err(Problem::new(&code::EXISTS, detail))
}

/// One version of a plugin.
#[utoipa::path(get, path = "/v1/plugins/{name}/versions/{version}", tag = "plugins",
    security(("key" = ["definitions.read"])),
    params(
        ("name" = String, Path, description = "The plugin."),
        ("version" = String, Path, description = "The version.")
    ),
    responses((status = 200, body = PluginDetail, description = "The version and its component.")))]
pub(super) async fn get(
    caller: Caller<ReadDefinitions>,
    State(app): State<Arc<App>>,
    PathOf(path): PathOf<PluginPath>,
) -> Result<Json<PluginDetail>, Problem> {
    let plugin = find(&app, caller.tenant(), &path.definition_name()?).await?;
    let plugin = plugin.ok_or_else(|| Problem::not_found("plugin version"))?;
    let bytes = app.store.artifact(caller.tenant(), &plugin.digest).await?;
    let bytes = bytes.ok_or(StoreError::NotFound("component"))?;
    let component = app.uploads.inspect(bytes).await?;
    Ok(Json(PluginDetail { plugin: view(plugin), component }))
}

/// Every version of every plugin, by name and version.
#[utoipa::path(get, path = "/v1/plugins", tag = "plugins", security(("key" = ["definitions.read"])),
    params(PageQuery),
    responses((status = 200, body = Listing<PluginView>, description = "One part of the list.")))]
pub(super) async fn list(
    caller: Caller<ReadDefinitions>,
    State(app): State<Arc<App>>,
    QueryOf(page): QueryOf<PageQuery>,
) -> Result<Json<Listing<PluginView>>, Problem> {
    let page = app.store.definitions(caller.tenant(), DefinitionKind::Plugin, "", &page.request()?).await?;
    let plugins: Result<Vec<PluginDefinition>, _> =
        page.items.into_iter().map(|definition| serde_json::from_value(definition.body)).collect();
    let items = plugins.map_err(|error| Problem::internal(&error))?;
    Ok(Json(Listing::of(weir_engine::ports::Page { items, next: page.next }, view)))
}

/// Takes a version out of use: flows select another one of their range, or fail.
#[utoipa::path(post, path = "/v1/plugins/{name}/versions/{version}/disable", tag = "plugins",
    security(("key" = ["definitions.write"])),
    params(
        ("name" = String, Path, description = "The plugin."),
        ("version" = String, Path, description = "The version.")
    ),
    responses((status = 200, body = PluginView, description = "The version as it is now.")))]
pub(super) async fn disable(
    caller: Caller<WriteDefinitions>,
    State(app): State<Arc<App>>,
    PathOf(path): PathOf<PluginPath>,
) -> Result<Json<PluginView>, Problem> {
    set_use(&app, caller.tenant(), &path, Use::Disabled).await
}

/// Takes a version into use again.
#[utoipa::path(post, path = "/v1/plugins/{name}/versions/{version}/enable", tag = "plugins",
    security(("key" = ["definitions.write"])),
    params(
        ("name" = String, Path, description = "The plugin."),
        ("version" = String, Path, description = "The version.")
    ),
    responses((status = 200, body = PluginView, description = "The version as it is now.")))]
pub(super) async fn enable(
    caller: Caller<WriteDefinitions>,
    State(app): State<Arc<App>>,
    PathOf(path): PathOf<PluginPath>,
) -> Result<Json<PluginView>, Problem> {
    set_use(&app, caller.tenant(), &path, Use::Enabled).await
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Enabled,
    Disabled,
}

async fn set_use(app: &App, tenant: &TenantId, path: &PluginPath, wanted: Use) -> Result<Json<PluginView>, Problem> {
    let found = find(app, tenant, &path.definition_name()?).await?;
    let mut plugin = found.ok_or_else(|| Problem::not_found("plugin version"))?;
    let disabled = wanted == Use::Disabled;
    if plugin.disabled != disabled {
        plugin.disabled = disabled;
        save(app, tenant, &plugin, Expectation::Any).await?;
    }
    Ok(Json(view(plugin)))
}

async fn find(app: &App, tenant: &TenantId, name: &str) -> Result<Option<PluginDefinition>, Problem> {
    let found = app.store.definition(tenant, DefinitionKind::Plugin, name, None).await?;
    found.map(|found| serde_json::from_value(found.body)).transpose().map_err(|error| Problem::internal(&error))
}

async fn save(
    app: &App,
    tenant: &TenantId,
    plugin: &PluginDefinition,
    expected: Expectation,
) -> Result<(), StoreError> {
    let new = NewDefinition {
        tenant: tenant.clone(),
        kind: DefinitionKind::Plugin,
        name: PluginDefinition::definition_name(&plugin.name, &plugin.version),
        created_at: app.clock.now(),
        body: serde_json::json!(plugin),
    };
    app.store.put_definition(new, expected).await.map(drop)
}

fn view(plugin: PluginDefinition) -> PluginView {
    let PluginDefinition { name, version, digest, size, hooks, disabled, .. } = plugin;
    PluginView { name: name.to_string(), version: version.to_string(), digest, size, hooks, disabled }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let Refused { code: name, message } = refused;
        match name {
            // Not the component's fault.
            "plugin.compile.unavailable" | "plugin.host-error" => {
                tracing::error!(code = name, message, "a component could not be looked at");
                Self::named(
                    &code::UPLOADS_UNAVAILABLE,
                    name,
                    "The server cannot look at components now. Try again later.",
                )
            }
            "plugin.upload.too-large" => Self::named(&code::COMPONENT_TOO_LARGE, name, message),
            _ => Self::named(&code::INVALID_COMPONENT, name, message),
        }
    }
}
