//! What operators see (C-21).

use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::json;
use weir_engine::ports::ConnectorErrorKind as Kind;

use crate::support::{FakeResolver, Fixture, Upstream, answer, document, settings, with, with_function};

#[tokio::test]
async fn calls_attempts_places_and_circuits_are_counted() {
    // covers C-21, A4
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let _here = metrics::set_default_local_recorder(&recorder);
    let upstream = Upstream::replying(|request, _| match request.split(' ').nth(1) {
        Some("/moved") => answer(302, "location: /\r\n", ""),
        Some("/broken") => answer(500, "", ""),
        _ => answer(200, "", ""),
    })
    .await;
    let mut settings = settings();
    settings["pool"] = json!({"connectors-per-tenant-max": 1});
    let fixture = Fixture::with(settings, FakeResolver::default());
    let breaker = json!({"circuit-breaker": {"failures-max": 2, "open-for": "1m"}});
    let document = with(document(upstream.url()), json!({"connection": breaker}));
    let function = json!({"redirects": {"follow": true}, "retry": {"backoff": "1ms"}});
    let calling =
        |path: &str| with_function(with_function(document.clone(), function.clone()), json!({"endpoint": path}));
    assert_eq!(fixture.response(calling("/moved")).await.status, 200);
    assert_eq!(fixture.response(calling("/broken")).await.status, 500);
    assert_eq!(fixture.error_kind(calling("/")).await, Kind::CircuitOpen);
    let shown = |line: &str| {
        let text = handle.render();
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    };
    shown("weir_connector_seconds_count{outcome=\"ok\"} 2");
    shown("weir_connector_seconds_count{outcome=\"connector.circuit-open\"} 1");
    shown("weir_connector_attempts_total 3");
    shown("weir_connector_retries_total{reason=\"status\"} 1");
    shown("weir_connector_redirects_total 1");
    shown("weir_connector_calls_in_flight 0");
    shown("weir_connector_circuit_changes_total{to=\"open\"} 1");
    shown("weir_connector_circuits_open 1");
    // What is forgotten is open no more.
    fixture.response(with(calling("/"), json!({"connector": "other"}))).await;
    shown("weir_connector_circuits_open 0");
    assert!(!handle.render().contains("acme") && !handle.render().contains("api"));
}
