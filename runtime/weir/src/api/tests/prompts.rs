//! Prompts: who has the token may answer once, and nobody else learns anything.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use futures::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::house::{Answer, Ask, House};

const FLOW: &str = "flow: ask\nsteps:\n  - id: q\n    prompt: { form: { type: object, required: [pin], properties: { pin: { type: integer } } }, text: 'Your PIN?' }\n  - id: done\n    claims: [{ key: pin, type: number, value: '${steps.q.input.pin}' }]\n";

/// The view of a run that asks, as its starter sees it.
async fn asking(house: &House) -> Value {
    let put = Ask::new("PUT", "/v1/flows/ask").body("application/yaml", FLOW).key(&house.admin);
    assert_eq!(house.ask(put).await.status, StatusCode::CREATED);
    asking_again(house).await
}

async fn asking_again(house: &House) -> Value {
    let start = Ask::new("POST", "/v1/flows/ask/runs?wait=30s").json(&json!({ "event": {} })).key(&house.admin);
    let started = house.ask(start).await;
    assert_eq!(started.body["state"], "suspended", "{started:?}");
    started.body
}

async fn answer(house: &House, token: &str, input: Value) -> Answer {
    house.ask(Ask::new("POST", &format!("/v1/prompts/{token}")).json(&json!({ "input": input }))).await
}

#[tokio::test]
async fn who_has_the_token_answers_without_a_key_and_once() {
    // covers F-02, F-07; keeps A1
    let house = House::new().await;
    let run = asking(&house).await;
    let token = run["prompt"]["token"].as_str().unwrap();
    assert_eq!(run["prompt"]["url"], format!("https://weir.test/v1/prompts/{token}"));
    let path = format!("/v1/prompts/{token}");
    let open = house.ask(Ask::new("GET", &path)).await;
    assert_eq!((open.status, &open.body["text"]), (StatusCode::OK, &json!("Your PIN?")));
    assert_eq!(open.body["form"]["required"], json!(["pin"]));
    assert!(!open.body.to_string().contains(run["id"].as_str().unwrap()), "nothing of the run: {open:?}");
    let bad = answer(&house, token, json!({ "pin": "x" })).await;
    assert_eq!((bad.status.as_u16(), bad.code()), (422, "run.invalid-input"));
    assert_eq!(bad.body["errors"][0]["pointer"], "/pin");
    assert!(!bad.body.to_string().contains(token), "no answer repeats the token: {bad:?}");
    assert_eq!(answer(&house, token, json!({ "pin": 4 })).await.status, StatusCode::NO_CONTENT);
    let again = answer(&house, token, json!({ "pin": 5 })).await;
    assert_eq!((again.status.as_u16(), again.code()), (409, "prompt.answered"));
    assert_eq!(house.ask(Ask::new("GET", &path)).await.code(), "prompt.answered");
    let path = format!("/v1/runs/{}", run["id"].as_str().unwrap());
    let mut ended = house.ask(Ask::new("GET", &path).key(&house.admin)).await;
    while ended.body["state"] == "ready" {
        tokio::task::yield_now().await;
        ended = house.ask(Ask::new("GET", &path).key(&house.admin)).await;
    }
    assert_eq!(ended.body["claims"][0]["value"], 4, "{ended:?}");
    assert!(ended.body.get("prompt").is_none());
}

#[tokio::test]
async fn a_wrong_token_opens_nothing_and_a_reader_sees_none() {
    // keeps A1
    let house = House::new().await;
    let run = asking(&house).await;
    let token = run["prompt"]["token"].as_str().unwrap();
    let mut changed = token.to_owned();
    changed.replace_range(5..6, if &token[5..6] == "A" { "B" } else { "A" });
    for wrong in ["x", changed.as_str(), &token[..token.len() - 1], &"A".repeat(2000)] {
        let found = house.ask(Ask::new("GET", &format!("/v1/prompts/{wrong}"))).await;
        assert_eq!((found.status.as_u16(), found.code()), (404, "prompt.unknown"), "{wrong}");
        assert_eq!(answer(&house, wrong, json!({ "pin": 1 })).await.code(), "prompt.unknown");
    }
    let path = format!("/v1/runs/{}", run["id"].as_str().unwrap());
    let seen = house.ask(Ask::new("GET", &path).key(&house.viewer)).await;
    assert_eq!(seen.body["prompt"]["text"], "Your PIN?");
    assert!(!seen.body.to_string().contains(token), "{seen:?}");
    for path in ["/v1/runs".to_owned(), format!("{path}/journal"), format!("{path}/context")] {
        let seen = house.ask(Ask::new("GET", &path).key(&house.admin)).await;
        assert_eq!(seen.status, StatusCode::OK, "{path}");
        assert!(!seen.body.to_string().contains(token), "{path}");
    }
}

#[tokio::test]
async fn a_stream_ends_with_its_key() {
    // covers D-02, F-07; keeps A1
    let house = House::new().await;
    let run = asking(&house).await;
    let made = Ask::new("POST", "/v1/keys").json(&json!({ "role": "admin" })).key(&house.admin);
    let made = house.ask(made).await;
    let (key, id) = (made.body["key"].as_str().unwrap(), made.body["id"].as_str().unwrap());
    let events = format!("/v1/runs/{}/events", run["id"].as_str().unwrap());
    let mut streams = Vec::new();
    for path in ["/v1/diagnostics/stream".to_owned(), events] {
        let request = Request::get(path).header("authorization", format!("Bearer {key}"));
        let response = house.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        streams.push(response.into_body().into_data_stream());
    }
    let revoke = Ask::new("DELETE", &format!("/v1/keys/{id}")).key(&house.admin);
    assert!(house.ask(revoke).await.status.is_success());
    for mut stream in streams {
        let over = async { while stream.next().await.is_some() {} };
        tokio::time::timeout(Duration::from_secs(60), over).await.expect("the stream goes on");
    }
}

/// An answer whose body does not come until the sender is dropped.
fn slow(token: &str) -> (futures::channel::mpsc::UnboundedSender<Result<&'static str, std::io::Error>>, Ask) {
    let (sender, body) = futures::channel::mpsc::unbounded();
    let ask = Ask::new("POST", &format!("/v1/prompts/{token}"));
    (sender, ask.body("application/json", Body::from_stream(body)))
}

#[tokio::test]
async fn who_has_a_token_keeps_no_key_and_no_other_token_out() {
    // keeps A4, covers T-01
    let house = Arc::new(House::with(|limits| (limits.tenant_requests, limits.prompt_requests) = (1, 3)).await);
    let run = asking(&house).await;
    let token = run["prompt"]["token"].as_str().unwrap();
    let (tenant, id) = ("acme".parse().unwrap(), run["id"].as_str().unwrap().parse().unwrap());
    let mut held = Vec::new();
    for _ in 0..2 {
        let (sender, ask) = slow(token);
        let busy = Arc::clone(&house);
        held.push((sender, tokio::spawn(async move { busy.ask(ask).await })));
    }
    while house.app.prompt_requests.take(&tenant, id).is_some() {
        tokio::task::yield_now().await;
    }
    let third = answer(&house, token, json!({ "pin": 1 })).await;
    assert_eq!((third.status.as_u16(), third.code()), (429, "limit.prompt-requests"));
    assert!(third.headers.contains_key("retry-after"));
    assert_eq!(house.ask(Ask::new("GET", "/v1/flows").key(&house.admin)).await.status, StatusCode::OK);
    let other = asking_again(&house).await;
    assert_eq!(answer(&house, other["prompt"]["token"].as_str().unwrap(), json!({ "pin": 1 })).await.status, 204);
    for (sender, request) in held {
        drop(sender);
        assert_eq!(request.await.unwrap().status, StatusCode::BAD_REQUEST);
    }
    assert_eq!(answer(&house, token, json!({ "pin": 1 })).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_token_that_opens_nothing_is_refused_before_its_body_comes() {
    // keeps A4
    let house = House::new().await;
    let run = asking(&house).await;
    let token = run["prompt"]["token"].as_str().unwrap();
    assert_eq!(answer(&house, token, json!({ "pin": 4 })).await.status, StatusCode::NO_CONTENT);
    let (never, ask) = slow(token);
    assert_eq!(house.ask(ask).await.code(), "prompt.answered");
    drop(never);
}
