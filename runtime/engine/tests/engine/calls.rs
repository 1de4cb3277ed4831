//! Connector calls between their hooks.

use serde_json::json;
use weir_engine::message::{Failure, Header, Response};
use weir_engine::ports::{ConnectorError, ConnectorErrorKind, HookErrorKind, PostResponseDecision, PreCallDecision};
use weir_engine::run::{Ending, StepOutcome, StepRecord};

use super::house::{House, Script};

const CALL: &str = "flow: f\nsteps:\n  - id: a\n    call: sys.get\n    arguments: { q: '${event.q}' }\n";

#[tokio::test]
async fn hooks_chain_around_the_call_and_the_result_lands_in_the_context() {
    // covers F-05, C-17
    let flow = format!(
        "{CALL}    pre-call: [{{ plugin: one@1 }}, {{ plugin: two@1 }}]\n    post-response: [{{ plugin: three@1, input: '${{event.q}}', config: {{ k: 1 }} }}]\n    context-key: connectors.r\n"
    );
    let mut script = Script::default();
    for (name, mark) in [("one", "1"), ("two", "2")] {
        let hook = move |_: &_, request: &weir_engine::message::Request| {
            let mut request = request.clone();
            let query = format!("{}{mark}", request.uri.query().unwrap_or_default());
            request.uri.set_query(Some(&query));
            Ok(PreCallDecision::Call(request))
        };
        script.pre_call.insert(name, Box::new(hook));
    }
    let keep = |_: &_, response: &Response| {
        Ok(PostResponseDecision::Keep(Response { transformed_data: Some(json!("seen")), ..response.clone() }))
    };
    script.post_response.insert("three", Box::new(keep));
    let house = House::new(&flow, script).await;
    let (run, journal) = house.run(json!({"q": "x"})).await;
    assert_eq!(run.ending(), Some(&Ending::Completed { claims: Vec::new() }));
    assert_eq!(house.world.uris(), ["https://sys.test/?x12"]);
    let expected = json!({"status": 200, "headers": {}, "body": {"n": 7}, "transformed_data": "seen", "elapsed_ms": 2});
    assert_eq!(house.context(&run).await.pointer("/connectors/r"), Some(&expected));
    let invocations = house.script.invocations.lock().unwrap().clone();
    assert_eq!((&invocations[2].input, &invocations[2].config), (&json!("x"), &json!({"k": 1})));
    assert_eq!(invocations[0].input, json!(null), "a hook sees nothing that its step does not select");
    let StepRecord::Call(call) = &journal[0].record else { panic!("{:?}", journal[0].record) };
    assert_eq!(call.bound_request.as_ref().map(|it| it.uri.as_str()), Some("https://sys.test/?x"));
    assert_eq!(call.sent_request.as_ref().map(|it| it.uri.as_str()), Some("https://sys.test/?x12"));
    assert_eq!((call.pre_call.len(), call.post_response.len()), (2, 1));
}

#[tokio::test]
async fn a_hook_that_responds_saves_the_call() {
    let flow = format!("{CALL}    pre-call: [{{ plugin: cache@1 }}, {{ plugin: never@1 }}]\n");
    let mut script = Script::default();
    let answer = Response {
        status: 200,
        headers: vec![Header::new("a", "1"), Header::new("a", "2")],
        body: "{}".into(),
        transformed_data: None,
    };
    script.pre_call.insert("cache", Box::new(move |_, _| Ok(PreCallDecision::Respond(answer.clone()))));
    script.pre_call.insert("never", Box::new(|_, _| panic!("a later hook ran")));
    let house = House::new(&flow, script).await;
    let (run, _) = house.run(json!({"q": "x"})).await;
    assert_eq!(house.world.uris(), Vec::<String>::new());
    assert_eq!(house.context(&run).await.pointer("/connectors/a/headers/a"), Some(&json!("1, 2")));
}

#[tokio::test]
async fn no_hook_can_send_the_call_elsewhere() {
    // keeps E-04
    let flow = format!("{CALL}    pre-call: [{{ plugin: thief@1 }}]\n");
    let mut script = Script::default();
    let hook = |_: &_, request: &weir_engine::message::Request| {
        let mut request = request.clone();
        request.uri = "https://evil.test/".parse().unwrap();
        Ok(PreCallDecision::Call(request))
    };
    script.pre_call.insert("thief", Box::new(hook));
    let house = House::new(&flow, script).await;
    let (run, _) = house.run(json!({"q": "x"})).await;
    let Some(Ending::Error { step, error }) = run.ending() else { panic!("{run:?}") };
    assert_eq!((step.as_str(), error.code.as_str()), ("a", "connector.request-not-permitted"));
    assert!(error.message.contains("https://evil.test") && error.message.contains("https://sys.test"), "{error}");
    assert_eq!(house.world.uris(), Vec::<String>::new());
}

#[tokio::test]
async fn failures_and_errors_end_the_run_or_take_their_way() {
    // covers F-10
    let failure = Failure { reason: "No".to_owned(), description: None };
    for (kind, ending, caught) in [
        (Err(HookErrorKind::Trap), "error", "/steps/a/error/code"),
        (Ok(PreCallDecision::Fail(failure)), "failed", "/steps/a/failure/reason"),
    ] {
        let outcome = kind.clone();
        let script = |outcome: Result<PreCallDecision, HookErrorKind>| {
            let mut script = Script::default();
            script.pre_call.insert("p", Box::new(move |_, _| outcome.clone()));
            script
        };
        let plain = format!("{CALL}    pre-call: [{{ plugin: p@1 }}]\n");
        let house = House::new(&plain, script(kind)).await;
        let (run, _) = house.run(json!({"q": "x"})).await;
        assert_eq!(serde_json::to_value(&run.state).unwrap().pointer("/ending/result"), Some(&json!(ending)));

        let caring = format!("{plain}    on-failure: care\n    on-error: care\n  - id: care\n    end: {{}}\n");
        let house = House::new(&caring, script(outcome)).await;
        let (run, journal) = house.run(json!({"q": "x"})).await;
        assert_eq!(run.ending(), Some(&Ending::Completed { claims: Vec::new() }));
        assert!(house.context(&run).await.pointer(caught).is_some(), "{caught}");
        let StepOutcome::Next { caught_failure, caught_error, .. } = &journal[0].outcome else { panic!("{journal:?}") };
        assert_ne!(caught_failure.is_some(), caught_error.is_some());
    }
}

#[tokio::test]
async fn an_invalid_status_fails_the_step_with_the_response_attached() {
    // covers C-12
    let house = House::new(CALL, Script::default()).await;
    let answer = Response { status: 503, headers: Vec::new(), body: "busy".into(), transformed_data: None };
    *house.world.answer.lock().unwrap() = Ok(answer);
    let (run, _) = house.run(json!({"q": "x"})).await;
    assert!(matches!(run.ending(), Some(Ending::Failed { .. })), "{run:?}");
    assert_eq!(house.context(&run).await.pointer("/connectors/a/status"), Some(&json!(503)));

    let timeout = ConnectorError { kind: ConnectorErrorKind::RequestTimeout, message: "late".to_owned() };
    *house.world.answer.lock().unwrap() = Err(timeout);
    let (run, _) = house.run(json!({"q": "x"})).await;
    let Some(Ending::Error { error, .. }) = run.ending() else { panic!("{run:?}") };
    assert_eq!(error.code, "connector.request-timeout");
}
