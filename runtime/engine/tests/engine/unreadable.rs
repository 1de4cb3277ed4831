//! Definitions that were saved once and cannot be read any more: what uses them says so, and nothing else suffers.

use serde_json::json;
use weir_engine::action::Operation;
use weir_engine::document::Format;
use weir_engine::flow::check;
use weir_engine::ids::RunId;
use weir_engine::ports::{ActionDecision, DefinitionKind, NewRun, Started, Store};
use weir_engine::run::{Ending, Run, RunContext, RunState};

use super::house::{House, Script, stored};

const USES: &str = "flow: f\nsteps:\n  - { id: a, action: FLOW_EXTENSION, uses: gate, when-unavailable: skip }\n  - { id: done, end: {} }\n";
const ONLY: &str = "flow: f\nsteps:\n  - { id: a, action: FLOW_EXTENSION }\n  - { id: done, end: {} }\n";
const GONE: &str = "flow: f\nsteps:\n  - { id: a, action: GONE, plugin: p@1 }\n  - { id: done, end: {} }\n";
const CLEAR: &str = "flow: f\nsteps:\n  - { id: done, end: {} }\n";

/// A plugin that changes what stands at a path.
fn script(path: &'static str) -> Script {
    let mut script = Script::default();
    let set = Operation::Replace { path: path.to_owned(), value: Some(json!("x")) };
    script.action.insert("p", Box::new(move |_, _| Ok(ActionDecision::Success(vec![set.clone()]))));
    script
}

fn error(run: &Run) -> (&str, &str) {
    match run.ending() {
        Some(Ending::Error { error, .. }) => (&error.code, &error.message),
        _ => ("none", ""),
    }
}

/// A house whose actions `gate` cannot be read: one for what it says, one for its type.
async fn house(flow: &str) -> House {
    let house = House::new(flow, script("/user/claims[uri=tier]")).await;
    let action = "action: gate\ntype: FLOW_EXTENSION\nplugin: p@1\n";
    let faulty = stored(&format!("{action}when: '((('\n"));
    house.define(DefinitionKind::Action, "FLOW_EXTENSION/gate", faulty).await;
    let gone = stored(&action.replace("FLOW_EXTENSION", "GONE"));
    house.define(DefinitionKind::Action, "GONE/gate", gone).await;
    house
}

#[tokio::test]
async fn a_run_whose_action_cannot_be_read_ends_with_words() {
    //
    for flow in [USES, ONLY] {
        let house = house(flow).await;
        let (run, _) = house.run(json!({})).await;
        let (code, message) = error(&run);
        assert!(code == "action.unreadable" && message.contains("FLOW_EXTENSION/gate"), "{code} {message}");
        house.engine().hidden_names(&run).await.expect("the run can be shown");
    }
}

#[tokio::test]
async fn an_action_that_cannot_be_read_keeps_nothing_else_from_being_saved() {
    // covers A-02, F-03
    let house = house(CLEAR).await;
    let catalogue = house.engine().definitions().catalogue(&house.tenant).await.expect("the rest is there");
    check(CLEAR, Format::Yaml, &catalogue).expect("it uses none of them");
    for flow in [USES, ONLY] {
        let faults = check(flow, Format::Yaml, &catalogue).expect_err("it uses one");
        assert_eq!(faults.0[0].code, "flow.unreadable-action", "{faults}");
    }
}

#[tokio::test]
async fn a_flow_whose_type_is_gone_starts_no_run_and_ends_those_under_way() {
    // covers F-07, A-01
    let house = house(GONE).await;
    let engine = house.engine();
    let refused = engine.start(house.start_of(json!({}))).await.expect_err("it cannot be compiled");
    assert_eq!(refused.code(), "flow.unreadable");

    let other = House::new(CLEAR, Script::default()).await;
    let (ended, _) = other.run(json!({})).await;
    let state = RunState::Ready { step: "a".parse().unwrap() };
    let run = Run { id: RunId::generate(), revision: 0, state, fence: 0, ..ended };
    let new = NewRun { run: run.clone(), context: RunContext::of_event(json!({})), client_key: None, lease: None };
    assert!(matches!(house.store.start_run(new).await, Ok(Started::New(None))));
    engine.recover().await.unwrap();
    let run = engine.wait(&house.tenant, run.id, std::time::Duration::from_secs(10)).await.unwrap().unwrap();
    let (code, message) = error(&run);
    assert!(code == "flow.unreadable" && message.contains("GONE"), "{code} {message}");
    engine.hidden_names(&run).await.expect("the run can be shown");
}

#[tokio::test]
async fn what_could_not_be_saved_any_more_still_loads_and_is_refused_at_run_time() {
    // covers A-04: an older version took the paths that the type keeps as they are
    let set_up =
        "plugin: p@1, allowed-operations: [{ op: add, paths: [/b] }, { op: replace, paths: [/application/x] }]";
    let flow = ONLY.replace("action: FLOW_EXTENSION", &format!("action: FLOW_EXTENSION, {set_up}"));
    let catalogue = weir_engine::catalogue::Catalogue::default();
    assert!(check(&flow, Format::Yaml, &catalogue).is_err(), "it cannot be saved");
    let house = House::new(&flow, script("/application/x")).await;
    let (run, _) = house.run(json!({ "application": { "x": 1 } })).await;
    assert_eq!(error(&run).0, "action.operation-not-allowed");

    let house = House::new(USES, script("/application/x")).await;
    let action = format!("{{ action: gate, type: FLOW_EXTENSION, {set_up} }}");
    house.define(DefinitionKind::Action, "FLOW_EXTENSION/gate", stored(&action)).await;
    let (run, _) = house.run(json!({ "application": { "x": 1 } })).await;
    assert_eq!(error(&run).0, "action.operation-not-allowed");
}
