//! Connectors, flows and plugins.

use axum::http::StatusCode;
use serde_json::json;

use super::house::{Ask, CONNECTOR, FLOW, House};

const YAML: &str = "application/yaml";

async fn put_flow(house: &House, text: &str) -> super::house::Answer {
    house.ask(Ask::new("PUT", "/v1/flows/hello").key(&house.author).body(YAML, text.to_owned())).await
}

#[tokio::test]
async fn every_save_is_a_version_and_an_older_one_can_be_live_again() {
    // covers F-01, T-05
    let house = House::new().await;
    let first = put_flow(&house, FLOW).await;
    assert_eq!((first.status, first.headers["etag"].to_str().unwrap()), (StatusCode::CREATED, "\"1\""));
    let same = put_flow(&house, FLOW).await;
    assert_eq!(
        (same.status, same.body["changed"].as_bool(), same.body["version"].as_u64()),
        (StatusCode::OK, Some(false), Some(1))
    );
    let second = put_flow(&house, &FLOW.replace("greeting", "salute")).await;
    assert_eq!((second.status, second.body["version"].as_u64()), (StatusCode::OK, Some(2)));
    let live = Ask::new("POST", "/v1/flows/hello/live").key(&house.author).json(&json!({ "version": 1 }));
    assert_eq!(house.ask(live).await.body["version"], 1);
    let read = house.ask(Ask::new("GET", "/v1/flows/hello").key(&house.viewer)).await;
    assert_eq!((read.body["version"].as_u64(), read.body["source"].as_str()), (Some(1), Some(FLOW)));
    let read = house.ask(Ask::new("GET", "/v1/flows/hello?version=2").key(&house.viewer)).await;
    assert_eq!(read.body["version"], 2);
    let versions = house.ask(Ask::new("GET", "/v1/flows/hello/versions").key(&house.viewer)).await;
    let versions: Vec<_> = versions.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| (v["version"].as_u64().unwrap(), v["live"].as_bool().unwrap()))
        .collect();
    assert_eq!(versions, [(2, false), (1, true)]);
    let unknown = Ask::new("POST", "/v1/flows/hello/live").key(&house.author).json(&json!({ "version": 9 }));
    assert_eq!(house.ask(unknown).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_save_that_expects_another_version_changes_nothing() {
    // covers T-05
    let house = House::new().await;
    let put = async |text: &str, name: &str, value: &str| {
        let ask = Ask::new("PUT", "/v1/connectors/api").key(&house.author).header(name, value);
        house.ask(ask.body(YAML, text.to_owned())).await
    };
    let other = CONNECTOR.replace("/\n", "/other\n");
    assert_eq!(put(CONNECTOR, "if-match", "\"1\"").await.code(), "object.precondition-failed");
    assert_eq!(put(CONNECTOR, "if-none-match", "*").await.status, StatusCode::CREATED);
    assert_eq!(put(&other, "if-none-match", "*").await.code(), "object.precondition-failed");
    assert_eq!(put(&other, "if-match", "\"2\"").await.code(), "object.precondition-failed");
    assert_eq!(put(&other, "if-match", "\"1\"").await.body["version"], 2);
    assert_eq!(put(&other, "if-match", "W/\"2\"").await.code(), "request.invalid-header");
    assert_eq!(put(&other, "if-none-match", "\"2\"").await.code(), "request.invalid-header");
    let read = house.ask(Ask::new("GET", "/v1/connectors/api").key(&house.viewer)).await;
    assert_eq!(read.headers["etag"], "\"2\"");
}

#[tokio::test]
async fn a_rolled_back_flow_can_be_saved_under_the_tag_of_its_live_version() {
    let house = House::new().await;
    put_flow(&house, FLOW).await;
    put_flow(&house, &FLOW.replace("greeting", "salute")).await;
    house.ask(Ask::new("POST", "/v1/flows/hello/live").key(&house.author).json(&json!({ "version": 1 }))).await;
    let ask = Ask::new("PUT", "/v1/flows/hello").key(&house.author).header("if-match", "\"1\"");
    let saved = house.ask(ask.body(YAML, FLOW.replace("greeting", "hail"))).await;
    assert_eq!(saved.body["version"], 3);
}

#[tokio::test]
async fn a_faulty_document_names_every_fault_and_is_not_saved() {
    // covers F-03
    let house = House::new().await;
    let text = "flow: hello\nsteps:\n  - id: a\n    call: nowhere.get\n    next: gone\n";
    let answer = put_flow(&house, text).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (422, "document.invalid"));
    let faults: Vec<_> = answer.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| (fault["code"].as_str().unwrap(), fault["line"].as_u64().unwrap()))
        .collect();
    assert_eq!(faults, [("flow.unknown-connector", 4), ("flow.unknown-step", 5)]);
    assert_eq!(house.ask(Ask::new("GET", "/v1/flows/hello").key(&house.viewer)).await.status, StatusCode::NOT_FOUND);
    let check = Ask::new("POST", "/v1/flows/validate").key(&house.viewer).body(YAML, text);
    let check = house.ask(check).await;
    assert_eq!(
        (check.status, check.body["valid"].as_bool(), check.body["faults"].as_array().unwrap().len()),
        (StatusCode::OK, Some(false), 2)
    );
    let connector = Ask::new("PUT", "/v1/connectors/api")
        .key(&house.author)
        .body(YAML, "connector: api\nbase-url: ftp://x\nfunctions: []\nx: 1\n");
    let answer = house.ask(connector).await;
    assert_eq!(answer.code(), "document.invalid");
    assert!(!answer.body["errors"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn a_document_has_the_name_of_its_path() {
    let house = House::new().await;
    let ask = Ask::new("PUT", "/v1/flows/other").key(&house.author).body(YAML, FLOW);
    assert_eq!(house.ask(ask).await.code(), "document.name-mismatch");
    let ask = Ask::new("PUT", "/v1/connectors/Other").key(&house.author).body(YAML, CONNECTOR);
    assert_eq!(house.ask(ask).await.code(), "request.invalid-name");
}

#[tokio::test]
async fn documents_can_be_json() {
    let house = House::new().await;
    let text = json!({ "flow": "hello", "steps": [{ "id": "done", "end": {} }] });
    let ask = Ask::new("PUT", "/v1/flows/hello").key(&house.author).json(&text);
    assert_eq!(house.ask(ask).await.status, StatusCode::CREATED);
    let ask = Ask::new("PUT", "/v1/flows/hello").key(&house.author).body("text/plain", "x");
    assert_eq!(house.ask(ask).await.code(), "request.content-type");
}

#[tokio::test]
async fn a_deleted_connector_is_gone_and_can_come_again() {
    let house = House::new().await;
    let put = async || house.ask(Ask::new("PUT", "/v1/connectors/api").key(&house.author).body(YAML, CONNECTOR)).await;
    assert_eq!(put().await.status, StatusCode::CREATED);
    let delete = async || house.ask(Ask::new("DELETE", "/v1/connectors/api").key(&house.author)).await.status;
    assert_eq!(delete().await, StatusCode::NO_CONTENT);
    assert_eq!(delete().await, StatusCode::NOT_FOUND);
    assert_eq!(put().await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_version_of_a_plugin_never_changes() {
    // covers P-02
    let house = House::new().await;
    let put = async |bytes: &'static str| {
        house
            .ask(Ask::new("PUT", "/v1/plugins/sign/versions/1.0.0").key(&house.author).body("application/wasm", bytes))
            .await
    };
    assert_eq!(put("\0asm one").await.status, StatusCode::CREATED);
    assert_eq!(put("\0asm one").await.status, StatusCode::OK);
    assert_eq!(put("\0asm two").await.code(), "object.exists");
    let other = Ask::new("PUT", "/v1/plugins/sign/versions/1.1.0").key(&house.author);
    let refused = house.ask(other.body("application/wasm", "MZ")).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (422, "plugin.upload.not-wasm"));
    let list = house.ask(Ask::new("GET", "/v1/plugins").key(&house.viewer)).await;
    assert_eq!(list.body["items"].as_array().unwrap().len(), 1);
    let one = house.ask(Ask::new("GET", "/v1/plugins/sign/versions/1.0.0").key(&house.viewer)).await;
    assert_eq!(one.body["component"]["wit_version"], "0.1.0");
    let bad = house.ask(Ask::new("GET", "/v1/plugins/sign/versions/one").key(&house.viewer)).await;
    assert_eq!(bad.code(), "request.invalid-name");
}

#[tokio::test]
async fn a_version_of_a_plugin_can_be_taken_out_of_use() {
    // covers P-02
    let house = House::new().await;
    house.furnish().await;
    let set = async |verb: &str| {
        let path = format!("/v1/plugins/sign/versions/1.0.0/{verb}");
        house.ask(Ask::new("POST", &path).key(&house.author)).await.body["disabled"].clone()
    };
    assert_eq!(set("disable").await, true);
    assert_eq!(set("disable").await, true);
    assert_eq!(set("enable").await, false);
}

#[tokio::test]
async fn lists_come_in_parts() {
    // covers T-05
    let house = House::new().await;
    for name in ["a", "b", "c"] {
        let text = CONNECTOR.replace("connector: api", &format!("connector: {name}"));
        house.ask(Ask::new("PUT", &format!("/v1/connectors/{name}")).key(&house.author).body(YAML, text)).await;
    }
    let mut names = Vec::new();
    let mut path = "/v1/connectors?limit=2".to_owned();
    loop {
        let part = house.ask(Ask::new("GET", &path).key(&house.viewer)).await.body;
        names.extend(part["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()));
        let Some(cursor) = part["next_cursor"].as_str() else { break };
        path = format!("/v1/connectors?limit=2&cursor={cursor}");
    }
    assert_eq!(names, ["a", "b", "c"]);
    let bad = house.ask(Ask::new("GET", "/v1/connectors?cursor=%00").key(&house.viewer)).await;
    assert_eq!(bad.code(), "request.invalid-cursor");
}

#[tokio::test]
async fn schemas_are_published() {
    // covers F-01
    let house = House::new().await;
    for (path, member) in [("/v1/schemas/flow.json", "steps"), ("/v1/schemas/connector.json", "functions")] {
        let schema = house.ask(Ask::new("GET", path)).await;
        assert!(schema.body["properties"][member].is_object(), "{path}");
    }
}
