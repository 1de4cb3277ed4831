//! Runs that have ended go: on request, and by themselves. covers F-14

use serde_json::json;

use crate::api::Answer;
use crate::house::{Api, House, until};

const FLOW: &str = "flow: f\nsteps:\n  - id: a\n    claims: [{ key: body, type: string, value: '${event.body}' }]\n";
const WAITS: &str = "flow: w\ntrigger: LOGIN\nsteps:\n  - id: a\n    action: AUTHENTICATION\n    service: pins.check\n    allowed-operations: [{ op: redirect }]\n";

fn save(api: &Api, flow: &str, text: &str) {
    let put = api.put(&format!("/v1/flows/{flow}"), "application/yaml", text.as_bytes());
    assert_eq!(put.status, 201, "{}", put.text);
}

fn delete(api: &Api, run: &str) -> Answer {
    api.send("DELETE", &format!("/v1/runs/{run}"), &[], b"")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_removed_on_request_by_an_admin_alone() {
    let house = House::empty().await;
    let api = house.api();
    save(&api, "f", FLOW);
    let run = house.run("f", &json!({ "body": "b".repeat(100_000) }));
    let id = run["id"].as_str().unwrap();
    for role in ["author", "runner", "viewer"] {
        let key = house.server.tenant("demo", role).unwrap();
        let refused = delete(&Api::new(&house.server.url, &key), id);
        assert_eq!(refused.status, 403, "{role}: {}", refused.text);
    }
    house.server.cli(&house.key, &["run", "delete", id]).unwrap();
    for path in ["", "/journal", "/context", "/background-calls", "/diagnostics"] {
        assert_eq!(api.get(&format!("/v1/runs/{id}{path}")).status, 404, "{path}");
    }
    assert_eq!(delete(&api, id).status, 404);
    assert_eq!(api.get("/v1/runs").json()["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_go_by_themselves() {
    let house = House::with_config("[engine]\nkeep-ended-for = '1s'\n").await;
    let api = house.api();
    save(&api, "f", FLOW);
    let run = house.run("f", &json!({ "body": "b" }));
    let path = format!("/v1/runs/{}", run["id"].as_str().unwrap());
    until("the end of the run's time", || (api.get(&path).status == 404).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_is_not_removed() {
    let house = House::empty().await;
    let api = house.api();
    let connector = format!(
        "connector: pins\nbase-url: {}\nfunctions:\n  - {{ name: check, method: POST, endpoint: /check }}\n",
        house.upstream.url()
    );
    assert_eq!(api.put("/v1/connectors/pins", "application/yaml", connector.as_bytes()).status, 201);
    save(&api, "w", WAITS);
    let away =
        json!({ "actionStatus": "INCOMPLETE", "operations": [{ "op": "redirect", "url": "https://pin.test/" }] });
    house.upstream.answer_next(axum::Json(away));
    let started = api.post("/v1/flows/w/runs?wait=30s", &json!({ "event": {} }));
    assert_eq!(started.json()["state"], "suspended", "{}", started.text);
    let id = started.json()["id"].as_str().unwrap().to_owned();
    let refused = delete(&api, &id);
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("run.not-ended")));
    assert_eq!(api.get(&format!("/v1/runs/{id}")).status, 200);
}
