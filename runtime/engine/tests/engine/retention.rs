//! Runs that have ended go after their time, and one tenant's runs leave room for another's. covers F-14; keeps S-10

use std::time::Duration;

use serde_json::json;
use weir_engine::ids::RunId;
use weir_engine::ports::Store;
use weir_engine::run::RunStateKind;

use super::house::{CONNECTOR, House, Script, stored};

const CALL: &str = "flow: f\nsteps:\n  - id: a\n    call: sys.get\n";

async fn is_there(house: &House, run: RunId) -> bool {
    house.store.run(&house.tenant, run).await.unwrap().is_some()
}

#[tokio::test(start_paused = true)]
async fn a_run_goes_after_its_time_and_one_that_waits_stays() {
    let mut house = House::new(CALL, Script::default()).await;
    house.settings.keep_ended_for = Duration::from_secs(3_600);
    let engine = house.engine();
    let work = tokio::spawn(engine.clone().work());
    let ended = engine.start(house.start_of(json!({}))).await.unwrap().run.id;
    engine.wait(&house.tenant, ended, Duration::from_secs(60)).await.unwrap().unwrap();
    house.world.answers.send_replace(1);
    let goes_on = engine.start(house.start_of(json!({}))).await.unwrap().run.id;
    tokio::time::sleep(Duration::from_secs(3_500)).await;
    assert!(is_there(&house, ended).await);
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert!(!is_there(&house, ended).await);
    assert!(is_there(&house, goes_on).await);
    work.abort();
}

#[tokio::test(start_paused = true)]
async fn a_tenant_keeps_so_many_runs_and_a_draining_engine_removes_none() {
    let mut house = House::new(CALL, Script::default()).await;
    house.settings.keep_ended_max = 2;
    let engine = house.engine();
    let mut runs = Vec::new();
    for _ in 0..5 {
        let run = engine.start(house.start_of(json!({}))).await.unwrap().run.id;
        engine.wait(&house.tenant, run, Duration::from_secs(60)).await.unwrap().unwrap();
        runs.push(run);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let draining = house.engine();
    draining.drain(Duration::from_secs(1)).await;
    draining.work().await;
    assert!(is_there(&house, runs[0]).await);
    let work = tokio::spawn(engine.work());
    tokio::time::sleep(Duration::from_secs(10)).await;
    let mut there = Vec::new();
    for run in &runs {
        there.push(is_there(&house, *run).await);
    }
    assert_eq!(there, [false, false, false, true, true]);
    work.abort();
}

#[tokio::test]
async fn a_tenant_whose_calls_are_slow_leaves_room_for_others() {
    let mut house = House::new(CALL, Script::default()).await;
    house.settings.runs_driven_max = 4;
    house.world.answers.send_replace(0);
    let mut other = House { tenant: "globex".parse().unwrap(), ..house.clone() };
    other.settings = house.settings.clone();
    other.define(weir_engine::ports::DefinitionKind::Connector, "sys", stored(CONNECTOR)).await;
    other.define(weir_engine::ports::DefinitionKind::Flow, "f", stored(CALL)).await;
    let engine = house.engine();
    let work = tokio::spawn(engine.clone().work());
    let mut runs = Vec::new();
    for _ in 0..20 {
        runs.push(engine.start(house.start_of(json!({}))).await.unwrap().run.id);
    }
    let mut sent = house.world.sent.subscribe();
    sent.wait_for(|sent| sent.len() == 3).await.unwrap();
    let theirs = engine.start(other.start_of(json!({}))).await.unwrap().run.id;
    sent.wait_for(|sent| sent.iter().any(|(key, _)| *key == format!("{theirs}.a"))).await.unwrap();
    assert_eq!((engine.driven_of_one_tenant(), engine.driven()), (3, 4));
    house.world.answers.send_replace(usize::MAX);
    for run in runs {
        let ended = engine.wait(&house.tenant, run, Duration::from_secs(60)).await.unwrap().unwrap();
        assert_eq!(ended.state_kind(), RunStateKind::Completed);
    }
    work.abort();
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let settings = weir_engine::engine::EngineSettings {
        runs_driven_per_tenant_max: 300,
        keep_ended_for: Duration::ZERO,
        ..Default::default()
    };
    let faults: Vec<_> = settings.faults().into_iter().map(|fault| fault.setting).collect();
    assert_eq!(faults, ["runs-driven-per-tenant-max", "keep-ended-for"]);
}
