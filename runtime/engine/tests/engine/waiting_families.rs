//! Parents that wait for their children for long, and children that cannot be joined or taken back.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use weir_engine::engine::{CancelRun, Resume};
use weir_engine::ids::RunId;
use weir_engine::ports::{OwnerId, Store};
use weir_engine::run::{Ending, Run, RunState, RunStateKind, StepOutcome, StepRecord};

use super::children::{at_work, children, ended, run};
use super::dying_store::DyingStore;
use super::families_after_crashes::none_runs_on;
use super::house::{House, Script, until};

fn error_of(run: &Run) -> &str {
    let Some(Ending::Error { error, .. }) = run.ending() else { panic!("{run:?}") };
    &error.code
}

fn told(run: &Run) -> Vec<(String, RunStateKind)> {
    run.compensated.iter().map(|it| (it.step.to_string(), it.state)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_parent_that_waits_for_hours_writes_next_to_nothing() {
    // covers F-02
    let flow = "flow: f\nsteps:\n  - { id: all, for-each: { items: [1], steps: [{ id: w, wait: { for: 5h } }] } }\n";
    let mut house = House::new(flow, Script::default()).await;
    house.settings.claim_interval = Duration::from_secs(600);
    let store = Arc::new(DyingStore::new(house.store.clone(), 50_000, false));
    let engine = house.engine_over(store.clone());
    tokio::spawn(engine.clone().work());
    let started = engine.start(house.start_of(json!({}))).await.unwrap().run;
    tokio::time::sleep(Duration::from_secs(6 * 3600)).await;
    assert!(!store.is_dead(), "nobody claims it again and again");
    let run = ended(&house, &engine, started.id).await;
    assert_eq!(run.state_kind(), RunStateKind::Completed, "{run:?}");
}

#[tokio::test(start_paused = true)]
async fn many_ends_of_children_are_no_sign_of_a_run_that_brings_its_process_down() {
    // covers F-02
    let flow = "flow: f\nsteps:\n  - { id: all, for-each: { items: \"${event.list}\", concurrency: 64, steps: [{ id: w, wait: { for: \"${item.value}\" } }] } }\n";
    let flow = flow.replace("wait: { for: \"${item.value}\" }", "wait: { until: \"${item.value}\" }");
    let mut house = House::new(&flow, Script::default()).await;
    house.settings.claims_without_commit_max = 3;
    let at = |index: u64| weir_engine::time::Timestamp::from_millis(1_700_000_000_000 + index * 1_000).to_string();
    let list: Vec<String> = (1..=20).map(at).collect();
    let run = run(&house, json!({ "list": list })).await;
    assert_eq!(run.state_kind(), RunStateKind::Completed, "{run:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_too_deep_to_be_kept_ends_its_run_wherever_it_comes_from() {
    // covers F-10
    let flow = "flow: f\nsteps:\n  - { id: all, for-each: { items: [1], steps: [{ id: e, end: {} }], result: \"${event}\" } }\n";
    let house = House::new(flow, Script::default()).await;
    let deep = (0..124).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(error_of(&run(&house, deep).await), "run.context-too-deep");
}

const SUSPENDS: &str = "flow: f\ntrigger: LOGIN\ndeadline: 1m\nsteps:\n  - id: all\n    for-each:\n      items: [1, 2, 3]\n      concurrency: 2\n      steps:\n        - { id: c, condition: [{ when: item.index == 0, next: a }, { otherwise: w }] }\n        - { id: a, action: AUTHENTICATION, plugin: p@1, time-to-live: 5m, allowed-operations: [{ op: redirect }], next: end }\n        - { id: w, call: sys.get }\n";

#[tokio::test(start_paused = true)]
async fn a_deadline_that_stands_still_for_an_item_ends_no_other() {
    // covers F-02, F-12
    let house = House::new(SUSPENDS, super::suspended::once()).await;
    house.world.answers.send_replace(0);
    let engine = at_work(&house);
    let started = engine.start(house.start_of(json!({ "application": { "id": "a" } }))).await.unwrap().run;
    let suspended = async || {
        let found = children(&house, started.id).await;
        found.into_iter().find(|child| matches!(child.state, RunState::Suspended { .. }))
    };
    until(async || suspended().await.is_some() && house.world.sent.borrow().len() == 1).await;
    let child = suspended().await.unwrap();
    // When the second item ends, the parent's deadline seems to be over: the first item moves it.
    tokio::time::sleep(Duration::from_secs(61)).await;
    house.world.answers.send_replace(usize::MAX);
    until(async || children(&house, started.id).await.get(1).is_none_or(|second| second.ending().is_some())).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let (tenant, run, input) = (house.tenant.clone(), child.id, json!({}));
    let resume = Resume { tenant, run, input, revision: None, client_key: None, request_id: None };
    engine.resume(resume).await.unwrap();
    let run = ended(&house, &engine, started.id).await;
    assert_eq!(run.state_kind(), RunStateKind::Completed, "{run:?}");
    let context = house.context(&run).await;
    let results = context.pointer("/steps/all/results").unwrap().as_array().unwrap().clone();
    let states: Vec<&Value> = results.iter().map(|it| &it["state"]).collect();
    assert_eq!(states, ["completed"; 3]);
}

const UNDONE: &str = "flow: f\nsteps:\n  - { id: a, call: sys.get, arguments: { q: a }, compensate: [{ id: un-a, call: sys.get, arguments: { q: un-a } }] }\n  - id: all\n    for-each:\n      items: [1, 2, 3]\n      steps: [{ id: s, call: sys.get, arguments: { q: \"do-${item.value}\" }, compensate: [{ id: u, call: sys.get, arguments: { q: \"un-${item.value}\" } }] }]\n  - { id: hold, call: sys.other }\n  - { id: x, fail: { reason: no } }\n";

fn undone(house: &House) -> Vec<String> {
    let queries = house.world.uris().into_iter().map(|uri| uri.rsplit('?').next().unwrap_or_default().to_owned());
    queries.filter(|query| query.starts_with("un-")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_child_that_cannot_be_taken_back_keeps_none_of_the_others() {
    // covers F-10
    let house = House::new(UNDONE, Script::default()).await;
    house.world.answers.send_replace(4);
    let store = Arc::new(DyingStore::new(house.store.clone(), usize::MAX, false));
    let engine = house.engine_over(store.clone());
    tokio::spawn(engine.clone().work());
    let started = engine.start(house.start_of(json!({}))).await.unwrap().run;
    until(async || house.world.sent.borrow().len() == 5).await;
    let journal = house.store.journal(&house.tenant, started.id, 0, 99).await.unwrap();
    let since = journal.iter().find_map(|entry| match &entry.record {
        StepRecord::Children(known) => Some(known.since),
        _ => None,
    });
    store.damage(RunId::child(started.id, since.unwrap(), 1));
    house.world.answers.send_replace(usize::MAX);
    let run = ended(&house, &engine, started.id).await;
    assert_eq!(undone(&house), ["un-3", "un-1", "un-a"], "{run:?}");
    let done = |step: &str| (step.to_owned(), RunStateKind::Completed);
    assert_eq!(told(&run), [done("all"), ("all".to_owned(), RunStateKind::Error), done("all"), done("a")]);
    let journal = house.store.journal(&house.tenant, started.id, 0, 99).await.unwrap();
    let why = journal.iter().find_map(|entry| match (&entry.record, &entry.outcome) {
        (StepRecord::Compensation { .. }, StepOutcome::Next { caught_error, .. }) => caught_error.clone(),
        _ => None,
    });
    assert_eq!(why.map(|error| error.code).as_deref(), Some("store.corrupt"));
}

/// Claims whatever can be claimed so often that it counts as what brings its process down.
async fn claim_in_vain(house: &House) {
    let owner = OwnerId("dies".to_owned());
    for _ in 0..=house.settings.claims_without_commit_max {
        house.store.end_orphaned_leases().await.unwrap();
        let now = weir_engine::ports::Clock::now(&*house.clock);
        house.store.claim_runs(&owner, now, Duration::from_secs(30), 100).await.unwrap();
    }
    house.store.end_orphaned_leases().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_abandoned_while_it_takes_back_tells_what_it_has_not() {
    // covers F-06, F-10
    let mut given_up = 0;
    for writes in 10..100 {
        let house = House::new(UNDONE, Script::default()).await;
        let dying = Arc::new(DyingStore::new(house.store.clone(), writes, true));
        let first = house.engine_over(dying.clone());
        tokio::spawn(first.clone().work());
        let started = first.start(house.start_of(json!({}))).await.unwrap().run;
        let is_over = async || house.store.run(&house.tenant, started.id).await.unwrap().unwrap().ending().is_some();
        until(async || dying.is_dead() || is_over().await).await;
        if !dying.is_dead() {
            break;
        }
        claim_in_vain(&house).await;
        let second = at_work(&house);
        let run = ended(&house, &second, started.id).await;
        none_runs_on(&house, &run).await;
        let mut undone = undone(&house);
        undone.sort();
        undone.dedup();
        let lost = told(&run).iter().filter(|(_, state)| *state != RunStateKind::Completed).count();
        given_up += lost;
        let done = house.world.uris().iter().filter(|uri| uri.contains("?do-") || uri.ends_with("?a")).count();
        let is_told = lost > 0 || error_is(&run, "run.abandoned");
        assert!(undone.len() == done.min(4) || is_told, "after {writes} writes: {undone:?} {run:?}");
        assert!(
            undone.len() + lost.max(usize::from(is_told)) >= done.min(4),
            "after {writes} writes: {undone:?} {run:?}"
        );
    }
    assert!(given_up > 0, "some trials met a run that takes something back");
}

fn error_is(run: &Run, code: &str) -> bool {
    matches!(run.ending(), Some(Ending::Error { error, .. }) if error.code == code)
}

#[tokio::test(start_paused = true)]
async fn children_of_a_cancelled_run_that_is_abandoned_are_cancelled() {
    // covers F-06, F-07
    let flow = "flow: f\nsteps:\n  - { id: all, for-each: { items: [1, 2], concurrency: 2, steps: [{ id: w, wait: { for: 20d } }] } }\n";
    let house = House::new(flow, Script::default()).await;
    let first = at_work(&house);
    let started = first.start(house.start_of(Value::Null)).await.unwrap().run;
    let waiting = async || {
        let found = children(&house, started.id).await;
        found.len() == 2 && found.iter().all(|child| matches!(child.state, RunState::Waiting { .. }))
    };
    until(waiting).await;
    // Nobody works on what is cancelled before it counts as abandoned.
    first.drain(Duration::from_secs(1)).await;
    let tenant = house.tenant.clone();
    let dying = house.engine_over(Arc::new(DyingStore::new(house.store.clone(), usize::MAX, false)));
    let cancel =
        CancelRun { tenant, run: started.id, reason: String::new(), revision: None, by: None, request_id: None };
    dying.cancel(cancel).await.unwrap();
    claim_in_vain(&house).await;
    let second = at_work(&house);
    let run = ended(&house, &second, started.id).await;
    assert_eq!(run.state_kind(), RunStateKind::Cancelled, "{run:?}");
    assert_eq!(none_runs_on(&house, &run).await, 2);
}
