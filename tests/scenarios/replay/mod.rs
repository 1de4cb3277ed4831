//! Runs of the real binary, executed again from their journals alone: no server, no network, no credential.

mod again;

use axum::Json;
use axum::http::StatusCode;
use serde_json::{Value, json};
use weir_engine::digest::Digest;
use weir_engine::message::Octets;
use weir_engine::replay::{ReplayReport, Replayed};
use weir_engine::run::StepRecord;
use weir_tests::partner::Partner;

use self::again::Left;
use crate::guest_actions::RangeApi;
use crate::house::{House, event};

/// Every step that was executed gave the same bytes.
fn assert_same(report: &ReplayReport, executed: usize) {
    assert_eq!(report.first_difference(), None, "{report:#?}");
    assert_eq!(report.executed(), executed, "{report:#?}");
}

fn put(house: &House, path: &str, body: &Value) {
    let answer = house.api().put(path, "application/json", body.to_string().as_bytes());
    assert!((200..300).contains(&answer.status), "{path}: {}", answer.text);
}

fn push(house: &House, name: &str) {
    let file = weir_tests::paths::guest(name).display().to_string();
    house.server.cli(&house.key, &["plugin", "push", &format!("{name}@1.0.0"), &file]).unwrap();
}

/// Ends the server, and opens what it leaves.
fn leave(house: House) -> (Left, tempfile::TempDir) {
    let data = house.data();
    let House { folder, server, .. } = house;
    server.stop().unwrap();
    (Left::open(&data), folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_actions_conditions_claims_and_ends_give_the_same_bytes() {
    // covers F-11
    let house = House::demo().await;
    let completed = house.run("registration", &event());
    let mut young = event();
    young["user"]["id"] = json!("young-1");
    let failed = house.run("registration", &young);
    let mut silent = event();
    silent["user"]["consent"] = json!(false);
    let silent = house.run("registration", &silent);
    house.upstream.answer_next("this is not JSON");
    let faulty = house.run("registration", &event());
    house.upstream.answer_next(StatusCode::INTERNAL_SERVER_ERROR);
    let retried = house.run("registration", &event());
    let tries = &house.journal(&retried)[0]["record"]["exchange"]["attempts"];
    assert_eq!(tries.as_array().unwrap().len(), 2, "{tries:#}");
    // What is saved later is not what these runs used.
    let other = std::fs::read_to_string(house.folder.path().join("connector.yaml")).unwrap();
    let other = other.replace(&house.upstream.url(), "http://127.0.0.1:9");
    let saved = house.api().put("/v1/connectors/random-user", "application/yaml", other.as_bytes());
    assert_eq!(saved.status, 200, "{}", saved.text);
    house.server.cli(&house.key, &["plugin", "disable", "tier@1.0.0"]).unwrap();

    let (left, _folder) = leave(house);
    for (run, steps) in [(&completed, 5), (&failed, 3), (&silent, 1), (&faulty, 2), (&retried, 5)] {
        let recorded = left.recorded(run).await;
        assert_same(&left.again(&recorded).await, steps);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_plugin_and_another_response_are_found_and_named() {
    // covers F-11
    let house = House::demo().await;
    push(&house, "profile-rules");
    let run = house.run("registration", &event());
    let (left, _folder) = leave(house);
    let mut recorded = left.recorded(&run).await;

    let component = std::fs::read(weir_tests::paths::guest("profile-rules")).unwrap();
    let report = left.with_other(&recorded, "tier", Digest::of(&component)).await;
    let (step, difference) = report.first_difference().unwrap();
    assert_eq!((step.sequence, step.step.as_str()), (3, "tier"), "{report:#?}");
    assert!(difference.member.starts_with("/record/"), "{difference:#?}");
    assert_ne!(difference.recorded, difference.replayed);
    let others: Vec<bool> = report.steps.iter().map(|step| step.how == Replayed::Same).collect();
    assert_eq!(others, [true, true, false, true, true], "a difference is that of its step only");

    let mut other = recorded.clone();
    other.run.flow_version = 99;
    assert_eq!(left.try_again(&other).await.unwrap_err().code(), "replay.no-flow");
    let mut other = recorded.clone();
    other.entries.remove(1);
    let error = left.try_again(&other).await.unwrap_err();
    assert_eq!((error.code(), error.to_string().contains("entry 2")), ("replay.gap", true), "{error}");

    let StepRecord::Call(call) = &mut recorded.entries[0].record else { panic!("no call") };
    let response = call.exchange.as_mut().unwrap().outcome.as_mut().unwrap();
    let body = response.body.as_text().unwrap().replace("Ada", "Grace");
    response.body = Octets::from(body);
    let report = left.again(&recorded).await;
    let (step, difference) = report.first_difference().unwrap();
    assert_eq!(step.step.as_str(), "person");
    assert_eq!(difference.member, "/record/final_response/body");
    let says = |value: &Option<Value>, name: &str| value.as_ref().unwrap().as_str().unwrap().contains(name);
    assert!(says(&difference.recorded, "Ada") && says(&difference.replayed, "Grace"), "{difference:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_suspended_handed_over_and_encrypted_gives_the_same_bytes() {
    // covers F-11
    let partner = Partner::new().unwrap();
    let house = House::empty().await;
    put(&house, "/v1/identities/partner", &partner.identity());
    let connector = json!({
        "connector": "service", "base-url": house.upstream.url(), "sensitive": ["nickname"],
        "functions": [
            { "name": "act", "method": "POST", "endpoint": "/act" },
            { "name": "tell", "method": "POST", "endpoint": "/tell", "mode": "background" },
        ],
    });
    put(&house, "/v1/connectors/service", &connector);
    let tier = "/user/claims[uri=http://wso2.org/claims/tier]";
    let encryption = json!({
        "certificate": "partner", "event": ["/user/claims[uri=http://wso2.org/claims/mobile]"],
        "key": "partner", "operations": [tier],
    });
    let flow = json!({ "flow": "all", "trigger": "LOGIN", "steps": [
        { "id": "pin", "action": "AUTHENTICATION", "service": "service.act",
          "allowed-operations": [{ "op": "redirect" }], "time-to-live": "10m" },
        { "id": "act", "action": "FLOW_EXTENSION", "service": "service.act", "encryption": encryption,
          "allowed-operations": [{ "op": "replace", "paths": [tier] }] },
        { "id": "tell", "call": "service.tell" },
        { "id": "said", "claims": [{ "key": "came", "type": "dynamic", "value": "${steps.pin.resumed}" }] },
    ] });
    put(&house, "/v1/flows/all", &flow);
    let away = json!({ "op": "redirect", "url": "https://pin.test/enter" });
    house.upstream.answer_next(Json(json!({ "actionStatus": "INCOMPLETE", "operations": [away] })));
    house.upstream.answer_next(Json(json!({ "actionStatus": "SUCCESS" })));
    // Asked twice: a gateway's answer is worth another attempt.
    house.upstream.answer_next(StatusCode::BAD_GATEWAY);
    let sealed = json!({ "op": "replace", "path": tier, "value": partner.encrypt("gold").unwrap() });
    house.upstream.answer_next(Json(json!({ "actionStatus": "SUCCESS", "operations": [sealed] })));
    let event = json!({ "application": { "id": "shop" }, "user": { "nickname": "ada", "claims": [
        { "uri": "http://wso2.org/claims/mobile", "value": "070" },
    ] } });
    let api = house.api();
    let run = api.post("/v1/flows/all/runs?wait=30s", &json!({ "event": event })).json();
    assert_eq!(run["state"], "suspended", "{run:#}");
    let resume = format!("/v1/runs/{}/resume?wait=30s", run["id"].as_str().unwrap());
    let ended = api.post(&resume, &json!({ "input": { "pin": "ok" } })).json();
    assert_eq!(ended["state"], "completed", "{ended:#}");
    let asked = house.upstream.received().iter().filter(|it| it.uri == "/act").count();
    assert_eq!(asked, 4);

    let (left, _folder) = leave(house);
    let recorded = left.recorded(&run).await;
    let report = left.again(&recorded).await;
    assert_same(&report, 5);
    assert_eq!(report.steps[1].how, Replayed::Taken, "a resume is somebody else's doing");
    assert!(report.steps.len() > 5, "{report:#?}");
    let text = serde_json::to_string(&recorded.entries).unwrap();
    assert!(!text.contains("PRIVATE KEY"), "the journal has a key");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_a_plugin_made_are_answered_from_the_journal() {
    // covers F-11
    let house = House::empty().await;
    let ranges = RangeApi::start().await;
    push(&house, "breached-password");
    let at = format!("base-url={}", ranges.url());
    let new = ["connector", "new", "breached-passwords", "--name", "passwords", "--set", &at, "--apply"];
    house.server.cli(&house.key, &new).unwrap();
    let step = json!({
        "id": "act", "action": "PRE_UPDATE_PASSWORD", "plugin": "breached-password@^1", "grants": ["passwords.check"],
    });
    put(&house, "/v1/flows/acting", &json!({ "flow": "acting", "steps": [step] }));
    let run = |password: &str| {
        let credential = json!({ "type": "PASSWORD", "format": "PLAIN_TEXT", "value": password });
        let user = json!({ "id": "u-1", "updatingCredential": credential });
        house.run("acting", &json!({ "user": user, "initiatorType": "USER", "action": "UPDATE" }))
    };
    let (known, good) = (run("password"), run("Tr0ub4dor&3"));
    ranges.set_down(Some(StatusCode::NOT_FOUND));
    let unchecked = run("Tr0ub4dor&3");
    let (left, _folder) = leave(house);
    drop(ranges);
    for run in [&known, &good, &unchecked] {
        assert_same(&left.again(&left.recorded(run).await).await, 1);
    }
}
