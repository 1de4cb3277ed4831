//! JSON Schemas of the documents, for editors. Without a key: they are the same for everybody.

use axum::Json;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use serde_json::Value;
use weir_engine::connector::ConnectorDocument;

type SchemaAnswer = ([(HeaderName, &'static str); 2], Json<Value>);

fn answer(schema: Value) -> SchemaAnswer {
    ([(CONTENT_TYPE, "application/schema+json"), (CACHE_CONTROL, "public, max-age=3600")], Json(schema))
}

/// The JSON Schema of flow documents.
#[utoipa::path(get, path = "/v1/schemas/flow.json", tag = "schemas",
    responses((status = 200, body = Object, content_type = "application/schema+json", description = "Draft 2020-12.")))]
pub(super) async fn flow() -> SchemaAnswer {
    answer(weir_engine::flow::json_schema())
}

/// The JSON Schema of connector documents.
#[utoipa::path(get, path = "/v1/schemas/connector.json", tag = "schemas",
    responses((status = 200, body = Object, content_type = "application/schema+json", description = "Draft 2020-12.")))]
pub(super) async fn connector() -> SchemaAnswer {
    answer(weir_engine::document::schema_of::<ConnectorDocument>())
}
