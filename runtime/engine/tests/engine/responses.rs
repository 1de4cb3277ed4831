//! What becomes of a response (C-12 to C-15, C-17): the order of reading, hooks and last look.

use serde_json::{Value, json};
use weir_engine::message::{Failure, Response};
use weir_engine::ports::{PostResponseDecision, PreCallDecision};
use weir_engine::run::{Ending, StepOutcome, StepRecord};

use super::house::{House, Script};

const CALL: &str = "flow: f\nsteps:\n  - id: a\n    call: sys.get\n";
const HOOKED: &str = "flow: f\nsteps:\n  - id: a\n    call: sys.get\n    post-response: [{ plugin: own@1 }]\n";

fn connector(response: &Value) -> String {
    json!({"connector": "sys", "base-url": "https://sys.test/", "functions": [{"name": "get", "response": response}]})
        .to_string()
}

/// A post-response hook that shows what it saw and changes what the test says.
fn own(change: fn(&mut Response)) -> Script {
    let mut script = Script::default();
    let hook = move |_: &_, response: &Response| {
        let mut response = response.clone();
        let seen = response.transformed_data.take();
        response.transformed_data = Some(json!({ "own": seen }));
        change(&mut response);
        Ok(PostResponseDecision::Keep(response))
    };
    script.post_response.insert("own", Box::new(hook));
    script
}

async fn result(house: &House) -> (Value, Vec<&'static str>) {
    let (run, journal) = house.run(json!({})).await;
    assert_eq!(run.ending(), Some(&Ending::Completed { claims: Vec::new() }), "{journal:?}");
    let context = house.context(&run).await;
    (context.pointer("/connectors/a").cloned().unwrap(), house.world.read.lock().unwrap().clone())
}

#[tokio::test]
async fn an_expression_comes_before_the_steps_own_hooks() {
    // covers C-15, C-17
    let transforming = connector(&json!({"transformation": {"expression": "response.body"}}));
    let of = json!({"of": "response.body", "body": {"n": 7}, "elapsed_us": 2000});
    let house = House::with_connector(&transforming, CALL, Script::default()).await;
    let (value, read) = result(&house).await;
    let whole = json!({"status": 200, "headers": {}, "body": {"n": 7}, "transformed_data": of, "elapsed_ms": 2});
    assert_eq!((value, read), (whole, vec!["read", "keep"]));

    let house = House::with_connector(&transforming, HOOKED, own(|_| ())).await;
    let (value, read) = result(&house).await;
    assert_eq!((&value["transformed_data"], read), (&json!({ "own": of }), vec!["read", "keep"]));
}

#[tokio::test]
async fn a_plugin_transforms_before_the_steps_own_hooks_with_its_config_and_nothing_else() {
    // covers C-15
    let transforming = connector(&json!({"transformation": {"plugin": "shape@1", "config": {"k": 1}}}));
    let mut script = own(|_| ());
    let shape = |_: &_, response: &Response| {
        let transformed_data = Some(json!({"was": response.transformed_data}));
        Ok(PostResponseDecision::Keep(Response { transformed_data, ..response.clone() }))
    };
    script.post_response.insert("shape", Box::new(shape));
    let house = House::with_connector(&transforming, HOOKED, script).await;
    let (run, journal) = house.run(json!({"secret": "event"})).await;
    let value = house.context(&run).await["connectors"]["a"].clone();
    assert_eq!(value["transformed_data"], json!({"own": {"was": null}}));
    let StepRecord::Call(call) = &journal[0].record else { panic!("{journal:?}") };
    let [shape, own] = call.post_response.as_slice() else { panic!("{call:?}") };
    assert_eq!((shape.invocation.plugin.name.as_str(), own.invocation.plugin.name.as_str()), ("shape", "own"));
    assert_eq!((&shape.invocation.config, &shape.invocation.input), (&json!({"k": 1}), &Value::Null));
    assert_ne!(shape.invocation.seed, own.invocation.seed);
}

#[tokio::test]
async fn a_plugin_that_refuses_fails_the_step() {
    // covers C-15
    let transforming = connector(&json!({"transformation": {"plugin": "shape@1"}}));
    let mut script = Script::default();
    let failure = Failure { reason: "No".to_owned(), description: None };
    script.post_response.insert("shape", Box::new(move |_, _| Ok(PostResponseDecision::Fail(failure.clone()))));
    let house = House::with_connector(&transforming, CALL, script).await;
    let (run, _) = house.run(json!({})).await;
    assert!(matches!(run.ending(), Some(Ending::Failed { failure, .. }) if failure.reason == "No"), "{run:?}");
}

#[tokio::test]
async fn a_response_of_an_invalid_status_is_transformed_by_nobody() {
    // covers C-12, C-15
    let settings = json!({"fail-on-invalid-status": false, "transformation": {"plugin": "shape@1"}});
    let mut script = Script::default();
    script.post_response.insert("shape", Box::new(|_, _| panic!("the hook ran")));
    let house = House::with_connector(&connector(&settings), CALL, script).await;
    let answer = Response { status: 404, headers: Vec::new(), body: "{}".into(), transformed_data: None };
    *house.world.answer.lock().unwrap() = Ok(answer);
    let (value, _) = result(&house).await;
    assert_eq!((&value["status"], &value["transformed_data"]), (&json!(404), &Value::Null));
}

#[tokio::test]
async fn a_body_is_parsed_again_only_where_a_hook_changed_it() {
    // covers C-13
    for (settings, change, expected) in [
        (json!({}), (|_| ()) as fn(&mut Response), vec!["parse"]),
        (json!({}), |response| response.body = "{\"n\": 8}".into(), vec!["parse"]),
        (json!({"schema": {}}), |_| (), vec!["read", "keep"]),
        (json!({"schema": {}}), |response| response.body = "{\"n\": 8}".into(), vec!["read", "parse"]),
        (json!({"schema": {}}), |response| response.status = 201, vec!["read", "parse"]),
    ] {
        let house = House::with_connector(&connector(&settings), HOOKED, own(change)).await;
        assert_eq!(result(&house).await.1, expected, "{settings}");
    }
    let house = House::with_connector(&connector(&json!({})), CALL, Script::default()).await;
    assert_eq!(result(&house).await.1, ["read", "keep"]);
    let changed = own(|response| response.body = "{\"n\": 8}".into());
    let house = House::with_connector(&connector(&json!({"schema": {}})), HOOKED, changed).await;
    assert_eq!(result(&house).await.0["body"], json!({"n": 8}));
}

#[tokio::test]
async fn transformed_data_is_checked_after_the_last_hook_and_the_raw_response_stays_in_the_journal() {
    // covers C-14, C-15
    let settings = json!({"transformation": {"expression": "1", "schema": false}});
    let house = House::with_connector(&connector(&settings), HOOKED, own(|_| ())).await;
    let (run, journal) = house.run(json!({})).await;
    let Some(Ending::Error { error, .. }) = run.ending() else { panic!("{run:?}") };
    assert_eq!(error.code, "connector.response-schema");
    assert!(error.message.contains("own"), "what the hook left is checked: {}", error.message);
    let StepRecord::Call(call) = &journal[0].record else { panic!("{journal:?}") };
    let raw = call.exchange.as_ref().and_then(|it| it.outcome.as_ref().ok()).map(|it| it.body.as_text());
    assert_eq!(raw, Some(Some("{\"n\": 7}")));
    assert_eq!(house.context(&run).await["connectors"], json!({}));
}

#[tokio::test]
async fn what_a_pre_call_hook_answers_is_read_like_a_response() {
    // covers C-15
    let flow = format!("{CALL}    pre-call: [{{ plugin: cache@1 }}]\n");
    let mut script = Script::default();
    let cached = Response { status: 200, headers: Vec::new(), body: "{\"n\": 9}".into(), transformed_data: None };
    script.pre_call.insert("cache", Box::new(move |_, _| Ok(PreCallDecision::Respond(cached.clone()))));
    let settings = json!({"transformation": {"expression": "e"}});
    let house = House::with_connector(&connector(&settings), &flow, script).await;
    let (value, _) = result(&house).await;
    assert_eq!(value["transformed_data"], json!({"of": "e", "body": {"n": 9}, "elapsed_us": 0}));
}

#[tokio::test]
async fn the_way_after_a_failure_can_read_the_response_that_failed() {
    // covers C-12
    let flow = format!(
        "{CALL}    on-failure: care\n  - id: done\n    end: {{}}\n  - id: care\n    claims: [{{ key: status, type: number, value: '${{connectors.a.status}}' }}]\n    next: end\n"
    );
    let house = House::new(&flow, Script::default()).await;
    let answer = Response { status: 503, headers: Vec::new(), body: "busy".into(), transformed_data: None };
    *house.world.answer.lock().unwrap() = Ok(answer);
    let (run, journal) = house.run(json!({"q": "x"})).await;
    let Some(Ending::Completed { claims }) = run.ending() else { panic!("{run:?}") };
    assert_eq!(claims[0].value, json!(503));
    assert!(matches!(&journal[0].outcome, StepOutcome::Next { caught_failure: Some(_), .. }));
}
