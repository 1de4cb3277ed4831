//! What happens to runs when their process is gone.

use std::time::Duration;

use serde_json::json;
use weir_engine::ports::{Clock as _, OwnerId, Store as _};
use weir_engine::run::RunStateKind;

use super::house::{House, Script};

const TWO_CALLS: &str = "flow: f\nsteps:\n  - id: a\n    call: sys.get\n  - id: b\n    call: sys.get\n  - id: c\n    claims: [{ key: n, type: number, value: '${connectors.b.body.n}' }]\n";

/// The process dies while the second call is out; the next one goes on after the first.
#[test]
fn a_crash_repeats_only_the_step_that_was_not_committed_with_the_same_key() {
    // covers F-06
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let (house, run) = first.block_on(async {
        let house = House::new(TWO_CALLS, Script::default()).await;
        house.world.answers.send_replace(1);
        let run = house.engine().start(house.start_of(json!({}))).await.unwrap().run.id;
        house.world.sent.subscribe().wait_for(|sent| sent.len() == 2).await.unwrap();
        (house, run)
    });
    // Every task of the process is gone, as with kill -9.
    first.shutdown_background();
    house.world.answers.send_replace(usize::MAX);
    let ended = runtime().block_on(async {
        let engine = house.engine();
        assert_eq!(engine.recover().await.unwrap(), 1);
        engine.wait(&house.tenant, run, Duration::from_secs(60)).await.unwrap().unwrap()
    });
    assert_eq!(ended.state_kind(), RunStateKind::Completed);
    let keys = house.world.keys();
    assert_eq!(keys, [format!("{run}.a"), format!("{run}.b"), format!("{run}.b")]);
}

#[tokio::test(start_paused = true)]
async fn a_lease_outlives_a_long_step_and_nobody_else_takes_the_run() {
    let house = House::new(TWO_CALLS, Script::default()).await;
    house.world.answers.send_replace(0);
    let engine = house.engine();
    let other = house.engine();
    let run = engine.start(house.start_of(json!({}))).await.unwrap().run.id;
    tokio::spawn(other.work());
    tokio::time::sleep(house.settings.lease * 4).await;
    house.world.answers.send_replace(usize::MAX);
    engine.wait(&house.tenant, run, Duration::from_secs(60)).await.unwrap().unwrap();
    assert_eq!(house.world.keys(), [format!("{run}.a"), format!("{run}.b")]);
}

/// Steps too quick for a renewal, one after the other.
#[tokio::test(start_paused = true)]
async fn each_step_begins_with_two_thirds_of_a_lease() {
    let steps: String = (0..12).map(|number| format!("  - id: s{number}\n    call: sys.get\n")).collect();
    let house = House::new(&format!("flow: f\nsteps:\n{steps}"), Script::default()).await;
    house.world.answers.send_replace(0);
    let (engine, lease) = (house.engine(), house.settings.lease);
    let run = engine.start(house.start_of(json!({}))).await.unwrap().run.id;
    for number in 1..=12 {
        house.world.sent.subscribe().wait_for(|sent| sent.len() == number).await.unwrap();
        let late = house.clock.now().after(lease * 2 / 3 - Duration::from_millis(1));
        let claimed = house.store.claim_runs(&OwnerId("other".to_owned()), late, lease, 1).await.unwrap();
        assert!(claimed.is_empty(), "before call {number}");
        tokio::time::sleep(lease / 5).await;
        house.world.answers.send_replace(number);
    }
    engine.wait(&house.tenant, run, Duration::from_secs(60)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_run_is_pinned_to_the_version_that_it_started_with() {
    // covers F-01
    let house = House::new(TWO_CALLS, Script::default()).await;
    house.world.answers.send_replace(0);
    let engine = house.engine();
    let run = engine.start(house.start_of(json!({}))).await.unwrap().run.id;
    let other = "flow: f\nsteps:\n  - id: x\n    end: {}\n";
    house.define(weir_engine::ports::DefinitionKind::Flow, "f", super::house::stored(other)).await;
    house.world.answers.send_replace(usize::MAX);
    let ended = engine.wait(&house.tenant, run, Duration::from_secs(60)).await.unwrap().unwrap();
    assert_eq!((ended.flow_version, ended.revision), (1, 3));
    let (next, _) = house.run(json!({})).await;
    assert_eq!((next.flow_version, next.revision), (2, 1));
}

#[test]
fn a_run_that_never_comes_to_a_commit_is_given_up() {
    // keeps S-08: what brings its process down must not do so for ever
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut process = runtime();
    let (house, run) = process.block_on(async {
        let mut house = House::new(TWO_CALLS, Script::default()).await;
        house.settings.claims_without_commit_max = 3;
        house.world.answers.send_replace(0);
        let run = house.engine().start(house.start_of(json!({}))).await.unwrap().run.id;
        house.world.sent.subscribe().wait_for(|sent| sent.len() == 1).await.unwrap();
        (house, run)
    });
    for attempt in 2..=3 {
        process.shutdown_background();
        process = runtime();
        process.block_on(async {
            house.engine().recover().await.unwrap();
            house.world.sent.subscribe().wait_for(|sent| sent.len() == attempt).await.unwrap();
        });
    }
    process.shutdown_background();
    let ended = runtime().block_on(async {
        let engine = house.engine();
        engine.recover().await.unwrap();
        engine.wait(&house.tenant, run, Duration::from_secs(60)).await.unwrap().unwrap()
    });
    let Some(weir_engine::run::Ending::Error { error, .. }) = ended.ending() else { panic!("{ended:?}") };
    assert_eq!(error.code, "run.abandoned");
    assert_eq!(house.world.keys().len(), 3);
}
