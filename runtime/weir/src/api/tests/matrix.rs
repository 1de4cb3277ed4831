//! Every route × {no key, wrong key, lower role, other tenant}, from the OpenAPI document.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::house::{Ask, House};
use crate::api;
use crate::auth::{Permission, Role};

/// One operation of the OpenAPI document.
#[derive(Debug, Clone)]
struct Route {
    method: String,
    path: String,
    /// The scopes of a key; none where no key is asked for.
    scopes: Option<Vec<Permission>>,
}

fn routes() -> Vec<Route> {
    let document = api::document();
    let paths = document["paths"].as_object().unwrap().clone();
    let operations = paths.into_iter().flat_map(|(path, item)| {
        let item = item.as_object().unwrap().clone();
        item.into_iter().map(move |(method, operation)| (path.clone(), method, operation))
    });
    let scopes = |operation: &Value| {
        let security = operation["security"].as_array()?.first()?["key"].as_array()?.clone();
        Some(security.iter().map(|scope| scope.as_str().unwrap().parse().unwrap()).collect())
    };
    let routes = operations.map(|(path, method, operation)| Route { scopes: scopes(&operation), method, path });
    // Its refusals have the bodies of another contract: see `action_services`.
    routes.filter(|route| !route.path.starts_with("/v1/action-services/")).collect()
}

/// The path with things that exist in `acme`.
fn filled(path: &str, run: &str, key: &str) -> String {
    let name = ["connector-templates", "/actions/", "connectors", "flows", "credentials", "identities", "plugins"]
        .iter()
        .zip(["generic-http", "gate", "api", "hello", "upstream", "partner", "sign"])
        .find(|(resource, _)| path.contains(*resource))
        .map_or("", |(_, name)| name);
    let id = if path.contains("/runs/") { run } else { key };
    path.replace("{tenant}", "acme")
        .replace("{type}", "FLOW_EXTENSION")
        .replace("{function}", "get")
        .replace("{name}", name)
        .replace("{type}", "FLOW_EXTENSION")
        .replace("{version}", "1.0.0")
        .replace("{id}", id)
}

/// A body that would do, where one is asked for.
fn ask(route: &Route, path: &str) -> Ask {
    let ask = Ask::new(&route.method, path);
    match (route.method.as_str(), route.path.as_str()) {
        ("put", "/v1/connectors/{name}") => ask.body("application/yaml", super::house::CONNECTOR),
        ("put" | "post", "/v1/flows/{name}" | "/v1/flows/validate") => ask.body("application/yaml", super::house::FLOW),
        ("put", "/v1/actions/{type}/{name}") => ask.body("application/yaml", super::house::ACTION),
        ("post", "/v1/actions/{type}") => ask.json(&super::house::reference_action()),
        ("patch", "/v1/actions/{type}/{name}") => ask.json(&json!({ "name": "Other" })),
        ("put", "/v1/credentials/{name}") => ask.json(&json!({ "type": "bearer", "token": "other" })),
        ("put", "/v1/identities/{name}") => ask.json(&json!({ "private_key": super::house::KEY })),
        ("put", _) => ask.body("application/wasm", "\0asm other"),
        ("post", "/v1/flows/{name}/live") => ask.json(&json!({ "version": 1 })),
        ("post", "/v1/flows/{name}/runs") => ask.json(&json!({ "event": { "name": "x" } })),
        ("post", "/v1/runs/{id}/resume") => ask.json(&json!({ "input": {} })),
        ("post", "/v1/runs/{id}/cancel") => ask.json(&json!({ "reason": "enough" })),
        ("post", "/v1/runs/{id}/continue") => ask.json(&json!({})),
        ("post", "/v1/connectors/{name}/functions/{function}/test") => ask.json(&json!({})),
        ("post", "/v1/connector-tests") => ask.json(&json!({ "document": super::house::CONNECTOR, "function": "get" })),
        ("post", "/v1/action-tests") => {
            ask.json(&json!({ "step": { "action": "FLOW_EXTENSION", "plugin": "sign@1" } }))
        }
        ("post", "/v1/connector-templates/{name}/document") => {
            ask.json(&json!({ "values": { "base-url": "https://a.test" } }))
        }
        ("post", "/v1/tenants") => ask.json(&json!({ "tenant": "third" })),
        ("post", path) if path.ends_with("/keys") => ask.json(&json!({ "role": "viewer" })),
        _ => ask,
    }
}

async fn key_id(house: &House) -> String {
    let keys = house.ask(Ask::new("GET", "/v1/keys").key(&house.admin)).await;
    keys.body["items"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn only_these_routes_ask_for_no_key() {
    // keeps A1
    let open: BTreeSet<String> =
        routes().into_iter().filter(|route| route.scopes.is_none()).map(|route| route.path).collect();
    let known = [
        "/healthz",
        "/openapi.json",
        "/readyz",
        "/v1/prompts/{token}",
        "/v1/schemas/connector.json",
        "/v1/schemas/flow.json",
    ];
    assert_eq!(open, known.map(str::to_owned).into());
}

#[tokio::test]
async fn without_a_key_and_with_a_wrong_one_nothing_opens() {
    // keeps A1
    let house = House::new().await;
    let run = house.furnish().await;
    let wrong = format!("{}0", house.admin.get(..house.admin.len() - 1).unwrap());
    let wrong = if wrong == house.admin { wrong.replace('0', "1") } else { wrong };
    let moved = house.admin.replacen("weir_acme_", "weir_other_", 1);
    for route in routes().iter().filter(|route| route.scopes.is_some()) {
        let path = filled(&route.path, &run, "0123456789abcdef");
        let answer = house.ask(ask(route, &path)).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (401, "auth.missing-key"), "{route:?}");
        assert!(answer.headers.contains_key("www-authenticate"));
        for bad in [wrong.as_str(), moved.as_str(), "weir_acme", "", "weir_acme_0123456789abcdef_00"] {
            let answer = house.ask(ask(route, &path).key(bad)).await;
            assert_eq!((answer.status.as_u16(), answer.code()), (401, "auth.invalid-key"), "{route:?} {bad}");
        }
        let basic = house.ask(ask(route, &path).header("authorization", "Basic eDp5")).await;
        assert_eq!(basic.code(), "auth.invalid-key");
    }
}

#[tokio::test]
async fn a_role_opens_what_the_table_grants_and_nothing_else() {
    // keeps A1, covers T-02: the documented scope is the one that the code asks for
    for role in Role::ALL {
        let house = House::new().await;
        let run = house.furnish().await;
        let id = key_id(&house).await;
        for route in routes() {
            let Some(scopes) = &route.scopes else { continue };
            let granted = scopes.iter().all(|scope| role.may(*scope));
            if granted && route.method == "delete" {
                continue; // it would remove what the next route needs
            }
            if granted && route.path.ends_with("/disable") && route.path.contains("tenant") {
                continue;
            }
            let path = filled(&route.path, &run, &id);
            let answer = house.ask(ask(&route, &path).key(house.key_of(role))).await;
            let refused = (answer.status, answer.code()) == (StatusCode::FORBIDDEN, "auth.not-permitted");
            assert_eq!(refused, !granted, "{role} {route:?} {answer:?}");
            assert!(!answer.status.is_server_error(), "{role} {route:?} {answer:?}");
        }
    }
}

#[tokio::test]
async fn an_object_of_another_tenant_is_a_missing_one() {
    // keeps A1, covers T-01
    let house = House::new().await;
    let run = house.furnish().await;
    let id = key_id(&house).await;
    for route in routes() {
        let of_tenant = route.scopes.iter().flatten().any(|scope| Role::Admin.may(*scope));
        let creates =
            route.method == "put" || (route.method.as_str(), route.path.as_str()) == ("post", "/v1/actions/{type}");
        // Templates and types of actions are the same for every tenant.
        let is_shared = ["/v1/connector-templates", "/v1/action-types"].iter().any(|it| route.path.starts_with(it))
            || route.path == "/v1/actions/{type}";
        if !of_tenant || creates || is_shared || !route.path.contains('{') {
            continue;
        }
        let theirs = house.ask(ask(&route, &filled(&route.path, &run, &id)).key(&house.stranger)).await;
        assert_eq!(theirs.status, StatusCode::NOT_FOUND, "{route:?} {theirs:?}");
        let missing_run = "01890000-0000-7000-8000-000000000000";
        let missing_path = route.path.replace("{name}", "missing").replace("{version}", "9.9.9");
        let missing_path = filled(&missing_path, missing_run, "0123456789abcdef");
        let missing = house.ask(ask(&route, &missing_path).key(&house.stranger)).await;
        let same = |answer: &Value| answer.to_string().replace("missing", "NAME").replace("hello", "NAME");
        assert_eq!(same(&theirs.without_identity()), same(&missing.without_identity()), "{route:?}");
    }
}

#[tokio::test]
async fn what_another_tenant_writes_changes_nothing_here() {
    // keeps A1, covers T-01
    let house = House::new().await;
    let run = house.furnish().await;
    let id = key_id(&house).await;
    let reads: Vec<String> = routes()
        .into_iter()
        .filter(|route| route.method == "get" && route.path.starts_with("/v1/") && !route.path.contains("tenant"))
        .filter(|route| route.scopes.as_ref().is_some_and(|scopes| scopes.iter().all(|scope| Role::Admin.may(*scope))))
        .map(|route| filled(&route.path, &run, &id))
        .collect();
    let look = async || {
        let mut seen = Vec::new();
        for path in &reads {
            seen.push(house.ask(Ask::new("GET", path).key(&house.admin)).await.without_identity());
        }
        seen
    };
    let before = look().await;
    for route in routes().iter().filter(|route| route.method != "get") {
        house.ask(ask(route, &filled(&route.path, &run, &id)).key(&house.stranger)).await;
    }
    assert_eq!(look().await, before);
    for list in
        ["/v1/connectors", "/v1/actions", "/v1/flows", "/v1/credentials", "/v1/identities", "/v1/plugins", "/v1/runs"]
    {
        let acme = house.ask(Ask::new("GET", list).key(&house.admin)).await;
        let other = house.ask(Ask::new("GET", list).key(&house.stranger)).await;
        assert_eq!(acme.body["items"].as_array().unwrap().len(), 1, "{list}");
        assert_ne!(acme.body["items"], other.body["items"], "{list}");
    }
}

#[tokio::test]
async fn a_cursor_of_another_tenant_shows_nothing_of_it() {
    // keeps A1
    let house = House::new().await;
    for name in ["one", "two", "three"] {
        let document = super::house::CONNECTOR.replace("connector: api", &format!("connector: {name}"));
        let put = Ask::new("PUT", &format!("/v1/connectors/{name}")).body("application/yaml", document);
        assert_eq!(house.ask(put.key(&house.admin)).await.status, StatusCode::CREATED);
    }
    let first = house.ask(Ask::new("GET", "/v1/connectors?limit=1").key(&house.admin)).await;
    let cursor = first.body["next_cursor"].as_str().unwrap();
    let theirs = house.ask(Ask::new("GET", &format!("/v1/connectors?cursor={cursor}")).key(&house.stranger)).await;
    assert!(theirs.body["items"].as_array().is_none_or(Vec::is_empty), "{theirs:?}");
}

#[test]
fn every_answer_is_documented() {
    // covers T-05
    let document = api::document();
    assert_eq!(document["openapi"].as_str().unwrap().get(..3), Some("3.1"));
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(operation["responses"]["default"].is_object(), "{method} {path}");
            assert!(operation["operationId"].is_string(), "{method} {path}");
            assert!(operation["summary"].is_string(), "{method} {path}");
        }
    }
    let ids: Vec<&str> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
}
