//! Calls of connectors, and logs.

use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use serde_json::{Value, json};
use weir_engine::ids::{ConnectorName, FunctionName};
use weir_engine::message::{Failure, Response};
use weir_engine::ports::{
    ActionDecision, CallError, CallErrorKind, GrantedCalls, HookErrorKind, HookReport, InvocationLimits, LogLevel,
    Plugins,
};

use crate::guests::{ANSWER, CALL, Guest, LOG};
use crate::host::{HOST, act, check, event, invocation, response, roomy};

/// What granted calls do in a test.
enum Calls {
    Answer,
    Fail(CallErrorKind),
    Panic,
    Hang,
}

struct Granted(Calls, AtomicU32);

#[async_trait]
impl GrantedCalls for Granted {
    async fn call(
        &self,
        connector: &ConnectorName,
        function: &FunctionName,
        arguments: Value,
    ) -> Result<Response, CallError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        match &self.0 {
            Calls::Answer => {
                assert_eq!((connector.as_str(), function.as_str()), ("risk", "score"));
                assert_eq!(arguments, json!({"a": 1}));
                Ok(Response { body: b"ninety".to_vec().into(), ..response() })
            }
            Calls::Fail(kind) => Err(CallError { kind: *kind, message: "because".to_owned() }),
            Calls::Panic => panic!("a fault of the host"),
            Calls::Hang => std::future::pending().await,
        }
    }
}

/// Where the result of a call goes, and where its arguments lie.
const RESULT: u32 = 2_048;
const TEXT: u32 = 4_096;

/// Calls `risk.score({"a":1})` so many times; answers with `tail`, which may look at the last result.
fn caller(times: u32, function: &str, tail: &str) -> Vec<u8> {
    let call = format!(
        "(call $call (i32.const {TEXT}) (i32.const 4) (i32.const {}) (i32.const {}) (i32.const {}) (i32.const 7) \
         (i32.const {RESULT}))",
        TEXT + 16,
        function.len(),
        TEXT + 64
    );
    Guest::default()
        .with(CALL)
        .bytes(TEXT, b"risk")
        .bytes(TEXT + 16, function.as_bytes())
        .bytes(TEXT + 64, br#"{"a":1}"#)
        .words(ANSWER, &[0, 2])
        .action(&format!("{} {tail}", call.repeat(times as usize)))
}

/// `failed` with the body of the last response as its reason.
const BODY: &str = "(i32.store (i32.const 1032) (i32.load (i32.const 2064)))
    (i32.store (i32.const 1036) (i32.load (i32.const 2068))) (i32.const 1024)";

/// `failed` with the words of the last call error as its reason.
const ERROR: &str = "(if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then unreachable))
    (i32.store (i32.const 1032) (i32.load (i32.const 2056)))
    (i32.store (i32.const 1036) (i32.load (i32.const 2060))) (i32.const 1024)";

/// Traps with a division by zero where the last call error is not of that case.
fn expect_case(case: u32) -> String {
    format!(
        "(if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then unreachable))
         (if (i32.ne (i32.load8_u (i32.const 2052)) (i32.const {case})) (then unreachable))
         (i32.store (i32.const 1036) (i32.const 0)) (i32.const 1024)"
    )
}

async fn run(component: Vec<u8>, calls: Calls, limits: InvocationLimits) -> (HookReport<ActionDecision>, u32) {
    let granted = Granted(calls, AtomicU32::new(0));
    let invocation = invocation(HOST.shelf.put(component), limits);
    let report = HOST.host.action(&invocation, &event(), &granted).await;
    (report, granted.1.into_inner())
}

fn failed(reason: &str) -> Result<ActionDecision, weir_engine::ports::HookError> {
    Ok(ActionDecision::Failed(Failure { reason: reason.to_owned(), description: None }))
}

#[tokio::test]
async fn a_granted_call_is_made_by_the_host() {
    // covers P-06
    let (report, calls) = run(caller(2, "score", BODY), Calls::Answer, roomy()).await;
    assert_eq!((report.outcome, calls), (failed("ninety"), 2));
}

#[tokio::test]
async fn every_kind_of_error_reaches_the_guest() {
    for (kind, case) in [
        (CallErrorKind::NotGranted, 0),
        (CallErrorKind::InvalidArguments, 1),
        (CallErrorKind::Timeout, 2),
        (CallErrorKind::Unreachable, 3),
        (CallErrorKind::Refused, 4),
    ] {
        let (report, _) = run(caller(1, "score", &expect_case(case)), Calls::Fail(kind), roomy()).await;
        assert_eq!(report.outcome, failed(""), "{kind:?}");
    }
}

#[tokio::test]
async fn a_name_that_is_none_is_not_granted_and_never_asked_for() {
    let (report, calls) = run(caller(1, "../etc", &expect_case(0)), Calls::Answer, roomy()).await;
    assert_eq!((report.outcome, calls), (failed(""), 0));
}

#[tokio::test]
async fn arguments_are_limited_before_they_are_parsed() {
    // keeps S-05: spaces up to the limit, and one more
    let end = 500_000;
    let guest = |bytes: u32, tail: &str| {
        Guest::default()
            .pages(8)
            .with(CALL)
            .bytes(TEXT, b"risk")
            .bytes(TEXT + 16, b"score")
            .words(ANSWER, &[0, 2])
            .bytes(TEXT + 64, br#"{"a":1}"#)
            .action(&format!(
                "(memory.fill (i32.const 131072) (i32.const 32) (i32.const 390000))
                 (memory.copy (i32.const {}) (i32.const {}) (i32.const 7))
                 (call $call (i32.const {TEXT}) (i32.const 4) (i32.const {}) (i32.const 5) (i32.const {})
                    (i32.const {bytes}) (i32.const {RESULT})) {tail}",
                end - 7,
                TEXT + 64,
                TEXT + 16,
                end - bytes,
            ))
    };
    let (report, calls) = run(guest(256 << 10, BODY), Calls::Answer, roomy()).await;
    assert_eq!((report.outcome, calls), (failed("ninety"), 1));
    let (report, calls) = run(guest((256 << 10) + 1, &expect_case(1)), Calls::Answer, roomy()).await;
    assert_eq!((report.outcome, calls), (failed(""), 0));
}

#[tokio::test]
async fn calls_are_counted() {
    // covers P-05
    let limits = |connector_calls| InvocationLimits { connector_calls, ..roomy() };
    let (report, calls) = run(caller(3, "score", BODY), Calls::Answer, limits(3)).await;
    assert_eq!((report.outcome, calls), (failed("ninety"), 3));
    let (report, calls) = run(caller(4, "score", &expect_case(4)), Calls::Answer, limits(3)).await;
    assert_eq!((report.outcome, calls), (failed(""), 3));
    let (report, _) = run(caller(1, "score", ERROR), Calls::Answer, limits(0)).await;
    // The words are longer than a reason may be.
    let error = report.outcome.unwrap_err();
    assert!(error.message.contains("the failure's reason has"), "{error:?}");
}

#[tokio::test]
async fn a_panic_of_the_host_loses_one_invocation() {
    // keeps S-08
    let (report, _) = run(caller(1, "score", BODY), Calls::Panic, roomy()).await;
    check(report, HookErrorKind::Host, "the host panicked").await;
}

#[tokio::test]
async fn a_call_that_hangs_is_cancelled_at_the_deadline() {
    // keeps S-04
    let limits = InvocationLimits { time_ms: 100, ..InvocationLimits::default() };
    let (report, _) = run(caller(1, "score", BODY), Calls::Hang, limits).await;
    check(report, HookErrorKind::TimeExhausted, "longer than 100 ms").await;
}

/// Logs `hello` with a field, so many times.
fn logger(times: u32) -> Vec<u8> {
    let log =
        format!("(call $log (i32.const 2) (i32.const {TEXT}) (i32.const 6) (i32.const {}) (i32.const 1))", TEXT + 64);
    Guest::default()
        .with(LOG)
        .with("(global $left (mut i32) (i32.const 0))")
        .bytes(TEXT, b"hel\x07lo")
        .bytes(TEXT + 32, b"key")
        .words(TEXT + 64, &[TEXT + 32, 3, TEXT + 33, 2])
        .action(&format!(
            "(global.set $left (i32.const {times}))
             (loop $more {log} (global.set $left (i32.sub (global.get $left) (i32.const 1)))
                (br_if $more (global.get $left)))
             (i32.const 1024)"
        ))
}

#[tokio::test]
async fn log_lines_come_in_order_and_clean() {
    // covers D-03, keeps S-07
    let report = act(logger(2), roomy()).await;
    assert!(report.outcome.is_ok());
    assert_eq!((report.logs.len(), report.logs_dropped), (2, 0));
    assert_eq!((report.logs[0].level, report.logs[0].message.as_str()), (LogLevel::Warning, "hello"));
    assert_eq!(report.logs[0].fields, [("key".to_owned(), "ey".to_owned())]);
}

#[tokio::test]
async fn a_flood_of_lines_is_cut_and_counted() {
    // covers P-05, keeps S-07
    let report = act(logger(100_000), roomy()).await;
    assert!(report.outcome.is_ok());
    assert_eq!((report.logs.len(), report.logs_dropped), (256, 99_744));
    // Eleven bytes of text for each line, and 64 for the line and for its field.
    let limits = |log_bytes| InvocationLimits { log_bytes, ..roomy() };
    assert_eq!(act(logger(2), limits(278)).await.logs.len(), 2);
    assert_eq!(act(logger(2), limits(277)).await.logs.len(), 1);
}

#[tokio::test]
async fn the_last_lines_of_a_guest_that_traps_are_kept() {
    let guest = Guest::default().with(LOG).bytes(TEXT, b"goodbye");
    let log =
        format!("(call $log (i32.const 3) (i32.const {TEXT}) (i32.const 7) (i32.const 0) (i32.const 0)) unreachable");
    let report = check(act(guest.action(&log), roomy()).await, HookErrorKind::Trap, "its last log lines").await;
    assert_eq!(report.logs[0].message, "goodbye");
}
