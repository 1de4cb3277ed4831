//! `weir run …` as scripts use it: exit codes, and what is said where something is refused.

use serde_json::{Value, json};

use crate::house::House;

/// By `event.way`: completes, fails, errs, or rests in one of three ways; a step that rests goes on by `event.then`.
fn flow() -> Value {
    let ways = ["good", "bad", "worse", "asks", "breaks", "later"];
    let mut condition: Vec<Value> =
        ways.iter().map(|way| json!({ "when": format!("event.way == '{way}'"), "next": way })).collect();
    condition.push(json!({ "otherwise": "good" }));
    let pausing = json!({ "attempts": 2, "backoff": "1ms", "codes": ["expression.*"], "exhausted": "pause" });
    json!({ "flow": "f", "steps": [
        { "id": "way", "condition": condition },
        { "id": "asks", "prompt": { "form": { "type": "object" } } },
        { "id": "then", "condition": [{ "when": "steps.asks.input.ok == true", "next": "good" }, { "otherwise": "bad" }] },
        { "id": "later", "wait": { "for": "1h" }, "next": "good" },
        { "id": "breaks", "set": { "x": "${event.none + 1}" }, "retry": pausing, "next": "good" },
        { "id": "worse", "set": { "x": "${event.none + 1}" }, "next": "good" },
        { "id": "bad", "fail": { "reason": "No" } },
        { "id": "good", "end": {} },
    ] })
}

async fn house() -> House {
    let house = House::with_config("[engine]\nclaim-interval = '20ms'\n").await;
    let saved = house.api().put("/v1/flows/f", "application/json", flow().to_string().as_bytes());
    assert_eq!(saved.status, 201, "{}", saved.text);
    house
}

/// What `weir run …` exits with, and its standard output and error.
fn run(house: &House, arguments: &[&str]) -> (i32, String, String) {
    let output = house.server.try_cli(&house.key, &[&["run"], arguments].concat(), "").unwrap();
    let [printed, said] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code().unwrap(), printed, said)
}

/// Starts a run and waits: the run and the exit code.
fn start(house: &House, way: &str) -> (Value, i32) {
    let event = json!({ "way": way }).to_string();
    let arguments = ["start", "f", "--event", &event, "--wait", "30s", "--output", "json"];
    let (code, printed, said) = run(house, &arguments);
    (serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}{said}")), code)
}

/// The id of a run that rests so.
fn resting(house: &House, way: &str, state: &str) -> String {
    let (run, code) = start(house, way);
    assert_eq!((&run["state"], code), (&json!(state), 0), "{run:#}");
    run["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_tell_by_the_exit_code_how_a_run_ended() {
    // covers F-07, F-10
    let house = house().await;
    for (way, state, exit) in [("good", "completed", 0), ("bad", "failed", 1), ("worse", "error", 1)] {
        let (started, code) = start(&house, way);
        assert_eq!((&started["state"], code), (&json!(state), exit), "{started:#}");
        let (watched, printed, said) = run(&house, &["watch", started["id"].as_str().unwrap()]);
        assert_eq!(watched, exit, "{printed}{said}");
        let refused = run(&house, &["continue", started["id"].as_str().unwrap()]);
        assert!(refused.0 == 1 && refused.2.contains("run.not-paused"), "{refused:?}");
    }
    for (input, exit) in [("{\"ok\": true}", 0), ("{\"ok\": false}", 1)] {
        let id = resting(&house, "asks", "suspended");
        let (code, printed, said) = run(&house, &["resume", &id, "--input", input, "--wait", "30s"]);
        assert_eq!(code, exit, "{printed}{said}");
    }
    let paused = resting(&house, "breaks", "paused");
    let (code, printed, said) = run(&house, &["continue", &paused, "--wait", "30s"]);
    assert!(code == 0 && printed.contains("paused"), "it is paused again, and not over: {printed}{said}");
    let (_, printed, _) = run(&house, &["start", "f", "--event", r#"{"way": "later"}"#, "--output", "json"]);
    let later: Value = serde_json::from_str(&printed).unwrap();
    for id in [paused, later["id"].as_str().unwrap().to_owned()] {
        let (code, printed, said) = run(&house, &["cancel", &id, "--wait", "30s"]);
        assert!(code == 0 && printed.contains("cancelled"), "that is what was asked for: {printed}{said}");
        assert_eq!(run(&house, &["watch", &id]).0, 1, "whoever watches wanted it to complete");
    }
    let (started, _) = start(&house, "bad");
    let (code, _, said) = run(&house, &["cancel", started["id"].as_str().unwrap()]);
    assert!(code == 1 && said.contains("run.not-cancellable"), "{code} {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_found_by_the_key_that_started_it() {
    // covers F-07
    let house = house().await;
    let start = ["start", "f", "--idempotency-key", "order-7", "--output", "json"];
    let started: Value = serde_json::from_str(&run(&house, &start).1).unwrap();
    // The second is what it was called before.
    for flag in ["--idempotency-key", "--client-key"] {
        let (_, printed, said) = run(&house, &["list", flag, "order-7", "--output", "json"]);
        let found: Value = serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {said}"));
        assert_eq!((found.as_array().map(Vec::len), &found[0]["id"]), (Some(1), &started["id"]), "{flag}: {found:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_post_continues_and_cancels() {
    // covers F-07, F-10
    let house = house().await;
    let api = house.api();
    let id = resting(&house, "breaks", "paused");
    let on = api.send("POST", &format!("/v1/runs/{id}/continue?wait=30s"), &[], b"");
    assert_eq!(on.status, 202, "{}", on.text);
    let over = api.send("POST", &format!("/v1/runs/{id}/cancel?wait=30s"), &[], b"");
    assert_eq!((over.status, &over.json()["state"]), (200, &json!("cancelled")), "{}", over.text);
    let openapi = api.get("/openapi.json").json();
    for verb in ["continue", "cancel"] {
        let body = &openapi["paths"][format!("/v1/runs/{{id}}/{verb}")]["post"]["requestBody"];
        assert!(body.is_object() && body["required"] != true, "{verb}: {body:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_may_not_be_watched_is_named_before_the_refusal() {
    // covers F-09
    let house = house().await;
    let runner = house.server.tenant("runners", "runner").unwrap();
    let admin = house.server.tenant("runners", "admin").unwrap();
    let saved = crate::house::Api::new(&house.server.url, &admin).put(
        "/v1/flows/f",
        "application/json",
        flow().to_string().as_bytes(),
    );
    assert_eq!(saved.status, 201, "{}", saved.text);
    let output = house.server.try_cli(&runner, &["run", "start", "f", "--debug"], "").unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let first = said.lines().next().unwrap_or_default();
    assert!(first.starts_with("run ") && first.ends_with(" started"), "{said}");
    assert!(said.contains("runs.inspect") && said.contains("auth.not-permitted"), "{said}");
    assert_eq!(output.status.code(), Some(77), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_read_errors_as_json_on_the_last_line_of_standard_error() {
    let house = house().await;
    let error = |key: &std::path::Path, arguments: &[&str], input: &str| {
        let arguments = [arguments, &["--output", "json"]].concat();
        let output = house.server.try_cli(key, &arguments, input).unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{arguments:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        let last: Value = serde_json::from_str(said.lines().last().unwrap_or_default())
            .unwrap_or_else(|error| panic!("{error}: {said}"));
        let error = last["error"].clone();
        assert_eq!(error["exit_code"], output.status.code().unwrap(), "{error:#}");
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{error:#}");
        error
    };
    let unknown = error(&house.key, &["flow", "show", "nothing"], "");
    assert_eq!((&unknown["exit_code"], &unknown["problem"]["code"]), (&json!(1), &json!("object.not-found")));
    assert_eq!((&unknown["problem"]["status"], unknown["problem"]["request_id"].is_string()), (&json!(404), true));
    let faulty = error(&house.key, &["flow", "apply", "-"], "flow: g\nsteps:\n  - id: a\n    wait: { for: soon }\n");
    let fault = &faulty["problem"]["errors"][0];
    assert_eq!((&fault["pointer"], &fault["line"]), (&json!("/steps/0/wait/for"), &json!(4)), "{faulty:#}");
    let missing = error(&house.folder.path().join("no.key"), &["flow", "list"], "");
    assert_eq!((&missing["exit_code"], missing.get("problem")), (&json!(64), None));
}
