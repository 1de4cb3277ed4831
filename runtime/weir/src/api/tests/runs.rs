//! Runs: started, waited for, read, watched.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::house::{Ask, House};
use crate::api::Phase;

fn start(house: &House, query: &str) -> Ask {
    Ask::new("POST", &format!("/v1/flows/hello/runs{query}"))
        .key(&house.runner)
        .json(&json!({ "event": { "name": "Bo" } }))
}

#[tokio::test]
async fn a_start_with_a_wait_answers_with_the_ended_run() {
    // covers F-07
    let house = House::new().await;
    house.furnish().await;
    let ended = house.ask(start(&house, "?wait=10s")).await;
    assert_eq!((ended.status, ended.body["state"].as_str()), (StatusCode::OK, Some("completed")));
    assert_eq!(ended.body["claims"], json!([{ "key": "greeting", "value": "Bo" }]));
    let preferred = house.ask(start(&house, "").header("prefer", "wait=10")).await;
    assert_eq!(preferred.status, StatusCode::OK);
    let at_once = house.ask(start(&house, "")).await;
    assert_eq!(at_once.status, StatusCode::ACCEPTED);
    let location = at_once.headers["location"].to_str().unwrap();
    assert_eq!(house.ask(Ask::new("GET", location).key(&house.runner)).await.body["id"], at_once.body["id"]);
}

#[tokio::test]
async fn two_starts_with_one_key_are_one_run() {
    // covers F-13
    let house = House::new().await;
    house.furnish().await;
    let first = house.ask(start(&house, "?wait=10s").header("idempotency-key", "k-1")).await;
    let second = house.ask(start(&house, "?wait=10s").header("idempotency-key", "k-1")).await;
    assert_eq!(first.body["id"], second.body["id"]);
    assert_eq!(first.headers["idempotency-replayed"], "false");
    assert_eq!(second.headers["idempotency-replayed"], "true");
    let bad = house.ask(start(&house, "").header("idempotency-key", "a b")).await;
    assert_eq!(bad.code(), "run.invalid-client-key");
}

#[tokio::test]
async fn starts_that_cannot_be() {
    let house = House::new().await;
    house.furnish().await;
    let unknown = Ask::new("POST", "/v1/flows/nothing/runs").key(&house.runner).json(&json!({}));
    let unknown = house.ask(unknown).await;
    assert_eq!((unknown.status, unknown.code()), (StatusCode::NOT_FOUND, "flow.unknown"));
    let version = Ask::new("POST", "/v1/flows/hello/runs").key(&house.runner).json(&json!({ "version": 9 }));
    assert_eq!(house.ask(version).await.code(), "flow.unknown");
    let text = "flow: strict\ninput: { schema: { type: object, required: [id] } }\nsteps: [{ id: done, end: {} }]\n";
    house.ask(Ask::new("PUT", "/v1/flows/strict").key(&house.author).body("application/yaml", text)).await;
    let invalid =
        house.ask(Ask::new("POST", "/v1/flows/strict/runs").key(&house.runner).json(&json!({ "event": {} }))).await;
    assert_eq!((invalid.status.as_u16(), invalid.code()), (422, "run.invalid-event"));
    assert_eq!(invalid.body["errors"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_technical_error_is_for_those_who_may_inspect() {
    //
    let house = House::new().await;
    house.furnish().await;
    let text = "flow: calls\nsteps:\n  - id: call\n    call: api.get\n  - id: done\n    end: {}\n";
    let put = Ask::new("PUT", "/v1/flows/calls").key(&house.author).body("application/yaml", text);
    assert_eq!(house.ask(put).await.status, StatusCode::CREATED);
    let run = house.ask(Ask::new("POST", "/v1/flows/calls/runs?wait=10s").key(&house.runner).json(&json!({}))).await;
    assert_eq!(
        (run.body["state"].as_str(), run.body["error"]["code"].as_str()),
        (Some("error"), Some("connector.connect"))
    );
    assert!(!run.body.to_string().contains("db.internal"));
    let id = run.body["id"].as_str().unwrap();
    let read = house.ask(Ask::new("GET", &format!("/v1/runs/{id}")).key(&house.viewer)).await;
    assert!(read.body.to_string().contains("db.internal"));
    for part in ["journal", "context", "events"] {
        let answer = house.ask(Ask::new("GET", &format!("/v1/runs/{id}/{part}")).key(&house.runner)).await;
        assert_eq!(answer.code(), "auth.not-permitted");
    }
}

#[tokio::test]
async fn journal_and_context() {
    // covers F-09
    let house = House::new().await;
    let id = house.furnish().await;
    let first = house.ask(Ask::new("GET", &format!("/v1/runs/{id}/journal?limit=1")).key(&house.viewer)).await.body;
    assert_eq!((first["items"][0]["step"].as_str(), first["next_after"].as_u64()), (Some("greet"), Some(1)));
    let rest = house.ask(Ask::new("GET", &format!("/v1/runs/{id}/journal?after=1")).key(&house.viewer)).await.body;
    assert_eq!((rest["items"][0]["step"].as_str(), rest.get("next_after")), (Some("done"), None));
    let context = house.ask(Ask::new("GET", &format!("/v1/runs/{id}/context")).key(&house.viewer)).await.body;
    assert_eq!(context["event"], json!({ "name": "Ann" }));
    for bad in ["x", "01890000"] {
        assert_eq!(
            house.ask(Ask::new("GET", &format!("/v1/runs/{bad}")).key(&house.viewer)).await.code(),
            "request.invalid-name"
        );
    }
}

#[tokio::test]
async fn runs_are_found_by_flow_and_state() {
    // covers F-07
    let house = House::new().await;
    house.furnish().await;
    let count = async |query: &str| {
        let list = house.ask(Ask::new("GET", &format!("/v1/runs{query}")).key(&house.runner)).await;
        list.body["items"].as_array().map(Vec::len)
    };
    assert_eq!(count("").await, Some(1));
    assert_eq!(count("?flow=hello&state=completed").await, Some(1));
    assert_eq!(count("?flow=other").await, Some(0));
    assert_eq!(count("?state=failed").await, Some(0));
    assert_eq!(count("?state=unheard-of").await, None);
}

fn events(answer: &Value) -> Vec<(String, Option<String>)> {
    let field = |block: &str, name: &str| {
        block.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim_start().to_owned())
    };
    let blocks = answer.as_str().unwrap().split("\n\n").filter(|block| block.contains("event:"));
    blocks.map(|block| (field(block, "event:").unwrap(), field(block, "id:"))).collect()
}

#[tokio::test]
async fn a_run_can_be_watched_and_watched_again() {
    // covers F-07
    let house = House::new().await;
    let id = house.furnish().await;
    let path = format!("/v1/runs/{id}/events");
    let all = house.ask(Ask::new("GET", &path).key(&house.viewer)).await;
    assert_eq!(all.headers["content-type"], "text/event-stream");
    let step = |id: &str| ("step".to_owned(), Some(id.to_owned()));
    let ended = ("ended".to_owned(), None);
    assert_eq!(events(&all.body), [step("1"), step("2"), ended.clone()]);
    let rest = house.ask(Ask::new("GET", &path).key(&house.viewer).header("last-event-id", "1")).await;
    assert_eq!(events(&rest.body), [step("2"), ended]);
    let bad = house.ask(Ask::new("GET", &path).key(&house.viewer).header("last-event-id", "x")).await;
    assert_eq!(bad.code(), "request.invalid-header");
}

#[tokio::test]
async fn a_draining_server_starts_nothing_and_keeps_nobody_waiting() {
    // covers T-06
    let house = House::new().await;
    house.furnish().await;
    house.app.engine.drain(std::time::Duration::from_secs(1)).await;
    house.phase.send_replace(Phase::Draining);
    let refused = house.ask(start(&house, "?wait=60s")).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (503, "server.draining"));
    assert!(refused.headers.contains_key("retry-after"));
    let ready = house.ask(Ask::new("GET", "/readyz")).await;
    assert_eq!((ready.status.as_u16(), ready.body["ready"].as_bool()), (503, Some(false)));
    assert_eq!(house.ask(Ask::new("GET", "/healthz")).await.status, StatusCode::OK);
}
