//! Tenants and keys.

use axum::http::StatusCode;
use serde_json::json;

use super::house::{Ask, House};

#[tokio::test]
async fn an_operator_makes_a_tenant_and_its_first_key() {
    // covers T-01, T-02
    let house = House::new().await;
    let operator = &house.operator;
    let made = house.ask(Ask::new("POST", "/v1/tenants").key(operator).json(&json!({ "tenant": "third" }))).await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert_eq!(made.headers["location"], "/v1/tenants/third");
    let again = house.ask(Ask::new("POST", "/v1/tenants").key(operator).json(&json!({ "tenant": "third" }))).await;
    assert_eq!(again.code(), "object.exists");
    let system = house.ask(Ask::new("POST", "/v1/tenants").key(operator).json(&json!({ "tenant": "system" }))).await;
    assert_eq!(system.code(), "object.exists");
    let key = Ask::new("POST", "/v1/tenants/third/keys").key(operator).json(&json!({ "role": "admin" }));
    let key = house.ask(key).await.body["key"].as_str().unwrap().to_owned();
    let own = house.ask(Ask::new("GET", "/v1/whoami").key(&key)).await;
    assert_eq!((own.body["tenant"].as_str(), own.body["role"].as_str()), (Some("third"), Some("admin")));
    let unknown = Ask::new("POST", "/v1/tenants/fourth/keys").key(operator).json(&json!({ "role": "admin" }));
    assert_eq!(house.ask(unknown).await.code(), "object.not-found");
}

#[tokio::test]
async fn no_admin_makes_an_operator_and_no_operator_an_author() {
    // covers T-02
    let house = House::new().await;
    let operator = Ask::new("POST", "/v1/keys").key(&house.admin).json(&json!({ "role": "operator" }));
    assert_eq!(house.ask(operator).await.code(), "request.invalid-body");
    let author = Ask::new("POST", "/v1/keys").key(&house.operator).json(&json!({ "role": "author" }));
    assert_eq!(house.ask(author).await.code(), "request.invalid-body");
    let operator = Ask::new("POST", "/v1/tenants/acme/keys").key(&house.operator).json(&json!({ "role": "operator" }));
    assert_eq!(house.ask(operator).await.code(), "request.invalid-body");
    let second = Ask::new("POST", "/v1/keys").key(&house.operator).json(&json!({ "role": "operator" }));
    assert_eq!(house.ask(second).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_key_is_shown_once_and_stored_as_a_hash() {
    // keeps K-01
    let house = House::new().await;
    let made = house.ask(Ask::new("POST", "/v1/keys").key(&house.admin).json(&json!({ "role": "viewer" }))).await;
    let key = made.body["key"].as_str().unwrap();
    let secret = key.rsplit('_').next().unwrap();
    let list = house.ask(Ask::new("GET", "/v1/keys").key(&house.admin)).await;
    assert!(list.body.to_string().contains(made.body["id"].as_str().unwrap()));
    assert!(!list.body.to_string().contains(secret));
    assert!(!list.body.to_string().contains("sha256"));
}

#[tokio::test]
async fn a_revoked_key_and_an_expired_one_open_nothing() {
    // covers T-02
    let house = House::new().await;
    let revoke = async |id: &str| house.ask(Ask::new("DELETE", &format!("/v1/keys/{id}")).key(&house.admin)).await;
    let made = house.ask(Ask::new("POST", "/v1/keys").key(&house.admin).json(&json!({ "role": "viewer" }))).await;
    let (key, id) = (made.body["key"].as_str().unwrap(), made.body["id"].as_str().unwrap());
    assert_eq!(house.ask(Ask::new("GET", "/v1/flows").key(key)).await.status, StatusCode::OK);
    assert_eq!(revoke(id).await.status, StatusCode::NO_CONTENT);
    assert_eq!(revoke(id).await.status, StatusCode::NOT_FOUND);
    assert_eq!(revoke("x").await.code(), "request.invalid-name");
    assert_eq!(house.ask(Ask::new("GET", "/v1/flows").key(key)).await.code(), "auth.invalid-key");
    let past = json!({ "role": "viewer", "expires_at": "2020-01-01T00:00:00Z" });
    assert_eq!(
        house.ask(Ask::new("POST", "/v1/keys").key(&house.admin).json(&past)).await.code(),
        "request.invalid-body"
    );
    let expired = crate::auth::IssueKey {
        tenant: "acme".parse().unwrap(),
        role: crate::auth::Role::Viewer,
        label: String::new(),
        expires_at: Some(weir_engine::time::Timestamp::from_millis(1)),
    };
    let key = house.app.keys.issue(expired).await.unwrap().0.reveal();
    assert_eq!(house.ask(Ask::new("GET", "/v1/flows").key(&key)).await.code(), "auth.invalid-key");
}

#[tokio::test]
async fn the_keys_of_a_disabled_tenant_are_refused_until_it_is_enabled() {
    // covers T-01
    let house = House::new().await;
    let set =
        async |verb: &str| house.ask(Ask::new("POST", &format!("/v1/tenants/acme/{verb}")).key(&house.operator)).await;
    assert_eq!(set("disable").await.body["disabled"], true);
    assert_eq!(house.ask(Ask::new("GET", "/v1/flows").key(&house.admin)).await.code(), "auth.tenant-disabled");
    assert_eq!(house.ask(Ask::new("GET", "/v1/flows").key(&house.stranger)).await.status, StatusCode::OK);
    assert_eq!(set("enable").await.body["disabled"], false);
    assert_eq!(house.ask(Ask::new("GET", "/v1/flows").key(&house.admin)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn owner_fields_and_unknown_fields_are_refused() {
    // keeps A3
    let house = House::new().await;
    for (method, path, body) in [
        ("POST", "/v1/keys", json!({ "role": "viewer", "tenant": "other" })),
        ("PUT", "/v1/credentials/c", json!({ "type": "bearer", "token": "x", "tenant": "other" })),
        ("POST", "/v1/flows/hello/runs", json!({ "event": {}, "tenant": "other" })),
        ("POST", "/v1/flows/hello/live", json!({ "version": 1, "x": 1 })),
    ] {
        let answer = house.ask(Ask::new(method, path).key(&house.admin).json(&body)).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, "request.invalid-body"), "{path}");
    }
    for path in ["/v1/runs?tenant=other", "/v1/flows?limit=1&x=1", "/v1/connectors?limit=x"] {
        let answer = house.ask(Ask::new("GET", path).key(&house.admin)).await;
        assert_eq!(answer.code(), "request.invalid-query", "{path}");
    }
}
