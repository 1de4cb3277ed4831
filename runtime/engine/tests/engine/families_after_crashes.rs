//! A process that goes down at any write of a family: the next one brings all of it to an end, and no run is left alone.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use weir_engine::engine::CancelRun;
use weir_engine::ids::RunId;
use weir_engine::ports::Store;
use weir_engine::run::{Run, RunStateKind, StepRecord};

use super::children::{at_work, ended};
use super::dying_store::DyingStore;
use super::house::{House, Script, until};

const FLOW: &str = r#"
flow: f
steps:
  - { id: a, call: sys.get, arguments: { q: a }, compensate: [{ id: un-a, call: sys.get, arguments: { q: un-a } }] }
  - id: both
    parallel:
      branches:
        - branch: many
          steps:
            - id: all
              for-each:
                items: [1, 2]
                steps: [{ id: s, call: sys.get, arguments: { q: s }, compensate: [{ id: un-s, call: sys.get, arguments: { q: un-s } }] }]
        - { branch: single, steps: [{ id: alone, call: sys.get, arguments: { q: alone } }] }
  - { id: x, fail: { reason: no } }
"#;

/// More writes than the whole takes; each trial ends at one of them.
const TRIALS_MAX: usize = 200;

/// Every run below this one has ended, and so have theirs. How many there are.
pub(crate) async fn none_runs_on(house: &House, run: &Run) -> usize {
    assert!(run.ending().is_some(), "{run:?}");
    let mut count = 0;
    let mut ids = Vec::new();
    for entry in house.store.journal(&house.tenant, run.id, 0, 1000).await.unwrap() {
        match entry.record {
            StepRecord::Children(known) => {
                ids.extend((0..known.begun).map(|index| RunId::child(run.id, known.since, index)));
            }
            StepRecord::Compensation { run: Some(of), .. } => ids.push(of),
            _ => {}
        }
    }
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        let child = house.store.run(&house.tenant, id).await.unwrap().unwrap();
        count += 1 + Box::pin(none_runs_on(house, &child)).await;
    }
    count
}

async fn uris(house: &House, wanted: &str) -> usize {
    house.world.uris().iter().filter(|uri| uri.ends_with(&format!("?{wanted}"))).count()
}

#[tokio::test(start_paused = true)]
async fn whatever_write_is_the_last_the_family_ends_and_all_is_taken_back() {
    // covers F-06, F-10
    for writes_last in [false, true] {
        let mut survived = false;
        for writes in 1..TRIALS_MAX {
            let house = House::new(FLOW, Script::default()).await;
            let dying = Arc::new(DyingStore::new(house.store.clone(), writes, writes_last));
            let first = house.engine_over(dying.clone());
            tokio::spawn(first.clone().work());
            let Ok(started) = first.start(house.start_of(json!({}))).await else { continue };
            let id = started.run.id;
            let is_over = async || house.store.run(&house.tenant, id).await.unwrap().unwrap().ending().is_some();
            until(async || dying.is_dead() || is_over().await).await;
            survived = !dying.is_dead();
            let second = at_work(&house);
            second.recover().await.unwrap();
            let run = ended(&house, &second, id).await;
            assert_eq!(run.state_kind(), RunStateKind::Failed, "after {writes} writes: {run:?}");
            assert!(run.compensated.iter().all(|it| it.state == RunStateKind::Completed), "{writes}: {run:?}");
            // Two branches, two items, the compensations of the first step and of the branch with the items: that one's
            // of its step, and of each item a run with its own.
            assert_eq!(none_runs_on(&house, &run).await, 10, "after {writes} writes: {run:?}");
            assert!(uris(&house, "un-a").await >= 1 && uris(&house, "un-s").await >= 2, "after {writes} writes");
            if survived {
                break;
            }
        }
        assert!(survived, "the trials came to the end of the run");
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_write_of_a_cancel_is_the_last_no_run_is_left_alone() {
    // covers F-06, F-07
    for writes in 4..60 {
        let house = House::new(FLOW, Script::default()).await;
        house.world.answers.send_replace(1);
        let dying = Arc::new(DyingStore::new(house.store.clone(), writes, writes % 2 == 0));
        let first = house.engine_over(dying.clone());
        tokio::spawn(first.clone().work());
        let Ok(started) = first.start(house.start_of(json!({}))).await else { continue };
        let id = started.run.id;
        until(async || dying.is_dead() || house.world.sent.borrow().len() >= 3).await;
        let tenant = house.tenant.clone();
        let cancel = CancelRun { tenant, run: id, reason: String::new(), revision: None, by: None, request_id: None };
        let cancelled = first.cancel(cancel).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        house.world.answers.send_replace(usize::MAX);
        let second = at_work(&house);
        second.recover().await.unwrap();
        let run = ended(&house, &second, id).await;
        if cancelled.is_ok() {
            assert_eq!(run.state_kind(), RunStateKind::Cancelled, "after {writes} writes: {run:?}");
        }
        none_runs_on(&house, &run).await;
    }
}
