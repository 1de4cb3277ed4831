//! Child runs over the real binary: kill -9 in a for-each within a parallel, cancelling from the command line.

use serde_json::{Value, json};
use weir_tests::server::Server;

use crate::house::{Api, House, until};

const CONFIG: &str = "[engine]\nclaim-interval = '20ms'\n";

const FLOW: &str = r#"
flow: family
steps:
  - id: first
    claims: [{ key: done, type: boolean, value: true }]
    compensate: [{ id: back, call: sys.undo }]
  - id: both
    parallel:
      branches:
        - branch: many
          steps:
            - id: all
              for-each:
                items: "${event.list}"
                concurrency: 2
                steps: [{ id: one, call: sys.get }]
                result: "${item.index}"
        - { branch: single, steps: [{ id: alone, call: sys.get }] }
"#;

async fn house() -> House {
    let house = House::with_config(CONFIG).await;
    let connector = format!(
        "connector: sys\nbase-url: {}\nfunctions:\n  - {{ name: get, endpoint: /get }}\n  - {{ name: undo, endpoint: /undo }}\n",
        house.upstream.url()
    );
    for (path, body) in [("/v1/connectors/sys", connector.as_str()), ("/v1/flows/family", FLOW)] {
        let put = house.api().put(path, "application/yaml", body.as_bytes());
        assert_eq!(put.status, 201, "{path}: {}", put.text);
    }
    // Without a credential the upstream refuses what nobody scripted; calls that are made twice take more of these.
    (0..20).for_each(|_| house.upstream.answer_next(axum::Json(json!({ "ok": true }))));
    house
}

fn start(api: &Api) -> String {
    let started = api.post("/v1/flows/family/runs", &json!({ "event": { "list": [1, 2, 3] } }));
    assert_eq!(started.status, 202, "{}", started.text);
    started.json()["id"].as_str().unwrap().to_owned()
}

async fn ended(api: &Api, id: &str) -> Value {
    until("the end of the run", || {
        let run = api.get(&format!("/v1/runs/{id}")).json();
        let state = run["state"].as_str().unwrap_or_default().to_owned();
        ["completed", "failed", "error", "cancelled"].contains(&state.as_str()).then_some(run)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn after_kill_9_a_family_goes_on_and_calls_keep_their_keys() {
    // covers F-02, F-06
    let House { folder, server, upstream, key } = house().await;
    upstream.hold();
    let id = start(&Api::new(&server.url, &key));
    upstream.arrived(3).await;
    server.kill().unwrap();
    upstream.release();
    let server = Server::start_with(folder.path(), CONFIG).unwrap();
    let api = Api::new(&server.url, &key);
    let run = ended(&api, &id).await;
    assert_eq!(run["state"], "completed", "{run:#}");
    let context = api.get(&format!("/v1/runs/{id}/context")).json();
    let many = context.pointer("/steps/both/branches/many/state");
    assert_eq!(many, Some(&json!("completed")), "{context:#}");
    let results = context.pointer("/steps/all/results").and_then(Value::as_array).unwrap();
    let results: Vec<&Value> = results.iter().map(|it| &it["result"]).collect();
    assert_eq!(results, [&json!(0), &json!(1), &json!(2)]);
    let received = upstream.received();
    let keys: std::collections::HashSet<_> = received.iter().map(|it| it.header("idempotency-key")).collect();
    assert_eq!(keys.len(), 4, "one for each call of the flow, also where it was made twice: {keys:?}");
    let listed = api.get("/v1/runs").json();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "children are in no listing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_family_is_shown_and_cancelled_from_the_command_line() {
    // covers F-07, F-10
    let house = house().await;
    let api = house.api();
    house.upstream.hold();
    let id = start(&api);
    house.upstream.arrived(3).await;
    let shown = until("children that run", || {
        let run = api.get(&format!("/v1/runs/{id}")).json();
        (run["children"]["total"] == 2).then_some(run)
    })
    .await;
    assert_eq!(shown["state"], "waiting", "{shown:#}");
    assert_eq!(shown["waiting"]["on"], "children");
    house.server.cli(&house.key, &["run", "cancel", &id, "--reason", "too late"]).unwrap();
    house.upstream.release();
    let run = ended(&api, &id).await;
    assert_eq!(run["state"], "cancelled", "{run:#}");
    assert_eq!(run["cancelled"]["reason"], "too late");
    assert_eq!(run["compensations"][0]["step"], "first");
    assert_eq!(run["compensations"][0]["state"], "completed");
    let shown = house.server.cli(&house.key, &["run", "show", &id]).unwrap();
    assert!(shown.contains("too late"), "{shown}");
    let again = api.post(&format!("/v1/runs/{id}/cancel"), &json!({ "reason": "again" }));
    assert_eq!((again.status, &again.json()["cancelled"]), (200, &run["cancelled"]), "as it is: {}", again.text);
}
