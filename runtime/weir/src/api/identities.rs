//! TLS identities: certificates are read back, private keys never (C-07).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use weir_engine::ids::IdentityName;

use super::app::App;
use super::body::SmallJson;
use super::caller::{Caller, ReadCredentials, WriteCredentials};
use super::page::{Listing, PageQuery};
use super::path::{PathOf, QueryOf};
use super::precondition::{Precondition, tag};
use crate::problem::{Problem, code};
use crate::secrets::{IdentityMetadata, JwkSet, NewIdentity, SaveIdentityError};

/// Sets a TLS identity. Connectors use it from their next call on.
#[utoipa::path(put, path = "/v1/identities/{name}", tag = "identities", security(("key" = ["credentials.write"])),
    params(
        ("name" = String, Path, description = "The identity."),
        ("if-match" = Option<String>, Header, description = "The `ETag` that the stored version must have."),
        ("if-none-match" = Option<String>, Header, description = "`*`: there must be none.")
    ),
    request_body = NewIdentity,
    responses(
        (status = 200, body = IdentityMetadata, description = "Set anew.", headers(("etag" = String))),
        (status = 201, body = IdentityMetadata, description = "Set for the first time.", headers(("etag" = String)))
    ))]
pub(super) async fn put(
    caller: Caller<WriteCredentials>,
    State(app): State<Arc<App>>,
    PathOf(name): PathOf<IdentityName>,
    Precondition(expected): Precondition,
    SmallJson(new): SmallJson<NewIdentity>,
) -> Result<Response, Problem> {
    let saved = app.vault.set_identity(caller.tenant(), &name, &new, expected).await?;
    let status = if saved.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, [(header::ETAG, tag(saved.metadata.version))], Json(saved.metadata)).into_response())
}

/// What may be told of a TLS identity, with its certificates.
#[utoipa::path(get, path = "/v1/identities/{name}", tag = "identities", security(("key" = ["credentials.read"])),
    params(("name" = String, Path, description = "The identity.")),
    responses((status = 200, body = IdentityMetadata, description = "Never the key.", headers(("etag" = String)))))]
pub(super) async fn get(
    caller: Caller<ReadCredentials>,
    State(app): State<Arc<App>>,
    PathOf(name): PathOf<IdentityName>,
) -> Result<Response, Problem> {
    let found = app.vault.identity(caller.tenant(), &name).await?.ok_or_else(|| Problem::not_found("identity"))?;
    Ok(([(header::ETAG, tag(found.version))], Json(found)).into_response())
}

/// The public keys that verify what an identity signs (RFC 7517): the present one, and those of the two versions before.
/// Empty where it has no key that signs.
#[utoipa::path(get, path = "/v1/identities/{name}/jwks", tag = "identities", security(("key" = ["credentials.read"])),
    params(("name" = String, Path, description = "The identity.")),
    responses((status = 200, body = JwkSet, description = "Public keys alone.")))]
pub(super) async fn jwks(
    caller: Caller<ReadCredentials>,
    State(app): State<Arc<App>>,
    PathOf(name): PathOf<IdentityName>,
) -> Result<Json<JwkSet>, Problem> {
    let found = app.vault.signing_keys(caller.tenant(), &name).await?;
    found.map(Json).ok_or_else(|| Problem::not_found("identity"))
}

/// The tenant's TLS identities, by name, without their certificates.
#[utoipa::path(get, path = "/v1/identities", tag = "identities", security(("key" = ["credentials.read"])),
    params(PageQuery),
    responses((status = 200, body = Listing<IdentityMetadata>, description = "One part of the list.")))]
pub(super) async fn list(
    caller: Caller<ReadCredentials>,
    State(app): State<Arc<App>>,
    QueryOf(page): QueryOf<PageQuery>,
) -> Result<Json<Listing<IdentityMetadata>>, Problem> {
    Ok(Json(Listing::of(app.vault.identities(caller.tenant(), &page.request()?).await?, |metadata| metadata)))
}

/// Removes a TLS identity. Calls that need it fail from then on.
#[utoipa::path(delete, path = "/v1/identities/{name}", tag = "identities", security(("key" = ["credentials.write"])),
    params(("name" = String, Path, description = "The identity.")),
    responses((status = 204, description = "Removed.")))]
pub(super) async fn delete(
    caller: Caller<WriteCredentials>,
    State(app): State<Arc<App>>,
    PathOf(name): PathOf<IdentityName>,
) -> Result<StatusCode, Problem> {
    if app.vault.delete_identity(caller.tenant(), &name).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found("identity"))
    }
}

impl From<SaveIdentityError> for Problem {
    fn from(error: SaveIdentityError) -> Self {
        match error {
            SaveIdentityError::Invalid(error) => Self::new(&code::INVALID_IDENTITY, format!("{error}.")),
            SaveIdentityError::Vault(error) => error.into(),
        }
    }
}
