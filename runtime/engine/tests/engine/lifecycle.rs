//! Start, wait, limits, deadlines.

use std::time::Duration;

use serde_json::json;
use weir_engine::engine::StartError;
use weir_engine::ports::Store as _;
use weir_engine::run::{Ending, RunStateKind};

use super::house::{House, Script};

const CALL: &str = "flow: f\ndeadline: 10s\ninput: { schema: { type: object, properties: { n: { type: integer } } } }\nsteps:\n  - id: a\n    call: sys.get\n  - id: b\n    claims: [{ key: n, type: number, value: '${connectors.a.body.n}' }]\n";

#[tokio::test]
async fn a_start_is_refused_in_words() {
    let house = House::new(CALL, Script::default()).await;
    let engine = house.engine();
    let start = |change: &dyn Fn(&mut weir_engine::engine::StartRun)| {
        let mut start = house.start_of(json!({}));
        change(&mut start);
        let engine = engine.clone();
        async move { engine.start(start).await.map(|started| started.run.id).map_err(|error| error.code()) }
    };
    assert_eq!(start(&|it| it.flow = "g".parse().unwrap()).await, Err("flow.unknown"));
    assert_eq!(start(&|it| it.version = Some(9)).await, Err("flow.unknown"));
    assert_eq!(start(&|it| it.tenant = "other".parse().unwrap()).await, Err("flow.unknown"));
    assert_eq!(start(&|it| it.event = json!({"n": "x"})).await, Err("run.invalid-event"));
    assert_eq!(start(&|it| it.client_key = Some("a b".to_owned())).await, Err("run.invalid-client-key"));
    assert_eq!(start(&|it| it.client_key = Some("x".repeat(256))).await, Err("run.invalid-client-key"));
    assert!(start(&|it| it.client_key = Some("x".repeat(255))).await.is_ok());
    let most = house.settings.event_bytes_max;
    assert_eq!(start(&|it| it.event = json!({"x": "y".repeat(most - 7)})).await, Err("run.event-too-large"));
    assert!(start(&|it| it.event = json!({"x": "y".repeat(most - 8)})).await.is_ok());
}

#[tokio::test]
async fn an_invalid_event_is_told_without_its_values() {
    let house = House::new(CALL, Script::default()).await;
    let Err(StartError::InvalidEvent { violations, .. }) =
        house.engine().start(house.start_of(json!({"n": "my secret"}))).await
    else {
        panic!("it started");
    };
    assert_eq!(violations[0].0, "/n");
    assert!(!violations[0].1.contains("my secret"), "{violations:?}");
}

#[tokio::test]
async fn two_starts_with_one_client_key_are_one_run() {
    // covers F-13
    let house = House::new(CALL, Script::default()).await;
    let engine = house.engine();
    let mut start = house.start_of(json!({}));
    start.client_key = Some("k".to_owned());
    let first = engine.start(start.clone()).await.unwrap();
    let second = engine.start(start.clone()).await.unwrap();
    assert_eq!((first.run.id, first.created, second.created), (second.run.id, true, false));
    engine.wait(&house.tenant, first.run.id, Duration::from_secs(9)).await.unwrap();
    assert_eq!(house.world.keys().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_with_the_run_or_with_the_time() {
    // covers F-07
    let house = House::new(CALL, Script::default()).await;
    house.world.answers.send_replace(0);
    let engine = house.engine();
    let run = engine.start(house.start_of(json!({}))).await.unwrap().run.id;
    let other = "other".parse().unwrap();
    let before = tokio::time::Instant::now();
    assert_eq!(engine.wait(&other, run, Duration::from_secs(3)).await.unwrap(), None);
    assert_eq!(tokio::time::Instant::now(), before, "at once, though it is driven here");
    let still = engine.wait(&house.tenant, run, Duration::from_secs(3)).await.unwrap().unwrap();
    assert_eq!(still.state_kind(), RunStateKind::Ready);
    house.world.answers.send_replace(usize::MAX);
    let ended = engine.wait(&house.tenant, run, Duration::from_secs(3)).await.unwrap().unwrap();
    assert_eq!(ended.state_kind(), RunStateKind::Completed);
    assert_eq!(engine.wait(&other, run, Duration::ZERO).await.unwrap(), None);
    assert_eq!(house.store.run(&house.tenant, run).await.unwrap(), Some(ended), "what is told is what is stored");
}

#[tokio::test(start_paused = true)]
async fn a_run_over_its_deadline_ends_as_an_error() {
    // covers F-12
    let house = House::new(CALL, Script::default()).await;
    house.world.answers.send_replace(0);
    let engine = house.engine();
    let run = engine.start(house.start_of(json!({}))).await.unwrap().run.id;
    tokio::time::sleep(Duration::from_secs(11)).await;
    house.world.answers.send_replace(usize::MAX);
    let ended = engine.wait(&house.tenant, run, Duration::from_secs(3)).await.unwrap().unwrap();
    let Some(Ending::Error { error, .. }) = ended.ending() else { panic!("{ended:?}") };
    assert_eq!(error.code, "run.deadline");
}

#[tokio::test]
async fn a_context_over_its_limit_ends_the_run() {
    let mut house = House::new(CALL, Script::default()).await;
    house.settings.context_bytes_max = 20;
    house.settings.event_bytes_max = 20;
    let (run, journal) = house.run(json!({})).await;
    let Some(Ending::Error { error, .. }) = run.ending() else { panic!("{run:?}") };
    assert_eq!(error.code, "run.context-too-large");
    assert_eq!(house.context(&run).await.pointer("/connectors/a"), None);
    assert!(matches!(journal[0].record, weir_engine::run::StepRecord::Call(_)), "the journal keeps what the step did");
}

#[tokio::test]
async fn more_runs_than_slots_wait_their_turn() {
    let mut house = House::new(CALL, Script::default()).await;
    house.settings.runs_driven_max = 2;
    let engine = house.engine();
    let work = tokio::spawn(engine.clone().work());
    let mut runs = Vec::new();
    for _ in 0..20 {
        runs.push(engine.start(house.start_of(json!({}))).await.unwrap().run.id);
    }
    for run in runs {
        let ended = engine.wait(&house.tenant, run, Duration::from_secs(60)).await.unwrap().unwrap();
        assert_eq!(ended.state_kind(), RunStateKind::Completed);
    }
    work.abort();
}

#[tokio::test]
async fn a_draining_engine_starts_nothing_and_leaves_runs_between_steps() {
    // covers T-06
    let house = House::new(CALL, Script::default()).await;
    house.world.answers.send_replace(0);
    let engine = house.engine();
    let run = engine.start(house.start_of(json!({}))).await.unwrap().run.id;
    house.world.sent.subscribe().wait_for(|sent| !sent.is_empty()).await.unwrap();
    let drain = tokio::spawn({
        let engine = engine.clone();
        async move { engine.drain(Duration::from_secs(60)).await }
    });
    tokio::task::yield_now().await;
    assert_eq!(
        engine.start(house.start_of(json!({}))).await.map_err(|error| error.code()).err(),
        Some("server.draining")
    );
    house.world.answers.send_replace(usize::MAX);
    assert_eq!(drain.await.unwrap(), 0);
    let next = house.engine();
    next.recover().await.unwrap();
    let ended = next.wait(&house.tenant, run, Duration::from_secs(60)).await.unwrap().unwrap();
    assert_eq!(ended.state_kind(), RunStateKind::Completed);
    assert_eq!(house.world.keys().len(), 1, "the first step was committed before the engine stopped");
}

#[tokio::test]
async fn a_result_that_nests_too_deep_ends_the_run() {
    let house = House::new(CALL, Script::default()).await;
    let body = format!("{}{}", "[".repeat(125), "]".repeat(125));
    let answer =
        weir_engine::message::Response { status: 200, headers: Vec::new(), body: body.into(), transformed_data: None };
    *house.world.answer.lock().unwrap() = Ok(answer);
    let (run, _) = house.run(json!({})).await;
    let Some(Ending::Error { error, .. }) = run.ending() else { panic!("{run:?}") };
    assert_eq!(error.code, "run.context-too-deep");
}

#[tokio::test]
async fn what_one_step_keeps_is_limited() {
    let mut house = House::new(CALL, Script::default()).await;
    house.settings.step_bytes_max = "{\"n\": 7}".len();
    let (run, _) = house.run(json!({})).await;
    assert_eq!(run.state_kind(), RunStateKind::Error, "the claim of the second step is over it");
    assert_eq!(run.revision, 2);
    house.settings.step_bytes_max -= 1;
    let (run, _) = house.run(json!({})).await;
    let Some(Ending::Error { error, .. }) = run.ending() else { panic!("{run:?}") };
    assert_eq!((error.code.as_str(), run.revision), ("run.step-too-large", 1));
}
