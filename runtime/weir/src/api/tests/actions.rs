//! Saved actions: their documents, their switch, and the form of the reference.

use axum::http::StatusCode;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::house::{ACTION, Answer, Ask, CONNECTOR, House, reference_action};
use crate::secrets::CredentialSecret;

const YAML: &str = "application/yaml";
const GATE: &str = "/v1/actions/FLOW_EXTENSION/gate";
const OF_TYPE: &str = "/v1/actions/flowExtension";

async fn house() -> House {
    let house = House::with(|limits| limits.actions_per_type = 2).await;
    let put = Ask::new("PUT", "/v1/connectors/api").key(&house.author).body(YAML, CONNECTOR);
    assert_eq!(house.ask(put).await.status, StatusCode::CREATED);
    house
}

async fn put(house: &House, path: &str, text: impl Into<String>) -> Answer {
    house.ask(Ask::new("PUT", path).key(&house.author).body(YAML, text.into())).await
}

async fn post(house: &House, path: &str, body: &Value) -> Answer {
    house.ask(Ask::new("POST", path).key(&house.admin).json(body)).await
}

async fn get(house: &House, path: &str) -> Answer {
    house.ask(Ask::new("GET", path).key(&house.admin)).await
}

/// What is stored besides the connector of [`house`].
async fn left(house: &House) -> Vec<String> {
    let mut left = Vec::new();
    for list in ["/v1/actions", "/v1/connectors", "/v1/credentials"] {
        let items = get(house, list).await.body["items"].as_array().unwrap().clone();
        left.extend(items.iter().map(|item| item["id"].as_str().or(item["name"].as_str()).unwrap().to_owned()));
    }
    left.retain(|name| name != "api");
    left
}

#[tokio::test]
async fn an_action_is_saved_switched_and_removed() {
    // covers A-11, T-05
    let house = house().await;
    assert_eq!(put(&house, GATE, ACTION).await.status, StatusCode::CREATED);
    assert_eq!(put(&house, GATE, ACTION).await.body["changed"], false);
    let off = post(&house, &format!("{GATE}/deactivate"), &json!({})).await;
    assert_eq!(
        (off.status, off.body["status"].as_str(), off.body["version"].as_u64()),
        (StatusCode::OK, Some("inactive"), Some(2))
    );
    let again = post(&house, &format!("{GATE}/deactivate"), &json!({})).await;
    assert_eq!(again.body["version"], 2, "what is off already stays as it is");
    assert!(off.body["source"].as_str().unwrap().ends_with("status: inactive\n"));
    let listed = get(&house, "/v1/actions/FLOW_EXTENSION").await.body["items"][0].clone();
    assert_eq!((&listed["id"], &listed["status"]), (&json!("gate"), &json!("inactive")));
    assert_eq!(post(&house, &format!("{GATE}/activate"), &json!({})).await.body["status"], "active");
    let versions = get(&house, &format!("{GATE}/versions")).await.body["items"].as_array().unwrap().len();
    assert_eq!(versions, 3);
    let remove = Ask::new("DELETE", GATE).key(&house.author);
    assert_eq!(house.ask(remove).await.status, StatusCode::NO_CONTENT);
    let gone = get(&house, GATE).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    assert_eq!(gone.body["detail"], "No action is found for given action id and action type");
}

#[tokio::test]
async fn faults_of_an_action_have_places_and_codes() {
    // covers A-11, F-03
    let house = house().await;
    let code = async |path: &str, text: &str| {
        let answer = put(&house, path, text).await;
        let fault = answer.body["errors"][0]["code"].as_str().unwrap_or_default().to_owned();
        (answer.code().to_owned(), fault)
    };
    let invalid = |fault: &str| ("document.invalid".to_owned(), fault.to_owned());
    let of = |further: &str| format!("{ACTION}{further}");
    assert_eq!(code(GATE, &ACTION.replace("api.act", "none.act")).await, invalid("flow.unknown-connector"));
    assert_eq!(code(GATE, &ACTION.replace("service: api.act", "plugin: none@1")).await, invalid("flow.unknown-plugin"));
    assert_eq!(code(GATE, &ACTION.replace("FLOW_EXTENSION", "OTHER")).await, invalid("flow.unknown-action-type"));
    assert_eq!(code(GATE, &of(&format!("title: {}\n", "x".repeat(256)))).await, invalid("flow.shape"));
    let rule = "rule: { condition: OR, rules: [{ condition: AND, expressions: [{ field: f, operator: equals, value: x }] }] }\n";
    assert_eq!(code(GATE, &of(rule)).await, invalid("action.unknown-rule-field"));
    assert_eq!(put(&house, GATE, of(rule)).await.body["reference_code"], "ACTION-60013");
    let other = code("/v1/actions/FLOW_EXTENSION/other", ACTION).await.0;
    assert_eq!(other, "document.name-mismatch");
    assert_eq!(code("/v1/actions/PRE_ISSUE_ACCESS_TOKEN/gate", ACTION).await.0, "document.name-mismatch");
    assert_eq!(code("/v1/actions/NONE/gate", ACTION).await.0, "object.not-found");
    assert!(left(&house).await.is_empty());
}

#[tokio::test]
async fn a_type_has_so_many_actions_and_no_more() {
    // keeps A4
    let house = house().await;
    for name in ["gate", "second"] {
        let saved = put(&house, &format!("/v1/actions/FLOW_EXTENSION/{name}"), ACTION.replace("gate", name)).await;
        assert_eq!(saved.status, StatusCode::CREATED, "{saved:?}");
    }
    let third = put(&house, "/v1/actions/FLOW_EXTENSION/third", ACTION.replace("gate", "third")).await;
    assert_eq!((third.status.as_u16(), third.code()), (400, "limit.actions-per-type"));
    assert_eq!(third.body["detail"], "Maximum number of actions per action type is reached.");
    assert_eq!(put(&house, GATE, format!("{ACTION}title: Other\n")).await.status, StatusCode::OK);
    let before = left(&house).await;
    let refused = post(&house, OF_TYPE, &reference_action()).await;
    assert_eq!(refused.code(), "limit.actions-per-type");
    assert_eq!(left(&house).await, before, "its connector and its credential are taken back");
}

#[tokio::test]
async fn the_form_of_the_reference_makes_all_parts_and_shows_no_secret() {
    // covers A-02, K-01
    let house = house().await;
    let made = post(&house, OF_TYPE, &reference_action()).await;
    assert_eq!((made.status, made.body["id"].as_str()), (StatusCode::CREATED, Some("gate-keeper")), "{made:?}");
    assert_eq!(left(&house).await, ["gate-keeper", "action-gate-keeper", "action-gate-keeper"]);
    let path = format!("{OF_TYPE}/gate-keeper");
    let read = get(&house, &path).await;
    let endpoint = json!({ "uri": "https://service.test/act?v=1", "authentication": { "type": "BASIC" } });
    assert_eq!((&read.body["endpoint"], &read.body["name"]), (&endpoint, &json!("Gate Keeper")));
    assert!(!read.body.to_string().contains("c4nary"));
    let key = json!({ "type": "API_KEY", "properties": { "header": "x-key", "value": "c4nary" } });
    let change = json!({ "description": "d", "endpoint": { "uri": "https://other.test/", "authentication": key } });
    let changed = house.ask(Ask::new("PATCH", &path).key(&house.admin).json(&change)).await;
    let endpoint = json!({ "uri": "https://other.test/", "authentication": { "type": "API_KEY" } });
    assert_eq!((&changed.body["endpoint"], &changed.body["description"]), (&endpoint, &json!("d")), "{changed:?}");
    let rule = json!({ "rule": { "condition": "OR", "rules": [] }, "endpoint": { "uri": "https://third.test/" } });
    let refused = house.ask(Ask::new("PATCH", &path).key(&house.admin).json(&rule)).await;
    assert_eq!((refused.code(), refused.body["reference_code"].as_str()), ("action.invalid", Some("ACTION-60013")));
    assert_eq!(get(&house, &path).await.body["endpoint"], endpoint, "a refused change changes nothing");
    let twin = post(&house, OF_TYPE, &reference_action()).await;
    assert_eq!(twin.body["id"], "gate-keeper-2", "{twin:?}");
}

#[tokio::test]
async fn what_the_form_of_the_reference_refuses_leaves_nothing_behind() {
    //
    let house = house().await;
    let with = |pointer: &str, value: Value| {
        let mut body = reference_action();
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    let authentication = "/endpoint/authentication";
    for (body, status) in [
        (with("/endpoint/uri", json!("ftp://x.test")), 400),
        (with("/endpoint/uri", json!("https://u:p@x.test")), 400),
        (with("/endpoint/uri", json!("https://x.test/?a=${b}")), 400),
        (with("/name", json!("x".repeat(256))), 400),
        (with("/name", json!("")), 400),
        (with(authentication, json!({ "type": "NTLM" })), 400),
        (with(authentication, json!({ "type": "BASIC", "properties": { "username": "u" } })), 400),
        (with(authentication, json!({ "type": "NONE", "properties": { "username": "u" } })), 400),
        (with(authentication, json!({ "type": "BEARER", "properties": { "accessToken": "a b" } })), 400),
    ] {
        let answer = post(&house, OF_TYPE, &body).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (status, "action.invalid"), "{answer:?}");
    }
    let none = post(&house, "/v1/actions/preOther", &reference_action()).await;
    assert_eq!(none.code(), "object.not-found");
    let author = Ask::new("POST", OF_TYPE).key(&house.author).json(&reference_action());
    assert_eq!(house.ask(author).await.code(), "auth.not-permitted", "it sets a credential");
    assert!(left(&house).await.is_empty());
}

/// A change that rotates everything to what that number names.
fn rotated(number: u32) -> Value {
    let key = json!({ "type": "BEARER", "properties": { "accessToken": format!("token-{number}") } });
    let endpoint = json!({ "uri": format!("https://s{number}.test/"), "authentication": key });
    json!({ "description": number.to_string(), "endpoint": endpoint })
}

async fn credential(house: &House) -> (u32, String) {
    let (tenant, name) = ("acme".parse().unwrap(), "action-gate-keeper".parse().unwrap());
    match house.app.vault.open(&tenant, &name).await.unwrap().unwrap() {
        (version, CredentialSecret::Bearer { token }) => (version, token.expose_secret().to_owned()),
        (version, _) => (version, String::new()),
    }
}

async fn moments() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn of_two_changes_at_once_none_takes_back_the_other() {
    //
    let house = house().await;
    assert_eq!(post(&house, OF_TYPE, &reference_action()).await.status, StatusCode::CREATED);
    let path = format!("{OF_TYPE}/gate-keeper");
    let patch = async |number| house.ask(Ask::new("PATCH", &path).key(&house.admin).json(&rotated(number))).await;
    // Both are on their way before either can save its action.
    let adding = house.app.adding_actions.lock().await;
    let go = async {
        while credential(&house).await.0 == 1 {
            tokio::task::yield_now().await;
        }
        moments().await;
        drop(adding);
    };
    let (one, two, ()) = tokio::join!(patch(1), patch(2), go);
    assert_eq!((one.status, two.status), (StatusCode::OK, StatusCode::OK), "{one:?} {two:?}");
    let now = get(&house, &path).await.body;
    let number = now["description"].as_str().unwrap();
    assert_eq!(now["endpoint"]["uri"], format!("https://s{number}.test/"));
    assert_eq!(credential(&house).await.1, format!("token-{number}"));

    let twin = reference_action();
    let create = || post(&house, OF_TYPE, &twin);
    let twins = tokio::join!(create(), create());
    let mut statuses = [twins.0.status.as_u16(), twins.1.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 400], "one more is what the type may have");
    assert_eq!(left(&house).await.len(), 6, "each with its connector and its credential");
}

#[tokio::test]
async fn a_change_that_fails_takes_back_only_what_it_wrote() {
    //
    let house = house().await;
    assert_eq!(post(&house, OF_TYPE, &reference_action()).await.status, StatusCode::CREATED);
    let path = format!("{OF_TYPE}/gate-keeper");
    let adding = house.app.adding_actions.lock().await;
    let meanwhile = async {
        while credential(&house).await.0 == 1 {
            tokio::task::yield_now().await;
        }
        moments().await;
        let off = post(&house, &format!("{path}/deactivate"), &json!({})).await;
        let token = json!({ "type": "bearer", "token": "theirs" });
        let put = Ask::new("PUT", "/v1/credentials/action-gate-keeper").key(&house.admin).json(&token);
        let saved = house.ask(put).await;
        drop(adding);
        (off.status, saved.status)
    };
    let change = Ask::new("PATCH", &path).key(&house.admin).json(&rotated(1));
    let (refused, saved) = tokio::join!(house.ask(change), meanwhile);
    assert_eq!(saved, (StatusCode::OK, StatusCode::OK));
    assert_eq!(refused.status, StatusCode::PRECONDITION_FAILED, "{refused:?}");
    assert_eq!(credential(&house).await.1, "theirs");
    assert_eq!(get(&house, &path).await.body["endpoint"]["uri"], "https://service.test/act?v=1");
}
