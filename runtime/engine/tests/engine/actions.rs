//! Actions through the engine.

use serde_json::json;
use weir_engine::action::Operation;
use weir_engine::message::Failure;
use weir_engine::ports::{ActionDecision, CallErrorKind};
use weir_engine::run::{Claim, Ending, OperationResult, StepRecord};

use super::house::{House, Script};

const ACTION: &str = "flow: f\ntrigger: REGISTRATION\nsteps:\n  - id: a\n    action: FLOW_EXTENSION\n    plugin: p@1\n    allowed-operations: [{ op: replace, paths: ['/user/claims[uri=tier]'] }]\n    grants: [sys.get]\n  - id: b\n    claims: [{ key: tier, type: string, value: '${event.user.claims[0].value}' }]\n";

fn deciding(decision: ActionDecision) -> Script {
    let mut script = Script::default();
    script.action.insert("p", Box::new(move |_, _| Ok(decision.clone())));
    script
}

fn replace(path: &str) -> Operation {
    Operation::Replace { path: path.to_owned(), value: Some(json!("gold")) }
}

#[tokio::test]
async fn operations_change_the_event_that_later_steps_see() {
    // covers, F-08
    let house = House::new(ACTION, deciding(ActionDecision::Success(vec![replace("/user/claims[uri=tier]")]))).await;
    let (run, journal) = house.run(json!({"user": {"id": "u"}, "secret": "not the action's"})).await;
    let claims = vec![Claim { key: "tier".to_owned(), value: json!("gold") }];
    assert_eq!(run.ending(), Some(&Ending::Completed { claims }));
    let StepRecord::Action(action) = &journal[0].record else { panic!("{journal:?}") };
    let payload = json!({"flow": {"flowType": "REGISTRATION", "flowId": run.id, "user": {"id": "u"}}});
    assert_eq!(action.event.payload, payload, "an action sees what its type grants");
    assert_eq!(action.operations[0].result, OperationResult::Applied);
}

#[tokio::test]
async fn an_answer_outside_the_list_changes_nothing() {
    //
    let operations = vec![replace("/user/claims[uri=tier]"), replace("/user/id")];
    let house = House::new(ACTION, deciding(ActionDecision::Success(operations))).await;
    let (run, journal) = house.run(json!({"user": {"id": "u"}})).await;
    let Some(Ending::Error { error, .. }) = run.ending() else { panic!("{run:?}") };
    assert_eq!(error.code, "action.operation-not-allowed");
    assert!(error.message.contains("/user/id"), "{error}");
    assert_eq!(house.context(&run).await.get("event"), Some(&json!({"user": {"id": "u"}})));
    let StepRecord::Action(action) = &journal[0].record else { panic!("{journal:?}") };
    assert_eq!(action.operations[1].result, OperationResult::Rejected);
}

#[tokio::test]
async fn a_failed_action_reaches_the_end_user_and_an_incomplete_one_without_a_redirect_is_refused() {
    //
    let failure = Failure { reason: "User not allowed".to_owned(), description: Some("Restricted.".to_owned()) };
    let house = House::new(ACTION, deciding(ActionDecision::Failed(failure.clone()))).await;
    let (run, _) = house.run(json!({})).await;
    assert_eq!(run.ending(), Some(&Ending::Failed { step: "a".parse().unwrap(), failure }));

    let house = House::new(ACTION, deciding(ActionDecision::Incomplete(Vec::new()))).await;
    let (run, _) = house.run(json!({})).await;
    let Some(Ending::Error { error, .. }) = run.ending() else { panic!("{run:?}") };
    assert_eq!(error.code, "action.one-redirect");
}

#[tokio::test]
async fn a_failure_of_a_plugin_has_texts_by_the_same_rules_as_a_service() {
    //
    for (reason, profile, taken) in [
        ("", "strict", false),
        ("a\u{7}", "strict", false),
        ("denied, try later", "strict", true),
        ("denied, try later", "wso2", false),
        ("denied", "wso2", true),
    ] {
        let failure = Failure { reason: reason.to_owned(), description: None };
        let flow = ACTION.replace("    plugin: p@1\n", &format!("    plugin: p@1\n    profile: {profile}\n"));
        let house = House::new(&flow, deciding(ActionDecision::Failed(failure))).await;
        let (run, _) = house.run(json!({})).await;
        match run.ending() {
            Some(Ending::Failed { .. }) => assert!(taken, "{reason:?} {profile}"),
            Some(Ending::Error { error, .. }) => {
                assert!(!taken && error.code == "action.unusable-answer", "{reason:?} {profile}: {error}");
                assert!(error.message.contains("`failureReason`"), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_hook_calls_what_its_step_grants_and_nothing_else() {
    // covers P-06
    let script = Script { caller: Some("p"), ..deciding(ActionDecision::Success(Vec::new())) };
    let house = House::new(ACTION, script).await;
    let (_, journal) = house.run(json!({"user": {"claims": [{"value": "x"}]}})).await;
    assert_eq!(house.world.uris(), ["https://sys.test/?granted"]);
    let StepRecord::Action(action) = &journal[0].record else { panic!("{journal:?}") };
    let made = &action.hook.as_ref().expect("it ran").granted_calls;
    assert!(made[0].outcome.is_ok());
    assert_eq!(made[1].outcome.as_ref().map_err(|error| error.kind), Err(CallErrorKind::NotGranted));
}

#[tokio::test]
async fn what_is_outside_the_list_is_left_out_where_the_profile_says_so() {
    //
    let operations = vec![replace("/user/id"), replace("/user/claims[uri=tier]")];
    let flow = ACTION.replace("plugin: p@1", "plugin: p@1\n    profile: wso2");
    let house = House::new(&flow, deciding(ActionDecision::Success(operations))).await;
    let (run, journal) = house.run(json!({"user": {"id": "u"}})).await;
    let claims = vec![Claim { key: "tier".to_owned(), value: json!("gold") }];
    assert_eq!(run.ending(), Some(&Ending::Completed { claims }));
    let StepRecord::Action(action) = &journal[0].record else { panic!("{journal:?}") };
    assert_eq!(action.operations[0].result, OperationResult::Dropped);
    assert_eq!(action.operations[0].code.as_deref(), Some("action.operation-not-allowed"));
    assert!(action.operations[0].reason.as_ref().is_some_and(|reason| reason.contains("/user/id")));
    assert_eq!(action.operations[1].result, OperationResult::Applied);
}
