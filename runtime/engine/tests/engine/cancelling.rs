//! Cancelling runs and their families.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use weir_engine::engine::{CancelError, CancelRun, Engine};
use weir_engine::ids::RunId;
use weir_engine::ports::Store;
use weir_engine::run::{Ending, RunStateKind, StepRecord};

use super::children::{at_work, children, ended};
use super::house::{House, Script, until};

fn cancel(house: &House, run: RunId) -> CancelRun {
    let reason = "changed my mind".to_owned();
    CancelRun { tenant: house.tenant.clone(), run, reason, revision: None, by: Some("k1".to_owned()), request_id: None }
}

async fn in_a_call(house: &House, engine: &Arc<Engine>) -> RunId {
    house.world.answers.send_replace(0);
    let run = engine.start(house.start_of(json!({ "list": [1, 2] }))).await.unwrap().run.id;
    house.world.sent.subscribe().wait_for(|sent| !sent.is_empty()).await.unwrap();
    run
}

const CALLS: &str = "flow: f\nsteps:\n  - { id: a, call: sys.get }\n";

#[tokio::test(start_paused = true)]
async fn a_run_is_cancelled_in_the_middle_of_a_step() {
    // covers F-07
    let house = House::new(CALLS, Script::default()).await;
    let engine = at_work(&house);
    let run = in_a_call(&house, &engine).await;
    assert!(engine.cancel(cancel(&house, run)).await.unwrap().cancelled);
    let run = ended(&house, &engine, run).await;
    let Some(Ending::Cancelled { reason, .. }) = run.ending() else { panic!("{run:?}") };
    assert_eq!(reason, "changed my mind");
    let journal = house.store.journal(&house.tenant, run.id, 0, 9).await.unwrap();
    let StepRecord::Cancelled { by, .. } = &journal[0].record else { panic!("{journal:?}") };
    assert_eq!(by.as_deref(), Some("k1"));
    assert!(!journal.iter().any(|entry| matches!(entry.record, StepRecord::Call(_))), "nothing of the step is left");
    let again = engine.cancel(cancel(&house, run.id)).await.unwrap();
    assert_eq!((again.cancelled, again.run), (false, run), "as it is");
}

#[tokio::test(start_paused = true)]
async fn a_cancel_is_refused_in_words() {
    // covers F-07
    let house = House::new(CALLS, Script::default()).await;
    let engine = at_work(&house);
    let run = engine.start(house.start_of(json!({}))).await.unwrap().run.id;
    ended(&house, &engine, run).await;
    let code =
        async |cancel: CancelRun| engine.cancel(cancel).await.map(|_| ()).map_err(|error: CancelError| error.code());
    let it = || cancel(&house, run);
    assert_eq!(code(it()).await, Err("run.not-cancellable"));
    assert_eq!(code(CancelRun { run: RunId::generate(), ..it() }).await, Err("object.not-found"));
    assert_eq!(code(CancelRun { tenant: "other".parse().unwrap(), ..it() }).await, Err("object.not-found"));
    assert_eq!(code(CancelRun { reason: "x".repeat(301), ..it() }).await, Err("run.invalid-reason"));
    assert_eq!(code(CancelRun { revision: Some(99), ..it() }).await, Err("run.changed"));
    engine.drain(Duration::from_secs(1)).await;
    assert_eq!(code(it()).await, Err("server.draining"));
}

const FAMILY: &str = "flow: f\nsteps:\n  - { id: a, call: sys.other, compensate: [{ id: un-a, call: sys.other }] }\n  - id: all\n    for-each: { items: \"${event.list}\", concurrency: 2, steps: [{ id: s, call: sys.get }] }\n";

#[tokio::test(start_paused = true)]
async fn a_family_is_cancelled_as_a_whole_and_what_it_did_is_taken_back() {
    // covers F-07, F-10
    let house = House::new(FAMILY, Script::default()).await;
    let engine = at_work(&house);
    house.world.answers.send_replace(1);
    let run = engine.start(house.start_of(json!({ "list": [1, 2, 3] }))).await.unwrap().run.id;
    house.world.sent.subscribe().wait_for(|sent| sent.len() == 3).await.unwrap();
    let begun = children(&house, run).await;
    engine.cancel(cancel(&house, run)).await.unwrap();
    until(async || house.world.sent.borrow().len() == 4).await;
    for child in &begun {
        let child = house.store.run(&house.tenant, child.id).await.unwrap().unwrap();
        assert_eq!(child.state_kind(), RunStateKind::Cancelled, "before anything is taken back");
    }
    house.world.answers.send_replace(usize::MAX);
    let run = ended(&house, &engine, run).await;
    assert_eq!(run.state_kind(), RunStateKind::Cancelled);
    assert_eq!(run.compensated.len(), 1, "{run:?}");
}

#[tokio::test(start_paused = true)]
async fn a_child_that_is_cancelled_by_itself_did_not_complete() {
    // covers F-07
    let house = House::new(FAMILY, Script::default()).await;
    let engine = at_work(&house);
    house.world.answers.send_replace(1);
    let run = engine.start(house.start_of(json!({ "list": [1, 2] }))).await.unwrap().run.id;
    house.world.sent.subscribe().wait_for(|sent| sent.len() == 3).await.unwrap();
    let child = children(&house, run).await.remove(1);
    engine.cancel(cancel(&house, child.id)).await.unwrap();
    house.world.answers.send_replace(usize::MAX);
    let run = ended(&house, &engine, run).await;
    let Some(Ending::Error { error, .. }) = run.ending() else { panic!("{run:?}") };
    assert_eq!(error.code, "run.child-cancelled");
}

#[tokio::test(start_paused = true)]
async fn of_many_cancels_one_counts_and_all_say_so() {
    // covers F-07
    let house = House::new(FAMILY, Script::default()).await;
    let engine = at_work(&house);
    house.world.answers.send_replace(1);
    let run = engine.start(house.start_of(json!({ "list": [1, 2] }))).await.unwrap().run.id;
    house.world.sent.subscribe().wait_for(|sent| sent.len() == 3).await.unwrap();
    let asked: Vec<_> = (0..8).map(|_| engine.cancel(cancel(&house, run))).collect();
    let mut counted = 0;
    for answer in asked {
        counted += usize::from(answer.await.unwrap().cancelled);
    }
    assert_eq!(counted, 1);
    house.world.answers.send_replace(usize::MAX);
    let run = ended(&house, &engine, run).await;
    let journal = house.store.journal(&house.tenant, run.id, 0, 99).await.unwrap();
    assert_eq!(journal.iter().filter(|entry| matches!(entry.record, StepRecord::Cancelled { .. })).count(), 1);
}
