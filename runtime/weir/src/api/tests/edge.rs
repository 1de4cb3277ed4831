//! What holds for every request.

use axum::http::StatusCode;
use axum::routing::get;
use serde_json::json;
use tower::ServiceExt;

use super::house::{Ask, House};
use crate::api::edge;

#[tokio::test]
async fn every_refusal_is_a_problem() {
    // covers T-05
    let house = House::new().await;
    let json = "application/json";
    let key = &house.admin;
    for (ask, status, code) in [
        (Ask::new("GET", "/nothing"), 404, "request.no-route"),
        (Ask::new("GET", "/v1/"), 404, "request.no-route"),
        (Ask::new("PATCH", "/v1/flows/hello"), 405, "request.method-not-allowed"),
        (Ask::new("DELETE", "/healthz"), 405, "request.method-not-allowed"),
        (Ask::new("POST", "/v1/keys").key(key), 415, "request.content-type"),
        (Ask::new("POST", "/v1/keys").key(key).body("text/json", "{}"), 415, "request.content-type"),
        (Ask::new("POST", "/v1/keys").key(key).body(json, ""), 400, "request.invalid-json"),
        (Ask::new("POST", "/v1/keys").key(key).body(json, "{"), 400, "request.invalid-json"),
        (Ask::new("POST", "/v1/keys").key(key).body(json, &b"\"\xff\""[..]), 400, "request.invalid-utf8"),
        (Ask::new("POST", "/v1/keys").key(key).body(json, "[]"), 400, "request.invalid-body"),
        (Ask::new("POST", "/v1/flows/hello/runs").key(key).body(json, " []"), 400, "request.invalid-body"),
        (Ask::new("POST", "/v1/keys").key(key).body(json, "{\"role\":\"king\"}"), 400, "request.invalid-body"),
        (Ask::new("GET", "/v1/flows/%ff").key(key), 400, "request.invalid-name"),
        (Ask::new("GET", "/v1/flows/UPPER").key(key), 400, "request.invalid-name"),
        (Ask::new("GET", "/v1/flows/..%2fx").key(key), 400, "request.invalid-name"),
        (Ask::new("GET", "/v1/flows?limit=0").key(key), 400, "request.invalid-query"),
    ] {
        let answer = house.ask(ask).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{answer:?}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!(answer.headers["x-request-id"].to_str().ok(), answer.body["request_id"].as_str());
        assert_eq!(answer.body["type"], format!("urn:weir:problem:{code}"));
        assert_eq!(answer.body["status"], status);
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert!(!answer.body["detail"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_method_that_is_not_taken_says_which_are() {
    let house = House::new().await;
    let answer = house.ask(Ask::new("PATCH", "/v1/flows/hello")).await;
    let allowed = answer.headers["allow"].to_str().unwrap();
    assert!(allowed.contains("GET") && allowed.contains("PUT"), "{allowed}");
}

#[tokio::test]
async fn a_panic_is_a_problem_without_its_text() {
    let house = House::new().await;
    async fn broken() -> StatusCode {
        panic!("the secret plan")
    }
    let router = axum::Router::new().route("/broken", get(broken));
    let router = edge::around(router, house.app.clone()).with_state(house.app.clone());
    let request = axum::http::Request::get("/broken").body(axum::body::Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert!(text.contains("server.internal") && !text.contains("secret plan"), "{text}");
}

#[tokio::test]
async fn metrics_are_for_operators_or_for_an_address_of_their_own() {
    // covers T-06
    let house = House::new().await;
    assert_eq!(house.ask(Ask::new("GET", "/metrics")).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(house.ask(Ask::new("GET", "/metrics").key(&house.admin)).await.status, StatusCode::FORBIDDEN);
    let open = house.ask(Ask::new("GET", "/metrics").key(&house.operator)).await;
    assert_eq!(open.status, StatusCode::OK);
    assert!(open.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
    let router = crate::api::metrics_router(house.app.clone());
    let ask = |path: &str| axum::http::Request::get(path).body(axum::body::Body::empty()).unwrap();
    assert_eq!(router.clone().oneshot(ask("/metrics")).await.unwrap().status(), StatusCode::OK);
    assert_eq!(router.oneshot(ask("/v1/flows")).await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_description_is_served() {
    // covers T-05
    let house = House::new().await;
    let document = house.ask(Ask::new("GET", "/openapi.json")).await;
    assert_eq!(document.body["paths"]["/v1/runs"]["get"]["security"], json!([{ "key": ["runs.read"] }]));
    assert!(document.body["components"]["schemas"]["ProblemBody"].is_object());
    // covers A-10: errors of the service contract are no problems
    let responses = &document.body["paths"]["/v1/action-services/{tenant}/{plugin}"]["post"]["responses"];
    for status in ["400", "401", "500"] {
        let schema = &responses[status]["content"]["application/json"]["schema"];
        assert_eq!(schema["$ref"], "#/components/schemas/ServiceError", "{responses:#}");
    }
    assert!(responses["403"].is_null(), "a key that may not is answered as one that is not valid");
    assert!(responses["default"]["content"]["application/problem+json"].is_object());
}
