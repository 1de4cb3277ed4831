//! One action, served by a plugin and by an external service: a flow cannot tell them apart.

use axum::Json;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::house::House;

/// The claims that the action may change.
fn allowed() -> Value {
    let paths = ["tier", "interests"].map(|name| format!("/user/claims[uri=http://wso2.org/claims/{name}]"));
    json!([{ "op": "replace", "paths": paths }])
}

fn event() -> Value {
    json!({ "user": { "id": "u-1", "claims": [
        { "uri": "http://wso2.org/claims/givenname", "value": "Ada" },
        { "uri": "http://wso2.org/claims/tier", "value": "none" },
    ] } })
}

fn replace(name: &str, value: Value) -> Value {
    json!({ "op": "replace", "path": format!("/user/claims[uri=http://wso2.org/claims/{name}]"), "value": value })
}

/// A house with the plugin, which answers what its settings say, and the connector of the service.
async fn house() -> House {
    let house = House::empty().await;
    let file = weir_tests::paths::guest("answers").display().to_string();
    house.server.cli(&house.key, &["plugin", "push", "answers@1.0.0", &file]).unwrap();
    let connector = json!({
        "connector": "partner", "base-url": house.upstream.url(),
        "functions": [{ "name": "act", "method": "POST", "endpoint": "/action" }],
    });
    let saved = house.api().put("/v1/connectors/partner", "application/json", connector.to_string().as_bytes());
    assert!((200..300).contains(&saved.status), "{}", saved.text);
    house
}

/// Runs the flow; the step differs in who serves it and in nothing else. The run, and its context byte by byte.
fn run(house: &House, provider: &Value) -> (Value, String) {
    let mut step = json!({ "id": "act", "action": "FLOW_EXTENSION", "allowed-operations": allowed() });
    step.as_object_mut().unwrap().extend(provider.as_object().unwrap().clone());
    let flow = json!({ "flow": "swapped", "trigger": "REGISTRATION", "steps": [step] }).to_string();
    let saved = house.api().put("/v1/flows/swapped", "application/json", flow.as_bytes());
    assert!((200..300).contains(&saved.status), "{}", saved.text);
    let run = house.run("swapped", &event());
    let context = house.api().get(&format!("/v1/runs/{}/context", run["id"].as_str().unwrap())).text;
    (run, context)
}

/// Both ways to serve an answer. What they agreed on: the state, the failure, and the context.
#[track_caller]
fn both(house: &House, status: StatusCode, answer: &Value) -> (String, Value, Value) {
    let (with_plugin, of_plugin) = run(house, &json!({ "plugin": "answers@^1", "config": answer }));
    house.upstream.answer_next((status, Json(answer.clone())));
    let (with_service, of_service) = run(house, &json!({ "service": "partner.act" }));
    assert_eq!(of_plugin, of_service, "the final contexts");
    for member in ["state", "failure"] {
        assert_eq!(with_plugin[member], with_service[member], "{answer}");
    }
    let state = with_plugin["state"].as_str().unwrap().to_owned();
    (state, with_plugin["failure"].clone(), serde_json::from_str(&of_plugin).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_and_an_external_service_bring_about_the_same_context_byte_by_byte() {
    //
    let house = house().await;
    let success = |operations: Value| json!({ "actionStatus": "SUCCESS", "operations": operations });
    let claims = |context: &Value| context["event"]["user"]["claims"].clone();
    let before = event()["user"]["claims"].clone();

    let (state, _, context) = both(&house, StatusCode::OK, &json!({ "actionStatus": "SUCCESS" }));
    assert_eq!((state.as_str(), claims(&context)), ("completed", before.clone()));

    let operations = json!([replace("tier", json!("gold")), replace("interests", json!(["wasm", "é \u{1f980}"]))]);
    let (state, _, context) = both(&house, StatusCode::OK, &success(operations));
    let after = json!([
        before[0],
        { "uri": "http://wso2.org/claims/tier", "value": "gold" },
        { "uri": "http://wso2.org/claims/interests", "value": ["wasm", "é \u{1f980}"] },
    ]);
    assert_eq!((state.as_str(), claims(&context)), ("completed", after));

    let operations = json!([replace("tier", json!("gold")), replace("givenname", json!("Eve"))]);
    let (state, _, context) = both(&house, StatusCode::OK, &success(operations));
    assert_eq!((state.as_str(), claims(&context)), ("error", before.clone()), "all or none");

    let answer = json!({ "actionStatus": "FAILED", "failureReason": "Not allowed", "failureDescription": "Ask us." });
    let (state, failure, context) = both(&house, StatusCode::OK, &answer);
    assert_eq!((state.as_str(), claims(&context)), ("failed", before.clone()));
    assert_eq!((failure["reason"].as_str(), failure["description"].as_str()), (Some("Not allowed"), Some("Ask us.")));

    let answer = json!({ "actionStatus": "ERROR", "errorMessage": "Broken", "errorDescription": "Very." });
    let (state, _, context) = both(&house, StatusCode::BAD_REQUEST, &answer);
    assert_eq!((state.as_str(), claims(&context)), ("error", before));
}
