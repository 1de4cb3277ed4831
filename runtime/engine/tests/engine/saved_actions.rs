//! Saved actions through the engine: which one is meant, and whether it runs.

use serde_json::{Value, json};
use weir_engine::action::Operation;
use weir_engine::ports::{ActionDecision, DefinitionKind};
use weir_engine::run::{ActionRecord, Ending, Run, Skipped, StepRecord};

use super::house::{CONNECTOR, House, Script, stored};

const USES: &str = "flow: f\nsteps:\n  - { id: a, action: FLOW_EXTENSION, uses: gate }\n  - { id: done, end: {} }\n";
const ONLY: &str = "flow: f\nsteps:\n  - { id: a, action: FLOW_EXTENSION }\n  - { id: done, end: {} }\n";
const GATE: &str = "action: gate\ntype: FLOW_EXTENSION\nplugin: p@1\nallowed-operations: [{ op: replace, paths: ['/user/claims[uri=tier]'] }]\n";

/// Plugins that set the tier to their own name.
fn script() -> Script {
    let mut script = Script::default();
    for name in ["p", "q"] {
        let set = Operation::Replace { path: "/user/claims[uri=tier]".to_owned(), value: Some(json!(name)) };
        script.action.insert(name, Box::new(move |_, _| Ok(ActionDecision::Success(vec![set.clone()]))));
    }
    script
}

async fn house(flow: &str, actions: &[&str]) -> House {
    let house = House::new(flow, script()).await;
    for action in actions {
        save(&house, action).await;
    }
    house
}

async fn save(house: &House, text: &str) {
    let body = stored(text);
    let name = |member: &str| body["document"][member].as_str().unwrap().to_owned();
    house.define(DefinitionKind::Action, &format!("{}/{}", name("type"), name("action")), body.clone()).await;
}

/// Runs the flow; the record of its action.
async fn act(house: &House, event: Value) -> (Run, ActionRecord) {
    let (run, journal) = house.run(event).await;
    let StepRecord::Action(record) = journal[0].record.clone() else { panic!("{journal:?}") };
    (run, *record)
}

fn code(run: &Run) -> &str {
    match run.ending() {
        Some(Ending::Error { error, .. }) => &error.code,
        _ => "none",
    }
}

fn skipping(flow: &str) -> String {
    flow.replace("action: FLOW_EXTENSION", "action: FLOW_EXTENSION, when-unavailable: skip")
}

#[tokio::test]
async fn a_flow_takes_the_version_of_its_action_that_is_live() {
    // covers A-02: the flow does not change when its action does
    for flow in [USES, ONLY] {
        let house = house(flow, &[GATE]).await;
        for (version, plugin) in [(1, "p"), (2, "q")] {
            if version > 1 {
                save(&house, &GATE.replace("p@1", "q@1")).await;
            }
            let (run, record) = act(&house, json!({})).await;
            let saved = record.saved.expect("it is a saved one");
            assert_eq!((saved.name.as_str(), saved.version, code(&run)), ("gate", version, "none"));
            assert_eq!(house.context(&run).await["event"]["user"]["claims"][0]["value"], plugin);
        }
    }
}

#[tokio::test]
async fn what_is_switched_off_or_missing_stops_the_run_unless_the_step_says_otherwise() {
    //
    let off = format!("{GATE}status: inactive\n");
    for (actions, why) in [(vec![], Skipped::NoProvider), (vec![off.as_str()], Skipped::SwitchedOff)] {
        for flow in [USES, ONLY] {
            let (run, record) = act(&house(flow, &actions).await, json!({})).await;
            assert_eq!((code(&run), record.skipped), ("action.unavailable", None));
            let (run, record) = act(&house(&skipping(flow), &actions).await, json!({})).await;
            assert_eq!((code(&run), record.skipped, record.hook), ("none", Some(why), None));
        }
    }
}

#[tokio::test]
async fn two_actions_of_a_type_are_ambiguous_where_none_is_named() {
    //
    let second = GATE.replace("action: gate", "action: second");
    let (run, record) = act(&house(&skipping(ONLY), &[GATE, &second]).await, json!({})).await;
    assert_eq!((code(&run), record.hook), ("action.ambiguous", None));
    let (run, _) = act(&house(USES, &[GATE, &second]).await, json!({})).await;
    assert_eq!(code(&run), "none");
}

#[tokio::test]
async fn a_rule_and_a_condition_must_both_hold() {
    //
    let flow = ONLY.replace("FLOW_EXTENSION", "PRE_ISSUE_ACCESS_TOKEN");
    let group = |value: &str| {
        format!("{{ condition: AND, expressions: [{{ field: grantType, operator: equals, value: {value} }}] }}")
    };
    let rule = format!("rule: {{ condition: OR, rules: [{}, {}] }}\n", group("password"), group("refresh"));
    // What the plugins ask for is nothing for a token: that it is left out is not what this is about.
    let gate = "action: gate\ntype: PRE_ISSUE_ACCESS_TOKEN\nplugin: p@1\nprofile: wso2\n";
    let gate = format!("{gate}{rule}when: event.user.id == 'u'\n");
    let house = house(&flow, &[&gate]).await;
    for (grant, user, runs) in
        [("password", "u", true), ("refresh", "u", true), ("code", "u", false), ("password", "v", false)]
    {
        let (run, record) = act(&house, json!({"request": {"grantType": grant}, "user": {"id": user}})).await;
        let skipped = (!runs).then_some(Skipped::ConditionNotMet);
        assert_eq!((code(&run), record.skipped, record.hook.is_some()), ("none", skipped, runs), "{grant} {user}");
    }
    for event in
        [json!({"request": {"grantType": "password"}}), json!({"request": {"grantType": {}}, "user": {"id": "u"}})]
    {
        let (run, record) = act(&house, event).await;
        assert_eq!((code(&run), record.hook), ("action.condition", None), "nobody knows whether it was to run");
    }
}

#[tokio::test]
async fn names_that_the_connector_of_a_saved_action_marks_are_hidden_from_it() {
    // covers D-04
    let gate = GATE.replace("plugin: p@1", "plugin: p@1\ngrants: [sys.get]\ninput: { user: '${event.user}' }");
    let marked = format!("sensitive: [ssn]\n{CONNECTOR}");
    let house = House::with_connector(&marked, USES, script()).await;
    save(&house, &gate).await;
    let (_, record) = act(&house, json!({"user": {"id": "u", "ssn": "c4nary"}})).await;
    let input = record.hook.expect("it ran").invocation.input;
    assert!(!format!("{input:?}").contains("c4nary"), "{input:?}");
    assert!(format!("{input:?}").contains("id"), "{input:?}");
}
