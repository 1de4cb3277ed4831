//! What an action is asked, through the engine.

use serde_json::{Value, json};
use weir_engine::ports::ActionDecision;
use weir_engine::run::{ActionRecord, Ending, JournalEntry, StepRecord};

use super::house::{House, Script};

fn flow(members: &str) -> String {
    let step = |id: &str| format!("  - id: {id}\n    action: FLOW_EXTENSION\n    plugin: p@1\n{members}");
    format!("flow: f\ntrigger: REGISTRATION\nsteps:\n{}{}", step("a"), step("b"))
}

fn agreeing() -> Script {
    let mut script = Script::default();
    script.action.insert("p", Box::new(|_, _| Ok(ActionDecision::Success(Vec::new()))));
    script
}

fn actions(journal: &[JournalEntry]) -> Vec<&ActionRecord> {
    let action = |entry: &'_ JournalEntry| matches!(entry.record, StepRecord::Action(_));
    let entries = journal.iter().filter(|entry| action(entry));
    entries
        .filter_map(|entry| if let StepRecord::Action(action) = &entry.record { Some(&**action) } else { None })
        .collect()
}

fn person() -> Value {
    json!({ "user": { "id": "u-1", "claims": [
        { "uri": "mail", "value": "c4nary@example.org" },
        { "uri": "tier", "value": "gold" },
    ] } })
}

#[tokio::test]
async fn what_is_hidden_reaches_no_plugin_by_any_way() {
    //
    let members = "    hidden: ['/user/claims[uri=mail]']\n    input: { user: '${event.user}' }\n";
    let house = House::new(&flow(members), agreeing()).await;
    let (run, journal) = house.run(person()).await;
    assert!(matches!(run.ending(), Some(Ending::Completed { .. })), "{run:?}");
    for action in actions(&journal) {
        let asked = serde_json::to_string(action).unwrap();
        assert!(!asked.contains("c4nary") && asked.contains("gold"), "{asked}");
    }
}

#[tokio::test]
async fn each_invocation_has_its_own_request_id() {
    //
    let house = House::new(&flow(""), agreeing()).await;
    let (_, journal) = house.run(person()).await;
    let ids: Vec<_> =
        actions(&journal).iter().filter_map(|action| Some(&action.hook.as_ref()?.invocation.request_id)).collect();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn redirect_is_offered_where_the_profile_always_does() {
    //
    for (members, offered) in [("", json!([])), ("    profile: wso2\n", json!([{ "op": "redirect" }]))] {
        let house = House::new(&flow(members), agreeing()).await;
        let (_, journal) = house.run(person()).await;
        let allowed = serde_json::to_value(&actions(&journal)[0].event.allowed_operations).unwrap();
        assert_eq!(allowed, offered, "{members}");
    }
}

#[tokio::test]
async fn an_event_of_another_shape_ends_the_step() {
    //
    let house = House::new(&flow(""), agreeing()).await;
    let (run, journal) = house.run(json!({ "user": { "claims": "none" } })).await;
    let Some(Ending::Error { error, .. }) = run.ending() else { panic!("{run:?}") };
    assert_eq!(error.code, "action.event-invalid");
    assert!(error.message.contains("`/flow/user/claims`"), "{error}");
    assert!(actions(&journal)[0].hook.is_none(), "nobody was asked");
}
