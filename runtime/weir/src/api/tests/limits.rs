//! Every limit at N and N + 1, each with its own code (A4).

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use bytes::Bytes;
use serde_json::{Value, json};

use super::house::{Ask, House};

async fn check(house: &House, ask: impl Fn(usize) -> Ask, most: usize, code: &str) {
    let at = house.ask(ask(most)).await;
    assert_ne!(at.code(), code, "{most} {at:?}");
    assert!(!at.status.is_server_error());
    let over = house.ask(ask(most + 1)).await;
    assert_eq!((over.status.as_u16(), over.code()), (413, code), "{over:?}");
    // Without a declared length the bytes are counted.
    let streamed = {
        let half = Bytes::from("x".repeat(most / 2 + 1));
        Body::from_stream(futures::stream::iter([half.clone(), half].map(Ok::<_, std::io::Error>)))
    };
    let over = house.ask(ask(0).raw(streamed)).await;
    assert_eq!(over.code(), code, "{over:?}");
}

#[tokio::test]
async fn sizes_of_bodies() {
    // keeps A4
    let house = House::with(|limits| {
        limits.small_bytes = 2_000;
        limits.document_bytes = 3_000;
        limits.event_bytes = 4_000;
        limits.component_bytes = 5_000;
        limits.test_bytes = 6_000;
    })
    .await;
    house.furnish().await;
    let ask = |method: &'static str, path: &'static str, kind: &'static str| {
        let key = house.admin.clone();
        move |bytes: usize| Ask::new(method, path).key(&key).header("content-type", kind).raw("x".repeat(bytes))
    };
    check(&house, ask("PUT", "/v1/credentials/c", "application/json"), 2_000, "request.body-too-large").await;
    check(&house, ask("PUT", "/v1/flows/f", "application/yaml"), 3_000, "request.document-too-large").await;
    check(&house, ask("PUT", "/v1/connectors/f", "application/yaml"), 3_000, "request.document-too-large").await;
    check(&house, ask("POST", "/v1/flows/hello/runs", "application/json"), 4_000, "request.event-too-large").await;
    check(&house, ask("PUT", "/v1/plugins/p/versions/1.0.0", "application/wasm"), 5_000, "request.component-too-large")
        .await;
    check(&house, ask("POST", "/v1/connector-tests", "application/json"), 6_000, "request.test-too-large").await;
}

#[tokio::test]
async fn the_size_of_an_event() {
    // keeps A4
    let house = House::new().await;
    house.furnish().await;
    let start = async |bytes: usize| {
        let event = Value::String("x".repeat(bytes - 2));
        let text = "flow: any\nsteps: [{ id: done, end: {} }]\n";
        house.ask(Ask::new("PUT", "/v1/flows/any").key(&house.author).body("application/yaml", text)).await;
        house.ask(Ask::new("POST", "/v1/flows/any/runs").key(&house.runner).json(&json!({ "event": event }))).await
    };
    let most = 256 << 10;
    assert_eq!(start(most).await.status, StatusCode::ACCEPTED);
    assert_eq!(start(most + 1).await.code(), "run.event-too-large");
}

#[tokio::test]
async fn the_nesting_of_bodies() {
    // keeps A4
    let house = House::with(|limits| limits.json_depth = 8).await;
    house.furnish().await;
    let start = async |depth: usize| {
        let event = format!("{{\"event\": {}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        house.ask(Ask::new("POST", "/v1/flows/hello/runs").key(&house.runner).body("application/json", event)).await
    };
    assert_eq!(start(8).await.status, StatusCode::ACCEPTED);
    assert_eq!(start(9).await.code(), "request.json-too-deep");
    assert_eq!(start(100_000).await.code(), "request.json-too-deep");
}

#[tokio::test]
async fn lengths_of_texts() {
    // keeps A4
    let house = House::new().await;
    let label = async |chars: usize| {
        let body = json!({ "role": "viewer", "label": "é".repeat(chars) });
        house.ask(Ask::new("POST", "/v1/keys").key(&house.admin).json(&body)).await.status.as_u16()
    };
    assert_eq!((label(100).await, label(101).await), (201, 400));
    let tenant = async |name: &str, chars: usize| {
        let body = json!({ "tenant": name, "description": "é".repeat(chars) });
        house.ask(Ask::new("POST", "/v1/tenants").key(&house.operator).json(&body)).await.status.as_u16()
    };
    assert_eq!((tenant("a", 300).await, tenant("b", 301).await), (201, 400));
    let version = async |chars: usize| {
        let path = format!("/v1/plugins/p/versions/1.0.0-{}", "a".repeat(chars - 6));
        let answer = house.ask(Ask::new("PUT", &path).key(&house.admin).body("application/wasm", "\0asm")).await;
        answer.status.as_u16()
    };
    assert_eq!((version(100).await, version(101).await), (201, 400));
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_body() {
    // keeps A4
    let house = House::new().await;
    let never = Body::from_stream(futures::stream::pending::<Result<&'static str, std::io::Error>>());
    let began = tokio::time::Instant::now();
    let answer = house.ask(Ask::new("PUT", "/v1/flows/f").key(&house.admin).body("application/yaml", never)).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (408, "request.body-timeout"));
    assert_eq!(began.elapsed().as_secs(), house.app.limits.body_time.as_secs());
}

/// A request that stays in hand until the sender is dropped.
fn held(house: &House) -> (futures::channel::mpsc::UnboundedSender<Result<&'static str, std::io::Error>>, Ask) {
    let (sender, body) = futures::channel::mpsc::unbounded();
    (sender, Ask::new("PUT", "/v1/flows/f").key(&house.admin).body("application/yaml", Body::from_stream(body)))
}

#[tokio::test]
async fn requests_at_once() {
    // keeps A4
    let house = std::sync::Arc::new(House::with(|limits| limits.requests = 1).await);
    let (sender, ask) = held(&house);
    let busy = std::sync::Arc::clone(&house);
    let first = tokio::spawn(async move { busy.ask(ask).await });
    while house.app.requests.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    let second = house.ask(Ask::new("GET", "/v1/flows").key(&house.admin)).await;
    assert_eq!((second.status.as_u16(), second.code()), (503, "limit.requests"));
    assert_eq!(house.ask(Ask::new("GET", "/healthz")).await.status, StatusCode::OK);
    drop(sender);
    assert_eq!(first.await.unwrap().code(), "document.invalid");
    assert_eq!(house.ask(Ask::new("GET", "/v1/flows").key(&house.admin)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn requests_of_one_tenant_at_once() {
    // keeps A4, A5
    let house = std::sync::Arc::new(House::with(|limits| limits.tenant_requests = 1).await);
    let (sender, ask) = held(&house);
    let busy = std::sync::Arc::clone(&house);
    let first = tokio::spawn(async move { busy.ask(ask).await });
    let acme = "acme".parse().unwrap();
    while house.app.tenant_requests.take(&acme).is_some() {
        tokio::task::yield_now().await;
    }
    let second = house.ask(Ask::new("GET", "/v1/flows").key(&house.admin)).await;
    assert_eq!((second.status.as_u16(), second.code()), (429, "limit.tenant-requests"));
    assert_eq!(house.ask(Ask::new("GET", "/v1/flows").key(&house.stranger)).await.status, StatusCode::OK);
    drop(sender);
    first.await.unwrap();
    assert_eq!(house.ask(Ask::new("GET", "/v1/flows").key(&house.admin)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn live_streams_of_one_tenant_at_once() {
    // keeps A4
    let house = House::with(|limits| limits.event_streams = 1).await;
    let id = house.furnish().await;
    let taken = house.app.event_streams.take(&"acme".parse().unwrap());
    let ask = || Ask::new("GET", &format!("/v1/runs/{id}/events")).key(&house.viewer);
    let over = house.ask(ask()).await;
    assert_eq!((over.status.as_u16(), over.code()), (429, "limit.event-streams"));
    drop(taken);
    assert_eq!(house.ask(ask()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn calls_of_one_tenant_that_are_tried_at_once() {
    // keeps A4, covers C-16
    let house = House::with(|limits| limits.connector_tests = 1).await;
    house.furnish().await;
    let taken = house.app.connector_tests.take(&"acme".parse().unwrap());
    let ask = || Ask::new("POST", "/v1/connectors/api/functions/get/test").key(&house.author).json(&json!({}));
    let over = house.ask(ask()).await;
    assert_eq!((over.status.as_u16(), over.code()), (429, "limit.connector-tests"));
    drop(taken);
    assert_eq!(house.ask(ask()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_length_of_a_wait() {
    // keeps A4
    let house = House::with(|limits| limits.wait = Duration::from_secs(20)).await;
    house.furnish().await;
    let start = async |wait: &str| {
        let ask = Ask::new("POST", &format!("/v1/flows/hello/runs?wait={wait}")).key(&house.runner);
        house.ask(ask.json(&json!({ "event": { "name": "x" } }))).await
    };
    assert_eq!(start("20s").await.status, StatusCode::OK);
    assert_eq!(start("20001ms").await.code(), "request.invalid-query");
}
