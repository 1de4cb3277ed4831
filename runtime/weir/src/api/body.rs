//! Bodies, each kind with its content type, its limit and its code.

use std::sync::Arc;

use axum::body::HttpBody as _;
use axum::extract::{FromRequest, OptionalFromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use serde::de::DeserializeOwned;
use weir_engine::document::Format;

use super::app::App;
use crate::problem::{Code, Problem, code};

/// A small JSON body.
pub(super) struct SmallJson<T>(pub(super) T);

/// A JSON body that holds an event.
pub(super) struct EventJson<T>(pub(super) T);

/// A JSON body that tries a call.
pub(super) struct TestJson<T>(pub(super) T);

/// The text of a JSON body that asks an action: within its limits, and not parsed yet.
pub(super) struct ActionText(pub(super) String);

/// A flow or connector document.
pub(super) struct DocumentText {
    /// The author's own text.
    pub(super) source: String,
    /// How it is written.
    pub(super) format: Format,
}

/// A component.
pub(super) struct Component(pub(super) Bytes);

/// A limit on a body.
struct Limit {
    bytes: u64,
    code: &'static Code,
    setting: &'static str,
}

impl<T: DeserializeOwned> FromRequest<Arc<App>> for SmallJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let limit = Limit { bytes: app.limits.small_bytes, code: &code::BODY_TOO_LARGE, setting: "limits.small-bytes" };
        json(request, app, &limit).await.map(Self)
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<App>> for EventJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let limit =
            Limit { bytes: app.limits.event_bytes, code: &code::EVENT_TOO_LARGE, setting: "limits.event-bytes" };
        json(request, app, &limit).await.map(Self)
    }
}

impl<T: DeserializeOwned> OptionalFromRequest<Arc<App>> for SmallJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Option<Self>, Problem> {
        where_there_is_one(request, app).await
    }
}

impl<T: DeserializeOwned> OptionalFromRequest<Arc<App>> for EventJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Option<Self>, Problem> {
        where_there_is_one(request, app).await
    }
}

/// The body; none of a request that neither brings one nor says of what type it is.
async fn where_there_is_one<B>(request: Request, app: &Arc<App>) -> Result<Option<B>, Problem>
where
    B: FromRequest<Arc<App>, Rejection = Problem>,
{
    if !request.headers().contains_key(CONTENT_TYPE) && request.body().is_end_stream() {
        return Ok(None);
    }
    B::from_request(request, app).await.map(Some)
}

impl<T: DeserializeOwned> FromRequest<Arc<App>> for TestJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let limit = Limit { bytes: app.limits.test_bytes, code: &code::TEST_TOO_LARGE, setting: "limits.test-bytes" };
        json(request, app, &limit).await.map(Self)
    }
}

impl FromRequest<Arc<App>> for ActionText {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let limit =
            Limit { bytes: app.limits.event_bytes, code: &code::EVENT_TOO_LARGE, setting: "limits.event-bytes" };
        json_text(request, app, &limit).await.map(Self)
    }
}

impl FromRequest<Arc<App>> for DocumentText {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let format = match media_type(request.headers()).as_deref() {
            Some("application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml") => Format::Yaml,
            Some("application/json") => Format::Json,
            _ => return Err(wrong_type("application/yaml` or `application/json")),
        };
        let limit = Limit {
            bytes: app.limits.document_bytes,
            code: &code::DOCUMENT_TOO_LARGE,
            setting: "limits.document-bytes",
        };
        let source = utf8(read(request, app, &limit).await?)?;
        Ok(Self { source, format })
    }
}

impl FromRequest<Arc<App>> for Component {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        if media_type(request.headers()).as_deref() != Some("application/wasm") {
            return Err(wrong_type("application/wasm"));
        }
        let limit = Limit {
            bytes: app.limits.component_bytes,
            code: &code::COMPONENT_TOO_LARGE,
            setting: "plugins.upload-bytes-max",
        };
        read(request, app, &limit).await.map(Self)
    }
}

/// A body that says that it is JSON, and is nested no deeper than it may be.
async fn json_text(request: Request, app: &App, limit: &Limit) -> Result<String, Problem> {
    if media_type(request.headers()).as_deref() != Some("application/json") {
        return Err(wrong_type("application/json"));
    }
    let text = utf8(read(request, app, limit).await?)?;
    let most = app.limits.json_depth;
    if json_depth(&text) > most {
        let detail = format!("The body is nested more than {most} levels deep (`limits.json-depth`).");
        return Err(Problem::new(&code::JSON_TOO_DEEP, detail));
    }
    Ok(text)
}

async fn json<T: DeserializeOwned>(request: Request, app: &App, limit: &Limit) -> Result<T, Problem> {
    let text = json_text(request, app, limit).await?;
    // A list of the members' values would be read as well, which nobody means.
    if text.trim_start().starts_with('[') {
        return Err(Problem::new(&code::INVALID_BODY, "The body is a list; write an object."));
    }
    serde_json::from_str(&text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            serde_json::error::Category::Data => {
                Problem::new(&code::INVALID_BODY, format!("{}.", without_values(&error)))
            }
            _ => Problem::new(&code::INVALID_JSON, format!("The body is not JSON at line {line}, column {column}.")),
        }
    })
}

/// The error without the value that caused it, which may be a secret that stands in the wrong place (K-01).
fn without_values(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match (text.find(": string \""), text.rfind("\", expected")) {
        (Some(start), Some(end)) if start < end => {
            format!("{}: a string{}", text.get(..start).unwrap_or_default(), text.get(end + 1..).unwrap_or_default())
        }
        _ => text,
    }
}

async fn read(request: Request, app: &App, limit: &Limit) -> Result<Bytes, Problem> {
    let declared = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|declared| declared > limit.bytes) {
        return Err(too_large(limit));
    }
    let mut body = request.into_body().into_data_stream();
    let everything = async {
        let mut read = BytesMut::new();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|_| Problem::new(&code::MALFORMED, "The body ended too early or is garbled."))?;
            if read.len() as u64 + chunk.len() as u64 > limit.bytes {
                return Err(too_large(limit));
            }
            read.extend_from_slice(&chunk);
        }
        Ok(read.freeze())
    };
    tokio::time::timeout(app.limits.body_time, everything).await.unwrap_or_else(|_| {
        let detail = "The body did not arrive within `limits.body-time`. Send it again.";
        Err(Problem::new(&code::BODY_TIMEOUT, detail))
    })
}

fn too_large(limit: &Limit) -> Problem {
    let Limit { bytes, code, setting } = limit;
    Problem::new(code, format!("The body has more than {bytes} bytes (`{setting}`)."))
}

fn wrong_type(wanted: &str) -> Problem {
    Problem::new(&code::CONTENT_TYPE, format!("Send the body with `Content-Type: {wanted}`."))
}

/// The media type without its parameters, in lower case.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(|kind| kind.trim().to_ascii_lowercase())
}

fn utf8(bytes: Bytes) -> Result<String, Problem> {
    String::from_utf8(bytes.into()).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Problem::new(&code::INVALID_UTF8, format!("The body is not UTF-8 at byte {at}."))
    })
}

/// How deep a JSON text is nested, without parsing it.
fn json_depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn depth_counts_brackets_outside_of_strings() {
        for (text, depth) in [("1", 0), ("[]", 1), (r#"{"a[[\"[":[{}]}"#, 3), ("[[],[[]]]", 3), ("]]][", 1)] {
            assert_eq!(json_depth(text), depth, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_has_a_depth(text in ".{0,200}") {
            prop_assert!(json_depth(&text) <= text.len());
        }
    }

    #[test]
    fn an_error_does_not_show_a_secret_in_the_wrong_place() {
        // keeps K-01
        let error = serde_json::from_str::<u32>("\"hunter2\"").unwrap_err();
        assert!(!without_values(&error).contains("hunter2"));
        let error = serde_json::from_str::<crate::auth::Role>("\"hunter2\"").unwrap_err();
        // The name of an unknown variant shows; secrets are never variants.
        assert!(without_values(&error).contains("unknown variant"));
    }
}
