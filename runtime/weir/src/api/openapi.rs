//! The OpenAPI document (OpenAPI 3.1): generated from the routes, with what is true of every route added once.

use std::sync::{Arc, OnceLock};

use axum::Json;
use serde_json::{Value, json};
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;

use super::app::App;
use crate::problem::ProblemBody;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Weir",
        description = "Runs flows of connector calls with sandboxed plugin hooks. Every error is a problem \
                       (RFC 9457) with a stable `code`; `weir explain CODE` tells more of it."
    ),
    components(schemas(ProblemBody)),
    modifiers(&Key),
    tags(
        (name = "tenants", description = "For operators: who owns what."),
        (name = "keys", description = "API keys. A key is shown once; only its hash is kept."),
        (name = "plugins", description = "Uploaded components, versioned and immutable."),
        (name = "connectors", description = "Outside systems and their functions."),
        (name = "actions", description = "Custom code and external services in flows: saved, tried, served to others."),
        (name = "credentials", description = "Stored secrets: written, never read."),
        (name = "identities", description = "TLS certificates and private keys; keys are written, never read."),
        (name = "flows", description = "Versioned documents of steps."),
        (name = "runs", description = "Executions of flows."),
        (name = "prompts", description = "Questions of runs, for those who have a token."),
        (name = "schemas", description = "JSON Schemas of the documents."),
        (name = "server", description = "The server itself.")
    )
)]
struct Description;

struct Key;

impl utoipa::Modify for Key {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("weir_TENANT_ID_SECRET")
            .description(Some("An API key. The scopes of a route are the permissions that it asks for."))
            .build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::Http(scheme));
    }
}

/// A router with the description and no routes.
pub(super) fn start() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Description::openapi())
}

/// Adds what is true of every route that does not say otherwise: any error is a problem, and keys are checked.
pub(super) fn finish(document: utoipa::openapi::OpenApi) -> Value {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    let problem = |description: &str| {
        json!({
            "description": description,
            "headers": { "x-request-id": { "schema": { "type": "string" } } },
            "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/ProblemBody" } } }
        })
    };
    let operations = document.get_mut("paths").and_then(Value::as_object_mut).into_iter().flatten();
    let operations = operations.filter_map(|(_, item)| item.as_object_mut()).flatten();
    for (_, operation) in operations {
        let is_secured = operation.get("security").is_some();
        let id = operation_id(operation);
        let Some(operation) = operation.as_object_mut() else { continue };
        operation.insert("operationId".to_owned(), Value::String(id));
        let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { continue };
        responses.entry("default").or_insert_with(|| problem("Any other problem."));
        // A route that says itself what it answers without a valid key says it for keys that may not, too.
        if is_secured && !responses.contains_key("401") {
            responses.insert("401".to_owned(), problem("No valid API key."));
            responses.insert("403".to_owned(), problem("The key may not do this."));
        }
    }
    document
}

/// Handlers are called `get` or `list` in the file of their resource; ids are unique within the document.
fn operation_id(operation: &Value) -> String {
    let text = |pointer: &str| operation.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    format!("{}.{}", text("/tags/0"), text("/operationId"))
}

/// The OpenAPI document.
#[utoipa::path(get, path = "/openapi.json", tag = "server", responses((status = 200, body = Object, description = "This document.")))]
pub(super) async fn document() -> Json<Value> {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    Json(DOCUMENT.get_or_init(super::document).clone())
}
