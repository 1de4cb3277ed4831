//! API keys: of the own tenant for admins, of any tenant for operators.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use weir_engine::ids::TenantId;
use weir_engine::time::Timestamp;

use super::app::App;
use super::body::SmallJson;
use super::caller::{AnyCaller, Caller, ManageKeys, ManageTenants};
use super::page::{Listing, PageQuery};
use super::path::{PathOf, QueryOf};
use super::tenants::unknown;
use crate::auth::{IssueKey, KeyId, KeyRingError, Principal, Role, SYSTEM_TENANT, StoredKey};
use crate::problem::{Problem, code};

/// Longest label, in characters.
const LABEL_CHARS_MAX: usize = 100;

/// A key about to be made.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKey {
    /// What its holder may do. `operator` within the tenant `system` only, and there nothing else.
    role: Role,
    /// For people; up to 100 characters.
    #[serde(default)]
    #[schema(max_length = 100)]
    label: String,
    /// From then on the key is refused.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// A key, without its secret.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct KeyView {
    /// Its public part.
    id: String,
    /// What its holder may do.
    role: Role,
    /// For people.
    label: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// From then on it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// A new key.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct IssuedKey {
    /// The key. It is shown once and never again.
    key: String,
    /// What is kept of it.
    #[serde(flatten)]
    stored: KeyView,
}

/// Whose key that is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Whoami {
    /// The tenant.
    tenant: String,
    /// The key's public part.
    key: String,
    /// What its holder may do.
    role: Role,
    /// The same, one by one.
    permissions: Vec<&'static str>,
}

/// Whose key that is, and what it may do.
#[utoipa::path(get, path = "/v1/whoami", tag = "keys", security(("key" = [])),
    responses((status = 200, body = Whoami, description = "The holder of the key.")))]
pub(super) async fn own(AnyCaller(Principal { tenant, key, role }): AnyCaller) -> Json<Whoami> {
    Json(Whoami {
        tenant: tenant.to_string(),
        key: key.to_string(),
        role,
        permissions: role.permissions().iter().map(|permission| permission.as_str()).collect(),
    })
}

/// Makes a key of the own tenant.
#[utoipa::path(post, path = "/v1/keys", tag = "keys", security(("key" = ["keys.manage"])),
    request_body = NewKey,
    responses((status = 201, body = IssuedKey, description = "Made. The key is shown once.")))]
pub(super) async fn create(
    caller: Caller<ManageKeys>,
    State(app): State<Arc<App>>,
    SmallJson(new): SmallJson<NewKey>,
) -> Result<Response, Problem> {
    issue(&app, caller.tenant().clone(), new).await
}

/// The keys of the own tenant, by id.
#[utoipa::path(get, path = "/v1/keys", tag = "keys", security(("key" = ["keys.manage"])), params(PageQuery),
    responses((status = 200, body = Listing<KeyView>, description = "One part of the list.")))]
pub(super) async fn list(
    caller: Caller<ManageKeys>,
    State(app): State<Arc<App>>,
    QueryOf(page): QueryOf<PageQuery>,
) -> Result<Json<Listing<KeyView>>, Problem> {
    list_of(&app, caller.tenant(), &page).await
}

/// Revokes a key of the own tenant at once.
#[utoipa::path(delete, path = "/v1/keys/{id}", tag = "keys", security(("key" = ["keys.manage"])),
    params(("id" = String, Path, description = "The key's public part.")),
    responses((status = 204, description = "Revoked.")))]
pub(super) async fn revoke(
    caller: Caller<ManageKeys>,
    State(app): State<Arc<App>>,
    PathOf(id): PathOf<String>,
) -> Result<StatusCode, Problem> {
    revoke_of(&app, caller.tenant(), &id).await
}

/// Makes a key of a tenant, such as the first one.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/keys", tag = "keys", security(("key" = ["tenants.manage"])),
    params(("tenant" = String, Path, description = "The tenant.")),
    request_body = NewKey,
    responses((status = 201, body = IssuedKey, description = "Made. The key is shown once.")))]
pub(super) async fn create_in(
    _: Caller<ManageTenants>,
    State(app): State<Arc<App>>,
    PathOf(tenant): PathOf<TenantId>,
    SmallJson(new): SmallJson<NewKey>,
) -> Result<Response, Problem> {
    known(&app, &tenant).await?;
    issue(&app, tenant, new).await
}

/// The keys of a tenant, by id.
#[utoipa::path(get, path = "/v1/tenants/{tenant}/keys", tag = "keys", security(("key" = ["tenants.manage"])),
    params(("tenant" = String, Path, description = "The tenant."), PageQuery),
    responses((status = 200, body = Listing<KeyView>, description = "One part of the list.")))]
pub(super) async fn list_in(
    _: Caller<ManageTenants>,
    State(app): State<Arc<App>>,
    PathOf(tenant): PathOf<TenantId>,
    QueryOf(page): QueryOf<PageQuery>,
) -> Result<Json<Listing<KeyView>>, Problem> {
    known(&app, &tenant).await?;
    list_of(&app, &tenant, &page).await
}

/// Revokes a key of a tenant at once.
#[utoipa::path(delete, path = "/v1/tenants/{tenant}/keys/{id}", tag = "keys", security(("key" = ["tenants.manage"])),
    params(
        ("tenant" = String, Path, description = "The tenant."),
        ("id" = String, Path, description = "The key's public part.")
    ),
    responses((status = 204, description = "Revoked.")))]
pub(super) async fn revoke_in(
    _: Caller<ManageTenants>,
    State(app): State<Arc<App>>,
    PathOf((tenant, id)): PathOf<(TenantId, String)>,
) -> Result<StatusCode, Problem> {
    known(&app, &tenant).await?;
    revoke_of(&app, &tenant, &id).await
}

async fn known(app: &App, tenant: &TenantId) -> Result<(), Problem> {
    let is_known = tenant.as_str() == SYSTEM_TENANT || app.tenants.get(tenant).await?.is_some();
    if is_known { Ok(()) } else { Err(unknown(tenant)) }
}

async fn issue(app: &App, tenant: TenantId, new: NewKey) -> Result<Response, Problem> {
    let invalid = |detail: String| Err(Problem::new(&code::INVALID_BODY, detail));
    if !new.role.fits(&tenant) {
        return invalid(format!(
            "`role`: keys of tenant `{SYSTEM_TENANT}` are of role `operator`, keys of other tenants are not."
        ));
    }
    if new.label.chars().count() > LABEL_CHARS_MAX {
        return invalid(format!("`label` has more than {LABEL_CHARS_MAX} characters."));
    }
    if new.expires_at.is_some_and(|end| end <= app.clock.now()) {
        return invalid("`expires_at` has passed.".to_owned());
    }
    let issue = IssueKey { tenant, role: new.role, label: new.label, expires_at: new.expires_at };
    let (key, stored) = app.keys.issue(issue).await?;
    let location = format!("/v1/keys/{}", stored.id);
    let body = IssuedKey { key: key.reveal().to_string(), stored: view(stored) };
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(body)).into_response())
}

async fn list_of(app: &App, tenant: &TenantId, page: &PageQuery) -> Result<Json<Listing<KeyView>>, Problem> {
    Ok(Json(Listing::of(app.keys.list(tenant, &page.request()?).await?, view)))
}

async fn revoke_of(app: &App, tenant: &TenantId, id: &str) -> Result<StatusCode, Problem> {
    let id: KeyId =
        id.parse().map_err(|_| Problem::new(&code::INVALID_NAME, "The id of a key is 16 hexadecimal digits."))?;
    if app.keys.revoke(tenant, &id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found("key")) }
}

fn view(key: StoredKey) -> KeyView {
    let StoredKey { id, role, label, created_at, expires_at } = key;
    KeyView { id, role, label, created_at, expires_at }
}

impl From<KeyRingError> for Problem {
    fn from(error: KeyRingError) -> Self {
        match error {
            KeyRingError::Store(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}
