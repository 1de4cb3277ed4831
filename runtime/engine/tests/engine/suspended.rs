//! Runs that wait for their end user: redirect, resume, expiry.

use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use weir_engine::action::Operation;
use weir_engine::engine::{Engine, Resume};
use weir_engine::ports::{ActionDecision, Store};
use weir_engine::run::{Awaits, Ending, OperationResult, Run, RunState, RunStateKind, StepRecord};

use super::house::{House, Script, until};

const LISTED: &str = "flow: f\ntrigger: LOGIN\ndeadline: 1m\nsteps:\n  - id: a\n    action: AUTHENTICATION\n    plugin: p@1\n    time-to-live: 5m\n    allowed-operations: [{ op: redirect }]\n";

fn redirect(url: &str) -> Operation {
    Operation::Redirect { url: url.to_owned() }
}

fn add() -> Operation {
    Operation::Add { path: "/x".to_owned(), value: Some(json!(1)) }
}

/// Answers in order; the last one again and again.
fn answering(decisions: Vec<ActionDecision>) -> Script {
    let mut script = Script::default();
    let left = Mutex::new(decisions);
    let next = move || {
        let mut left = left.lock().unwrap();
        if left.len() > 1 { left.remove(0) } else { left[0].clone() }
    };
    script.action.insert("p", Box::new(move |_, _| Ok(next())));
    script
}

pub(crate) fn once() -> Script {
    let sent_away = ActionDecision::Incomplete(vec![redirect("https://pin.test/enter?flowId=f1")]);
    answering(vec![sent_away, ActionDecision::Success(Vec::new())])
}

fn resume(house: &House, run: &Run, input: Value) -> Resume {
    Resume { tenant: house.tenant.clone(), run: run.id, input, revision: None, client_key: None, request_id: None }
}

async fn suspended(house: &House, engine: &std::sync::Arc<Engine>) -> Run {
    let started = engine.start(house.start_of(json!({ "application": { "id": "a b" } }))).await.unwrap();
    let run = engine.wait(&house.tenant, started.run.id, Duration::from_secs(60)).await.unwrap().unwrap();
    assert_eq!(run.state_kind(), RunStateKind::Suspended, "{run:?}");
    run
}

async fn end(house: &House, engine: &Engine, run: &Run) -> Run {
    engine.wait(&house.tenant, run.id, Duration::from_secs(60)).await.unwrap().unwrap()
}

fn error_of(run: &Run) -> String {
    let Some(Ending::Error { error, .. }) = run.ending() else { panic!("{run:?}") };
    error.code.clone()
}

#[tokio::test(start_paused = true)]
async fn a_redirect_suspends_the_run_and_a_resume_runs_the_step_again() {
    // covers A-05, F-07
    let house = House::new(LISTED, once()).await;
    let engine = house.engine();
    let run = suspended(&house, &engine).await;
    let RunState::Suspended { awaits: Awaits::Redirect(redirect), until, .. } = &run.state else { panic!("{run:?}") };
    assert_eq!(redirect, "https://pin.test/enter?flowId=f1&spId=a+b", "with what the type adds");
    assert_eq!(*until, run.updated_at.after(Duration::from_secs(300)));
    // The end user takes longer than the run's own deadline.
    tokio::time::sleep(Duration::from_secs(200)).await;
    let resumed = engine.resume(resume(&house, &run, json!({ "pin": 1 }))).await.unwrap();
    assert_eq!((resumed.resumed, resumed.run.resumptions), (true, 1));
    assert_eq!(resumed.run.deadline.since(run.deadline), resumed.run.updated_at.since(run.updated_at));
    let ended = end(&house, &engine, &run).await;
    assert_eq!(ended.state_kind(), RunStateKind::Completed);
    assert_eq!(house.context(&ended).await.pointer("/steps/a"), Some(&json!({ "resumed": { "pin": 1 } })));
    let journal = house.store.journal(&house.tenant, run.id, 0, 9).await.unwrap();
    let [StepRecord::Action(first), StepRecord::Resumed { input }, StepRecord::Action(second)] =
        [&journal[0].record, &journal[1].record, &journal[2].record]
    else {
        panic!("{journal:?}")
    };
    assert_eq!((input, first.operations[0].result), (&json!({ "pin": 1 }), OperationResult::Applied));
    let [first, second] = [first, second].map(|action| action.hook.as_ref().unwrap().invocation.clone());
    assert_ne!(first.request_id, second.request_id);
    assert_ne!(first.seed, second.seed, "a step that runs again after a resume makes other calls");
}

#[tokio::test]
async fn of_two_resumes_one_wins_and_a_key_makes_them_one() {
    // covers F-07, F-13
    let house = House::new(LISTED, once()).await;
    let engine = house.engine();
    let run = suspended(&house, &engine).await;
    let keyed = Resume { client_key: Some("k".to_owned()), ..resume(&house, &run, json!({})) };
    let (first, second) = tokio::join!(engine.resume(keyed.clone()), engine.resume(keyed.clone()));
    let mut done = [first.unwrap().resumed, second.unwrap().resumed];
    done.sort_unstable();
    assert_eq!(done, [false, true]);
    let refused = engine.resume(resume(&house, &run, json!({}))).await.unwrap_err();
    assert_eq!(refused.code(), "run.not-suspended");
    end(&house, &engine, &run).await;
    assert!(!engine.resume(keyed).await.unwrap().resumed, "also when the run is over");
    let entries = house.store.journal(&house.tenant, run.id, 0, 9).await.unwrap();
    assert_eq!(entries.iter().filter(|entry| matches!(entry.record, StepRecord::Resumed { .. })).count(), 1);
}

#[tokio::test]
async fn a_resume_is_refused_in_words() {
    let mut house = House::new(LISTED, once()).await;
    house.settings.event_bytes_max = 200;
    let engine = house.engine();
    let run = suspended(&house, &engine).await;
    let code = async |resume: Resume| engine.resume(resume).await.map(|_| ()).map_err(|error| error.code());
    let deep = (0..65).fold(json!(1), |inner, _| json!([inner]));
    let it = || resume(&house, &run, json!({}));
    assert_eq!(code(Resume { tenant: "other".parse().unwrap(), ..it() }).await, Err("object.not-found"));
    assert_eq!(code(Resume { input: json!("x".repeat(199)), ..it() }).await, Err("run.invalid-input"));
    assert_eq!(code(Resume { input: deep, ..it() }).await, Err("run.invalid-input"));
    assert_eq!(code(Resume { client_key: Some("a b".to_owned()), ..it() }).await, Err("run.invalid-client-key"));
    assert_eq!(code(Resume { revision: Some(7), ..it() }).await, Err("run.not-suspended"));
    assert_eq!(house.store.run(&house.tenant, run.id).await.unwrap(), Some(run.clone()), "nothing has changed");
    assert_eq!(code(Resume { revision: Some(run.revision), input: json!("x".repeat(198)), ..it() }).await, Ok(()));
    assert_eq!(end(&house, &engine, &run).await.state_kind(), RunStateKind::Completed);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_waited_for_longer_than_a_month_by_default() {
    //
    let asks = "flow: f\nsteps:\n  - id: a\n    redirect: { url: 'https://a.test', time-to-live: 90d }\n";
    let house = House::new(asks, once()).await;
    let run = suspended(&house, &house.engine()).await;
    let RunState::Suspended { until, .. } = run.state else { panic!("{run:?}") };
    assert_eq!(until.since(run.updated_at), Duration::from_secs(30 * 86_400));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_nobody_resumes_ends_by_itself() {
    //
    let mut house = House::new(LISTED, once()).await;
    house.settings.suspension_max = Duration::from_secs(30);
    let engine = house.engine();
    let run = suspended(&house, &engine).await;
    let work = tokio::spawn(engine.clone().work());
    let is_over = async || house.store.run(&house.tenant, run.id).await.unwrap().unwrap().ending().is_some();
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert!(!is_over().await, "it waits as long as the setting lets it");
    until(is_over).await;
    let ended = house.store.run(&house.tenant, run.id).await.unwrap().unwrap();
    assert_eq!(error_of(&ended), "run.suspension-expired");
    let late = engine.resume(resume(&house, &run, json!({}))).await.unwrap_err();
    assert_eq!(late.code(), "run.not-suspended");
    work.abort();
}

#[tokio::test(start_paused = true)]
async fn a_resume_that_comes_too_late_is_told_so() {
    let house = House::new(LISTED, once()).await;
    let engine = house.engine();
    let run = suspended(&house, &engine).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    let late = engine.resume(resume(&house, &run, json!({}))).await.unwrap_err();
    assert_eq!(late.code(), "run.suspension-expired");
    assert_eq!(engine.recover().await.unwrap(), 1, "the next claim ends it");
    until(async || house.store.run(&house.tenant, run.id).await.unwrap().unwrap().ending().is_some()).await;
}

#[tokio::test]
async fn a_suspended_run_outlives_its_engine() {
    // covers F-06
    let house = House::new(LISTED, once()).await;
    let engine = house.engine();
    let run = suspended(&house, &engine).await;
    engine.drain(Duration::from_secs(9)).await;
    assert_eq!(engine.resume(resume(&house, &run, json!({}))).await.unwrap_err().code(), "server.draining");
    let next = house.engine();
    assert_eq!(next.recover().await.unwrap(), 0, "nobody works on it");
    next.resume(resume(&house, &run, json!(null))).await.unwrap();
    assert_eq!(end(&house, &next, &run).await.state_kind(), RunStateKind::Completed);
}

#[tokio::test]
async fn one_step_suspends_its_run_so_often_and_no_more() {
    let away = ActionDecision::Incomplete(vec![redirect("https://pin.test/")]);
    let mut house = House::new(LISTED, answering(vec![away])).await;
    house.settings.suspensions_per_step_max = 3;
    let engine = house.engine();
    let mut run = suspended(&house, &engine).await;
    for round in 1..=3 {
        assert_eq!(run.state_kind(), RunStateKind::Suspended, "round {round}");
        engine.resume(Resume { revision: Some(run.revision), ..resume(&house, &run, json!(round)) }).await.unwrap();
        run = end(&house, &engine, &run).await;
    }
    assert_eq!(error_of(&run), "action.too-many-suspensions");
    let journal = house.store.journal(&house.tenant, run.id, 0, 20).await.unwrap();
    let StepRecord::Action(action) = &journal.last().unwrap().record else { panic!("{journal:?}") };
    assert_eq!(action.operations[0].result, OperationResult::Rejected, "nobody is sent there");
    assert!(action.operations[0].reason.as_ref().is_some_and(|reason| reason.contains("3 times")), "{action:?}");
}

#[tokio::test]
async fn where_nothing_suspends_the_journal_says_what_became_of_each_operation() {
    //
    let flow =
        "flow: f\ntrigger: REGISTRATION\nsteps:\n  - id: a\n    action: PRE_ISSUE_ACCESS_TOKEN\n    plugin: p@1\n";
    let decision = ActionDecision::Incomplete(vec![add(), redirect("https://pin.test/")]);
    let house = House::new(flow, answering(vec![decision])).await;
    let (run, journal) = house.run(json!({})).await;
    assert_eq!(error_of(&run), "action.incomplete-not-allowed");
    let StepRecord::Action(action) = &journal[0].record else { panic!("{journal:?}") };
    let results: Vec<_> = action.operations.iter().map(|record| record.result).collect();
    assert_eq!(results, [OperationResult::Dropped, OperationResult::Rejected]);
}

#[tokio::test]
async fn a_late_resume_is_not_one_of_a_later_suspension() {
    // covers F-07, F-13: of the same step, and of a later one
    let two = LISTED.to_owned()
        + "  - id: b\n    action: AUTHENTICATION\n    plugin: p@1\n    allowed-operations: [{ op: redirect }]\n";
    let away = || ActionDecision::Incomplete(vec![redirect("https://pin.test/")]);
    let done = || ActionDecision::Success(Vec::new());
    for (flow, answers) in [(LISTED, vec![away(), away(), done()]), (&two, vec![away(), done(), away(), done()])] {
        let house = House::new(flow, answering(answers)).await;
        let engine = house.engine();
        let run = suspended(&house, &engine).await;
        engine.resume(resume(&house, &run, json!(1))).await.unwrap();
        let again = end(&house, &engine, &run).await;
        assert_eq!(again.state_kind(), RunStateKind::Suspended);
        let late = engine.resume(resume(&house, &run, json!(1))).await.unwrap_err();
        assert_eq!(late.code(), "run.resume-ambiguous");
        assert!(late.to_string().contains("`revision`") && late.to_string().contains("`Idempotency-Key`"), "{late}");
        let old = Resume { revision: Some(run.revision), ..resume(&house, &run, json!(1)) };
        assert_eq!(engine.resume(old).await.unwrap_err().code(), "run.not-suspended");
        let present = house.store.run(&house.tenant, run.id).await.unwrap();
        assert_eq!(present, Some(again.clone()), "nothing has changed");
        let keyed = Resume { client_key: Some("k".to_owned()), ..resume(&house, &run, json!(2)) };
        assert!(engine.resume(keyed).await.unwrap().resumed);
        assert_eq!(end(&house, &engine, &run).await.state_kind(), RunStateKind::Completed);
    }
}

#[tokio::test]
async fn what_an_incomplete_answer_may_hold() {
    //
    let wso2 = LISTED.replace("    allowed-operations: [{ op: redirect }]\n", "    profile: wso2\n");
    let reject = LISTED.replace("    allowed-operations: [{ op: redirect }]\n", "");
    let good = || redirect("https://pin.test/");
    let cases = [
        (LISTED, vec![good()], Ok(())),
        (&wso2, vec![good()], Ok(())),
        (&wso2, vec![add(), good()], Ok(())),
        (LISTED, vec![add(), good()], Err("action.operation-not-allowed")),
        (&reject, vec![good()], Err("action.operation-not-allowed")),
        (LISTED, vec![], Err("action.one-redirect")),
        (&wso2, vec![add()], Err("action.one-redirect")),
        (&wso2, vec![good(), good()], Err("action.one-redirect")),
        (LISTED, vec![redirect("")], Err("action.redirect-url")),
        (LISTED, vec![redirect("/relative")], Err("action.redirect-url")),
        (LISTED, vec![redirect("https://user:word@pin.test/")], Err("action.redirect-url")),
    ];
    for (flow, operations, expected) in cases {
        let house = House::new(flow, answering(vec![ActionDecision::Incomplete(operations.clone())])).await;
        let (run, journal) = house.run(json!({})).await;
        let came = match run.ending() {
            None => Ok(()),
            Some(_) => Err(error_of(&run)),
        };
        assert_eq!(came, expected.map_err(str::to_owned), "{operations:?}");
        let StepRecord::Action(action) = &journal[0].record else { panic!("{journal:?}") };
        assert_eq!(action.operations.len(), operations.len(), "each operation has its record");
    }
}
