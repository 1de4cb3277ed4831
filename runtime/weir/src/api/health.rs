//! How the server is: for those who watch it.

use std::sync::Arc;

use axum::Extension;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use serde::Serialize;

use super::app::{App, Phase};
use super::caller::{Caller, ReadMetrics};
use super::edge::OwnBody;

/// The exposition format of Prometheus.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The process lives.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Health {
    /// `ok`.
    status: &'static str,
    /// The version of Weir.
    version: &'static str,
}

/// Whether the server takes work.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Readiness {
    /// Whether it does.
    ready: bool,
    /// Why not; empty where it does.
    reasons: Vec<&'static str>,
}

/// Whether the process lives. Nothing else is looked at.
#[utoipa::path(get, path = "/healthz", tag = "server",
    responses((status = 200, body = Health, description = "It lives.")))]
pub(super) async fn live() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// Whether the server takes work: not while it recovers or drains, and not when its store takes no writes.
#[utoipa::path(get, path = "/readyz", tag = "server",
    responses(
        (status = 200, body = Readiness, description = "It takes work."),
        (status = 503, body = Readiness, description = "It does not; `reasons` says why.")
    ))]
pub(super) async fn ready(State(app): State<Arc<App>>) -> (StatusCode, Extension<OwnBody>, Json<Readiness>) {
    let phase = *app.phase.borrow();
    let mut reasons = Vec::new();
    match phase {
        Phase::Recovering => reasons.push("the server has just started and claims unfinished runs"),
        Phase::Draining => reasons.push("the server is about to stop"),
        Phase::Serving => {}
    }
    if !app.store.health().await.writable {
        reasons.push("the store takes no writes; the log says why");
    }
    let ready = reasons.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Extension(OwnBody), Json(Readiness { ready, reasons }))
}

/// Metrics in the exposition format of Prometheus. Asks for an operator's key; an address of its own without a key can
/// be configured (`server.metrics-listen`).
#[utoipa::path(get, path = "/metrics", tag = "server", security(("key" = ["metrics.read"])),
    responses((status = 200, body = String, content_type = "text/plain", description = "The metrics.")))]
pub(super) async fn metrics(
    _: Caller<ReadMetrics>,
    State(app): State<Arc<App>>,
) -> ([(HeaderName, &'static str); 1], String) {
    exposition(&app).await
}

/// The same without a key.
pub(super) async fn open_metrics(State(app): State<Arc<App>>) -> ([(HeaderName, &'static str); 1], String) {
    exposition(&app).await
}

async fn exposition(app: &App) -> ([(HeaderName, &'static str); 1], String) {
    let health = app.store.health().await;
    metrics::gauge!("weir_runs_driven").set(precise(app.engine.driven() as u64));
    metrics::gauge!("weir_runs_driven_of_one_tenant").set(precise(app.engine.driven_of_one_tenant() as u64));
    metrics::gauge!("weir_store_writable").set(f64::from(u8::from(health.writable)));
    // A store that does not answer leaves the last figures; `weir_store_writable` says so.
    if let Ok(backlog) = app.store.background_backlog().await {
        metrics::gauge!("weir_background_pending").set(precise(backlog.pending));
        let age = backlog.oldest.map(|oldest| app.clock.now().since(oldest)).unwrap_or_default();
        metrics::gauge!("weir_background_oldest_seconds").set(age.as_secs_f64());
    }
    for (name, bytes) in
        [("weir_store_bytes_on_disk", health.bytes_on_disk), ("weir_store_bytes_free", health.bytes_free)]
    {
        if let Some(bytes) = bytes {
            metrics::gauge!(name).set(precise(bytes));
        }
    }
    ([(CONTENT_TYPE, EXPOSITION)], app.metrics.render())
}

/// Gauges are floating-point numbers: exact up to 2^53, which is enough for bytes and counts.
#[expect(clippy::cast_precision_loss, reason = "see above")]
fn precise(count: u64) -> f64 {
    count as f64
}
