//! Steps that are tried again, pause their run, go on after a fix, and have a deadline.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use weir_engine::engine::{ContinueRun, Engine};
use weir_engine::ports::{ConnectorError, ConnectorErrorKind, DefinitionKind, Store as _};
use weir_engine::run::{Ending, Run, RunState, RunStateKind, StepOutcome, StepRecord, Waits};

use super::house::{self, House, Script, until};

fn flow(retry: &str) -> String {
    format!(
        "flow: f\ndeadline: 1h\nsteps:\n  - id: a\n    call: sys.get\n{retry}  - id: b\n    claims: [{{ key: n, type: number, value: '${{connectors.a.body.n}}' }}]\n"
    )
}

const PAUSING: &str = "    retry: { attempts: 3, backoff: 10s, exhausted: pause }\n";

fn fail_calls(house: &House) {
    let error = ConnectorError { kind: ConnectorErrorKind::Connect, message: "nobody is there".to_owned() };
    *house.world.answer.lock().unwrap() = Err(error);
}

fn mend_calls(house: &House) {
    let well = house::World::default();
    *house.world.answer.lock().unwrap() = well.answer.lock().unwrap().clone();
}

async fn started(house: &House) -> (Arc<Engine>, Run) {
    let engine = house.engine();
    tokio::spawn(engine.clone().work());
    let run = engine.start(house.start_of(json!({}))).await.unwrap().run;
    (engine, run)
}

async fn settled(house: &House, engine: &Engine, run: &Run) -> Run {
    engine.wait(&house.tenant, run.id, Duration::from_secs(3600)).await.unwrap().unwrap()
}

fn wanted(house: &House, run: &Run) -> ContinueRun {
    let (tenant, run) = (house.tenant.clone(), run.id);
    ContinueRun { tenant, run, flow_version: None, revision: None, client_key: None, request_id: None }
}

fn error_of(run: &Run) -> &str {
    let Some(Ending::Error { error, .. }) = run.ending() else { panic!("{run:?}") };
    &error.code
}

#[tokio::test(start_paused = true)]
async fn a_step_is_tried_again_with_one_key_and_each_attempt_is_in_the_journal() {
    // covers F-06, F-10
    let house = House::new(&flow("    retry: { attempts: 4, backoff: 10s }\n"), Script::default()).await;
    fail_calls(&house);
    let (engine, run) = started(&house).await;
    house.world.sent.subscribe().wait_for(|sent| sent.len() == 3).await.unwrap();
    mend_calls(&house);
    let ended = settled(&house, &engine, &run).await;
    assert_eq!((ended.state_kind(), ended.attempts), (RunStateKind::Completed, 0), "{ended:?}");
    assert!(house.world.keys().iter().all(|key| *key == format!("{}.a", run.id)));
    let journal = house.store.journal(&house.tenant, run.id, 0, 20).await.unwrap();
    let waits: Vec<Duration> = journal
        .iter()
        .filter_map(|entry| match &entry.outcome {
            StepOutcome::Waiting { on: Waits::Retry, until, error: Some(error) } => {
                assert_eq!((error.code.as_str(), entry.changes.len()), ("connector.connect", 0));
                Some(until.since(entry.started_at))
            }
            _ => None,
        })
        .collect();
    assert!(waits.len() >= 2 && waits[1] > waits[0], "{waits:?}");
    assert!(waits[0] >= Duration::from_millis(7500) && waits[0] <= Duration::from_millis(12_500), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn after_the_last_attempt_the_error_counts() {
    // covers F-10
    let house = House::new(&flow("    retry: { attempts: 3, backoff: 1s }\n"), Script::default()).await;
    fail_calls(&house);
    let (engine, run) = started(&house).await;
    let ended = settled(&house, &engine, &run).await;
    assert_eq!((error_of(&ended), house.world.keys().len()), ("connector.connect", 3));
    let caught =
        flow("    retry: { attempts: 2, backoff: 1s }\n    on-error: c\n") + "    next: end\n  - id: c\n    end: {}\n";
    let house = House::new(&caught, Script::default()).await;
    fail_calls(&house);
    let (engine, run) = started(&house).await;
    let ended = settled(&house, &engine, &run).await;
    assert_eq!((ended.state_kind(), house.world.keys().len()), (RunStateKind::Completed, 2));
}

#[tokio::test(start_paused = true)]
async fn only_the_codes_that_are_named_are_tried_again() {
    // covers F-10
    let retry = "    retry: { attempts: 3, backoff: 1s, codes: [connector.request-timeout] }\n";
    let house = House::new(&flow(retry), Script::default()).await;
    fail_calls(&house);
    let (engine, run) = started(&house).await;
    assert_eq!(error_of(&settled(&house, &engine, &run).await), "connector.connect");
    assert_eq!(house.world.keys().len(), 1);
    let own = "flow: f\nsteps:\n  - id: a\n    claims: [{ key: n, type: number, value: '${event.no.such}' }]\n    retry: { attempts: 3, backoff: 1s }\n";
    let house = House::new(own, Script::default()).await;
    let (engine, run) = started(&house).await;
    let ended = settled(&house, &engine, &run).await;
    assert_eq!((error_of(&ended), ended.revision), ("expression.evaluation", 1));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_the_run_goes_on_while_it_waits_for_an_attempt() {
    // covers F-12
    let retry = "    retry: { attempts: 9, backoff: 40m, backoff-max: 40m }\n";
    let house = House::new(&flow(retry), Script::default()).await;
    fail_calls(&house);
    let (engine, run) = started(&house).await;
    let ended = engine.wait(&house.tenant, run.id, Duration::from_secs(9000)).await.unwrap().unwrap();
    assert_eq!(error_of(&ended), "run.deadline");
    assert!(ended.updated_at.since(run.deadline) < Duration::from_secs(5), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn a_paused_run_goes_on_after_a_fix_with_attempts_counted_anew() {
    // covers F-07, F-10
    let house = House::new(&flow(PAUSING), Script::default()).await;
    fail_calls(&house);
    let (engine, run) = started(&house).await;
    let paused = settled(&house, &engine, &run).await;
    let RunState::Paused { step, error, until } = &paused.state else { panic!("{paused:?}") };
    assert_eq!((step.as_str(), error.code.as_str()), ("a", "connector.connect"));
    assert_eq!(until.since(paused.updated_at), Duration::from_secs(7 * 86_400));
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    let continued = engine.continue_run(wanted(&house, &run)).await.unwrap();
    assert_eq!((continued.continued, continued.run.attempts), (true, 0));
    assert_eq!(continued.run.deadline.since(paused.deadline), continued.run.updated_at.since(paused.updated_at));
    let again = settled(&house, &engine, &run).await;
    assert_eq!((again.state_kind(), house.world.keys().len()), (RunStateKind::Paused, 6), "three attempts more");
    mend_calls(&house);
    engine.continue_run(wanted(&house, &run)).await.unwrap();
    assert_eq!(settled(&house, &engine, &run).await.state_kind(), RunStateKind::Completed);
    let journal = house.store.journal(&house.tenant, run.id, 0, 20).await.unwrap();
    let continued = journal.iter().filter(|entry| matches!(entry.record, StepRecord::Continued { .. }));
    assert!(continued.clone().all(|entry| entry.diagnostics.len() == 1));
    assert_eq!(continued.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_paused_run_goes_on_with_a_version_that_has_its_step() {
    // covers F-01, F-10
    let house = House::new(&flow(PAUSING), Script::default()).await;
    fail_calls(&house);
    let (engine, run) = started(&house).await;
    let paused = settled(&house, &engine, &run).await;
    house.define(DefinitionKind::Flow, "f", house::stored("flow: f\nsteps:\n  - id: x\n    end: {}\n")).await;
    let mended = "flow: f\nsteps:\n  - id: a\n    claims: [{ key: n, type: number, value: 1 }]\n";
    house.define(DefinitionKind::Flow, "f", house::stored(mended)).await;
    let with = |version: u32| ContinueRun { flow_version: Some(version), ..wanted(&house, &run) };
    for version in [2, 4] {
        let refused = engine.continue_run(with(version)).await.unwrap_err();
        assert_eq!(refused.code(), "run.continue-version", "{version}");
    }
    assert_eq!(house.store.run(&house.tenant, run.id).await.unwrap(), Some(paused), "nothing has changed");
    assert_eq!(engine.continue_run(with(3)).await.unwrap().run.flow_version, 3);
    let ended = settled(&house, &engine, &run).await;
    assert_eq!((ended.state_kind(), ended.flow_version), (RunStateKind::Completed, 3));
    let journal = house.store.journal(&house.tenant, run.id, 0, 20).await.unwrap();
    assert!(journal.iter().any(|it| it.record == StepRecord::Continued { flow_version: Some(3) }));
}

#[tokio::test(start_paused = true)]
async fn continuing_is_refused_in_words_and_a_key_makes_two_one() {
    // covers F-13
    let house = House::new(&flow(PAUSING), Script::default()).await;
    fail_calls(&house);
    let (engine, run) = started(&house).await;
    let code = async |it: ContinueRun| engine.continue_run(it).await.map(|it| it.continued).map_err(|it| it.code());
    assert_eq!(code(wanted(&house, &run)).await, Err("run.not-paused"));
    settled(&house, &engine, &run).await;
    let it = || wanted(&house, &run);
    assert_eq!(code(ContinueRun { tenant: "other".parse().unwrap(), ..it() }).await, Err("object.not-found"));
    assert_eq!(code(ContinueRun { revision: Some(99), ..it() }).await, Err("run.not-paused"));
    assert_eq!(code(ContinueRun { client_key: Some("a b".to_owned()), ..it() }).await, Err("run.invalid-client-key"));
    assert_eq!(code(ContinueRun { flow_version: Some(9), ..it() }).await, Err("run.continue-version"));
    let keyed = ContinueRun { client_key: Some("k".to_owned()), ..it() };
    let mut both = vec![code(keyed.clone()).await, code(keyed).await];
    both.sort_unstable();
    assert_eq!(both, [Ok(false), Ok(true)]);
}

#[tokio::test(start_paused = true)]
async fn a_paused_run_that_nobody_lets_go_on_ends_with_what_paused_it() {
    // covers F-10
    let mut house = House::new(&flow(PAUSING), Script::default()).await;
    house.settings.pause_max = Duration::from_secs(60);
    fail_calls(&house);
    let (engine, run) = started(&house).await;
    assert_eq!(settled(&house, &engine, &run).await.state_kind(), RunStateKind::Paused);
    tokio::time::sleep(Duration::from_secs(61)).await;
    let stored = async || house.store.run(&house.tenant, run.id).await.unwrap().unwrap();
    until(async || stored().await.ending().is_some()).await;
    assert_eq!(error_of(&stored().await), "connector.connect");
    let late = engine.continue_run(wanted(&house, &run)).await.unwrap_err();
    assert_eq!(late.code(), "run.not-paused");
}

#[test]
fn a_crash_while_a_run_waits_for_an_attempt_loses_nothing() {
    // covers F-06
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let (house, run) = first.block_on(async {
        let house = House::new(&flow("    retry: { attempts: 5, backoff: 1ms }\n"), Script::default()).await;
        fail_calls(&house);
        let run = house.engine().start(house.start_of(json!({}))).await.unwrap().run;
        until(async || house.store.run(&house.tenant, run.id).await.unwrap().unwrap().attempts == 1).await;
        (house, run)
    });
    first.shutdown_background();
    mend_calls(&house);
    let ended = runtime().block_on(async {
        let engine = house.engine();
        tokio::spawn(engine.clone().work());
        settled(&house, &engine, &run).await
    });
    assert_eq!((ended.state_kind(), ended.revision), (RunStateKind::Completed, 3));
    assert_eq!(house.world.keys(), [format!("{}.a", run.id), format!("{}.a", run.id)]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_over_the_deadline_of_its_step_is_given_up() {
    // covers F-12
    let house = House::new(&flow("    deadline: 5s\n"), Script::default()).await;
    house.world.answers.send_replace(0);
    let (engine, run) = started(&house).await;
    let ended = settled(&house, &engine, &run).await;
    assert_eq!(error_of(&ended), "step.deadline");
    assert!(ended.updated_at.since(run.created_at) < Duration::from_secs(6), "{ended:?}");
    let retried = flow("    deadline: 5s\n    retry: { attempts: 2, backoff: 1s }\n");
    let house = House::new(&retried, Script::default()).await;
    house.world.answers.send_replace(0);
    let (engine, run) = started(&house).await;
    house.world.sent.subscribe().wait_for(|sent| sent.len() == 2).await.unwrap();
    house.world.answers.send_replace(usize::MAX);
    assert_eq!(settled(&house, &engine, &run).await.state_kind(), RunStateKind::Completed);
}

#[tokio::test]
async fn a_client_key_means_one_flow_and_one_event() {
    // covers F-13
    let house = House::new("flow: f\nsteps:\n  - id: a\n    end: {}\n", Script::default()).await;
    house.define(DefinitionKind::Flow, "g", house::stored("flow: g\nsteps:\n  - id: a\n    end: {}\n")).await;
    let engine = house.engine();
    let start = |flow: &str, event| {
        let mut start = house.start_of(event);
        (start.flow, start.client_key) = (flow.parse().unwrap(), Some("k".to_owned()));
        engine.start(start)
    };
    let first = start("f", json!({ "a": 1, "b": [{ "c": 2, "d": 3 }] })).await.unwrap();
    let text = r#"{ "b": [{ "d": 3, "c": 2 }], "a": 1 }"#;
    let same = start("f", serde_json::from_str(text).unwrap()).await.unwrap();
    assert_eq!((same.run.id, same.created), (first.run.id, false), "the order of members does not matter");
    for (flow, event) in [("f", json!({ "a": 2 })), ("f", json!(null)), ("g", json!({ "a": 1, "b": [] }))] {
        assert_eq!(start(flow, event).await.unwrap_err().code(), "run.client-key-taken");
    }
    let starts = (0..16).map(|number| {
        let (engine, mut start) = (engine.clone(), house.start_of(json!({ "n": number % 2 })));
        start.client_key = Some("race".to_owned());
        tokio::spawn(async move { engine.start(start).await.map(|it| (it.run.id, it.created)) })
    });
    let mut begun = std::collections::HashSet::new();
    let (mut created, mut taken) = (0, 0);
    for start in starts.collect::<Vec<_>>() {
        match start.await.unwrap() {
            Ok((run, is_new)) => {
                begun.insert(run);
                created += u32::from(is_new);
            }
            Err(error) => {
                assert_eq!(error.code(), "run.client-key-taken");
                taken += 1;
            }
        }
    }
    assert_eq!((begun.len(), created, taken), (1, 1, 8));
}
