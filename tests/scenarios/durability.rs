//! What survives: kill -9 in the middle of a run, a stop in the middle of a run, a second process.

use serde_json::json;
use weir_tests::server::Server;

use crate::house::{Api, House, event, until};

#[tokio::test(flavor = "multi_thread")]
async fn after_kill_9_the_run_goes_on_after_its_last_committed_step() {
    // covers F-06, keeps D2
    let House { folder, server, upstream, key } = House::demo().await;
    upstream.hold();
    let started = Api::new(&server.url, &key).post("/v1/flows/registration/runs", &json!({ "event": event() }));
    assert_eq!(started.status, 202, "{}", started.text);
    let id = started.json()["id"].as_str().unwrap().to_owned();
    upstream.arrived(1).await;
    server.kill().unwrap();
    upstream.release();
    let server = Server::start(folder.path()).unwrap();
    let api = Api::new(&server.url, &key);
    let run = until("the end of the run", || {
        let run = api.get(&format!("/v1/runs/{id}")).json();
        (run["state"] != "ready").then_some(run)
    })
    .await;
    assert_eq!(run["state"], "completed", "{run:#}");
    let keys: Vec<Option<String>> =
        upstream.received().iter().map(|it| it.header("idempotency-key").map(str::to_owned)).collect();
    assert_eq!(keys.len(), 2, "the call in flight was made again");
    assert_eq!(keys[0], keys[1], "with the same key");
    assert!(keys[0].is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_commits_the_step_in_flight_and_the_next_start_goes_on() {
    // covers T-06
    let House { folder, server, upstream, key } = House::demo().await;
    upstream.hold();
    let started = Api::new(&server.url, &key).post("/v1/flows/registration/runs", &json!({ "event": event() }));
    let id = started.json()["id"].as_str().unwrap().to_owned();
    upstream.arrived(1).await;
    let stopping = tokio::task::spawn_blocking(move || server.stop());
    upstream.release();
    assert_eq!(stopping.await.unwrap().unwrap(), Some(0));
    let server = Server::start(folder.path()).unwrap();
    let api = Api::new(&server.url, &key);
    let run = until("the end of the run", || {
        let run = api.get(&format!("/v1/runs/{id}")).json();
        (run["state"] != "ready").then_some(run)
    })
    .await;
    assert_eq!(run["state"], "completed", "{run:#}");
    assert_eq!(upstream.received().len(), 1, "the step in flight was committed before the stop");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_belongs_to_one_process() {
    let house = House::empty().await;
    let Err(error) = Server::start(house.folder.path()) else { panic!("a second server took the same folder") };
    let said = error.to_string();
    assert!(said.contains("another process"), "{said}");
    assert!(house.server.cli(&house.key, &["run", "list"]).is_ok(), "the first one serves on");
}
