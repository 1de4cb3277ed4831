//! Plugins served to systems that call external action services: the real binary, the real guests, both sides.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};
use weir_tests::paths;

use crate::api::{Answer, Api};
use crate::diagnostics::{follow, next_entry};
use crate::hostile_guests::{GOOD, action};
use crate::house::House;

const CLAIM: &str = "/user/claims[uri=http://wso2.org/claims/tier]";

/// The settings of `tier` in a URL, for a caller whose event says the age in a claim.
fn tier_path() -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("input", "{\"age\": \"${int(event.flow.user.claims[0].value)}\"}")
        .append_pair("config", &config().to_string())
        .finish();
    format!("/v1/action-services/demo/tier@1?{query}")
}

fn config() -> Value {
    json!({ "minimum_age": 18, "tiers": [{ "name": "gold", "minimum_age": 30 }], "otherwise": "bronze" })
}

fn user(age: &str) -> Value {
    json!({ "claims": [{ "uri": "http://wso2.org/claims/age", "value": age }] })
}

fn envelope(age: &str, paths: &[&str]) -> Value {
    json!({
        "requestId": "r-1", "actionType": "FLOW_EXTENSION",
        "event": { "flow": { "flowType": "REGISTRATION", "user": user(age) } },
        "allowedOperations": [{ "op": "replace", "paths": paths }],
    })
}

fn push(house: &House, name: &str, version: &str, bytes: &[u8]) {
    let answer = house.api().put(&format!("/v1/plugins/{name}/versions/{version}"), "application/wasm", bytes);
    assert_eq!(answer.status, 201, "{}", answer.text);
}

#[track_caller]
fn check_error(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.header("content-type"), "application/json");
    let body = answer.json();
    assert_eq!(body["actionStatus"], "ERROR");
    for (member, most) in [("errorMessage", 100), ("errorDescription", 300)] {
        let text = body[member].as_str().unwrap();
        let fits = |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "-_.!?;:'()[]".contains(c);
        assert!((1..=most).contains(&text.len()) && text.chars().all(fits), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_answers_as_an_action_service() {
    //
    let house = House::empty().await;
    push(&house, "tier", "1.0.0", &std::fs::read(paths::guest("tier")).unwrap());
    push(&house, "correlate", "1.0.0", &std::fs::read(paths::guest("correlate")).unwrap());
    let key = std::fs::read_to_string(house.server.tenant("demo", "runner").unwrap()).unwrap();
    let nobody = Api::with_key(&house.server.url, "");
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("demo:{key}")));
    let ask = |body: &Value, header: (&str, &str)| {
        let headers = [("content-type", "application/json"), header];
        nobody.send("POST", &tier_path(), &headers, body.to_string().as_bytes())
    };
    let success = json!({
        "actionStatus": "SUCCESS", "operations": [{ "op": "replace", "path": CLAIM, "value": "gold" }],
    });
    let bearer = format!("Bearer {key}");
    for header in [("authorization", bearer.as_str()), ("authorization", &basic), ("x-api-key", &key)] {
        let answer = ask(&envelope("35", &[CLAIM]), header);
        assert_eq!((answer.status, answer.json()), (200, success.clone()), "{}", header.0);
        assert_eq!(answer.header("content-type"), "application/json");
    }
    let failed = ask(&envelope("17", &[CLAIM]), ("x-api-key", &key));
    assert_eq!((failed.status, &failed.json()["actionStatus"]), (200, &json!("FAILED")));
    assert_eq!(failed.json()["failureReason"], "Minimum age not reached");
    let outside = ask(&envelope("35", &["/user/claims[uri=other]"]), ("x-api-key", &key));
    check_error(&outside, 500);
    assert!(!outside.text.contains("gold"), "an operation that is not allowed is not passed on: {}", outside.text);
    let refused = ask(&envelope("35", &[CLAIM]), ("x-api-key", "weir_demo_x_y"));
    check_error(&refused, 401);
    let api = Api::with_key(&house.server.url, &key);
    let plain = |path: &str| api.post(path, &envelope("35", &[CLAIM]));
    check_error(&plain("/v1/action-services/demo/nobody"), 400);
    check_error(&plain("/v1/action-services/demo/correlate"), 400);
    check_error(&plain("/v1/action-services/demo/tier?input=null"), 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_means_harm_ends_as_an_error_that_tells_nothing() {
    // covers A-10, D-02, P-05
    let house = House::empty().await;
    let loops = action("", "(loop $l (br $l)) unreachable");
    let grow = "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
    let mut live = follow(&house.server.url, &house.key);
    for (index, (bytes, codes)) in [
        // Which of the two is used up first is the machine's affair.
        (loops, ["plugin.time-exhausted", "plugin.fuel-exhausted"]),
        (action("", "unreachable"), ["plugin.trap"; 2]),
        (action("", grow), ["plugin.memory-exhausted"; 2]),
    ]
    .into_iter()
    .enumerate()
    {
        push(&house, "guest", &format!("1.{index}.0"), &bytes);
        let path = format!("/v1/action-services/demo/guest@1.{index}.0");
        let answer = house.api().post(&path, &envelope("35", &[CLAIM]));
        check_error(&answer, 500);
        assert!(!answer.text.contains("guest") && !answer.text.contains("wasm"), "{}", answer.text);
        let entry = next_entry(&mut live);
        assert_eq!((&entry["actionId"], &entry["flow"]), (&json!("action-failure"), &json!("action-service")));
        let message = entry["resultMessage"].as_str().unwrap();
        assert!(codes.iter().any(|code| message.contains(code)), "{entry}");
        assert_eq!(entry["traceId"], answer.header("x-request-id"), "the answer's id leads to the cause");
    }
    push(&house, "guest", "2.0.0", &action("", GOOD));
    let answer = house.api().post("/v1/action-services/demo/guest@2", &envelope("35", &[]));
    assert_eq!((answer.status, answer.json()), (200, json!({ "actionStatus": "SUCCESS" })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_served_plugin_gives_the_same_context_as_one_in_the_process() {
    //
    let (house, other) = (House::empty().await, House::empty().await);
    let tier = std::fs::read(paths::guest("tier")).unwrap();
    push(&house, "tier", "1.0.0", &tier);
    push(&other, "tier", "1.0.0", &tier);
    let key = std::fs::read_to_string(other.server.tenant("demo", "runner").unwrap()).unwrap();
    let connector = json!({
        "connector": "other", "base-url": other.server.url,
        "authentication": { "type": "bearer", "credential": "other" },
        "functions": [{ "name": "tier", "method": "POST", "endpoint": tier_path() }],
    });
    let credential = json!({ "type": "bearer", "token": key.trim() });
    for (path, body) in [("/v1/credentials/other", credential), ("/v1/connectors/other", connector)] {
        let answer = house.api().put(path, "application/json", body.to_string().as_bytes());
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
    let by_plugin = json!({
        "plugin": "tier@1", "config": config(),
        "input": { "age": "${int(event.user.claims[0].value)}" },
    });
    let mut contexts = Vec::new();
    for provider in [by_plugin, json!({ "service": "other.tier" })] {
        let mut step = json!({
            "id": "act", "action": "FLOW_EXTENSION",
            "allowed-operations": [{ "op": "replace", "paths": [CLAIM] }],
        });
        step.as_object_mut().unwrap().extend(provider.as_object().unwrap().clone());
        let flow = json!({ "flow": "f", "trigger": "REGISTRATION", "steps": [step] });
        let saved = house.api().put("/v1/flows/f", "application/json", flow.to_string().as_bytes());
        assert!((200..300).contains(&saved.status), "{}", saved.text);
        let run = house.run("f", &json!({ "user": user("35") }));
        assert_eq!(run["state"], "completed", "{run:#}");
        contexts.push(house.api().get(&format!("/v1/runs/{}/context", run["id"].as_str().unwrap())).text);
    }
    assert!(contexts[0].contains("\"gold\""), "{}", contexts[0]);
    assert_eq!(contexts[0], contexts[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_author_tries_an_action_and_reads_its_entries_in_every_form() {
    // covers A-05, D-01, D-02
    let house = House::empty().await;
    push(&house, "tier", "1.0.0", &std::fs::read(paths::guest("tier")).unwrap());
    let step = json!({
        "action": "FLOW_EXTENSION", "plugin": "tier@1", "config": config(),
        "input": { "age": "${int(event.user.claims[0].value)}" },
        "allowed-operations": [{ "op": "replace", "paths": [CLAIM] }],
    });
    let folder = house.folder.path();
    let (step_file, event_file) = (folder.join("step.json"), folder.join("event.json"));
    std::fs::write(&step_file, step.to_string()).unwrap();
    let test = |age: &str, more: &[&str]| {
        std::fs::write(&event_file, json!({ "user": user(age) }).to_string()).unwrap();
        let (step, event) = (step_file.display().to_string(), event_file.display().to_string());
        let arguments = [&["action", "test", "--file", &step, "--event", &event], more].concat();
        house.server.try_cli(&house.key, &arguments, "").unwrap()
    };
    let good = test("35", &[]);
    let said = String::from_utf8_lossy(&good.stdout).into_owned();
    assert_eq!(good.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&good.stderr));
    for part in ["success  FLOW_EXTENSION", "action tier@1.0.0", "applied: ", "log: the tier is gold", "+ "] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let refused = test("17", &["-o", "json"]);
    let view: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!((refused.status.code(), &view["outcome"]), (Some(1), &json!("failure")));
    assert_eq!(house.api().get("/v1/runs").json()["items"], json!([]), "nothing is stored");

    let mut flow_step = step;
    flow_step["id"] = json!("act");
    let flow = json!({ "flow": "f", "steps": [flow_step] });
    let saved = house.api().put("/v1/flows/f", "application/json", flow.to_string().as_bytes());
    assert_eq!(saved.status, 201, "{}", saved.text);
    let run = house.run("f", &json!({ "user": user("17") }));
    let id = run["id"].as_str().unwrap();
    let export = house.api().get(&format!("/v1/runs/{id}/diagnostics?format=otlp&action=action-failure"));
    assert_eq!(export.header("content-type"), "application/x-ndjson");
    let data: Value = serde_json::from_str(export.text.trim_end()).unwrap();
    let record = &data["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
    assert_eq!(record["eventName"], "action-failure", "{data}");
    let by_cli = house.server.cli(
        &house.key,
        &["logs", "--run", id, "--format", "otlp", "--action", "action-failure", "--configurations", "FLOW_EXTENSION"],
    );
    assert_eq!(serde_json::from_str::<Value>(by_cli.unwrap().trim_end()).unwrap(), data);
}
