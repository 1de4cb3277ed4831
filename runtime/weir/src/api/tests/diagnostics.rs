//! Diagnostic entries over the API: stored, exported, live.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use futures::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::house::{Ask, House};

/// Nothing can be called here, which is what is logged.
const CONNECTOR: &str = "connector: api\nbase-url: http://127.0.0.1:9\nfunctions:\n  - name: get\n    log: { failure: warning }\n  - name: loud\n    log: { failure: error }\n";
const FLOW: &str = "flow: hello\nsteps:\n  - id: one\n    call: api.get\n    on-error: two\n  - id: two\n    call: api.loud\n    on-error: three\n  - id: three\n    call: api.get\n";

async fn furnish(house: &House, key: &str) {
    let yaml = "application/yaml";
    for ask in [
        Ask::new("PUT", "/v1/connectors/api").body(yaml, CONNECTOR),
        Ask::new("PUT", "/v1/flows/hello").body(yaml, FLOW),
    ] {
        let answer = house.ask(ask.key(key)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    }
}

/// The run's id, and the id of the request that started it.
async fn run(house: &House, key: &str) -> (String, String) {
    let start = Ask::new("POST", "/v1/flows/hello/runs?wait=10s").key(key).json(&json!({}));
    let answer = house.ask(start).await;
    assert_eq!(answer.body["state"], "error", "{answer:?}");
    let request = answer.headers["x-request-id"].to_str().unwrap().to_owned();
    (answer.body["id"].as_str().unwrap().to_owned(), request)
}

async fn steps(house: &House, run: &str, query: &str) -> Vec<String> {
    let answer = house.ask(Ask::new("GET", &format!("/v1/runs/{run}/diagnostics{query}")).key(&house.admin)).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let items = answer.body["items"].as_array().unwrap().iter();
    items.map(|entry| entry["step"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn entries_of_a_run_are_filtered_by_any_field() {
    // covers D-01, D-02
    let house = House::new().await;
    furnish(&house, &house.admin).await;
    let (run, request) = run(&house, &house.admin).await;
    let all = house.ask(Ask::new("GET", &format!("/v1/runs/{run}/diagnostics")).key(&house.viewer)).await;
    let first = &all.body["items"][0];
    assert_eq!((first["level"].as_str(), first["actionId"].as_str()), (Some("warning"), Some("connector-failure")));
    assert_eq!(first["resultMessage"], "connector.connect: no way to db.internal");
    assert_eq!((first["traceId"].as_str(), first["tenant"].as_str()), (Some(request.as_str()), Some("acme")));
    assert_eq!(steps(&house, &run, "").await, ["one", "two", "three"]);
    let at = first["recordedAt"].as_str().unwrap();
    let id = first["requestId"].as_str().unwrap();
    let none: [&str; 0] = [];
    for (query, expected) in [
        ("?level=error".to_owned(), ["two"].as_slice()),
        ("?level=warning".to_owned(), &["one", "two", "three"]),
        ("?step=three".to_owned(), &["three"]),
        ("?component=api.loud".to_owned(), &["two"]),
        ("?component=api&level=debug".to_owned(), &["one", "two", "three"]),
        ("?component=other".to_owned(), &none),
        ("?action=plugin-log".to_owned(), &none),
        ("?result_status=Success".to_owned(), &none),
        ("?text=db.internal&result_status=Failed&step=one".to_owned(), &["one"]),
        (format!("?request={id}"), &["one"]),
        (format!("?until={at}"), &none),
        (format!("?since={at}&step=one"), &["one"]),
    ] {
        assert_eq!(steps(&house, &run, &query).await, expected, "{query}");
    }
    for bad in ["?level=loud", "?since=yesterday", "?nonsense=1", "?cursor=x", "?limit=0", "?format=jsonl&limit=1"] {
        let answer = house.ask(Ask::new("GET", &format!("/v1/runs/{run}/diagnostics{bad}")).key(&house.admin)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad} {answer:?}");
    }
}

#[tokio::test]
async fn entries_come_in_parts_or_all_as_json_lines() {
    // covers D-02
    let house = House::new().await;
    furnish(&house, &house.admin).await;
    let (run, _) = run(&house, &house.admin).await;
    let path = format!("/v1/runs/{run}/diagnostics");
    let mut found = Vec::new();
    let mut cursor = String::new();
    for _ in 0..3 {
        let answer = house.ask(Ask::new("GET", &format!("{path}?limit=1{cursor}")).key(&house.admin)).await;
        found.extend(answer.body["items"].as_array().unwrap().clone());
        cursor = answer.body["next_cursor"].as_str().map(|next| format!("&cursor={next}")).unwrap_or_default();
    }
    assert_eq!((found.len(), cursor.as_str()), (3, ""));
    for ask in [
        Ask::new("GET", &format!("{path}?format=jsonl")),
        Ask::new("GET", &path).header("accept", "application/x-ndjson"),
    ] {
        let answer = house.ask(ask.key(&house.admin)).await;
        assert_eq!(answer.headers["content-type"], "application/x-ndjson");
        let text = answer.body.as_str().unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines, found);
    }
    let theirs = house.ask(Ask::new("GET", &path).key(&house.stranger)).await;
    assert_eq!(theirs.status, StatusCode::NOT_FOUND);
}

/// The events of a live view: their names and data.
async fn follow(house: &House, key: &str, query: &str) -> impl StreamExt<Item = (String, Value)> + Unpin + use<> {
    let request =
        Request::get(format!("/v1/diagnostics/stream{query}")).header("authorization", format!("Bearer {key}"));
    let response = house.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let events = response.into_body().into_data_stream().map(|chunk| {
        let text = String::from_utf8(chunk.unwrap().to_vec()).unwrap();
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
        (field("event: "), serde_json::from_str(&field("data: ")).unwrap_or_default())
    });
    Box::pin(events)
}

#[tokio::test]
async fn a_live_view_shows_what_its_tenant_and_its_filter_say() {
    // covers D-02, T-01; keeps A1
    let house = House::new().await;
    furnish(&house, &house.admin).await;
    furnish(&house, &house.stranger).await;
    let mut theirs = follow(&house, &house.stranger, "").await;
    let mut loud = follow(&house, &house.viewer, "?level=error&flow=hello&component=api").await;
    let (ours, _) = run(&house, &house.admin).await;
    let (name, entry) = loud.next().await.unwrap();
    assert_eq!((name.as_str(), entry["step"].as_str(), entry["run"].as_str()), ("entry", Some("two"), Some(&*ours)));
    let (other, _) = run(&house, &house.stranger).await;
    let (_, entry) = theirs.next().await.unwrap();
    assert_eq!((entry["tenant"].as_str(), entry["run"].as_str()), (Some("other"), Some(&*other)));
}

#[tokio::test]
async fn a_call_in_the_background_tells_like_any_other() {
    // covers C-10, C-11, D-02
    let house = House::new().await;
    let later = CONNECTOR.replace("  - name: loud\n", "  - name: loud\n    mode: background\n");
    let flow = FLOW.replace("    on-error: three\n", "    next: three\n");
    for (path, body) in [("/v1/connectors/api", later), ("/v1/flows/hello", flow)] {
        let answer = house.ask(Ask::new("PUT", path).body("application/yaml", body).key(&house.admin)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    }
    let (run, _) = run(&house, &house.admin).await;
    assert_eq!(steps(&house, &run, "").await, ["one", "three"], "it was not sent yet");
    let mut live = follow(&house, &house.viewer, "").await;
    let work = tokio::spawn(std::sync::Arc::clone(&house.app.engine).work());
    let (name, entry) = live.next().await.unwrap();
    work.abort();
    assert_eq!((name.as_str(), entry["step"].as_str(), entry["run"].as_str()), ("entry", Some("two"), Some(&*run)));
    assert_eq!(steps(&house, &run, "").await, ["one", "two", "three"]);
    assert_eq!(steps(&house, &run, "?level=error").await, ["two"]);
    let path = format!("/v1/runs/{run}/diagnostics?limit=1");
    let first = house.ask(Ask::new("GET", &path).key(&house.admin)).await;
    let path = format!("{path}&cursor={}", first.body["next_cursor"].as_str().unwrap());
    let second = house.ask(Ask::new("GET", &path).key(&house.admin)).await;
    assert_eq!(second.body["items"][0]["logId"], entry["logId"]);
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_told_how_much_it_missed() {
    // covers D-02; keeps A4
    let house = House::new().await;
    furnish(&house, &house.admin).await;
    let mut slow = follow(&house, &house.admin, "").await;
    // Three entries each; 256 may wait (`diagnostics.reader-entries-max`).
    for _ in 0..86 {
        run(&house, &house.admin).await;
    }
    for _ in 0..256 {
        assert_eq!(slow.next().await.unwrap().0, "entry");
    }
    assert_eq!(slow.next().await.unwrap(), ("missed".to_owned(), json!({ "missed": 2 })));
}

#[tokio::test]
async fn live_views_have_places() {
    // keeps A4: N and N + 1
    let house = House::with(|limits| limits.event_streams = 1).await;
    let first = follow(&house, &house.admin, "").await;
    let refused = house.ask(Ask::new("GET", "/v1/diagnostics/stream").key(&house.admin)).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (429, "limit.event-streams"));
    drop(first);
    let _again = follow(&house, &house.admin, "").await;
}

#[tokio::test]
async fn what_a_connector_marks_is_in_no_view_of_a_run() {
    // covers D-04
    let house = House::new().await;
    let marked = CONNECTOR.replace("functions:", "sensitive: [national-number]\nfunctions:");
    let flow = "flow: hello\nsteps:\n  - id: one\n    call: api.get\n    on-error: two\n  - id: two\n    claims: [{ key: national_number, type: dynamic, value: '${event.user.nationalNumber}' }]\n";
    for ask in [
        Ask::new("PUT", "/v1/connectors/api").body("application/yaml", marked),
        Ask::new("PUT", "/v1/flows/hello").body("application/yaml", flow),
    ] {
        assert_eq!(house.ask(ask.key(&house.admin)).await.status, StatusCode::CREATED);
    }
    let event = json!({ "event": { "user": { "nationalNumber": "c4nary", "name": "ada" } } });
    let start = Ask::new("POST", "/v1/flows/hello/runs?wait=10s").key(&house.admin).json(&event);
    let run = house.ask(start).await;
    assert_eq!(run.body["state"], "completed", "{run:?}");
    let id = run.body["id"].as_str().unwrap();
    for view in ["journal", "context", "events", "diagnostics"] {
        let answer = house.ask(Ask::new("GET", &format!("/v1/runs/{id}/{view}")).key(&house.admin)).await;
        let text = answer.body.to_string();
        // The run's result at the end of its events is what the author made of it, and is asked for.
        let text = text.split("event: ended").next().unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{view}");
        assert!(!text.contains("c4nary"), "{view}: {text}");
    }
}
