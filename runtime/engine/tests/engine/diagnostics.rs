//! Diagnostic entries: when there are some, what they hold, and what they never hold.

use serde_json::{Value, json};
use weir_engine::message::{Header, Request, Response};
use weir_engine::ports::{
    ActionDecision, ConnectorError, ConnectorErrorKind, DefinitionKind, HookErrorKind, LogLevel, LogLine,
    PreCallDecision, Store as _,
};
use weir_engine::run::{DiagnosticEntry, DiagnosticEvent, DiagnosticFilter, JournalEntry, ResultStatus, StepRecord};

use super::house::{House, Script, stored};

const CALL: &str = "flow: f\nsteps:\n  - id: a\n    call: sys.get\n    arguments: { q: '${event.q}' }\n";
const CANARY: &str = "c4nary";

fn connector(log: &str, more: &str) -> Value {
    stored(&format!(
        "connector: sys\nbase-url: https://sys.test/\n{more}functions:\n  - name: get\n    method: POST\n    arguments: [{{ name: q, type: string }}]\n    log: {log}\n"
    ))
}

async fn house(flow: &str, log: &str, script: Script) -> House {
    let house = House::new(flow, script).await;
    house.define(DefinitionKind::Connector, "sys", connector(log, "sensitive: [ssn]\n")).await;
    house
}

async fn entries(house: &House, event: Value) -> Vec<DiagnosticEntry> {
    house.run(event).await.1.into_iter().flat_map(|step| step.diagnostics).collect()
}

fn kinds(entries: &[DiagnosticEntry]) -> Vec<(&'static str, LogLevel, ResultStatus)> {
    entries.iter().map(|entry| (entry.action_id.as_str(), entry.level, entry.result_status)).collect()
}

fn answer(status: u16, body: &str) -> Response {
    Response { status, headers: Vec::new(), body: body.to_owned().into(), transformed_data: None }
}

#[tokio::test]
async fn without_a_level_nothing_is_logged() {
    // covers C-10: `disable` is the default
    let house = house(CALL, "{}", Script::default()).await;
    assert_eq!(entries(&house, json!({ "q": "x" })).await, []);
}

#[tokio::test]
async fn each_event_is_logged_at_its_own_level() {
    // covers C-10, D-01
    use ResultStatus::{Failed, Success};
    let all = "{ request: debug, success: info, failure: error }";
    let late = ConnectorError { kind: ConnectorErrorKind::RequestTimeout, message: "late".to_owned() };
    let request = ("connector-request", LogLevel::Debug, Success);
    let success = ("connector-response", LogLevel::Info, Success);
    let failure = ("connector-failure", LogLevel::Error, Failed);
    let warned = ("connector-failure", LogLevel::Warning, Failed);
    for (log, outcome, expected) in [
        (all, Ok(answer(200, "{}")), vec![request, success]),
        (all, Ok(answer(404, "{}")), vec![request, failure]),
        (all, Err(late.clone()), vec![request, failure]),
        ("{ request: debug }", Ok(answer(200, "{}")), vec![request]),
        ("{ success: info }", Ok(answer(200, "{}")), vec![success]),
        ("{ success: info }", Ok(answer(500, "{}")), vec![]),
        ("{ failure: warning }", Ok(answer(200, "{}")), vec![]),
        ("{ failure: warning }", Err(late.clone()), vec![warned]),
    ] {
        let house = house(CALL, log, Script::default()).await;
        *house.world.answer.lock().unwrap() = outcome;
        assert_eq!(kinds(&entries(&house, json!({ "q": "x" })).await), expected, "{log}");
    }
}

#[tokio::test]
async fn an_entry_has_the_members_of_the_requirement() {
    // covers D-01
    let house = house(CALL, "{ request: info, failure: error }", Script::default()).await;
    *house.world.answer.lock().unwrap() = Ok(answer(404, "nobody"));
    let entries = entries(&house, json!({ "q": "x" })).await;
    let [request, failure] = entries.as_slice() else { panic!("{entries:?}") };
    let json = serde_json::to_value(request).unwrap();
    let mut names: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    let wanted = [
        "actionId",
        "componentId",
        "configurations",
        "flow",
        "flowVersion",
        "input",
        "level",
        "logId",
        "recordedAt",
        "requestId",
        "resultMessage",
        "resultStatus",
        "run",
        "step",
        "tenant",
    ];
    assert_eq!(names, wanted);
    assert_eq!((json["componentId"].as_str(), json["resultStatus"].as_str()), (Some("sys.get"), Some("Success")));
    assert_eq!(json["input"]["uri"], "https://sys.test/?x");
    assert_eq!(json["configurations"]["connectorVersion"], 2);
    assert_eq!((failure.input["status"].as_u64(), failure.input["body"].as_str()), (Some(404), Some("nobody")));
    assert_eq!(failure.request_id, request.request_id, "the two belong together");
    assert_ne!(failure.log_id, request.log_id);
    assert_eq!(serde_json::from_value::<DiagnosticEntry>(json).unwrap(), *request);
}

#[tokio::test]
async fn plugins_log_and_their_granted_calls_are_logged() {
    // covers D-03, C-10
    let flow = "flow: f\nsteps:\n  - id: a\n    action: FLOW_EXTENSION\n    plugin: asker@1\n    config: { password: c4nary }\n    grants: [sys.get]\n    allowed-operations: []\n";
    let mut script = Script { caller: Some("asker"), ..Script::default() };
    let line = |level, message: &str, fields: &[(&str, &str)]| LogLine {
        level,
        message: message.to_owned(),
        fields: fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    };
    script.logs = vec![
        line(LogLevel::Info, "hello", &[("user", "ada"), ("api_key", CANARY), ("sent", "{\"ssn\":\"c4nary\"}")]),
        line(LogLevel::Error, "bye", &[]),
    ];
    script.action.insert("asker", Box::new(|_, _| Ok(ActionDecision::Success(Vec::new()))));
    let house = house(flow, "{ request: info, success: debug }", script).await;
    let (_, journal) = house.run(json!({ "q": "x" })).await;
    let entries = &journal[0].diagnostics;
    let events: Vec<_> = entries.iter().map(|entry| (entry.action_id.as_str(), entry.component_id.as_str())).collect();
    let expected = [
        ("connector-request", "sys.get"),
        ("connector-response", "sys.get"),
        ("plugin-log", "asker@1.0.0"),
        ("plugin-log", "asker@1.0.0"),
        ("action-response", "asker@1.0.0"),
    ];
    assert_eq!(events, expected);
    let log = &entries[2];
    assert_eq!((log.level, log.result_message.as_str()), (LogLevel::Info, "hello"));
    assert_eq!(log.input["fields"][0], json!({ "name": "user", "value": "ada" }));
    let StepRecord::Action(action) = &journal[0].record else { panic!("{journal:?}") };
    assert_eq!(action.hook.as_ref().map(|hook| &hook.invocation.request_id), Some(&log.request_id));
    assert!(!serde_json::to_string(entries).unwrap().contains(CANARY), "{entries:?}");
    let mut shown = journal[0].clone();
    shown.mask(&weir_engine::sensitive::SensitiveNames::marked(["ssn"]).and_standard());
    assert!(!serde_json::to_string(&shown).unwrap().contains(CANARY), "{shown:?}");

    let mut broken = Script { logs: vec![line(LogLevel::Info, "last words", &[])], ..Script::default() };
    broken.pre_call.insert("p", Box::new(|_, _| Err(HookErrorKind::Trap)));
    let house = self::house(&format!("{CALL}    pre-call: [{{ plugin: p@1 }}]\n"), "{}", broken).await;
    let expected = [("plugin-log", LogLevel::Info, ResultStatus::Failed)];
    assert_eq!(kinds(&self::entries(&house, json!({ "q": "x" })).await), expected);
}

/// A pre-call hook that puts a canary under every kind of sensitive name.
fn leaky() -> Script {
    let mut script = Script::default();
    let hook = |_: &_, request: &Request| {
        let mut request = request.clone();
        request.uri.set_query(Some(&format!("q=1&access_token={CANARY}")));
        request.headers = vec![Header::new("authorization", CANARY), Header::new("x-shown", "shown")];
        request.body = Some(json!({ "user": { "SSN": CANARY, "name": "ada" } }).to_string().into());
        Ok(PreCallDecision::Call(request))
    };
    script.pre_call.insert("leaky", Box::new(hook));
    script
}

#[tokio::test]
async fn what_stands_under_a_sensitive_name_is_in_no_entry_and_in_no_view_of_the_journal() {
    // covers D-04
    let flow = format!("{CALL}    pre-call: [{{ plugin: leaky@1 }}]\n");
    let house = house(&flow, "{ request: info, success: info, failure: info }", leaky()).await;
    let mut response = answer(200, &json!({ "ssn": CANARY, "ok": true }).to_string());
    response.headers = vec![Header::new("set-cookie", CANARY)];
    *house.world.answer.lock().unwrap() = Ok(response);
    let engine = house.engine();
    let (run, mut journal) = house.run(json!({ "q": "x" })).await;
    let text = serde_json::to_string(&journal[0].diagnostics).unwrap();
    assert!(!text.contains(CANARY) && text.contains("shown") && text.contains("ada"), "{text}");

    let plain = serde_json::to_string(&journal).unwrap();
    assert!(plain.contains(CANARY), "the run itself needs it");
    let names = engine.hidden_names(&run).await.unwrap();
    assert!(names.has("ssn") && names.has("authorization"));
    journal.iter_mut().for_each(|entry| entry.mask(&names));
    let text = serde_json::to_string(&journal).unwrap();
    assert!(!text.contains(CANARY), "{text}");
    assert_eq!(serde_json::from_str::<Vec<JournalEntry>>(&text).unwrap(), journal);
}

#[tokio::test]
async fn a_plugins_input_has_nothing_of_what_is_marked() {
    // covers D-04: in its input; the request and the response of its own call it sees as they are
    let flow = format!(
        "{CALL}  - id: b\n    call: sys.get\n    pre-call: [{{ plugin: sees@1, input: {{ all: '${{connectors.a}}', one: '${{connectors.a.body.ssn}}', name: '${{connectors.a.body.name}}' }} }}]\n"
    );
    let mut script = Script::default();
    script.pre_call.insert("sees", Box::new(|_, request: &Request| Ok(PreCallDecision::Call(request.clone()))));
    let house = house(&flow, "{}", script).await;
    *house.world.answer.lock().unwrap() = Ok(answer(200, &json!({ "ssn": CANARY, "name": "ada" }).to_string()));
    let (run, _) = house.run(json!({ "q": "x" })).await;
    let input = house.script.invocations.lock().unwrap()[0].input.clone();
    assert!(!input.to_string().contains(CANARY), "{input}");
    assert_eq!((input["one"].as_str(), input["name"].as_str()), (Some("***"), Some("ada")));
    assert_eq!(house.context(&run).await["connectors"]["a"]["body"]["ssn"], CANARY, "the flow goes on with it");
}

#[tokio::test]
async fn the_operators_names_hold_for_everybody() {
    // covers D-04
    let mut house = house(CALL, "{ request: info }", Script::default()).await;
    house.settings.diagnostics.sensitive_names = vec!["Inner-Number".to_owned()];
    let entries = entries(&house, json!({ "q": format!("innerNumber={CANARY}&a=1") })).await;
    assert_eq!(entries[0].input["uri"], "https://sys.test/?innerNumber=***&a=1");
}

#[tokio::test]
async fn bodies_are_cut_and_entries_counted() {
    // covers D-03; keeps A4: N and N + 1
    for (bytes, cut) in [(100, false), (101, true)] {
        let mut house = house(CALL, "{ success: info }", Script::default()).await;
        house.settings.diagnostics.body_bytes_max = 100;
        *house.world.answer.lock().unwrap() = Ok(answer(200, &"x".repeat(bytes)));
        let entries = entries(&house, json!({ "q": "x" })).await;
        let body = entries[0].input["body"].as_str().unwrap();
        assert_eq!(body.ends_with("… (1 of 101 bytes cut)"), cut, "{body}");
        assert!(body.starts_with(&"x".repeat(100)));
    }
    for (most, dropped) in [(2, 0), (1, 1)] {
        let mut house = house(CALL, "{ request: info, success: info }", Script::default()).await;
        house.settings.diagnostics.step_entries_max = most;
        let (_, journal) = house.run(json!({ "q": "x" })).await;
        assert_eq!((journal[0].diagnostics.len(), journal[0].diagnostics_dropped), (most, dropped));
    }
}

#[tokio::test]
async fn of_a_body_that_is_too_long_to_be_masked_an_entry_says_how_long_it_is() {
    // covers D-04; keeps A4: N and N + 1
    for (bytes, shown) in [(64 << 10, true), ((64 << 10) + 1, false)] {
        let house = house(CALL, "{ success: info }", Script::default()).await;
        *house.world.answer.lock().unwrap() = Ok(answer(200, &"x".repeat(bytes)));
        let entries = entries(&house, json!({ "q": "x" })).await;
        let body = entries[0].input["body"].as_str().unwrap();
        assert_eq!(body.starts_with("xxx"), shown, "{body}");
        assert_eq!(body == "<65537 bytes, too many to be shown>", !shown, "{body}");
    }
}

#[tokio::test]
async fn a_log_never_makes_its_step_too_large() {
    let mut house = house(CALL, "{ request: info, success: info }", Script::default()).await;
    let body = "x".repeat(2_000);
    *house.world.answer.lock().unwrap() = Ok(answer(200, &body));
    house.settings.step_bytes_max = 2_700;
    let (run, journal) = house.run(json!({ "q": "x" })).await;
    assert!(matches!(run.ending(), Some(weir_engine::run::Ending::Completed { .. })), "{run:?}");
    assert_eq!((journal[0].diagnostics.len(), journal[0].diagnostics_dropped), (1, 1), "{journal:?}");
}

#[tokio::test]
async fn entries_are_heard_live_by_their_tenant_and_their_filter() {
    // covers D-02; keeps A1
    let house = house(CALL, "{ request: debug, success: info }", Script::default()).await;
    let engine = house.engine();
    let filter = |level| DiagnosticFilter { level: Some(level), ..DiagnosticFilter::default() };
    let mut all = engine.follow_diagnostics(&house.tenant, DiagnosticFilter::default());
    let mut loud = engine.follow_diagnostics(&house.tenant, filter(LogLevel::Info));
    let mut theirs = engine.follow_diagnostics(&"other".parse().unwrap(), DiagnosticFilter::default());
    let started = engine.start(house.start_of(json!({ "q": "x" }))).await.unwrap();
    let heard = [all.next().await, all.next().await, loud.next().await].map(|it| it.unwrap().entry.unwrap());
    let events = heard.each_ref().map(|entry| entry.action_id);
    use DiagnosticEvent::{ConnectorRequest, ConnectorResponse};
    assert_eq!(events, [ConnectorRequest, ConnectorResponse, ConnectorResponse]);
    assert!(heard.iter().all(|entry| entry.run == started.run.id));
    let journal = house.store.journal(&house.tenant, started.run.id, 0, 10).await.unwrap();
    assert_eq!(journal[0].diagnostics, [(*heard[0]).clone(), (*heard[1]).clone()], "what is heard is durable");
    drop((engine, house));
    assert_eq!(theirs.next().await, None, "the engine is gone and nothing was heard");
}

#[tokio::test]
async fn a_slow_reader_learns_how_much_it_missed() {
    // covers D-02
    let mut house = house(CALL, "{ request: info, success: info }", Script::default()).await;
    house.settings.diagnostics.reader_entries_max = 1;
    let engine = house.engine();
    let mut slow = engine.follow_diagnostics(&house.tenant, DiagnosticFilter::default());
    for _ in 0..2 {
        let started = engine.start(house.start_of(json!({ "q": "x" }))).await.unwrap();
        engine.wait(&house.tenant, started.run.id, std::time::Duration::from_secs(60)).await.unwrap();
    }
    let first = slow.next().await.unwrap();
    assert_eq!((first.missed, first.entry.map(|it| it.action_id)), (0, Some(DiagnosticEvent::ConnectorRequest)));
    let second = slow.next().await.unwrap();
    assert_eq!((second.missed, second.entry), (3, None));
}

#[tokio::test]
async fn what_waits_for_a_reader_is_bounded_in_bytes() {
    // covers D-02; keeps A4
    let mut house = house(CALL, "{ request: info, success: info }", Script::default()).await;
    let (_, journal) = house.run(json!({ "q": "x" })).await;
    let both: usize = journal[0].diagnostics.iter().map(|entry| serde_json::to_vec(entry).unwrap().len()).sum();
    for (bytes, missed) in [(both, 0), (both - 1, 1)] {
        house.settings.diagnostics.reader_bytes_max = bytes;
        let engine = house.engine();
        let mut reader = engine.follow_diagnostics(&house.tenant, DiagnosticFilter::default());
        let started = engine.start(house.start_of(json!({ "q": "x" }))).await.unwrap();
        engine.wait(&house.tenant, started.run.id, std::time::Duration::from_secs(60)).await.unwrap();
        assert!(reader.next().await.unwrap().entry.is_some());
        assert_eq!(reader.next().await.unwrap().missed, missed);
    }
}

#[test]
fn filters_take_what_fulfils_all_of_them() {
    // covers D-02
    let entry: DiagnosticEntry = serde_json::from_value(json!({
        "logId": "l", "recordedAt": "2026-01-01T00:00:00.000Z", "requestId": "r", "level": "info",
        "resultStatus": "Failed", "resultMessage": "no way", "actionId": "connector-failure", "componentId": "risk.score",
        "tenant": "acme", "flow": "f", "flowVersion": 1, "run": "01890000-0000-7000-8000-000000000000", "step": "a",
        "traceId": "t",
    }))
    .unwrap();
    let takes = |change: &dyn Fn(&mut DiagnosticFilter)| {
        let mut filter = DiagnosticFilter::default();
        change(&mut filter);
        filter.takes(&entry)
    };
    let component = |text: &'static str| takes(&move |filter| filter.component = Some(text.to_owned()));
    assert!(takes(&|_| {}));
    assert!(component("risk") && component("risk.score") && !component("ris") && !component("risk.other"));
    assert!(takes(&|filter| filter.level = Some(LogLevel::Info)));
    assert!(!takes(&|filter| filter.level = Some(LogLevel::Warning)));
    assert!(!takes(&|filter| filter.result_status = Some(ResultStatus::Success)));
    assert!(!takes(&|filter| filter.event = Some(DiagnosticEvent::PluginLog)));
    assert!(!takes(&|filter| filter.step = Some("b".parse().unwrap())));
    assert!(!takes(&|filter| filter.flow = Some("g".parse().unwrap())));
    assert!(takes(&|filter| filter.text = Some("way".to_owned())));
    assert!(!takes(&|filter| filter.text = Some("ways".to_owned())));
    assert!(takes(&|filter| filter.since = Some(entry.recorded_at)));
    assert!(!takes(&|filter| filter.until = Some(entry.recorded_at)));
}
