//! Steps that set, transform, wait, redirect, and steps that are passed over.

use std::time::Duration;

use serde_json::{Value, json};
use weir_engine::engine::{Engine, Resume};
use weir_engine::message::{Failure, Response};
use weir_engine::ports::{ActionDecision, PostResponseDecision, Store as _};
use weir_engine::run::{
    Ending, JournalEntry, RedirectRecord, Run, RunState, RunStateKind, StepRecord, WaitRecord, Waits,
};

use super::house::{House, Script, until};

fn flow(steps: &str) -> String {
    format!("flow: f\ndeadline: 1m\nsteps:\n{steps}")
}

async fn run(steps: &str, event: Value) -> (House, Run, Vec<JournalEntry>) {
    let house = House::new(&flow(steps), Script::default()).await;
    let (run, journal) = house.run(event).await;
    (house, run, journal)
}

#[track_caller]
fn error_of(run: &Run) -> &str {
    let Some(Ending::Error { error, .. }) = run.ending() else { panic!("{run:?}") };
    &error.code
}

#[track_caller]
fn steps_of(journal: &[JournalEntry]) -> Vec<&str> {
    journal.iter().map(|entry| entry.step.as_str()).collect()
}

const SET: &str = "  - id: a\n    set: { tier: gold, event.user.tier: '${event.n + 1}', connectors.risk.body.score: 7, steps.b.x: '${event.user.name}' }\n  - id: b\n    set: { seen: '${steps.a.tier}', steps.a.tier: silver }\n";

#[tokio::test]
async fn values_are_assigned_below_event_connectors_and_steps() {
    // covers F-02
    let (house, run, journal) = run(SET, json!({ "n": 1, "user": { "name": "x" } })).await;
    assert_eq!(run.state_kind(), RunStateKind::Completed, "{run:?}");
    assert_eq!(
        house.context(&run).await,
        json!({
            "event": { "n": 1, "user": { "name": "x", "tier": 2 } }, "connectors": { "risk": { "body": { "score": 7 } } },
            "steps": { "a": { "tier": "silver" }, "b": { "x": "x", "seen": "gold" } }, "claims": {}
        })
    );
    assert_eq!((&journal[0].record, journal[0].changes.len()), (&StepRecord::Set, 4));
}

#[tokio::test]
async fn a_path_through_a_scalar_is_an_error_that_changes_nothing() {
    // covers F-02, F-10
    for user in [json!("x"), json!([{ "tier": 0 }]), json!(false)] {
        let event = json!({ "n": 1, "user": user });
        let (house, run, _) = run("  - id: a\n    set: { first: 1, event.user.tier: gold }\n", event.clone()).await;
        assert_eq!(error_of(&run), "flow.set-type");
        let context = house.context(&run).await;
        assert_eq!((&context["event"], &context["steps"]["a"]["first"]), (&event, &Value::Null));
    }
}

const TRANSFORM: &str = "  - id: a\n    transform: { plugin: p@1, input: { n: '${event.n}' }, config: { c: 1 } }\n";

fn plugin(decide: impl Fn(Response) -> PostResponseDecision + Send + Sync + 'static) -> Script {
    let mut script = Script::default();
    script.post_response.insert("p", Box::new(move |_, response| Ok(decide(response.clone()))));
    script
}

#[tokio::test]
async fn a_plugin_transforms_without_a_call() {
    // covers F-02
    let script = plugin(|response| {
        let body: Value = serde_json::from_slice(response.body.as_slice()).unwrap();
        assert_eq!((response.status, response.headers[0].name.as_str()), (200, "content-type"));
        PostResponseDecision::Keep(Response { transformed_data: Some(json!({ "of": body })), ..response })
    });
    let house = House::new(&flow(TRANSFORM), script).await;
    let (run, journal) = house.run(json!({ "n": 7 })).await;
    assert_eq!(house.context(&run).await["steps"]["a"], json!({ "of": { "n": 7 } }));
    assert!(house.world.keys().is_empty(), "no call is made");
    let StepRecord::Transform(record) = &journal[0].record else { panic!("{journal:?}") };
    let invocation = &record.hook.as_ref().unwrap().invocation;
    assert_eq!((&invocation.input, &invocation.config), (&json!({ "n": 7 }), &json!({ "c": 1 })));
}

#[tokio::test]
async fn a_transformation_keeps_a_json_body_fails_or_errs() {
    // covers F-02, F-10
    let elsewhere = TRANSFORM.replace("input:", "context-key: connectors.made, input:");
    let house = House::new(&flow(&elsewhere), plugin(PostResponseDecision::Keep)).await;
    let (run, _) = house.run(json!({ "n": 7 })).await;
    assert_eq!(house.context(&run).await["connectors"]["made"], json!({ "n": 7 }));
    let text = plugin(|response| PostResponseDecision::Keep(Response { body: "no json".into(), ..response }));
    let (run, journal) = House::new(&flow(TRANSFORM), text).await.run(json!({ "n": 7 })).await;
    assert_eq!(error_of(&run), "flow.transform-body");
    assert!(matches!(&journal[0].record, StepRecord::Transform(record) if record.hook.is_some()));
    let refused = Failure { reason: "no".to_owned(), description: None };
    let script = plugin(move |_| PostResponseDecision::Fail(refused.clone()));
    let (run, _) = House::new(&flow(TRANSFORM), script).await.run(json!({ "n": 7 })).await;
    assert_eq!(run.state_kind(), RunStateKind::Failed);
}

const WAIT: &str =
    "  - id: a\n    wait: { for: 10m }\n  - id: b\n    claims: [{ key: n, type: number, value: '${event.n}' }]\n";

/// The run, once it waits.
async fn resting(house: &House, engine: &std::sync::Arc<Engine>, event: Value) -> Run {
    let started = engine.start(house.start_of(event)).await.unwrap();
    let stored = async || house.store.run(&house.tenant, started.run.id).await.unwrap().unwrap();
    until(async || stored().await.state_kind() != RunStateKind::Ready).await;
    stored().await
}

#[tokio::test(start_paused = true)]
async fn a_wait_outlives_its_process_and_takes_nothing_of_the_deadline() {
    // covers F-02, F-06, F-12
    let house = House::new(&flow(WAIT), Script::default()).await;
    let run = {
        let engine = house.engine();
        let run = resting(&house, &engine, json!({ "n": 7 })).await;
        let expected = run.updated_at.after(Duration::from_secs(600));
        let RunState::Waiting { on: Waits::Timer, until, .. } = &run.state else { panic!("{run:?}") };
        assert_eq!(until.since(run.created_at).as_secs(), expected.since(run.created_at).as_secs());
        engine.drain(Duration::ZERO).await;
        run
    };
    let engine = house.engine();
    let work = tokio::spawn(engine.clone().work());
    let early = engine.wait(&house.tenant, run.id, Duration::from_secs(500)).await.unwrap().unwrap();
    assert_eq!(early.state_kind(), RunStateKind::Waiting, "it is not over before its time");
    let ended = engine.wait(&house.tenant, run.id, Duration::from_secs(500)).await.unwrap().unwrap();
    assert_eq!(ended.state_kind(), RunStateKind::Completed, "the wait is longer than the run's deadline: {ended:?}");
    let journal = house.store.journal(&house.tenant, run.id, 0, 9).await.unwrap();
    assert_eq!(steps_of(&journal), ["a", "a", "b"]);
    let overs: Vec<Option<bool>> = journal
        .iter()
        .map(|entry| if let StepRecord::Wait(WaitRecord { over, .. }) = &entry.record { Some(*over) } else { None })
        .collect();
    assert_eq!(overs, [Some(false), Some(true), None]);
    work.abort();
}

#[tokio::test(start_paused = true)]
async fn an_instant_that_is_past_is_over_at_once_and_one_too_far_is_an_error() {
    // covers F-02
    let steps = "  - id: a\n    wait: { until: '${event.at}' }\n";
    for past in [json!("2020-01-01T00:00:00Z"), json!(0)] {
        let (_, run, journal) = run(steps, json!({ "at": past })).await;
        assert_eq!((run.state_kind(), journal.len()), (RunStateKind::Completed, 1));
    }
    for (at, code) in [
        (json!("soon"), "flow.wait-until"),
        (json!({}), "flow.wait-until"),
        (json!("9999-01-01T00:00:00Z"), "flow.wait-too-long"),
        (json!(u64::MAX), "flow.wait-too-long"),
    ] {
        let (_, run, _) = run(steps, json!({ "at": at })).await;
        assert_eq!(error_of(&run), code);
    }
    let mut house = House::new(&flow(WAIT), Script::default()).await;
    house.settings.wait_max = Duration::from_secs(599);
    assert_eq!(error_of(&house.run(json!({ "n": 1 })).await.0), "flow.wait-too-long");
}

const REDIRECT: &str = "  - id: a\n    redirect: { url: 'https://pin.test/enter?for=${event.who}', time-to-live: 5m }\n  - id: b\n    claims: [{ key: pin, type: dynamic, value: '${steps.a.resumed.pin}' }]\n";

#[tokio::test(start_paused = true)]
async fn a_redirect_suspends_the_run_and_a_resume_leads_to_the_next_step() {
    // covers F-02, F-07
    let house = House::new(&flow(REDIRECT), Script::default()).await;
    let engine = house.engine();
    let run = resting(&house, &engine, json!({ "who": "a b&c" })).await;
    let RunState::Suspended { redirect, until, .. } = &run.state else { panic!("{run:?}") };
    assert_eq!(redirect, "https://pin.test/enter?for=a%20b%26c", "a value stays a value");
    assert_eq!(*until, run.updated_at.after(Duration::from_secs(300)));
    let back = Resume {
        tenant: house.tenant.clone(),
        run: run.id,
        input: json!({ "pin": 4711 }),
        revision: Some(run.revision),
        client_key: None,
        request_id: None,
    };
    engine.resume(back).await.unwrap();
    let ended = engine.wait(&house.tenant, run.id, Duration::from_secs(60)).await.unwrap().unwrap();
    let Some(Ending::Completed { claims }) = ended.ending() else { panic!("{ended:?}") };
    assert_eq!(claims[0].value, json!(4711));
    let journal = house.store.journal(&house.tenant, run.id, 0, 9).await.unwrap();
    assert_eq!(steps_of(&journal), ["a", "a", "a", "b"]);
    let back = StepRecord::Redirect(RedirectRecord { url: None, ends: false });
    assert_eq!(journal[2].record, back, "it sends nobody away a second time");
}

#[tokio::test(start_paused = true)]
async fn a_redirect_may_be_the_result_and_is_never_to_what_a_browser_should_not_follow() {
    // covers F-02, A-05
    let ends = "  - id: a\n    redirect: { url: '${event.to}', ends: true }\n";
    let (_, ended, _) = run(ends, json!({ "to": "https://shop.test/done" })).await;
    assert_eq!(ended.state_kind(), RunStateKind::Completed);
    assert_eq!(ended.redirect.as_deref(), Some("https://shop.test/done"));
    for bad in [json!("javascript:alert(1)"), json!("/relative"), json!(null), json!("https://u:p@a.test")] {
        let (_, refused, _) = run(ends, json!({ "to": bad })).await;
        assert_eq!((error_of(&refused), refused.redirect.clone()), ("flow.redirect-url", None));
    }
    let (_, list, _) = run(ends, json!({ "to": ["https://a.test"] })).await;
    assert_eq!(error_of(&list), "expression.evaluation");
}

const WHEN: &str = "  - id: a\n    when: event.n > 0\n    otherwise: c\n    claims: [{ key: a, type: number, value: '${1}' }]\n  - id: b\n    when: event.n > 1\n    fail: { reason: two or more }\n  - id: c\n    claims: [{ key: c, type: number, value: '${1}' }]\n";

#[tokio::test]
async fn a_step_whose_condition_does_not_hold_is_passed_over() {
    // covers F-02
    for (n, steps, state) in [
        (0, &["a", "c"][..], RunStateKind::Completed),
        (1, &["a", "b", "c"], RunStateKind::Completed),
        (2, &["a", "b"], RunStateKind::Failed),
    ] {
        let (_, run, journal) = run(WHEN, json!({ "n": n })).await;
        assert_eq!((steps_of(&journal).as_slice(), run.state_kind()), (steps, state));
        if n == 0 {
            assert_eq!(journal[0].record, StepRecord::Skipped { when: "event.n > 0".to_owned() });
            assert!(journal[0].changes.is_empty());
        }
    }
    let (_, run_1, _) = run(WHEN, json!({})).await;
    assert_eq!(error_of(&run_1), "expression.evaluation");
    let caught = WHEN.replace("    otherwise: c\n", "    on-error: c\n");
    let (_, run_2, journal) = run(&caught, json!({})).await;
    assert_eq!((steps_of(&journal), run_2.state_kind()), (vec!["a", "c"], RunStateKind::Completed));
}

#[tokio::test]
async fn an_action_whose_condition_does_not_hold_leads_to_otherwise() {
    // covers F-02, A-11
    let steps = "  - id: a\n    action: FLOW_EXTENSION\n    plugin: p@1\n    when: event.n > 0\n    otherwise: c\n  - id: b\n    fail: { reason: not here }\n  - id: c\n    end: {}\n";
    let mut script = Script::default();
    script.action.insert("p", Box::new(|_, _| Ok(ActionDecision::Success(Vec::new()))));
    let house = House::new(&flow(steps), script).await;
    let (_, journal) = house.run(json!({ "n": 0 })).await;
    assert_eq!(steps_of(&journal), ["a", "c"]);
    let (_, journal) = house.run(json!({ "n": 1 })).await;
    assert_eq!(steps_of(&journal), ["a", "b"]);
}
