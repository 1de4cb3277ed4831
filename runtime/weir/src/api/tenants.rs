//! Tenants, for operators.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use weir_engine::ids::TenantId;
use weir_engine::ports::StoreError;

use super::app::App;
use super::body::SmallJson;
use super::caller::{Caller, ManageTenants};
use super::page::{Listing, PageQuery};
use super::path::{PathOf, QueryOf};
use crate::auth::SYSTEM_TENANT;
use crate::problem::{Problem, code};
use crate::tenants::{Access, Tenant};

/// Longest description, in characters.
const DESCRIPTION_CHARS_MAX: usize = 300;

/// A tenant about to be made.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTenant {
    /// Its name. `system` is taken.
    #[schema(value_type = String, pattern = "^[a-z][a-z0-9_-]{0,63}$")]
    tenant: TenantId,
    /// For people; up to 300 characters.
    #[serde(default)]
    #[schema(max_length = 300)]
    description: String,
}

/// Makes a tenant.
#[utoipa::path(post, path = "/v1/tenants", tag = "tenants", security(("key" = ["tenants.manage"])),
    request_body = NewTenant,
    responses((status = 201, body = Tenant, description = "Made.")))]
pub(super) async fn create(
    _: Caller<ManageTenants>,
    State(app): State<Arc<App>>,
    SmallJson(new): SmallJson<NewTenant>,
) -> Result<Response, Problem> {
    if new.description.chars().count() > DESCRIPTION_CHARS_MAX {
        let detail = format!("`description` has more than {DESCRIPTION_CHARS_MAX} characters.");
        return Err(Problem::new(&code::INVALID_BODY, detail));
    }
    let exists = || Problem::new(&code::EXISTS, format!("There is a tenant `{}` already.", new.tenant));
    if new.tenant.as_str() == SYSTEM_TENANT {
        return Err(exists());
    }
    let made = app.tenants.create(new.tenant.clone(), new.description).await.map_err(|error| match error {
        StoreError::VersionConflict { .. } => exists(),
        error => error.into(),
    })?;
    let location = format!("/v1/tenants/{}", made.tenant);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(made)).into_response())
}

/// Every tenant, by name.
#[utoipa::path(get, path = "/v1/tenants", tag = "tenants", security(("key" = ["tenants.manage"])),
    params(PageQuery),
    responses((status = 200, body = Listing<Tenant>, description = "One part of the list.")))]
pub(super) async fn list(
    _: Caller<ManageTenants>,
    State(app): State<Arc<App>>,
    QueryOf(page): QueryOf<PageQuery>,
) -> Result<Json<Listing<Tenant>>, Problem> {
    Ok(Json(Listing::of(app.tenants.list(&page.request()?).await?, |tenant| tenant)))
}

/// One tenant.
#[utoipa::path(get, path = "/v1/tenants/{tenant}", tag = "tenants", security(("key" = ["tenants.manage"])),
    params(("tenant" = String, Path, description = "The tenant.")),
    responses((status = 200, body = Tenant, description = "The tenant.")))]
pub(super) async fn get(
    _: Caller<ManageTenants>,
    State(app): State<Arc<App>>,
    PathOf(tenant): PathOf<TenantId>,
) -> Result<Json<Tenant>, Problem> {
    app.tenants.get(&tenant).await?.map(Json).ok_or_else(|| unknown(&tenant))
}

/// Refuses the tenant's keys from now on. Runs that have begun go on.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/disable", tag = "tenants", security(("key" = ["tenants.manage"])),
    params(("tenant" = String, Path, description = "The tenant.")),
    responses((status = 200, body = Tenant, description = "The tenant as it is now.")))]
pub(super) async fn disable(
    _: Caller<ManageTenants>,
    State(app): State<Arc<App>>,
    PathOf(tenant): PathOf<TenantId>,
) -> Result<Json<Tenant>, Problem> {
    app.tenants.set_access(&tenant, Access::Refused).await?.map(Json).ok_or_else(|| unknown(&tenant))
}

/// Takes the tenant's keys again.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/enable", tag = "tenants", security(("key" = ["tenants.manage"])),
    params(("tenant" = String, Path, description = "The tenant.")),
    responses((status = 200, body = Tenant, description = "The tenant as it is now.")))]
pub(super) async fn enable(
    _: Caller<ManageTenants>,
    State(app): State<Arc<App>>,
    PathOf(tenant): PathOf<TenantId>,
) -> Result<Json<Tenant>, Problem> {
    app.tenants.set_access(&tenant, Access::Granted).await?.map(Json).ok_or_else(|| unknown(&tenant))
}

/// There is no such tenant. For operators only, who may know which tenants there are.
pub(super) fn unknown(tenant: &TenantId) -> Problem {
    Problem::new(&code::NOT_FOUND, format!("There is no tenant `{tenant}`. `GET /v1/tenants` lists them."))
}
