//! What connectors and flows have in common: documents of their authors, saved as immutable versions.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use weir_engine::catalogue::StoredDocument;
use weir_engine::document::{Fault, Faults, Format};
use weir_engine::ids::TenantId;
use weir_engine::ports::{Definition, DefinitionKind, Expectation, NewDefinition, PageRequest, StoreError};
use weir_engine::time::Timestamp;

use super::app::App;
use super::body::DocumentText;
use super::page::Listing;
use super::precondition::tag;
use crate::problem::{Problem, code};

/// Whose document of which kind and name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// Whose.
    pub(super) tenant: &'a TenantId,
    /// Connector or flow.
    pub(super) kind: DefinitionKind,
    /// `connector` or `flow`, for people.
    pub(super) noun: &'static str,
    /// Its name.
    pub(super) name: &'a str,
}

/// One version of a document.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DocumentView {
    /// Its name.
    name: String,
    /// 1 for the first save, one more for each later one.
    version: u32,
    /// When this version was saved.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// `yaml` or `json`.
    #[schema(value_type = String)]
    format: Format,
    /// The text as its author wrote it.
    source: String,
    /// What it says.
    #[schema(value_type = Object)]
    document: Value,
}

/// One version of a document, without the text.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct VersionView {
    /// Its name.
    name: String,
    /// 1 for the first save, one more for each later one.
    version: u32,
    /// When this version was saved.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Whether it is the live one.
    live: bool,
}

/// What a save gave.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct SavedView {
    /// Its name.
    name: String,
    /// The version that is live now.
    version: u32,
    /// Whether the save made it; `false` where the live version had this very text already.
    changed: bool,
    /// When the version was saved.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// What the author should know, with its place.
    #[schema(value_type = Vec<Object>)]
    warnings: Vec<Fault>,
}

/// Which version.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct VersionQuery {
    /// The live one without.
    pub(super) version: Option<u32>,
}

/// A document that has been checked.
pub(super) struct Checked {
    /// The author's own text.
    pub(super) text: DocumentText,
    /// What it says.
    pub(super) document: Value,
    /// What the author should know.
    pub(super) warnings: Faults,
}

/// What a save wrote.
pub(super) struct Written {
    /// The version that was live before.
    pub(super) before: Option<u32>,
    /// The one that is live now.
    pub(super) definition: Definition,
}

/// Saves a document as a new version, unless the live one has the same text.
pub(super) async fn save(
    app: &App,
    place: Place<'_>,
    checked: Checked,
    expected: Expectation,
) -> Result<Response, Problem> {
    let Checked { text, document, warnings } = checked;
    let Written { before, definition } = write(app, place, text, document, expected).await?;
    let status = if before.is_none() { StatusCode::CREATED } else { StatusCode::OK };
    let changed = before != Some(definition.version);
    Ok(saved(status, definition, changed, warnings))
}

/// As [`save`], for those who go on with what was written.
pub(super) async fn write(
    app: &App,
    place: Place<'_>,
    text: DocumentText,
    document: Value,
    expected: Expectation,
) -> Result<Written, Problem> {
    let stored = StoredDocument { source: text.source, format: text.format, document };
    let live = find(app, place, None).await?;
    let expected = newest_expectation(app, place, live.as_ref(), expected).await?;
    let before = live.as_ref().map(|live| live.version);
    if let Some(definition) = live.filter(|live| same_text(live, &stored)) {
        return Ok(Written { before, definition });
    }
    let new = NewDefinition {
        tenant: place.tenant.clone(),
        kind: place.kind,
        name: place.name.to_owned(),
        created_at: app.clock.now(),
        body: serde_json::to_value(stored).map_err(|error| Problem::internal(&error))?,
    };
    let definition = app.store.put_definition(new, expected).await?;
    Ok(Written { before, definition })
}

/// Clients name the live version, which is what they read; the store compares with the newest one. The two differ
/// where an older version was made live again.
async fn newest_expectation(
    app: &App,
    place: Place<'_>,
    live: Option<&Definition>,
    expected: Expectation,
) -> Result<Expectation, Problem> {
    let stored = live.map(|live| live.version);
    match expected {
        Expectation::Version(wanted) if stored != Some(wanted) => Err(StoreError::VersionConflict { stored }.into()),
        Expectation::Absent if stored.is_some() => Err(StoreError::VersionConflict { stored }.into()),
        Expectation::Version(_) => {
            let one = PageRequest { limit: 1, after: None };
            let newest = app.store.definition_versions(place.tenant, place.kind, place.name, &one).await?;
            Ok(newest.items.first().map_or(Expectation::Absent, |newest| Expectation::Version(newest.version)))
        }
        other => Ok(other),
    }
}

fn same_text(live: &Definition, stored: &StoredDocument) -> bool {
    serde_json::from_value::<StoredDocument>(live.body.clone())
        .is_ok_and(|live| live.source == stored.source && live.format == stored.format)
}

fn saved(status: StatusCode, definition: Definition, changed: bool, warnings: Faults) -> Response {
    let etag = [(header::ETAG, tag(definition.version))];
    let view = SavedView {
        name: definition.name,
        version: definition.version,
        changed,
        created_at: definition.created_at,
        warnings: warnings.0,
    };
    (status, etag, Json(view)).into_response()
}

/// One version; the live one without `version`.
pub(super) async fn get(app: &App, place: Place<'_>, version: Option<u32>) -> Result<Response, Problem> {
    let found = find(app, place, version).await?.ok_or_else(|| Problem::not_found(place.noun))?;
    let stored: StoredDocument = serde_json::from_value(found.body).map_err(|error| Problem::internal(&error))?;
    let etag = [(header::ETAG, tag(found.version))];
    let StoredDocument { source, format, document } = stored;
    let view = DocumentView {
        name: found.name,
        version: found.version,
        created_at: found.created_at,
        format,
        source,
        document,
    };
    Ok((etag, Json(view)).into_response())
}

/// The live versions of a kind, by name.
pub(super) async fn list(
    app: &App,
    tenant: &TenantId,
    kind: DefinitionKind,
    page: &PageRequest,
) -> Result<Json<Listing<VersionView>>, Problem> {
    let page = app.store.definitions(tenant, kind, "", page).await?;
    Ok(Json(Listing::of(page, |definition| version_view(definition, None))))
}

/// All versions of one name, newest first.
pub(super) async fn versions(
    app: &App,
    place: Place<'_>,
    page: &PageRequest,
) -> Result<Json<Listing<VersionView>>, Problem> {
    let live = find(app, place, None).await?.ok_or_else(|| Problem::not_found(place.noun))?;
    let page = app.store.definition_versions(place.tenant, place.kind, place.name, page).await?;
    Ok(Json(Listing::of(page, |definition| version_view(definition, Some(live.version)))))
}

/// One version as it is shown in lists; the live one where `live` names none.
pub(super) fn version_view(definition: Definition, live: Option<u32>) -> VersionView {
    let Definition { name, version, created_at, .. } = definition;
    VersionView { name, version, created_at, live: live.is_none_or(|live| live == version) }
}

/// The problem of a document with faults: each of them with its place.
pub(super) fn faulty(faults: Faults) -> Problem {
    let count = faults.0.len();
    let errors = faults.0.iter().filter_map(|fault| serde_json::to_value(fault).ok()).collect();
    let detail =
        format!("The document has {count} fault(s); nothing was saved. `errors` says where and how to mend each.");
    Problem::new(&code::INVALID_DOCUMENT, detail).with_errors(errors)
}

/// The document's own name must be the one in the path.
pub(super) fn check_name(place: Place<'_>, own: &str) -> Result<(), Problem> {
    if own == place.name {
        return Ok(());
    }
    let detail = format!("The path says {} `{}`, the document says `{own}`.", place.noun, place.name);
    Err(Problem::new(&code::NAME_MISMATCH, detail))
}

/// One version; the live one without `version`.
pub(super) async fn find(app: &App, place: Place<'_>, version: Option<u32>) -> Result<Option<Definition>, StoreError> {
    app.store.definition(place.tenant, place.kind, place.name, version).await
}
