//! Runs that wait for their end user, through server and command line: redirect, resume, expiry, kill -9 in between.

use axum::Json;
use serde_json::{Value, json};
use weir_tests::server::Server;

use crate::house::{Api, House, until};

const CONFIG: &str = "[engine]\nclaim-interval = '20ms'\n";

const ENTER: &str = "https://pin.test/enter?flowId=f1";

fn flow(time_to_live: &str) -> String {
    format!(
        "flow: login\ntrigger: LOGIN\nsteps:\n  - id: pin\n    action: AUTHENTICATION\n    service: pins.check\n    allowed-operations: [{{ op: redirect }}]\n    time-to-live: {time_to_live}\n  - id: said\n    claims: [{{ key: came, type: dynamic, value: '${{steps.pin.resumed}}' }}]\n"
    )
}

/// A server whose service sends the end user away once, and is content then.
async fn house(time_to_live: &str) -> House {
    house_away(time_to_live, 1).await
}

/// The same with a service that sends the end user away so many times.
async fn house_away(time_to_live: &str, times: usize) -> House {
    let house = House::with_config(CONFIG).await;
    let api = house.api();
    let connector = format!(
        "connector: pins\nbase-url: {}\nfunctions:\n  - {{ name: check, method: POST, endpoint: /check }}\n",
        house.upstream.url()
    );
    for (path, body) in [("/v1/connectors/pins", connector), ("/v1/flows/login", flow(time_to_live))] {
        let put = api.put(path, "application/yaml", body.as_bytes());
        assert_eq!(put.status, 201, "{path}: {}", put.text);
    }
    let away = json!({ "actionStatus": "INCOMPLETE", "operations": [{ "op": "redirect", "url": ENTER }] });
    (0..times).for_each(|_| house.upstream.answer_next(Json(away.clone())));
    house.upstream.answer_next(Json(json!({ "actionStatus": "SUCCESS" })));
    house
}

/// Starts a run and waits until it is suspended.
fn suspended(api: &Api) -> Value {
    let event = json!({ "application": { "id": "shop" } });
    let started = api.post("/v1/flows/login/runs?wait=30s", &json!({ "event": event }));
    assert_eq!(started.status, 202, "{}", started.text);
    let run = started.json();
    assert_eq!(run["state"], "suspended", "{run:#}");
    assert_eq!(run["redirect"]["url"], format!("{ENTER}&spId=shop"));
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_suspended_shown_and_resumed_from_the_command_line() {
    // covers A-05, F-07, F-13
    let house = house("10m").await;
    let api = house.api();
    let run = suspended(&api);
    let id = run["id"].as_str().unwrap();
    let listed = api.get("/v1/runs?state=suspended").json();
    assert_eq!(listed["items"][0]["id"], run["id"]);
    let shown = house.server.cli(&house.key, &["run", "show", id]).unwrap();
    assert!(shown.contains("https://pin.test/enter") && shown.contains("run resume"), "{shown}");
    let input = r#"{"pin":"ok","password":"hunter2"}"#;
    let asked = ["run", "resume", id, "--input", input, "--wait", "30s", "--idempotency-key", "k", "--output", "json"];
    let printed = house.server.cli(&house.key, &asked).unwrap();
    let ended: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(ended["state"], "completed", "{ended:#}");
    assert_eq!(ended["claims"][0]["value"]["pin"], "ok");
    let again: Value = serde_json::from_str(&house.server.cli(&house.key, &asked).unwrap()).unwrap();
    assert_eq!(again["revision"], ended["revision"], "the same key resumes once");
    let other = api.post(&format!("/v1/runs/{id}/resume"), &json!({}));
    assert_eq!((other.status, &other.json()["code"]), (409, &json!("run.not-suspended")));
    let journal = house.journal(&run);
    assert_eq!(journal[1]["record"]["kind"], "resumed");
    assert!(!journal[1].to_string().contains("hunter2"), "a sensitive name is masked: {}", journal[1]);
    assert!(!house.server.log().contains("hunter2"));
    let heard = house.upstream.received();
    let [first, second] = [heard[0].json(), heard[1].json()];
    assert_eq!(first["flowId"], second["flowId"]);
    assert_ne!(first["requestId"], second["requestId"]);
    assert_ne!(heard[0].header("idempotency-key"), heard[1].header("idempotency-key"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_resume_says_which_suspension_it_means() {
    // covers F-07, F-13
    let house = house_away("10m", 2).await;
    let api = house.api();
    let id = suspended(&api)["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/runs/{id}/resume?wait=30s");
    let again = api.post(&path, &json!({}));
    assert_eq!((again.status, &again.json()["state"]), (202, &json!("suspended")), "{}", again.text);
    let late = api.post(&path, &json!({}));
    assert_eq!((late.status, &late.json()["code"]), (409, &json!("run.resume-ambiguous")), "{}", late.text);
    // The command line gives the revision that it reads.
    let asked = ["run", "resume", &id, "--wait", "30s", "--output", "json"];
    let ended: Value = serde_json::from_str(&house.server.cli(&house.key, &asked).unwrap()).unwrap();
    assert_eq!(ended["state"], "completed", "{ended:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_nobody_resumes_ends_and_says_why() {
    // covers A-05
    let house = house("1s").await;
    let api = house.api();
    let id = suspended(&api)["id"].as_str().unwrap().to_owned();
    let ended = until("the end of the run", || {
        let run = api.get(&format!("/v1/runs/{id}")).json();
        (run["state"] != "suspended").then_some(run)
    })
    .await;
    assert_eq!(ended["error"]["code"], "run.suspension-expired", "{ended:#}");
    assert_eq!(api.post(&format!("/v1/runs/{id}/resume"), &json!({})).status, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_kill_9_a_suspended_run_is_resumed() {
    // covers F-06, F-07, keeps D2
    let House { folder, server, upstream, key } = house("10m").await;
    let id = suspended(&Api::new(&server.url, &key))["id"].as_str().unwrap().to_owned();
    server.kill().unwrap();
    let server = Server::start_with(folder.path(), CONFIG).unwrap();
    let api = Api::new(&server.url, &key);
    assert_eq!(api.get(&format!("/v1/runs/{id}")).json()["state"], "suspended");
    let resumed = api.post(&format!("/v1/runs/{id}/resume?wait=30s"), &json!({ "input": { "pin": "ok" } }));
    assert_eq!(resumed.status, 200, "{}", resumed.text);
    assert_eq!(resumed.json()["state"], "completed");
    assert_eq!(upstream.received().len(), 2, "no call is made twice");
}
