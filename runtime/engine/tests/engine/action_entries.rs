//! What people are told of actions, and actions for other systems.

use std::time::Duration;

use serde_json::{Map, Value, json};
use weir_engine::action::{ActionAnswer, Operation, read_action_request};
use weir_engine::connector::EventLevel;
use weir_engine::engine::{ServeAction, ServeActionError, TriedOutcome, TryAction};
use weir_engine::message::Failure;
use weir_engine::ports::{ActionDecision, HookErrorKind, LogLevel};
use weir_engine::run::{ActionLog, DiagnosticEntry, DiagnosticFilter, OperationResult, ResultStatus, RunContext};

use super::house::{House, Script};

const ACTION: &str = "flow: f\ntrigger: REGISTRATION\nsteps:\n  - id: a\n    action: FLOW_EXTENSION\n    plugin: p@1\n    config: { password: c4nary }\n    allowed-operations: [{ op: replace, paths: ['/user/claims[uri=tier]', '/user/credentials/password'] }]\n";

fn deciding(decision: ActionDecision) -> Script {
    let mut script = Script::default();
    script.action.insert("p", Box::new(move |_, _| Ok(decision.clone())));
    script
}

fn replace(path: &str, value: &str) -> Operation {
    Operation::Replace { path: path.to_owned(), value: Some(json!(value)) }
}

async fn entries(script: Script, log: ActionLog) -> Vec<DiagnosticEntry> {
    let mut house = House::new(ACTION, script).await;
    house.settings.diagnostics.actions = log;
    house.run(json!({"user": {}})).await.1.into_iter().flat_map(|step| step.diagnostics).collect()
}

fn told(entries: &[DiagnosticEntry]) -> Vec<(&'static str, LogLevel, ResultStatus)> {
    entries.iter().map(|entry| (entry.action_id.as_str(), entry.level, entry.result_status)).collect()
}

#[tokio::test]
async fn an_action_tells_what_it_was_asked_and_what_it_answered() {
    // covers D-01: who, with which settings, on what, and how it went
    let operations = vec![replace("/user/claims[uri=tier]", "gold"), replace("/user/credentials/password", "c4nary")];
    let log = ActionLog { request: EventLevel::Info, ..ActionLog::default() };
    let entries = entries(deciding(ActionDecision::Success(operations)), log).await;
    assert_eq!(
        told(&entries),
        [
            ("action-request", LogLevel::Info, ResultStatus::Success),
            ("action-response", LogLevel::Debug, ResultStatus::Success),
            ("action-operations", LogLevel::Debug, ResultStatus::Success),
        ]
    );
    assert_eq!(entries[0].component_id, "p@1.0.0");
    assert_eq!(entries[0].configurations["actionType"], "FLOW_EXTENSION");
    assert_eq!(entries[0].configurations["profile"]["texts"], "unicode");
    assert!(entries[0].input["event"]["flow"].is_object());
    assert_eq!(entries[2].input["operations"][0]["result"], "applied");
    // covers D-04: masked by name in settings, in what came back, and in operations
    assert!(!serde_json::to_string(&entries).expect("JSON").contains("c4nary"));
    assert!(entries.iter().all(|entry| entry.request_id == entries[0].request_id));
}

#[tokio::test]
async fn what_goes_wrong_is_told_without_being_asked_for() {
    // covers D-01, A-06, A-07
    let failure = Failure { reason: "User not allowed".to_owned(), description: Some("Restricted.".to_owned()) };
    let failed = entries(deciding(ActionDecision::Failed(failure)), ActionLog::default()).await;
    assert_eq!(told(&failed), [("action-failure", LogLevel::Warning, ResultStatus::Failed)]);
    assert_eq!(failed[0].result_message, "FAILED: User not allowed: Restricted.");

    let outside = vec![replace("/user/claims[uri=tier]", "gold"), replace("/user/email", "x")];
    let refused = entries(deciding(ActionDecision::Success(outside)), ActionLog::default()).await;
    let kinds: Vec<&str> = refused.iter().map(|entry| entry.action_id.as_str()).collect();
    assert_eq!(kinds, ["action-failure", "action-operations"]);
    assert!(refused[1].result_message.contains("/user/email"), "{}", refused[1].result_message);
    assert_eq!(refused[1].input["operations"][1]["result"], "rejected");

    let mut script = Script::default();
    script.action.insert("p", Box::new(|_, _| Err(HookErrorKind::Trap)));
    let trapped = entries(script, ActionLog::default()).await;
    assert!(trapped[0].result_message.starts_with("plugin.trap"), "{}", trapped[0].result_message);
}

#[tokio::test]
async fn what_a_provider_repeats_of_the_event_is_not_told() {
    //
    let failure =
        Failure { reason: "No anna@example.org".to_owned(), description: Some("Tell ANNA, 41790000.".to_owned()) };
    let claim = vec![replace("/user/claims[uri=tier]", "of anna@example.org"), replace("/user/anna@example.org", "x")];
    for decision in [ActionDecision::Failed(failure), ActionDecision::Success(claim)] {
        let mut house = House::new(ACTION, deciding(decision)).await;
        house.settings.diagnostics.actions = ActionLog::default();
        let event = json!({ "user": { "name": "Anna", "mail": "anna@example.org", "phone": 41_790_000 } });
        let (_, steps) = house.run(event).await;
        let told = serde_json::to_string(&steps[0].diagnostics).expect("JSON").to_lowercase();
        assert!(!told.contains("anna") && !told.contains("41790000") && told.contains("***"), "{told}");
        let record = serde_json::to_string(&steps[0].record).expect("JSON");
        assert!(record.contains("anna@example.org"), "the journal has it: {record}");
    }
}

#[tokio::test]
async fn an_operator_decides_what_is_told() {
    // covers D-02
    let silent = ActionLog { request: EventLevel::Disable, success: EventLevel::Disable, failure: EventLevel::Disable };
    assert_eq!(entries(deciding(ActionDecision::Success(Vec::new())), silent).await, []);
    let told = entries(deciding(ActionDecision::Success(Vec::new())), ActionLog::default()).await;
    let input = |text: &str| DiagnosticFilter { input: Some(text.to_owned()), ..DiagnosticFilter::default() };
    assert!(input("\"answer\"").takes(&told[0]) && !input("nothing").takes(&told[0]));
    let by = |filter: DiagnosticFilter| filter.takes(&told[0]);
    assert!(by(DiagnosticFilter { configurations: Some("FLOW_EXTENSION".to_owned()), ..DiagnosticFilter::default() }));
    assert!(by(DiagnosticFilter { log: Some(told[0].log_id.clone()), ..DiagnosticFilter::default() }));
    assert!(!by(DiagnosticFilter { flow_version: Some(99), ..DiagnosticFilter::default() }));
}

fn served(house: &House, allowed: &Value) -> ServeAction {
    let text = json!({
        "actionType": "FLOW_EXTENSION", "event": { "flow": { "user": { "id": "u" } } }, "allowedOperations": allowed,
    });
    ServeAction {
        tenant: house.tenant.clone(),
        plugin: "p@1".parse().expect("a requirement"),
        input: json!({ "who": "${event.flow.user.id}" }),
        config: json!({ "a": 1 }),
        request: read_action_request(&text.to_string()).expect("a request"),
        within: Duration::from_secs(4),
        trace: None,
    }
}

#[tokio::test]
async fn a_plugin_is_served_to_another_system_by_the_rules_of_the_request() {
    //
    let tier = replace("/user/claims[uri=tier]", "gold");
    let house = House::new(ACTION, deciding(ActionDecision::Success(vec![tier.clone()]))).await;
    let engine = house.engine();
    let mut live = engine.follow_diagnostics(&house.tenant, DiagnosticFilter::default());
    let allowed = json!([{ "op": "replace", "paths": ["/user/claims[uri=tier]"] }]);
    let answer = engine.serve_action(served(&house, &allowed)).await.expect("an answer");
    assert_eq!(answer, ActionAnswer::Success { operations: vec![tier], data: None });
    let invocation = house.script.invocations.lock().expect("a lock")[0].clone();
    assert_eq!((invocation.input, invocation.config), (json!({ "who": "u" }), json!({ "a": 1 })));
    assert_eq!((invocation.flow.as_str(), invocation.step.as_str()), ("action-service", "action-service"));
    let refused = engine.serve_action(served(&house, &json!([]))).await.expect_err("refused");
    assert!(matches!(&refused, ServeActionError::Failed(error) if error.code == "action.operation-not-allowed"));
    let mut heard = Vec::new();
    while heard.len() < 3 {
        heard.extend(live.next().await.and_then(|heard| heard.entry).map(|entry| entry.action_id.as_str()));
    }
    assert_eq!(heard, ["action-response", "action-failure", "action-operations"]);
}

#[tokio::test]
async fn one_redirect_is_served_where_the_request_allows_it() {
    //
    let redirect = Operation::Redirect { url: "https://a.test".to_owned() };
    let house = House::new(ACTION, deciding(ActionDecision::Incomplete(vec![redirect.clone()]))).await;
    let engine = house.engine();
    let answer = engine.serve_action(served(&house, &json!([{ "op": "redirect" }]))).await.expect("an answer");
    assert_eq!(answer, ActionAnswer::Incomplete { operations: vec![redirect] });
    assert!(engine.serve_action(served(&house, &json!([]))).await.is_err());
}

/// What a served answer comes to where it does not go out, and the entry that says why.
async fn unserved(kind: &str, decision: ActionDecision) -> (String, DiagnosticEntry) {
    let house = House::new(ACTION, deciding(decision.clone())).await;
    let engine = house.engine();
    let mut live = engine.follow_diagnostics(&house.tenant, DiagnosticFilter::default());
    let allowed = json!([
        { "op": "redirect" }, { "op": "add", "paths": ["/user/"] }, { "op": "replace", "paths": ["/user/"] },
    ]);
    let mut call = served(&house, &allowed);
    call.request.action_type = kind.to_owned();
    let refused = engine.serve_action(call).await.expect_err(&format!("{kind} {decision:?}"));
    assert!(matches!(refused, ServeActionError::Failed(_)), "{refused:?}");
    let heard = live.next().await.and_then(|heard| heard.entry).expect("an entry");
    (refused.error().code.clone(), (*heard).clone())
}

#[tokio::test]
async fn a_served_answer_is_held_to_its_type() {
    //
    let failed = |reason: &str| ActionDecision::Failed(Failure { reason: reason.to_owned(), description: None });
    let redirect = |url: &str| Operation::Redirect { url: url.to_owned() };
    let good = || redirect("https://a.test");
    let away = ActionDecision::Incomplete;
    let add = || Operation::Add { path: "/user/x".to_owned(), value: Some(json!(1)) };
    for (kind, decision, expected) in [
        ("PRE_ISSUE_ACCESS_TOKEN", failed("server_error"), "action.reserved-reason"),
        ("FLOW_EXTENSION", failed(""), "action.unusable-answer"),
        ("FLOW_EXTENSION", failed("a\u{1b}[31m"), "action.unusable-answer"),
        ("FLOW_EXTENSION", failed("not, in plain"), "action.unusable-answer"),
        ("FLOW_EXTENSION", away(vec![redirect("javascript:alert(1)")]), "action.redirect-url"),
        ("PRE_ISSUE_ACCESS_TOKEN", away(vec![good()]), "action.incomplete-not-allowed"),
        ("FLOW_EXTENSION", ActionDecision::Success(vec![good()]), "action.operation-impossible"),
        ("FLOW_EXTENSION", ActionDecision::Success(vec![add()]), "action.operation-not-allowed"),
    ] {
        let (code, entry) = unserved(kind, decision.clone()).await;
        assert_eq!(code, expected, "{kind} {decision:?}");
        assert_eq!((entry.action_id.as_str(), entry.result_status), ("action-failure", ResultStatus::Failed));
        assert!(entry.result_message.contains(expected), "{entry:?}");
    }
    for decision in [away(vec![]), away(vec![good(), good()]), away(vec![good(), add()])] {
        assert!(unserved("FLOW_EXTENSION", decision).await.1.result_message.contains("exactly one"));
    }
}

#[tokio::test]
async fn a_caller_is_told_nothing_of_the_tenants_set_up() {
    // covers A-10: the cause is in the live view, the caller gets fixed words
    let house = House::new(ACTION, deciding(ActionDecision::Success(Vec::new()))).await;
    let engine = house.engine();
    let good = || served(&house, &json!([]));
    for (call, words, cause) in [
        (ServeAction { input: json!("${event.nothing.c4nary}"), ..good() }, "`input` in the URL", "expression."),
        (ServeAction { input: json!("${c4nary.}"), ..good() }, "`input` or the `config`", "action.service-request"),
        (ServeAction { plugin: "p@9".parse().expect("one"), ..good() }, "no such plugin", "plugin push"),
        (ServeAction { plugin: "other@1".parse().expect("one"), ..good() }, "no such plugin", "`other`"),
    ] {
        let mut live = engine.follow_diagnostics(&house.tenant, DiagnosticFilter::default());
        let refused = engine.serve_action(call).await.expect_err(words);
        let ServeActionError::Refused(error) = &refused else { panic!("{refused:?}") };
        assert!(error.message.contains(words) && !error.message.contains("c4nary"), "{error:?}");
        assert!(!error.message.contains("other") && !error.message.contains("push"), "{error:?}");
        let entry = live.next().await.and_then(|heard| heard.entry).expect("an entry");
        assert!(entry.result_message.contains(cause), "{entry:?}");
        let detail = error.detail.as_ref().expect("a cause");
        assert!(entry.result_message.contains(detail), "{entry:?}");
    }
}

#[tokio::test]
async fn an_action_is_tried_without_a_run() {
    // covers A-05, D-02: nothing is stored, and the author sees it all
    let house =
        House::new(ACTION, deciding(ActionDecision::Success(vec![replace("/user/claims[uri=tier]", "gold")]))).await;
    let step = |allowed: &Value| -> Map<String, Value> {
        let step = json!({
            "id": "mine", "next": "nowhere", "action": "FLOW_EXTENSION", "plugin": "p@1", "allowed-operations": allowed,
        });
        step.as_object().expect("an object").clone()
    };
    let call = |allowed: &Value| TryAction {
        tenant: house.tenant.clone(),
        step: step(allowed),
        trigger: "REGISTRATION".to_owned(),
        context: RunContext::try_from(json!({ "event": { "user": { "id": "u" } } })).expect("a context"),
    };
    let engine = house.engine();
    let allowed = json!([{ "op": "replace", "paths": ["/user/claims[uri=tier]"] }]);
    let tried = engine.try_action(call(&allowed)).await.expect("tried");
    assert_eq!(tried.outcome, TriedOutcome::Success);
    assert_eq!(
        (&tried.before["user"]["claims"], &tried.after["user"]["claims"][0]["value"]),
        (&Value::Null, &json!("gold"))
    );
    assert_eq!(tried.record.operations[0].result, OperationResult::Applied);
    let refused = engine.try_action(call(&json!([]))).await.expect("tried");
    assert!(matches!(refused.outcome, TriedOutcome::Error(error) if error.code == "action.operation-not-allowed"));
    assert_eq!(refused.before, refused.after);
    let mut faulty = call(&json!([{ "op": "copy" }]));
    faulty.step.insert("plugin".to_owned(), json!("p@x"));
    assert!(engine.try_action(faulty).await.is_err());
}
