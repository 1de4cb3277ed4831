//! Nothing crosses tenants.

use serde_json::json;

use crate::house::{Api, House, event};

#[tokio::test(flavor = "multi_thread")]
async fn what_another_tenant_has_is_not_there() {
    // covers T-01; keeps A1
    let house = House::demo().await;
    let run = house.run("registration", &event());
    let id = run["id"].as_str().unwrap();
    let other = Api::new(&house.server.url, &house.server.tenant("other", "admin").unwrap());
    for path in [
        format!("/v1/runs/{id}"),
        format!("/v1/runs/{id}/journal"),
        format!("/v1/runs/{id}/events"),
        "/v1/flows/registration".to_owned(),
        "/v1/connectors/random-user".to_owned(),
        "/v1/credentials/random-user-token".to_owned(),
        "/v1/plugins/tier/versions/1.0.0".to_owned(),
    ] {
        let theirs = other.get(&path);
        assert_eq!(theirs.status, 404, "{path}: {}", theirs.text);
        assert_eq!(house.api().get(&path).status, 200, "{path}");
    }
    for list in ["runs", "flows", "connectors", "credentials", "plugins"] {
        assert_eq!(other.get(&format!("/v1/{list}")).json()["items"], json!([]), "{list}");
    }
    let started = other.post("/v1/flows/registration/runs", &json!({ "event": event() }));
    assert_eq!((started.status, started.problem().as_str()), (404, "flow.unknown"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_may_do_what_it_says() {
    // covers T-02
    let house = House::demo().await;
    let viewer = Api::new(&house.server.url, &house.server.tenant("demo", "viewer").unwrap());
    let runner = Api::new(&house.server.url, &house.server.tenant("demo", "runner").unwrap());
    assert_eq!(viewer.get("/v1/flows").status, 200);
    let start = json!({ "event": event() });
    assert_eq!(viewer.post("/v1/flows/registration/runs", &start).status, 403);
    assert!(matches!(runner.post("/v1/flows/registration/runs", &start).status, 200 | 202));
    let token = json!({ "type": "bearer", "token": "x" }).to_string();
    assert_eq!(runner.put("/v1/credentials/mine", "application/json", token.as_bytes()).status, 403);
    for key in ["", "nonsense", "weir_demo_0000000000000000_0000"] {
        assert_eq!(Api::with_key(&house.server.url, key).get("/v1/flows").status, 401, "{key:?}");
    }
}
