//! What happens around every route: a request id, a place among the requests, problems as JSON, metrics, a log line.
//! The only translator of problems into bodies.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;
use weir_engine::ids::RequestId;

use super::app::App;
use super::{leftover, prompts};
use crate::problem::{Problem, code};

/// Names the request in the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest part of a path that a problem repeats, in characters.
const INSTANCE_CHARS_MAX: usize = 200;

/// Marks an answer with an error status whose body is its own and no problem.
#[derive(Debug, Clone, Copy)]
pub(super) struct OwnBody;

/// Layers, the last one outermost.
pub(super) fn around(router: Router<Arc<App>>, app: Arc<App>) -> Router<Arc<App>> {
    router.layer(CatchPanicLayer::custom(panicked)).layer(from_fn_with_state(app, edge))
}

/// Nothing is at this path.
pub(super) async fn no_route() -> Problem {
    Problem::of_status(StatusCode::NOT_FOUND)
}

#[expect(clippy::needless_pass_by_value, reason = "the layer calls it so")]
fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = text.unwrap_or("without a text"), "a handler panicked");
    Problem::without_cause().into_response()
}

async fn edge(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId::generate();
    let method = request.method().clone();
    let path = shown_path(request.uri().path());
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!(
        "request",
        id = %id,
        %method,
        route,
        tenant = tracing::field::Empty,
        key = tracing::field::Empty
    );
    let (mut request, leftover) = leftover::lend(request);
    // For what the request begins and outlives it, such as a run.
    request.extensions_mut().insert(id.clone());
    let response = answer(&app, request, next).instrument(span.clone()).await;
    let status = response.status();
    // One that was too slow has had its time.
    if (status.is_client_error() || status.is_server_error()) && status != StatusCode::REQUEST_TIMEOUT {
        leftover.discard().await;
    }
    let response = finish(response, &path, &id);
    let status = response.status().as_u16();
    let elapsed = started.elapsed();
    span.in_scope(|| tracing::debug!(status, elapsed_us = elapsed.as_micros(), "answered"));
    let labels = [("method", method.to_string()), ("route", route), ("status", status.to_string())];
    metrics::counter!("weir_http_requests_total", &labels).increment(1);
    metrics::histogram!("weir_http_request_seconds", &labels).record(elapsed.as_secs_f64());
    response
}

/// The path as problems repeat it: never a token.
fn shown_path(path: &str) -> String {
    if path.starts_with(prompts::PREFIX) {
        return format!("{}***", prompts::PREFIX);
    }
    path.chars().take(INSTANCE_CHARS_MAX).collect()
}

async fn answer(app: &App, request: Request, next: Next) -> Response {
    // Those who watch the server must get an answer above all when it has its hands full.
    let is_probe = matches!(request.uri().path(), "/healthz" | "/readyz");
    let place = Arc::clone(&app.requests).try_acquire_owned();
    if place.is_err() && !is_probe {
        let detail = "As many requests as are allowed at once (`limits.requests`) are in hand. Try again in a moment.";
        return Problem::new(&code::TOO_MANY_REQUESTS, detail).with_header(header::RETRY_AFTER, "1").into_response();
    }
    next.run(request).await
}

fn finish(mut response: Response, path: &str, id: &RequestId) -> Response {
    let status = response.status();
    let has_own_body = response.extensions().get::<OwnBody>().is_some();
    let problem = match response.extensions_mut().remove::<Problem>() {
        None if !has_own_body && (status.is_client_error() || status.is_server_error()) => {
            Some(Problem::of_status(status))
        }
        problem => problem,
    };
    if let Some(problem) = problem {
        metrics::counter!("weir_http_problems_total", "code" => problem.code().to_owned()).increment(1);
        let body = problem.body(path, id.as_str());
        let bytes = serde_json::to_vec(&body).unwrap_or_default();
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        *response.body_mut() = Body::from(bytes);
    }
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::try_from(id.as_str()) {
        headers.insert(REQUEST_ID, id);
    }
    response
}
