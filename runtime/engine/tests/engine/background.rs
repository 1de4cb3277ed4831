//! Calls in the background: handed over with the step, sent until they are taken.

use std::time::Duration;

use serde_json::json;
use weir_engine::connector::ResponseMode;
use weir_engine::message::Response;
use weir_engine::ports::{
    ConnectorError, ConnectorErrorKind, DefinitionKind, LogLevel, Outbox, PreCallDecision, Store,
};
use weir_engine::run::{BackgroundCall, BackgroundState, DiagnosticFilter, Run, RunStateKind, StepRecord};

use super::house::{House, Script, stored};

const NOTIFY: &str =
    "flow: f\nsteps:\n  - id: a\n    call: sys.notify\n    arguments: { q: '${event.q}' }\n  - id: b\n    end: {}\n";
const CONNECTOR: &str = "connector: sys\nbase-url: https://sys.test/\nfunctions:\n  - name: notify\n    mode: background\n    arguments: [{ name: q, type: string }]\n";

async fn house(flow: &str, script: Script) -> House {
    let house = House::new(flow, script).await;
    house.define(DefinitionKind::Connector, "sys", stored(CONNECTOR)).await;
    house
}

fn answer(status: u16) -> Result<Response, ConnectorError> {
    Ok(Response { status, headers: Vec::new(), body: "{\"n\": 7}".into(), transformed_data: None })
}

impl House {
    fn answer_with(&self, answer: Result<Response, ConnectorError>) {
        *self.world.answer.lock().unwrap() = answer;
    }

    async fn sent(&self, count: usize) {
        self.world.sent.subscribe().wait_for(|sent| sent.len() >= count).await.unwrap();
    }

    async fn calls(&self, run: &Run) -> Vec<BackgroundCall> {
        self.store.background_calls(&self.tenant, run.id, 0, 100).await.unwrap()
    }

    async fn the_call(&self, run: &Run) -> BackgroundCall {
        self.calls(run).await.remove(0)
    }

    /// A process that works until its first `count` sends have their outcome.
    async fn work_for(&self, count: usize) {
        let engine = self.engine();
        tokio::spawn(engine.clone().work());
        self.sent(count).await;
        assert_eq!(engine.drain(Duration::from_secs(60)).await, 0);
    }
}

fn error_code(call: &BackgroundCall) -> &str {
    match &call.progress.state {
        BackgroundState::Failed { error, .. } => &error.code,
        _ => "",
    }
}

fn succeeded(call: &BackgroundCall) -> bool {
    matches!(call.progress.state, BackgroundState::Succeeded { .. })
}

#[tokio::test]
async fn the_step_goes_on_at_once_and_the_call_is_sent_after_its_commit() {
    // covers C-11
    let house = house(NOTIFY, Script::default()).await;
    let (run, journal) = house.run(json!({"q": "x"})).await;
    assert_eq!(run.state_kind(), RunStateKind::Completed);
    assert_eq!(house.world.keys(), Vec::<String>::new(), "the run does not wait for its call");
    let empty = json!({"status": 0, "headers": {}, "body": {}, "transformed_data": null, "elapsed_ms": 0});
    assert_eq!(house.context(&run).await.pointer("/connectors/a"), Some(&empty));
    let StepRecord::Call(record) = &journal[0].record else { panic!("{:?}", journal[0].record) };
    assert_eq!((record.mode, &record.exchange), (ResponseMode::Background, &None));
    let pending = house.the_call(&run).await;
    assert_eq!((pending.entry.sequence, pending.entry.connector_version, pending.progress.sends), (1, 2, 0));
    assert_eq!(Some(&pending.entry.request), record.sent_request.as_ref());

    house.work_for(1).await;
    assert_eq!(house.world.keys(), [format!("{}.a", run.id)]);
    assert_eq!(house.world.uris(), ["https://sys.test/?x"]);
    let call = house.the_call(&run).await;
    assert!(succeeded(&call), "{call:?}");
    let exchange = call.progress.exchange.unwrap();
    assert_eq!((call.progress.sends, exchange.outcome.unwrap().status), (1, 200));
}

#[tokio::test(start_paused = true)]
async fn a_commit_wakes_the_sender() {
    // covers C-11: no poll stands between the commit and the call
    let mut house = house(NOTIFY, Script::default()).await;
    house.settings.claim_interval = Duration::from_secs(3_600);
    let engine = house.engine();
    tokio::spawn(engine.clone().work());
    tokio::task::yield_now().await;
    let began = tokio::time::Instant::now();
    engine.start(house.start_of(json!({"q": "x"}))).await.unwrap();
    house.sent(1).await;
    assert!(began.elapsed() < house.settings.claim_interval);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_sent_again_with_growing_pauses_and_the_same_key_until_it_is_taken() {
    // covers C-11, C-18, F-06
    let house = house(NOTIFY, Script::default()).await;
    let (run, _) = house.run(json!({"q": "x"})).await;
    let refused = ConnectorError { kind: ConnectorErrorKind::Connect, message: "down".to_owned() };
    house.answer_with(Err(refused));
    let engine = house.engine();
    tokio::spawn(engine.clone().work());
    house.sent(1).await;
    let began = tokio::time::Instant::now();
    house.sent(2).await;
    house.answer_with(answer(503));
    house.sent(4).await;
    let took = began.elapsed();
    house.answer_with(answer(204));
    house.sent(5).await;
    engine.drain(Duration::from_secs(60)).await;
    // Pauses of 1 s, 2 s and 4 s, each less up to a quarter, and each found at the next look a second apart.
    assert!((Duration::from_millis(5_250)..Duration::from_secs(11)).contains(&took), "{took:?}");
    let call = house.the_call(&run).await;
    assert!(succeeded(&call), "{call:?}");
    assert_eq!((call.progress.sends, house.world.keys()), (5, vec![format!("{}.a", run.id); 5]));
}

/// The process dies while the call is out; the next one sends it again with the same key.
#[test]
fn a_crash_loses_no_call_and_changes_no_key() {
    // covers C-11, F-06
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let (house, run) = first.block_on(async {
        let house = house(NOTIFY, Script::default()).await;
        house.world.answers.send_replace(0);
        let engine = house.engine();
        tokio::spawn(engine.clone().work());
        let run = engine.start(house.start_of(json!({"q": "x"}))).await.unwrap().run;
        house.sent(1).await;
        (house, run)
    });
    // Every task of the process is gone, as with kill -9.
    first.shutdown_background();
    house.world.answers.send_replace(usize::MAX);
    runtime().block_on(async {
        house.store.end_orphaned_leases().await.unwrap();
        house.work_for(2).await;
        let call = house.the_call(&run).await;
        assert!(succeeded(&call), "{call:?}");
        assert_eq!(call.progress.sends, 1, "the send that was cut off has no outcome");
    });
    assert_eq!(house.world.keys(), vec![format!("{}.a", run.id); 2]);
}

#[tokio::test]
async fn an_answer_that_will_not_change_ends_the_call() {
    // covers C-11, C-12
    let house = house(NOTIFY, Script::default()).await;
    for (answer, code) in [
        (answer(400), "connector.invalid-status"),
        (
            Err(ConnectorError { kind: ConnectorErrorKind::EgressDenied, message: "no".to_owned() }),
            "connector.egress-denied",
        ),
    ] {
        house.answer_with(answer);
        let (run, _) = house.run(json!({"q": "x"})).await;
        house.work_for(house.world.keys().len() + 1).await;
        let call = house.the_call(&run).await;
        assert_eq!((error_code(&call), call.progress.sends), (code, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_is_given_up_when_its_time_is_over() {
    // covers C-11
    let mut house = house(NOTIFY, Script::default()).await;
    house.settings.background_ttl = Duration::from_secs(20);
    house.answer_with(Err(ConnectorError { kind: ConnectorErrorKind::Connect, message: "down".to_owned() }));
    let (run, _) = house.run(json!({"q": "x"})).await;
    let engine = house.engine();
    tokio::spawn(engine.clone().work());
    tokio::time::sleep(house.settings.background_ttl * 2).await;
    let call = house.the_call(&run).await;
    assert_eq!(error_code(&call), "run.background-expired");
    let BackgroundState::Failed { error, .. } = &call.progress.state else { panic!("{call:?}") };
    assert!(error.message.contains("20s") && error.message.contains("connector.connect"), "{error}");
    assert_eq!(call.progress.sends as usize, house.world.keys().len());
    assert!(call.progress.sends > 1 && call.progress.exchange.is_some());
}

#[tokio::test]
async fn a_call_goes_as_the_connector_was_and_not_at_all_once_that_is_removed() {
    // covers C-11
    let house = house(NOTIFY, Script::default()).await;
    let (first, _) = house.run(json!({"q": "x"})).await;
    let elsewhere = CONNECTOR.replace("sys.test", "other.test");
    house.define(DefinitionKind::Connector, "sys", stored(&elsewhere)).await;
    house.work_for(1).await;
    assert_eq!(house.world.uris(), ["https://sys.test/?x"]);
    assert!(succeeded(&house.the_call(&first).await));

    let (second, _) = house.run(json!({"q": "x"})).await;
    house.store.delete_definition(&house.tenant, DefinitionKind::Connector, "sys").await.unwrap();
    let engine = house.engine();
    tokio::spawn(engine.clone().work());
    super::house::until(async || error_code(&house.the_call(&second).await) == "connector.unknown").await;
    assert_eq!(house.world.uris().len(), 1, "it was not sent");
}

#[tokio::test]
async fn a_stop_waits_for_the_calls_that_are_out() {
    // covers C-11, T-06
    let house = house(NOTIFY, Script::default()).await;
    house.world.answers.send_replace(0);
    let (run, _) = house.run(json!({"q": "x"})).await;
    let engine = house.engine();
    tokio::spawn(engine.clone().work());
    house.sent(1).await;
    let stopping = tokio::spawn(async move { engine.drain(Duration::from_secs(60)).await });
    house.world.answers.send_replace(usize::MAX);
    stopping.await.unwrap();
    assert!(succeeded(&house.the_call(&run).await));
}

#[tokio::test]
async fn of_a_long_answer_the_beginning_is_kept() {
    // covers C-11, keeps S-10
    let mut house = house(NOTIFY, Script::default()).await;
    house.settings.background_body_bytes_max = 4;
    house.answer_with(Ok(Response { status: 200, headers: Vec::new(), body: "abcé!".into(), transformed_data: None }));
    let (run, _) = house.run(json!({"q": "x"})).await;
    house.work_for(1).await;
    let progress = house.the_call(&run).await.progress;
    let response = progress.exchange.unwrap().outcome.unwrap();
    assert_eq!((response.body.as_text(), progress.body_bytes_left_out), (Some("abc"), 3));
}

#[tokio::test(start_paused = true)]
async fn what_a_send_tells_is_kept_with_the_call_and_goes_to_those_who_follow() {
    // covers C-10, C-11, D-04
    let mut house = House::new(NOTIFY, Script::default()).await;
    house.settings.diagnostics.step_entries_max = 3;
    let log = "sensitive: [ssn]\nfunctions:\n  - name: notify\n    log: { request: debug, success: info, failure: warning }\n";
    let document = CONNECTOR.replace("functions:\n  - name: notify\n", log);
    house.define(DefinitionKind::Connector, "sys", stored(&document)).await;
    let (run, journal) = house.run(json!({"q": "ssn=c4nary"})).await;
    assert_eq!(journal[0].diagnostics, [], "the step itself sends nothing");
    // The version that is sent marks the name, whatever the newest one does.
    house.define(DefinitionKind::Connector, "sys", stored(CONNECTOR)).await;
    house.answer_with(answer(503));
    let engine = house.engine();
    let mut live = engine.follow_diagnostics(&house.tenant, DiagnosticFilter::default());
    tokio::spawn(engine.clone().work());
    house.sent(1).await;
    let mut heard = Vec::new();
    for sends in 1..=2 {
        house.sent(sends).await;
        house.answer_with(answer(200));
        for _ in 0..2 {
            heard.push(live.next().await.unwrap().entry.unwrap());
        }
    }
    let kinds: Vec<_> = heard.iter().map(|entry| (entry.action_id.as_str(), entry.level)).collect();
    let (request, failure) = (("connector-request", LogLevel::Debug), ("connector-failure", LogLevel::Warning));
    assert_eq!(kinds, [request, failure, request, ("connector-response", LogLevel::Info)]);
    let call = house.the_call(&run).await;
    let kept: Vec<_> = heard.iter().skip(1).map(|entry| (**entry).clone()).collect();
    assert_eq!((&call.progress.diagnostics, call.progress.diagnostics_dropped), (&kept, 1), "the newest are kept");
    assert_eq!((heard[0].run, heard[0].step.as_str(), heard[0].component_id.as_str()), (run.id, "a", "sys.notify"));
    let text = format!("{heard:?}");
    assert!(!text.contains("c4nary") && text.contains("ssn"), "{text}");
}

#[tokio::test]
async fn no_more_calls_are_out_than_the_operator_lets() {
    // covers C-11, keeps S-10
    let mut house = house(NOTIFY, Script::default()).await;
    house.settings.background_calls_max = 2;
    house.world.answers.send_replace(0);
    for _ in 0..5 {
        house.run(json!({"q": "x"})).await;
    }
    let engine = house.engine();
    tokio::spawn(engine.clone().work());
    house.sent(2).await;
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert_eq!(house.world.keys().len(), 2);
    house.world.answers.send_replace(usize::MAX);
    house.sent(5).await;
}

#[tokio::test]
async fn one_tenant_never_has_all_places() {
    // covers C-11, keeps S-10
    let mut house = house(NOTIFY, Script::default()).await;
    house.settings.background_calls_max = 3;
    house.settings.background_calls_per_tenant_max = 2;
    house.world.answers.send_replace(0);
    for _ in 0..5 {
        house.run(json!({"q": "x"})).await;
    }
    let engine = house.engine();
    tokio::spawn(engine.clone().work());
    house.sent(2).await;
    let mut other = house.clone();
    other.tenant = "globex".parse().unwrap();
    other.define(DefinitionKind::Connector, "sys", stored(&CONNECTOR.replace("sys.test", "globex.test"))).await;
    other.define(DefinitionKind::Flow, "f", stored(NOTIFY)).await;
    engine.start(other.start_of(json!({"q": "y"}))).await.unwrap();
    house.sent(3).await;
    assert_eq!(house.world.uris(), ["https://sys.test/?x", "https://sys.test/?x", "https://globex.test/?y"]);
    house.world.answers.send_replace(usize::MAX);
    house.sent(6).await;
}

#[tokio::test]
async fn pre_call_hooks_run_in_the_step_and_a_failure_hands_nothing_over() {
    // covers C-11, F-05
    let failure = weir_engine::message::Failure { reason: "No".to_owned(), description: None };
    let flow = NOTIFY.replace("    arguments", "    pre-call: [{ plugin: p@1 }]\n    on-failure: b\n    arguments");
    let mut script = Script::default();
    script.pre_call.insert(
        "p",
        Box::new(move |_, request| {
            let mut request = request.clone();
            match request.uri.query() {
                Some("fail") => return Ok(PreCallDecision::Fail(failure.clone())),
                Some("respond") => return Ok(PreCallDecision::Respond(answer(201).unwrap())),
                _ => request.uri.set_query(Some("hooked")),
            }
            Ok(PreCallDecision::Call(request))
        }),
    );
    let house = house(&flow, script).await;
    for (q, status) in [("fail", None), ("respond", Some(201)), ("x", Some(0))] {
        let (run, _) = house.run(json!({ "q": q })).await;
        assert_eq!(run.state_kind(), RunStateKind::Completed);
        let context = house.context(&run).await;
        assert_eq!(context.pointer("/connectors/a/status").and_then(|status| status.as_u64()), status);
        let queries: Vec<_> =
            house.calls(&run).await.iter().map(|call| call.entry.request.uri.query().unwrap().to_owned()).collect();
        let expected: &[&str] = if q == "x" { &["hooked"] } else { &[] };
        assert_eq!(queries, expected, "{q}");
    }
}

#[test]
fn a_call_that_never_comes_to_an_outcome_is_given_up() {
    // keeps S-08: what brings its process down must not do so for ever
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut process = runtime();
    let (house, run) = process.block_on(async {
        let mut house = house(NOTIFY, Script::default()).await;
        house.settings.claims_without_commit_max = 2;
        house.world.answers.send_replace(0);
        let (run, _) = house.run(json!({"q": "x"})).await;
        (house, run)
    });
    for number in 1..=2 {
        process.shutdown_background();
        process = runtime();
        process.block_on(async {
            house.store.end_orphaned_leases().await.unwrap();
            tokio::spawn(house.engine().work());
            house.sent(number).await;
        });
    }
    process.shutdown_background();
    runtime().block_on(async {
        house.store.end_orphaned_leases().await.unwrap();
        tokio::spawn(house.engine().work());
        super::house::until(async || error_code(&house.the_call(&run).await) == "run.background-abandoned").await;
    });
    assert_eq!(house.world.keys().len(), 2);
}
