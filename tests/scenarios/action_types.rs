//! Types of actions that an operator adds, and what clients get, through the real server and command line.

use serde_json::json;

use weir_tests::server::Server;

use crate::house::House;

const OWN: &str = "\
type: RISK_CHECK
title: A check of risk
event:
  - { to: /who, from: /event/user/id }
results:
  - endpoint: login
    failed: { status: 403, body: { reason: \"${reason}\" } }
    error: { status: 500, body: { text: Please try again. } }
";

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_adds_a_type_and_clients_get_what_it_says() {
    //
    let types = tempfile::tempdir().unwrap();
    std::fs::write(types.path().join("a.yaml"), OWN).unwrap();
    let faulty = types.path().join("b.yaml");
    std::fs::write(&faulty, "type: OTHER\ntitle: Another\nevent:\n  - { to: who, from: /event/user }\n").unwrap();
    std::fs::write(types.path().join("c.yaml"), OWN.replace("RISK_CHECK", "FLOW_EXTENSION")).unwrap();
    let house = House::with_config(&format!("[actions]\ntypes-dir = '{}'", types.path().display())).await;
    house.server.log_with("an action type has a fault: `who` is no JSON pointer");
    house.server.log_with("there is a type `FLOW_EXTENSION` already");
    let cli = |line: &[&str]| house.server.cli(&house.key, line).unwrap();
    let listed = cli(&["action", "types"]);
    assert!(listed.lines().any(|line| line.starts_with("RISK_CHECK") && line.contains("operator")), "{listed}");
    assert!(listed.contains("PRE_UPDATE_PASSWORD") && !listed.contains("OTHER"), "{listed}");
    let shown = cli(&["action", "types", "RISK_CHECK"]);
    assert!(shown.contains("/event/user/id") && shown.contains("login"), "{shown}");
    let line = ["action", "check-type", faulty.to_str().unwrap()];
    let checked = house.server.try_cli(&house.key, &line, "").unwrap();
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.code() == Some(1) && said.contains("b.yaml:4:"), "{said}");

    let connector = json!({
        "connector": "risk", "base-url": house.upstream.url(),
        "functions": [{ "name": "check", "method": "POST", "endpoint": "/no-such-page" }],
    });
    let flow = json!({ "flow": "f", "steps": [{ "id": "risk", "action": "RISK_CHECK", "service": "risk.check" }] });
    for (path, document) in [("/v1/connectors/risk", &connector), ("/v1/flows/f", &flow)] {
        let answer = house.api().put(path, "application/json", document.to_string().as_bytes());
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
    let run = house.run("f", &json!({ "user": { "id": "u-1" }, "other": "x" }));
    assert_eq!((&run["state"], &run["client_result"]["status"]), (&json!("error"), &json!(500)), "{run}");
    assert_eq!(run["client_result"]["body"], json!({ "text": "Please try again." }), "{run}");
    assert_eq!(house.journal(&run)[0]["record"]["event"]["payload"], json!({ "who": "u-1" }));
    let id = run["id"].as_str().unwrap();
    let other = house.api().get(&format!("/v1/runs/{id}/client-result?type=PRE_UPDATE_PASSWORD&endpoint=scim"));
    assert_eq!(other.json()["status"], json!(500), "{}", other.text);
    let none = house.api().get(&format!("/v1/runs/{id}/client-result?endpoint=elsewhere"));
    assert_eq!((none.status, none.json()["code"].as_str().unwrap()), (400, "request.invalid-query"));
    let live = house.api().get(&format!("/v1/runs/{id}/events"));
    assert!(live.text.contains("Please try again."), "the last event is the run: {}", live.text);
    let page = cli(&["run", "show", id]);
    assert!(page.contains("a client of `login` gets 500"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_a_type_that_is_gone_blocks_nothing_and_can_be_removed() {
    //
    let types = tempfile::tempdir().unwrap();
    std::fs::write(types.path().join("a.yaml"), OWN).unwrap();
    let house = House::with_config(&format!("[actions]\ntypes-dir = '{}'", types.path().display())).await;
    let connector = json!({
        "connector": "risk", "base-url": house.upstream.url(),
        "functions": [{ "name": "check", "method": "POST", "endpoint": "/no-such-page" }],
    });
    let flow = json!({ "flow": "f", "steps": [{ "id": "risk", "action": "RISK_CHECK", "uses": "gate" }] });
    let action = json!({ "action": "gate", "type": "RISK_CHECK", "service": "risk.check" });
    let put = |house: &House, path: &str, document: &serde_json::Value| {
        house.api().put(path, "application/json", document.to_string().as_bytes())
    };
    for (path, document) in
        [("/v1/connectors/risk", &connector), ("/v1/actions/RISK_CHECK/gate", &action), ("/v1/flows/f", &flow)]
    {
        let answer = put(&house, path, document);
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
    let run = house.run("f", &json!({}));

    let House { folder, server, upstream, key } = house;
    server.stop().unwrap();
    let house = House { server: Server::start(folder.path()).unwrap(), folder, upstream, key };
    let other = json!({ "flow": "g", "steps": [{ "id": "done", "end": {} }] });
    let saved = put(&house, "/v1/flows/g", &other);
    assert_eq!(saved.status, 201, "{}", saved.text);
    house.server.log_with("a saved action cannot be read");
    let refused = house.api().post("/v1/flows/f/runs", &json!({ "event": {} }));
    assert_eq!((refused.status, refused.json()["code"].as_str()), (409, Some("flow.unreadable")), "{}", refused.text);
    for path in [format!("/v1/runs/{}/journal", run["id"].as_str().unwrap()), "/v1/actions/riskCheck/gate".to_owned()] {
        let answer = house.api().get(&path);
        assert_eq!(answer.status, 200, "{path} {}", answer.text);
    }
    assert_eq!(house.api().get("/v1/actions/RISK_CHECK/gate/versions").status, 200);
    assert_eq!(house.api().get("/v1/actions/RISK_CHECK/other").status, 404);
    assert_eq!(house.api().send("DELETE", "/v1/actions/RISK_CHECK/gate", &[], b"").status, 204);
    assert_eq!(house.api().get("/v1/actions/RISK_CHECK/gate").status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn data_without_a_place_ends_the_run_as_an_error() {
    //
    let types = tempfile::tempdir().unwrap();
    std::fs::write(types.path().join("a.yaml"), format!("{OWN}data: /user/id/risk\n")).unwrap();
    let house = House::with_config(&format!("[actions]\ntypes-dir = '{}'", types.path().display())).await;
    let connector = json!({
        "connector": "risk", "base-url": house.upstream.url(),
        "functions": [{ "name": "check", "method": "POST", "endpoint": "/check" }],
    });
    let flow = json!({ "flow": "f", "steps": [{ "id": "risk", "action": "RISK_CHECK", "service": "risk.check" }] });
    for (path, document) in [("/v1/connectors/risk", &connector), ("/v1/flows/f", &flow)] {
        let answer = house.api().put(path, "application/json", document.to_string().as_bytes());
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
    house.upstream.answer_next(axum::Json(json!({ "actionStatus": "SUCCESS", "data": { "score": 3 } })));
    let run = house.run("f", &json!({ "user": { "id": "u-1" } }));
    assert_eq!(run["error"]["code"], "action.data-has-no-place", "{run}");
    assert!(run["error"]["message"].as_str().unwrap().contains("`/user/id` of the event is no object"), "{run}");
    let entry = &house.journal(&run)[0];
    let changed = entry["changes"].as_array().unwrap().iter().any(|change| change["key"] == "event");
    assert!(!changed, "{entry}");
}
