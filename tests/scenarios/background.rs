//! Calls in the background: kill -9 after the step's commit, an outside system that is down for a while, a slow one.

use axum::http::StatusCode;
use serde_json::{Value, json};
use weir_tests::server::Server;
use weir_tests::upstream::{Received, TOKEN};

use crate::house::{Api, House, files, until};

/// Quick pauses: a test waits for them.
const CONFIG: &str = "[engine]\nbackground-backoff = '20ms'\nbackground-backoff-max = '1s'\nclaim-interval = '20ms'\n";

const FLOW: &str = "flow: welcome\nsteps:\n  - id: notify\n    call: mail.send\n    arguments: { to: '${event.to}' }\n  - id: done\n    claims: [{ key: mailed, type: dynamic, value: '${connectors.notify.status}' }]\n";

fn connector(url: &str) -> String {
    format!(
        "connector: mail\nbase-url: {url}\nauthentication: {{ type: bearer, credential: mail-token }}\nfunctions:\n  - name: send\n    mode: background\n    method: POST\n    endpoint: /send\n    arguments: [{{ name: to, type: string, required: true }}]\n    retry: {{ attempts-max: 1 }}\n    body: {{ to: '${{args.to}}' }}\n"
    )
}

async fn house() -> House {
    let house = House::with_config(CONFIG).await;
    let api = house.api();
    let token = json!({ "type": "bearer", "token": TOKEN }).to_string();
    for (path, content_type, body) in [
        ("/v1/credentials/mail-token", "application/json", token),
        ("/v1/connectors/mail", "application/yaml", connector(&house.upstream.url())),
        ("/v1/flows/welcome", "application/yaml", FLOW.to_owned()),
    ] {
        let put = api.put(path, content_type, body.as_bytes());
        assert_eq!(put.status, 201, "{path}: {}", put.text);
    }
    house
}

fn calls(api: &Api, run: &Value) -> Vec<Value> {
    let answer = api.get(&format!("/v1/runs/{}/background-calls", run["id"].as_str().unwrap()));
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["items"].as_array().unwrap().clone()
}

/// The run's only call, once it is done.
async fn done(api: &Api, run: &Value) -> Value {
    until("the end of the call", || calls(api, run).pop().filter(|call| call["state"] != "pending")).await
}

fn key(received: &Received) -> String {
    received.header("idempotency-key").unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_kill_9_the_call_that_the_step_handed_over_is_made() {
    // covers C-11, F-06, keeps D2
    let House { folder, server, upstream, key: admin } = house().await;
    upstream.hold();
    let api = Api::new(&server.url, &admin);
    let started = api.post("/v1/flows/welcome/runs?wait=30s", &json!({ "event": { "to": "ada" } }));
    // The run is over while nobody has answered its call.
    assert_eq!(started.status, 200, "{}", started.text);
    let run = started.json();
    assert_eq!((&run["state"], &run["claims"][0]["value"]), (&json!("completed"), &json!(0)));
    upstream.arrived(1).await;
    assert_eq!(calls(&api, &run)[0]["state"], "pending");
    server.kill().unwrap();
    upstream.release();
    for file in files(&folder.path().join("data")) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(TOKEN), "{} has the token", file.display());
    }
    let server = Server::start_with(folder.path(), CONFIG).unwrap();
    let api = Api::new(&server.url, &admin);
    let call = done(&api, &run).await;
    assert_eq!((&call["state"], &call["step"]), (&json!("succeeded"), &json!("notify")), "{call:#}");
    assert_eq!(call["exchange"]["outcome"]["Ok"]["status"], 200);
    let received = upstream.received();
    assert_eq!(received.len(), 2, "the call in flight was made again");
    assert_eq!(key(&received[0]), key(&received[1]), "with the same key");
    assert_eq!(key(&received[0]), format!("\"{}.notify\"", run["id"].as_str().unwrap()));
    assert_eq!((received[1].method.as_str(), received[1].json()), ("POST", json!({ "to": "ada" })));
    let id = run["id"].as_str().unwrap();
    let shown = server.cli(&admin, &["run", "background", id]).unwrap();
    assert!(shown.contains("1. notify  background call mail.send") && shown.contains("→ succeeded"), "{shown}");
    let shown = server.cli(&admin, &["run", "show", id]).unwrap();
    assert!(shown.contains("handed over") && shown.contains("→ succeeded"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_that_is_down_for_a_while_gets_its_call_later_with_the_same_key() {
    // covers C-11, C-18
    let house = house().await;
    for status in [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS, StatusCode::BAD_GATEWAY] {
        house.upstream.answer_next(status);
    }
    let run = house.run("welcome", &json!({ "to": "ada" }));
    let call = done(&house.api(), &run).await;
    assert_eq!((&call["state"], &call["sends"]), (&json!("succeeded"), &json!(4)), "{call:#}");
    let keys: Vec<String> = house.upstream.received().iter().map(key).collect();
    assert_eq!(keys, vec![keys[0].clone(); 4]);
    let journal = house.journal(&run);
    assert_eq!(journal[0]["record"]["mode"], "background");

    house.upstream.answer_next(StatusCode::BAD_REQUEST);
    let run = house.run("welcome", &json!({ "to": "bob" }));
    let call = done(&house.api(), &run).await;
    assert_eq!((&call["state"], &call["sends"]), (&json!("failed"), &json!(1)), "{call:#}");
    assert_eq!(call["error"]["code"], "connector.invalid-status");

    let operator = Api::new(&house.server.url, &house.server.operator_key());
    for line in [
        "weir_background_calls_total 2",
        "weir_background_pending 0",
        "weir_background_sends_total{outcome=\"again\"} 3",
        "weir_background_sends_total{outcome=\"succeeded\"} 1",
        "weir_background_sends_total{outcome=\"failed\"} 1",
    ] {
        // Counted once it is stored, which others may see a moment earlier.
        until(line, || operator.get("/metrics").text.contains(line).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_finishes_the_calls_that_are_out() {
    // covers C-11, T-06
    let House { folder, server, upstream, key: admin } = house().await;
    upstream.hold();
    let api = Api::new(&server.url, &admin);
    let run = api.post("/v1/flows/welcome/runs?wait=30s", &json!({ "event": { "to": "ada" } })).json();
    upstream.arrived(1).await;
    let stopping = tokio::task::spawn_blocking(move || server.stop());
    upstream.release();
    assert_eq!(stopping.await.unwrap().unwrap(), Some(0));
    let server = Server::start_with(folder.path(), CONFIG).unwrap();
    let call = done(&Api::new(&server.url, &admin), &run).await;
    assert_eq!((&call["state"], upstream.received().len()), (&json!("succeeded"), 1), "{call:#}");
}
