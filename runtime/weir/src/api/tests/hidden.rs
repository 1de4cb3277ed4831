//! What some may see of a run, and others not, also while it goes on.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use futures::StreamExt;
use serde_json::json;
use tower::ServiceExt;
use weir_engine::ports::Lease;
use weir_engine::run::{ContextChange, Ending, Event, Run};

use super::begun_runs::{begun, step};
use super::house::{Ask, House};

/// The run after a step that has left something in the context.
async fn commit(house: &House, run: Run, lease: &Lease, event: Event, left: serde_json::Value) -> Run {
    let mut commit = step(run, lease, event);
    commit.changes = vec![ContextChange { key: "steps.a".parse().unwrap(), value: left }];
    commit.entry.changes.clone_from(&commit.changes);
    let after = commit.run.clone();
    house.app.store.commit_step(commit).await.unwrap();
    after
}

#[tokio::test]
async fn a_live_stream_hides_what_the_run_learns_to_hide_while_it_goes_on() {
    // keeps D-04, covers F-07
    let house = House::new().await;
    let (run, lease) = begun(&house).await;
    let request = Request::get(format!("/v1/runs/{}/events", run.id));
    let request = request.header("authorization", format!("Bearer {}", house.viewer)).body(Body::empty()).unwrap();
    let response = house.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut stream = response.into_body().into_data_stream();
    let on = || Event::Advanced("a".parse().unwrap());
    let mut run = commit(&house, run, &lease, on(), json!({ "nickname": "Ada" })).await;
    let first = String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(first.contains("Ada"), "it is not sensitive yet: {first}");
    run.keep_sensitive(&["nickname".to_owned()]);
    commit(&house, run, &lease, on(), json!({ "nickname": "c4nary" })).await;
    let second = String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(second.contains("***") && !second.contains("c4nary"), "{second}");
}

#[tokio::test]
async fn signed_claims_are_for_those_who_start_runs_and_in_no_list() {
    // keeps A1, covers F-08
    let house = House::new().await;
    let (mut run, lease) = begun(&house).await;
    run.jwt = Some("c4nary.to.ken".to_owned());
    let ended = Event::Ended(Ending::Completed { claims: Vec::new() });
    let path = format!("/v1/runs/{}", commit(&house, run, &lease, ended, json!(1)).await.id);
    for (key, path, is_shown) in [
        (&house.runner, path.clone(), true),
        (&house.admin, format!("{path}/events"), true),
        (&house.viewer, path.clone(), false),
        (&house.viewer, format!("{path}/events"), false),
        (&house.viewer, "/v1/runs".to_owned(), false),
        (&house.runner, "/v1/runs".to_owned(), false),
        (&house.admin, "/v1/runs".to_owned(), false),
    ] {
        let seen = house.ask(Ask::new("GET", &path).key(key)).await;
        assert_eq!(seen.status, StatusCode::OK, "{path}");
        assert_eq!(seen.body.to_string().contains("c4nary"), is_shown, "{path}: {seen:?}");
    }
}

#[tokio::test]
async fn a_live_stream_reads_on_only_as_its_reader_takes_it() {
    // keeps A4, covers F-07
    const ALL: usize = 60;
    const READ_AT_A_TIME: usize = 20;
    let house = House::new().await;
    let (mut run, lease) = begun(&house).await;
    for number in 1..ALL {
        run = commit(&house, run, &lease, Event::Advanced("a".parse().unwrap()), json!(number)).await;
    }
    run = commit(&house, run, &lease, Event::Ended(Ending::Completed { claims: Vec::new() }), json!(ALL)).await;
    let path = format!("/v1/runs/{}/events", run.id);
    let made = house.ask(Ask::new("POST", "/v1/keys").key(&house.admin).json(&json!({ "role": "viewer" }))).await;
    let (id, key) = (made.body["id"].as_str().unwrap(), made.body["key"].as_str().unwrap());
    let request = Request::get(&path).header("authorization", format!("Bearer {key}")).body(Body::empty()).unwrap();
    let slow = house.router.clone().oneshot(request).await.unwrap();
    assert_eq!(slow.status(), StatusCode::OK);
    let mut slow = slow.into_body().into_data_stream();
    slow.next().await.unwrap().unwrap();
    // It does not read: another has all of it meanwhile.
    let other = house.ask(Ask::new("GET", &path).key(&house.viewer)).await.body.to_string();
    assert_eq!(other.matches("event: step").count(), ALL);
    assert_eq!(other.matches("event: ended").count(), 1);
    // Each reading asks first whether the key holds: what still comes was in memory before.
    assert!(house.ask(Ask::new("DELETE", &format!("/v1/keys/{id}")).key(&house.admin)).await.status.is_success());
    assert_eq!(slow.count().await, READ_AT_A_TIME - 1);
}
