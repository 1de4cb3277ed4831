//! The management API of the reference for actions: an external service, its authentication and a rule in one body. It
//! becomes what flows of ours use: a connector with one function, a credential, and a saved action. All of them or none.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::Instrument as _;
use weir_engine::ids::ActionName;

use self::parts::AUTHENTICATION_TYPES;
pub(super) use self::parts::endpoint_of;
use super::actions::kind_of;
use super::app::App;
use super::body::SmallJson;
use super::caller::{Caller, ReadDefinitions, WriteDefinitions};
use super::page::Listing;
use super::path::PathOf;
use crate::auth::Permission;
use crate::problem::Problem;

mod parts; // documents and credentials from a body, and back
mod save; // several writes as one

/// The reference's code for a rule that cannot be.
pub(super) const INVALID_RULE: &str = "ACTION-60013";

/// An action to be.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewAction {
    /// For people: 1 to 255 characters. The id is made of it.
    name: String,
    /// For people: up to 255 characters.
    #[serde(default)]
    description: Option<String>,
    /// The external service.
    endpoint: NewEndpoint,
    /// When it runs. Always without.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    rule: Option<Value>,
    /// What it may change: a list of `{op, paths}`. Nothing without.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    allowed_operations: Option<Value>,
}

/// An external service to be.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct NewEndpoint {
    /// An `https` or `http` URL.
    uri: String,
    /// How the host authenticates.
    authentication: NewAuthentication,
}

/// How the host is to authenticate.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct NewAuthentication {
    /// One of `/v1/action-authentication-types`.
    #[serde(rename = "type")]
    kind: String,
    /// The properties of the type. Written, never read.
    #[serde(default)]
    #[schema(value_type = Object, write_only)]
    properties: BTreeMap<String, SecretString>,
}

/// What of an action is to be otherwise.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ActionChange {
    /// For people: 1 to 255 characters. The id stays.
    #[serde(default)]
    name: Option<String>,
    /// For people: up to 255 characters.
    #[serde(default)]
    description: Option<String>,
    /// The external service, where it was made with the action.
    #[serde(default)]
    endpoint: Option<EndpointChange>,
    /// When it runs.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    rule: Option<Value>,
    /// What it may change.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    allowed_operations: Option<Value>,
}

/// What of an external service is to be otherwise.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct EndpointChange {
    /// An `https` or `http` URL.
    #[serde(default)]
    uri: Option<String>,
    /// How the host authenticates.
    #[serde(default)]
    authentication: Option<NewAuthentication>,
}

/// An external service as it is shown.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct EndpointView {
    /// Where it is.
    uri: String,
    /// How the host authenticates.
    authentication: AuthenticationView,
}

/// How the host authenticates, without any secret.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct AuthenticationView {
    /// Its name; the reference's where it has one.
    #[serde(rename = "type")]
    kind: String,
}

/// A way to authenticate.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct AuthenticationType {
    /// Its name.
    #[serde(rename = "type")]
    kind: String,
    /// What it needs to be told.
    properties: Vec<String>,
}

/// Makes an action that an external service serves, with its connector and its credential.
#[utoipa::path(post, path = "/v1/actions/{type}", tag = "actions",
    security(("key" = ["definitions.write", "credentials.write"])),
    params(("type" = String, Path, description = "The action's type, such as `preIssueAccessToken`.")),
    request_body = NewAction,
    responses((status = 201, body = super::actions::ActionView, description = "The action.",
        headers(("etag" = String)))))]
pub(super) async fn create(
    caller: Caller<WriteDefinitions>,
    State(app): State<Arc<App>>,
    PathOf(kind): PathOf<String>,
    SmallJson(action): SmallJson<NewAction>,
) -> Result<Response, Problem> {
    caller.also(Permission::WriteCredentials)?;
    let kind = kind_of(&app, &kind)?;
    let tenant = caller.tenant().clone();
    whole(async move {
        let saved = save::create(&app, &tenant, &kind, action).await?;
        super::actions::view(&app, saved, StatusCode::CREATED).await
    })
    .await
}

/// Changes parts of an action, its service or the service's authentication.
#[utoipa::path(patch, path = "/v1/actions/{type}/{name}", tag = "actions",
    security(("key" = ["definitions.write", "credentials.write"])),
    params(
        ("type" = String, Path, description = "The action's type."),
        ("name" = String, Path, description = "The action.")
    ),
    request_body = ActionChange,
    responses((status = 200, body = super::actions::ActionView, description = "The action.",
        headers(("etag" = String)))))]
pub(super) async fn update(
    caller: Caller<WriteDefinitions>,
    State(app): State<Arc<App>>,
    PathOf((kind, name)): PathOf<(String, ActionName)>,
    SmallJson(change): SmallJson<ActionChange>,
) -> Result<Response, Problem> {
    caller.also(Permission::WriteCredentials)?;
    let kind = kind_of(&app, &kind)?;
    let tenant = caller.tenant().clone();
    whole(async move {
        let saved = save::update(&app, &tenant, &kind, &name, change).await?;
        super::actions::view(&app, saved, StatusCode::OK).await
    })
    .await
}

/// Lets several writes come to their end, also where the client goes away in between.
async fn whole(work: impl Future<Output = Result<Response, Problem>> + Send + 'static) -> Result<Response, Problem> {
    let work = tokio::spawn(work.instrument(tracing::Span::current()));
    work.await.unwrap_or_else(|error| Err(Problem::internal(&error)))
}

/// The ways to authenticate that an action's service can have, with what each needs to be told.
#[utoipa::path(get, path = "/v1/action-authentication-types", tag = "actions",
    security(("key" = ["definitions.read"])),
    responses((status = 200, body = Listing<AuthenticationType>, description = "All of them.")))]
pub(super) async fn authentication_types(_: Caller<ReadDefinitions>) -> Json<Listing<AuthenticationType>> {
    let view = |(kind, properties): &(&str, &[&str])| AuthenticationType {
        kind: (*kind).to_owned(),
        properties: properties.iter().map(|property| (*property).to_owned()).collect(),
    };
    Json(Listing { items: AUTHENTICATION_TYPES.iter().map(view).collect(), next_cursor: None })
}
