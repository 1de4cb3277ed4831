//! Calls in the background: listed in parts, for those who may inspect runs.

use serde_json::json;
use weir_engine::ids::RunId;
use weir_engine::message::{Method, Request};
use weir_engine::run::{Event, OutboxEntry};

use super::begun_runs::{NOW, begun, step};
use super::house::{Ask, House};

/// A run of `acme` whose first steps have each handed over a call.
async fn run_with_calls(house: &House, count: u64) -> RunId {
    let (mut run, lease) = begun(house).await;
    for _ in 0..count {
        let mut commit = step(run, &lease, Event::Advanced("a".parse().unwrap()));
        run = commit.run.clone();
        let uri = "https://mail.test/".parse().unwrap();
        commit.outbox = Some(OutboxEntry {
            tenant: run.tenant.clone(),
            run: run.id,
            sequence: run.revision,
            step: "a".parse().unwrap(),
            connector: "mail".parse().unwrap(),
            connector_version: 1,
            function: "send".parse().unwrap(),
            request: Request { method: Method::Get, uri, headers: Vec::new(), body: None },
            idempotency_key: "k".to_owned(),
            created_at: NOW,
            expires_at: NOW,
        });
        house.app.store.commit_step(commit).await.unwrap();
    }
    run.id
}

#[tokio::test]
async fn background_calls_are_listed_in_parts() {
    // covers C-11, T-05
    let house = House::new().await;
    let run = run_with_calls(&house, 3).await;
    let get = async |query: &str, key: &str| {
        house.ask(Ask::new("GET", &format!("/v1/runs/{run}/background-calls{query}")).key(key)).await
    };
    let first = get("?limit=2", &house.viewer).await;
    assert_eq!(first.status, 200, "{first:?}");
    let sequences = |body: &serde_json::Value| -> Vec<u64> {
        body["items"].as_array().unwrap().iter().map(|item| item["sequence"].as_u64().unwrap()).collect()
    };
    assert_eq!((sequences(&first.body), &first.body["next_after"]), (vec![1, 2], &json!(2)));
    assert_eq!(first.body["items"][0]["state"], "pending");
    assert_eq!(first.body["items"][0]["request"]["uri"], "https://mail.test/");
    let rest = get("?limit=2&after=2", &house.viewer).await;
    assert_eq!((sequences(&rest.body), rest.body.get("next_after")), (vec![3], None));
    for bad in ["?limit=0", "?limit=201", "?after=-1", "?more=1"] {
        assert_eq!(get(bad, &house.viewer).await.code(), "request.invalid-query", "{bad}");
    }
    assert_eq!(get("", &house.runner).await.code(), "auth.not-permitted");
    assert_eq!(get("", &house.stranger).await.code(), "object.not-found");
}
