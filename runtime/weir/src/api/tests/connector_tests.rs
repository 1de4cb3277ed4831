//! Calls that are only tried, by the API (C-16).

use serde_json::{Value, json};

use super::house::{Answer, Ask, CONNECTOR, House};

const SAVED: &str = "/v1/connectors/api/functions/get/test";

async fn post(house: &House, path: &str, body: &Value) -> Answer {
    house.ask(Ask::new("POST", path).key(&house.author).json(body)).await
}

#[tokio::test]
async fn a_tried_call_says_how_it_came_out_and_no_run_knows_of_it() {
    // covers C-16
    let house = House::new().await;
    house.furnish().await;
    let runs = house.ask(Ask::new("GET", "/v1/runs").key(&house.author)).await.body;
    let tried = post(&house, SAVED, &json!({ "arguments": { "a": 1 }, "context": { "event": { "b": 2 } } })).await;
    assert_eq!(tried.status.as_u16(), 200, "{tried:?}");
    let told = ["outcome", "connector", "connector_version", "function", "authentication"].map(|it| &tried.body[it]);
    assert_eq!(told, [&json!("error"), &json!("api"), &json!(1), &json!("get"), &json!("none")]);
    assert_eq!(tried.body["error"]["code"], "connector.connect");
    assert_eq!(tried.body["arguments"], json!({ "a": 1 }));
    assert_eq!(house.ask(Ask::new("GET", "/v1/runs").key(&house.author)).await.body, runs);
}

#[tokio::test]
async fn an_unsaved_document_is_checked_as_at_a_save() {
    // covers C-16
    let house = House::new().await;
    let object = json!({ "connector": "new", "base-url": "https://a.test/", "functions": [{ "name": "get" }] });
    for document in [json!(CONNECTOR), json!(object.to_string()), object] {
        let tried = post(&house, "/v1/connector-tests", &json!({ "document": document, "function": "get" })).await;
        assert_eq!((tried.status.as_u16(), &tried.body["connector_version"]), (200, &json!(0)), "{tried:?}");
    }
    let text = CONNECTOR.replace("http://", "ftp://");
    let faulty = post(&house, "/v1/connector-tests", &json!({ "document": text, "function": "get" })).await;
    assert_eq!((faulty.code(), &faulty.body["errors"][0]["line"]), ("document.invalid", &json!(2)), "{faulty:?}");
    let saved = house.ask(Ask::new("GET", "/v1/connectors").key(&house.author)).await;
    assert_eq!(saved.body["items"], json!([]));
}

#[tokio::test]
async fn what_cannot_be_tried_is_a_problem() {
    // covers C-16
    let house = House::new().await;
    house.furnish().await;
    for (path, body, status, code) in [
        ("/v1/connectors/none/functions/get/test", json!({}), 404, "object.not-found"),
        ("/v1/connectors/api/functions/none/test", json!({}), 404, "connector.unknown-function"),
        ("/v1/connectors/api/functions/No/test", json!({}), 400, "request.invalid-name"),
        (SAVED, json!({ "context": { "run": {} } }), 400, "request.invalid-body"),
        (SAVED, json!({ "argument": {} }), 400, "request.invalid-body"),
        (SAVED, json!({ "pre_call": [{ "plugin": "sign" }] }), 422, "connector.test-hooks"),
        (SAVED, json!({ "post_response": {} }), 422, "connector.test-hooks"),
    ] {
        let answer = post(&house, path, &body).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{path} {answer:?}");
    }
    let hooks = post(&house, SAVED, &json!({ "pre_call": [{ "plugin": "sign@^1", "input": "${1 +}" }] })).await;
    assert_eq!(hooks.body["errors"][0]["pointer"], "/pre_call/0/input");
}
