//! Credentials: written, never read (T-03).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use weir_engine::ids::CredentialName;

use super::app::App;
use super::body::SmallJson;
use super::caller::{Caller, ReadCredentials, WriteCredentials};
use super::page::{Listing, PageQuery};
use super::path::{PathOf, QueryOf};
use super::precondition::{Precondition, tag};
use crate::problem::{Problem, code};
use crate::secrets::{CredentialMetadata, CredentialSecret, InvalidCredential, VaultError};

/// Sets a credential. Connectors use it from their next call on.
#[utoipa::path(put, path = "/v1/credentials/{name}", tag = "credentials", security(("key" = ["credentials.write"])),
    params(
        ("name" = String, Path, description = "The credential."),
        ("if-match" = Option<String>, Header, description = "The `ETag` that the stored version must have."),
        ("if-none-match" = Option<String>, Header, description = "`*`: there must be none.")
    ),
    request_body = CredentialSecret,
    responses(
        (status = 200, body = CredentialMetadata, description = "Set anew.", headers(("etag" = String))),
        (status = 201, body = CredentialMetadata, description = "Set for the first time.", headers(("etag" = String)))
    ))]
pub(super) async fn put(
    caller: Caller<WriteCredentials>,
    State(app): State<Arc<App>>,
    PathOf(name): PathOf<CredentialName>,
    Precondition(expected): Precondition,
    SmallJson(secret): SmallJson<CredentialSecret>,
) -> Result<Response, Problem> {
    secret.check()?;
    let saved = app.vault.set(caller.tenant(), &name, &secret, expected).await?;
    let status = if saved.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, [(header::ETAG, tag(saved.metadata.version))], Json(saved.metadata)).into_response())
}

/// What may be told of a credential.
#[utoipa::path(get, path = "/v1/credentials/{name}", tag = "credentials", security(("key" = ["credentials.read"])),
    params(("name" = String, Path, description = "The credential.")),
    responses((status = 200, body = CredentialMetadata, description = "Never the secret.", headers(("etag" = String)))))]
pub(super) async fn get(
    caller: Caller<ReadCredentials>,
    State(app): State<Arc<App>>,
    PathOf(name): PathOf<CredentialName>,
) -> Result<Response, Problem> {
    let found = app.vault.metadata(caller.tenant(), &name).await?.ok_or_else(|| Problem::not_found("credential"))?;
    Ok(([(header::ETAG, tag(found.version))], Json(found)).into_response())
}

/// What may be told of the tenant's credentials, by name.
#[utoipa::path(get, path = "/v1/credentials", tag = "credentials", security(("key" = ["credentials.read"])),
    params(PageQuery),
    responses((status = 200, body = Listing<CredentialMetadata>, description = "One part of the list.")))]
pub(super) async fn list(
    caller: Caller<ReadCredentials>,
    State(app): State<Arc<App>>,
    QueryOf(page): QueryOf<PageQuery>,
) -> Result<Json<Listing<CredentialMetadata>>, Problem> {
    Ok(Json(Listing::of(app.vault.list(caller.tenant(), &page.request()?).await?, |metadata| metadata)))
}

/// Removes a credential. Calls that need it fail from then on.
#[utoipa::path(delete, path = "/v1/credentials/{name}", tag = "credentials", security(("key" = ["credentials.write"])),
    params(("name" = String, Path, description = "The credential.")),
    responses((status = 204, description = "Removed.")))]
pub(super) async fn delete(
    caller: Caller<WriteCredentials>,
    State(app): State<Arc<App>>,
    PathOf(name): PathOf<CredentialName>,
) -> Result<StatusCode, Problem> {
    if app.vault.delete(caller.tenant(), &name).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found("credential"))
    }
}

impl From<InvalidCredential> for Problem {
    fn from(error: InvalidCredential) -> Self {
        Self::new(&code::INVALID_BODY, error.to_string())
    }
}

impl From<VaultError> for Problem {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Store(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}
