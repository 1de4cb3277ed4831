//! Steps with child runs: parallel, for-each, call-flow.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use weir_engine::catalogue::Catalogue;
use weir_engine::document::Format;
use weir_engine::engine::{Engine, Resume};
use weir_engine::flow;
use weir_engine::ids::RunId;
use weir_engine::ports::{DefinitionKind, Store};
use weir_engine::run::{DiagnosticFilter, Ending, Run, RunState, RunStateKind, StepRecord};

use super::house::{House, Script, stored, until};

/// An engine at work.
pub(crate) fn at_work(house: &House) -> Arc<Engine> {
    let engine = house.engine();
    tokio::spawn(engine.clone().work());
    engine
}

pub(crate) async fn ended(house: &House, engine: &Engine, run: RunId) -> Run {
    until(async || engine.wait(&house.tenant, run, Duration::from_secs(1)).await.unwrap().unwrap().ending().is_some())
        .await;
    house.store.run(&house.tenant, run).await.unwrap().unwrap()
}

/// Runs the flow of the house to its end.
pub(crate) async fn run(house: &House, event: Value) -> Run {
    let engine = at_work(house);
    let started = engine.start(house.start_of(event)).await.expect("starts");
    let run = ended(house, &engine, started.run.id).await;
    engine.drain(Duration::from_secs(5)).await;
    run
}

/// The children of the present step of a run.
pub(crate) async fn children(house: &House, run: RunId) -> Vec<Run> {
    let run = house.store.run(&house.tenant, run).await.unwrap().unwrap();
    let Some(known) = &run.children else { return Vec::new() };
    let mut found = Vec::new();
    for index in 0..known.begun {
        let id = RunId::child(run.id, known.since, index);
        found.push(house.store.run(&house.tenant, id).await.unwrap().unwrap());
    }
    found
}

fn error_of(run: &Run) -> &str {
    let Some(Ending::Error { error, .. }) = run.ending() else { panic!("{run:?}") };
    &error.code
}

const PARALLEL: &str = r#"
flow: f
steps:
  - id: both
    parallel:
      branches:
        - branch: left
          steps: [{ id: l, call: sys.get, arguments: { q: l } }]
          result: "${connectors.l.body.n}"
        - branch: right
          steps: [{ id: r, call: sys.get, arguments: { q: r } }, { id: c, claims: [{ key: k, type: number, value: "${connectors.r.body.n}" }] }]
"#;

#[tokio::test(start_paused = true)]
async fn branches_run_as_children_and_leave_what_they_changed() {
    // covers F-02, F-06
    let house = House::new(PARALLEL, Script::default()).await;
    let run = run(&house, json!({ "a": 1 })).await;
    assert_eq!(run.state_kind(), RunStateKind::Completed, "{run:?}");
    let context = house.context(&run).await;
    assert_eq!(context.pointer("/connectors/l/body/n"), Some(&json!(7)));
    assert_eq!(context.pointer("/connectors/r/body/n"), Some(&json!(7)));
    assert_eq!(context.pointer("/claims/k"), Some(&json!(7)));
    let told = context.pointer("/steps/both").unwrap();
    assert_eq!(told.pointer("/branches/left/result"), Some(&json!(7)));
    assert_eq!(told.pointer("/branches/right/state"), Some(&json!("completed")));
    assert_eq!(told.pointer("/completed"), Some(&json!(2)));
    let keys = house.world.keys();
    assert!(!keys[0].starts_with(&run.id.to_string()), "the calls are those of the children: {keys:?}");
    let journal = house.store.journal(&house.tenant, run.id, 0, 99).await.unwrap();
    assert!(journal.iter().all(|entry| matches!(entry.record, StepRecord::Children(_))), "{journal:?}");
}

fn with_failing_branch(more: &str) -> String {
    format!(
        "flow: f\nsteps:\n  - id: both\n    parallel:\n      {more}\n      branches:\n        - branch: waits\n          \
         steps: [{{ id: w, call: sys.get }}]\n        - branch: fails\n          steps: [{{ id: x, fail: {{ reason: \
         no }} }}]\n    on-failure: caught\n  - id: caught\n    claims: [{{ key: why, type: dynamic, value: \"${{steps.both}}\" }}]\n"
    )
}

#[tokio::test(start_paused = true)]
async fn a_branch_that_fails_stops_the_others_or_not() {
    // covers F-02, F-10
    let house = House::new(&with_failing_branch(""), Script::default()).await;
    house.world.answers.send_replace(0);
    let run = run(&house, json!({})).await;
    let context = house.context(&run).await;
    assert_eq!(context.pointer("/claims/why/failure/reason"), Some(&json!("no")), "{run:?}");
    let journal = house.store.journal(&house.tenant, run.id, 0, 99).await.unwrap();
    let StepRecord::Children(begun) = &journal[0].record else { panic!("{journal:?}") };
    let stopped = RunId::child(run.id, begun.since, 0);
    let stopped = house.store.run(&house.tenant, stopped).await.unwrap().unwrap();
    assert_eq!(stopped.state_kind(), RunStateKind::Cancelled, "in the middle of its call, and waited for");

    let house = House::new(&with_failing_branch("on-branch-failure: go-on"), Script::default()).await;
    let run = self::run(&house, json!({})).await;
    let context = house.context(&run).await;
    assert_eq!(context.pointer("/claims/why/completed"), Some(&json!(1)));
    assert_eq!(context.pointer("/claims/why/branches/fails/failure/reason"), Some(&json!("no")));
}

#[tokio::test(start_paused = true)]
async fn any_branch_will_do_where_the_flow_says_so() {
    // covers F-02
    let flow = with_failing_branch("wait-for: any").replace("fail: { reason: no }", "end: {}");
    let house = House::new(&flow, Script::default()).await;
    house.world.answers.send_replace(0);
    let run = run(&house, json!({})).await;
    let context = house.context(&run).await;
    assert_eq!(context.pointer("/claims/why/branches/waits/state"), Some(&json!("cancelled")), "{run:?}");
    assert_eq!(context.pointer("/claims/why/completed"), Some(&json!(1)));
    assert_eq!(context.pointer("/connectors/w"), None);
}

const EACH: &str = r#"
flow: f
steps:
  - id: all
    for-each:
      items: "${event.list}"
      concurrency: 2
      steps:
        - id: inner
          for-each:
            items: "${item.value}"
            steps: [{ id: c, claims: [{ key: k, type: string, value: "${item.outer.index}.${item.index}=${item.value}" }] }]
            result: "${claims.k}"
      result: "${steps.inner.results.map(it, it.result)}"
"#;

#[tokio::test(start_paused = true)]
async fn items_run_in_bounds_and_results_come_in_order() {
    // covers F-02
    let house = House::new(EACH, Script::default()).await;
    let run = run(&house, json!({ "list": [["a", "b"], [], ["c"]] })).await;
    let context = house.context(&run).await;
    let results =
        context.pointer("/steps/all/results").unwrap_or_else(|| panic!("{run:?}")).as_array().unwrap().clone();
    let results: Vec<&Value> = results.iter().map(|it| &it["result"]).collect();
    assert_eq!(results, [&json!(["0.0=a", "0.1=b"]), &json!([]), &json!(["2.0=c"])]);
    assert_eq!(context.pointer("/claims"), Some(&json!({})), "what items change is their own");
    let journal = house.store.journal(&house.tenant, run.id, 0, 99).await.unwrap();
    let begun: Vec<u32> = journal
        .iter()
        .filter_map(|entry| match &entry.record {
            StepRecord::Children(children) => Some(children.begun),
            _ => None,
        })
        .collect();
    assert_eq!((begun.first(), begun.last()), (Some(&2), Some(&3)), "two at a time");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_list_or_too_long_a_one_is_an_error() {
    let flow = "flow: f\nsteps:\n  - id: all\n    for-each: { items: \"${event.list}\", max: 2, steps: [{ id: e, end: {} }] }\n";
    for (list, code) in [(json!("x"), "flow.items"), (json!([1, 2, 3]), "flow.too-many-items")] {
        let house = House::new(flow, Script::default()).await;
        assert_eq!(error_of(&run(&house, json!({ "list": list })).await), code);
    }
    let house = House::new(flow, Script::default()).await;
    assert_eq!(run(&house, json!({ "list": [] })).await.state_kind(), RunStateKind::Completed);
}

#[tokio::test(start_paused = true)]
async fn many_items_take_no_more_of_their_parent_than_few() {
    // covers F-02
    let flow = "flow: f\nsteps:\n  - id: all\n    for-each: { items: \"${event.list}\", max: 10000, concurrency: 64, on-item-failure: go-on, steps: [{ id: x, fail: { reason: no } }] }\n";
    let house = House::new(flow, Script::default()).await;
    let engine = at_work(&house);
    let started = engine.start(house.start_of(json!({ "list": vec![0; 300] }))).await.unwrap();
    let mut largest = 0;
    until(async || {
        let run = engine.wait(&house.tenant, started.run.id, Duration::from_millis(1)).await.unwrap().unwrap();
        largest = largest.max(serde_json::to_string(&run).unwrap().len());
        run.ending().is_some()
    })
    .await;
    assert!(largest < 2_000, "{largest}");
    let run = ended(&house, &engine, started.run.id).await;
    let context = house.context(&run).await;
    assert_eq!(context.pointer("/steps/all/results").unwrap().as_array().unwrap().len(), 300);
    assert_eq!(run.steps_taken(), 2, "looks are no steps: {run:?}");
}

const CALLER: &str = "flow: f\nsteps:\n  - id: c\n    call-flow: { flow: g, event: { n: \"${event.n}\" } }\n";

#[tokio::test(start_paused = true)]
async fn a_called_flow_gives_its_claims_or_fails_as_it_does() {
    // covers F-02, F-10
    let called = "flow: g\ninput: { schema: { properties: { n: { type: integer } } } }\nsteps:\n  - id: way\n    condition: [{ when: event.n == 1, next: good }, { when: event.n == 2, next: bad }, { otherwise: worse }]\n  - id: good\n    claims: [{ key: k, type: number, value: \"${event.n}\" }]\n    next: end\n  - id: bad\n    fail: { reason: sorry }\n  - id: worse\n    claims: [{ key: k, type: string, value: 1 }]\n";
    let house = House::new(CALLER, Script::default()).await;
    house.define(DefinitionKind::Flow, "g", stored(called)).await;
    let good = run(&house, json!({ "n": 1 })).await;
    assert_eq!(house.context(&good).await.pointer("/steps/c/claims/k"), Some(&json!(1)), "{good:?}");
    let bad = run(&house, json!({ "n": 2 })).await;
    let Some(Ending::Failed { failure, .. }) = bad.ending() else { panic!("{bad:?}") };
    assert_eq!(failure.reason, "sorry");
    assert_eq!(error_of(&run(&house, json!({ "n": 3 })).await), "flow.called-flow-error");
    assert_eq!(error_of(&run(&house, json!({ "n": "x" })).await), "run.invalid-event");
    let house = House::new(CALLER, Script::default()).await;
    assert_eq!(error_of(&run(&house, json!({ "n": 1 })).await), "flow.unknown");
}

#[tokio::test(start_paused = true)]
async fn flows_call_one_another_only_so_deep() {
    // covers F-02
    let mut house = House::new(&CALLER.replace("flow: g", "flow: f"), Script::default()).await;
    house.settings.call_depth_max = 3;
    let run = run(&house, json!({ "n": 1 })).await;
    let Some(Ending::Error { error, .. }) = run.ending() else { panic!("{run:?}") };
    assert_eq!(error.code, "flow.called-flow-error");
    // From the inside out, each flow once and the code once.
    let said = error.message.matches("; in flow `f` (run ").count();
    assert!(error.message.starts_with("`flow.call-depth`: ") && said == 3, "{error}");
    assert!(!error.message.contains("flow.called-flow-error"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_child_is_resumed_by_its_own_id_and_its_rest_is_its_parents() {
    // covers F-07, F-12
    let flow = "flow: f\ntrigger: LOGIN\ndeadline: 1m\nsteps:\n  - id: both\n    parallel:\n      branches:\n        - { branch: one, steps: [{ id: e, end: {} }] }\n        - branch: two\n          steps: [{ id: a, action: AUTHENTICATION, plugin: p@1, time-to-live: 5m, allowed-operations: [{ op: redirect }] }]\n";
    let house = House::new(flow, super::suspended::once()).await;
    let engine = at_work(&house);
    let started = engine.start(house.start_of(json!({ "application": { "id": "a" } }))).await.unwrap();
    let suspended = async || {
        let found = children(&house, started.run.id).await;
        found.into_iter().find(|child| matches!(child.state, RunState::Suspended { .. }))
    };
    until(async || suspended().await.is_some()).await;
    let child = suspended().await.unwrap();
    tokio::time::sleep(Duration::from_secs(200)).await;
    let resume = Resume {
        tenant: house.tenant.clone(),
        run: child.id,
        input: json!({}),
        revision: None,
        client_key: None,
        request_id: None,
    };
    engine.resume(resume).await.unwrap();
    let run = ended(&house, &engine, started.run.id).await;
    assert_eq!(run.state_kind(), RunStateKind::Completed, "its own deadline of 1 min stood still: {run:?}");
    assert!(run.deadline.since(started.run.deadline) >= Duration::from_secs(200));
}

#[tokio::test(start_paused = true)]
async fn a_family_goes_on_where_a_process_left_it() {
    // covers F-06
    let house = House::new(EACH, Script::default()).await;
    let first = house.engine();
    let started = first.start(house.start_of(json!({ "list": [["a"], ["b"]] }))).await.unwrap();
    until(async || !children(&house, started.run.id).await.is_empty()).await;
    // The first process does no more: only a run that it drives already goes on.
    let second = at_work(&house);
    second.recover().await.unwrap();
    let run = ended(&house, &second, started.run.id).await;
    assert_eq!(run.state_kind(), RunStateKind::Completed, "{run:?}");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_children_and_their_parent() {
    // covers F-12
    let house = House::new(&PARALLEL.replace("flow: f", "flow: f\ndeadline: 10s"), Script::default()).await;
    let engine = at_work(&house);
    house.world.answers.send_replace(0);
    let started = engine.start(house.start_of(json!({}))).await.unwrap().run;
    house.world.sent.subscribe().wait_for(|sent| sent.len() == 2).await.unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;
    house.world.answers.send_replace(2);
    let run = ended(&house, &engine, started.id).await;
    assert_eq!(error_of(&run), "run.deadline");
    for index in 0..2 {
        let child = house.store.run(&house.tenant, RunId::child(run.id, 1, index)).await.unwrap().unwrap();
        assert!(child.ending().is_some(), "no orphan runs on: {child:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_told_of_children_is_found_under_their_parent() {
    // covers D-02
    let connector = super::house::CONNECTOR.replace("- name: other", "- name: other\n    log: { request: info }");
    let flow = PARALLEL
        .replace("sys.get, arguments: { q: l }", "sys.other")
        .replace("sys.get, arguments: { q: r }", "sys.other");
    let house = House::with_connector(&connector, &flow, Script::default()).await;
    let engine = at_work(&house);
    let started = engine.start(house.start_of(json!({}))).await.unwrap().run;
    let run = ended(&house, &engine, started.id).await;
    let filter = DiagnosticFilter { run: Some(run.id), ..DiagnosticFilter::default() };
    for index in 0..2 {
        let child = RunId::child(run.id, 1, index);
        let journal = house.store.journal(&house.tenant, child, 0, 9).await.unwrap();
        let told: Vec<_> = journal.iter().flat_map(|entry| &entry.diagnostics).collect();
        assert!(!told.is_empty() && told.iter().all(|entry| entry.run == child && filter.takes(entry)), "{told:?}");
    }
}

#[test]
fn what_an_author_gets_wrong_is_said_at_save() {
    // covers F-03
    let codes = |text: &str| {
        let faults = match flow::check(text, Format::Yaml, &Catalogue::default()) {
            Ok((_, _, faults)) | Err(faults) => faults,
        };
        faults.0.iter().map(|fault| fault.code.to_string()).collect::<Vec<_>>()
    };
    let claims = |key: &str, id: &str| format!("[{{ id: {id}, claims: [{{ key: {key}, type: number, value: 1 }}] }}]");
    let branches = |left: &str, right: &str| {
        format!(
            "flow: f\nsteps:\n  - id: p\n    parallel:\n      branches:\n        - {{ branch: l, steps: {} }}\n        - {{ branch: r, steps: {} }}\n",
            claims(left, "a"),
            claims(right, "b")
        )
    };
    assert_eq!(codes(&branches("x", "y")), Vec::<String>::new());
    assert_eq!(codes(&branches("x", "x")), ["flow.branch-conflict"]);
    assert_eq!(codes(&branches("x", "y").replace("branch: r", "branch: l")), ["flow.duplicate-branch"]);
    assert_eq!(codes(&branches("x", "y").replace("parallel:", "parallel:\n      wait-for: 3")), ["flow.shape"]);
    assert_eq!(codes("flow: f\nsteps:\n  - id: c\n    call-flow: { flow: g }\n"), ["flow.unknown-flow"]);
    assert_eq!(codes("flow: f\nsteps:\n  - id: c\n    call-flow: { flow: f }\n"), ["flow.recursion"]);
    let outside = "flow: f\nsteps:\n  - id: c\n    claims: [{ key: k, type: dynamic, value: \"${item.value}\" }]\n";
    assert_eq!(codes(outside), ["flow.item-outside"]);
    let each =
        "flow: f\nsteps:\n  - { id: e, for-each: { items: [1], concurrency: 65, steps: [{ id: x, end: {} }] } }\n";
    assert_eq!(codes(each), ["flow.shape"]);
}
