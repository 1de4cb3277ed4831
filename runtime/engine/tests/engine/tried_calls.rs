//! Calls that are only tried (C-16): the same step, and nothing of it is stored.

use std::time::Duration;

use serde_json::json;
use weir_engine::connector::ConnectorDocument;
use weir_engine::engine::{TriedCall, TriedOutcome, TryCall, TryCallError, TryConnector};
use weir_engine::message::{Failure, Request, Response};
use weir_engine::ports::{
    ConnectorError, ConnectorErrorKind, DefinitionKind, OwnerId, PageRequest, PostResponseDecision, PreCallDecision,
    RunFilter, Store,
};
use weir_engine::run::RunContext;

use super::house::{House, Script, stored};

const FLOW: &str = "flow: f\nsteps: [{ id: a, end: {} }]\n";

fn try_of(house: &House) -> TryCall {
    TryCall {
        tenant: house.tenant.clone(),
        connector: TryConnector::Saved("sys".parse().unwrap()),
        function: "get".parse().unwrap(),
        arguments: serde_json::Map::from_iter([("q".to_owned(), json!("${event.q}"))]),
        context: RunContext::of_event(json!({ "q": "x" })),
        pre_call: json!([]),
        post_response: json!([]),
    }
}

async fn tried(house: &House) -> TriedCall {
    house.engine().try_call(try_of(house)).await.expect("tried")
}

/// A document of the connector `sys` at another place.
fn unsaved(mode: &str) -> TryConnector {
    let text = format!("connector: sys\nbase-url: https://other.test/\nfunctions: [{{ name: get, mode: {mode} }}]\n");
    let document: ConnectorDocument =
        serde_json::from_value(stored(&text).get("document").cloned().unwrap_or_default()).unwrap();
    TryConnector::Unsaved(Box::new(document))
}

#[tokio::test]
async fn a_call_is_tried_with_its_hooks_and_nothing_is_stored() {
    // covers C-16
    let mut script = Script::default();
    let mark = |_: &_, request: &Request| {
        let mut request = request.clone();
        request.uri.set_query(Some("changed"));
        Ok(PreCallDecision::Call(request))
    };
    script.pre_call.insert("mark", Box::new(mark));
    let keep = |_: &_, response: &Response| {
        Ok(PostResponseDecision::Keep(Response { transformed_data: Some(json!("seen")), ..response.clone() }))
    };
    script.post_response.insert("keep", Box::new(keep));
    let house = House::new(FLOW, script).await;
    let mut call = try_of(&house);
    call.pre_call = json!([{ "plugin": "mark@1", "input": "${event.q}", "config": { "k": 1 } }]);
    call.post_response = json!([{ "plugin": "keep@1" }]);
    let tried = house.engine().try_call(call).await.expect("tried");

    assert_eq!(tried.outcome, TriedOutcome::Success);
    // Arguments are values, not templates.
    assert_eq!(tried.record.bound_request.as_ref().unwrap().uri.query(), Some("${event.q}"));
    assert_eq!(tried.record.sent_request.as_ref().unwrap().uri.query(), Some("changed"));
    assert_eq!((tried.record.pre_call.len(), tried.record.post_response.len()), (1, 1));
    assert_eq!(tried.result.unwrap()["transformed_data"], "seen");
    let invocation = house.script.invocations.lock().unwrap()[0].clone();
    assert_eq!((&invocation.input, &invocation.config), (&json!("x"), &json!({ "k": 1 })));
    assert_eq!((invocation.flow.as_str(), invocation.step.as_str()), ("connector-test", "connector-test"));

    let page = PageRequest { limit: 10, after: None };
    assert!(house.store.runs(&house.tenant, &RunFilter::default(), &page).await.unwrap().items.is_empty());
    let now = weir_engine::time::Timestamp::from_millis(u64::MAX / 2);
    let lease = Duration::from_secs(1);
    assert!(house.store.claim_runs(&OwnerId("o".to_owned()), now, lease, 10).await.unwrap().is_empty());
    assert_eq!(house.store.run(&house.tenant, invocation.run).await.unwrap(), None);
}

#[tokio::test]
async fn what_granted_connectors_mark_is_not_shown_either() {
    // covers C-16, D-04
    let mut script = Script { caller: Some("asker"), ..Script::default() };
    script.pre_call.insert("asker", Box::new(|_, request: &Request| Ok(PreCallDecision::Call(request.clone()))));
    let house = House::new(FLOW, script).await;
    let granted = "connector: other\nbase-url: https://o.test/\nsensitive: [ssn]\nfunctions: [{ name: get }]\n";
    house.define(DefinitionKind::Connector, "other", stored(granted)).await;
    *house.world.answer.lock().unwrap() = Ok(Response {
        status: 200,
        headers: Vec::new(),
        body: json!({ "ssn": "c4nary", "n": 7 }).to_string().into(),
        transformed_data: None,
    });
    let mut call = try_of(&house);
    call.pre_call = json!([{ "plugin": "asker@1", "grants": ["other.get"] }]);
    let tried = house.engine().try_call(call).await.expect("tried");
    let text = format!("{:?} {}", tried.result, serde_json::to_string(&tried.record).unwrap());
    assert!(!text.contains("c4nary") && text.contains('7'), "{text}");
}

#[tokio::test]
async fn a_failure_and_an_error_tell_what_came() {
    // covers C-16, C-12
    let house = House::new(FLOW, Script::default()).await;
    let response = Response { status: 404, headers: Vec::new(), body: "{}".into(), transformed_data: None };
    *house.world.answer.lock().unwrap() = Ok(response);
    let failed = tried(&house).await;
    let failure = Failure { reason: "The request was not accepted".to_owned(), description: None };
    assert_eq!(failed.outcome, TriedOutcome::Failure(failure));
    assert_eq!(failed.result.unwrap()["status"], 404);

    let error = ConnectorError { kind: ConnectorErrorKind::Connect, message: "no way".to_owned() };
    *house.world.answer.lock().unwrap() = Err(error);
    let failed = tried(&house).await;
    assert!(matches!(&failed.outcome, TriedOutcome::Error(error) if error.code == "connector.connect"), "{failed:?}");
    assert!(failed.record.sent_request.is_some() && failed.result.is_none());
}

#[tokio::test]
async fn an_unsaved_connector_stands_before_the_saved_one_and_is_waited_for() {
    // covers C-16: a background function is tried in the foreground
    let house = House::new(FLOW, Script::default()).await;
    let mut call = try_of(&house);
    call.connector = unsaved("background");
    let tried = house.engine().try_call(call).await.expect("tried");
    assert_eq!(tried.outcome, TriedOutcome::Success);
    assert_eq!((tried.record.connector_version, house.world.uris()[0].as_str()), (0, "https://other.test/?${event.q}"));
    assert_eq!(tried.result.unwrap()["body"], json!({ "n": 7 }));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long_has_its_own_error() {
    // covers C-16
    let house = House::new(FLOW, Script::default()).await;
    house.world.answers.send_replace(0);
    let began = tokio::time::Instant::now();
    let error = house.engine().try_call(try_of(&house)).await.expect_err("too long");
    assert_eq!((error.code(), began.elapsed()), ("connector.test-timeout", Duration::from_secs(31)));
}

#[tokio::test]
async fn what_cannot_be_tried_says_why() {
    // covers C-16
    let house = House::new(FLOW, Script::default()).await;
    let code = async |change: fn(&mut TryCall)| {
        let mut call = try_of(&house);
        change(&mut call);
        house.engine().try_call(call).await.expect_err("not tried").code()
    };
    let missing = |call: &mut TryCall| call.connector = TryConnector::Saved("none".parse().unwrap());
    assert_eq!(code(missing).await, "connector.unknown");
    assert_eq!(code(|call| call.function = "none".parse().unwrap()).await, "connector.unknown-function");
    assert_eq!(code(|call| call.tenant = "other".parse().unwrap()).await, "connector.unknown");
    let mut call = try_of(&house);
    call.pre_call = json!([{ "plugin": "mark", "inputs": 1 }]);
    call.post_response = json!([{ "plugin": "a@1", "input": "${nothing" }]);
    let error = house.engine().try_call(call).await.expect_err("faults");
    let TryCallError::Hooks(faults) = error else { panic!("{error}") };
    let pointers: Vec<&str> = faults.0.iter().map(|fault| fault.pointer.as_str()).collect();
    assert!(pointers.contains(&"/post_response/0/input"), "{pointers:?}");
    assert!(pointers.iter().any(|pointer| pointer.starts_with("/pre_call/0")), "{pointers:?}");
    // A plugin that comes after the call is missed before it.
    let mut call = try_of(&house);
    call.post_response = json!([{ "plugin": "nobody@1" }]);
    let error = house.engine().try_call(call).await.expect_err("no plugin");
    assert_eq!(error.code(), "connector.test-hooks");
    assert!(error.to_string().starts_with("nothing was sent: ") && error.to_string().contains("nobody@1"), "{error}");
    assert!(house.world.uris().is_empty());
}
