//! What guests may decide: every value is checked, and refused with words where it breaks the contract.

use weir_engine::action::Operation;
use weir_engine::message::{Failure, Method};
use weir_engine::ports::{ActionDecision, HookErrorKind, InvocationLimits, PostResponseDecision, PreCallDecision};

use crate::guests::{ANSWER, Guest};
use crate::host::{act, check, post_response, pre_call, roomy};

/// Where the tests put text.
const TEXT: u32 = 4_096;

/// `call(request)` with that method, URI and body.
fn call(method: &str, uri: &str, body_bytes: u32) -> Vec<u8> {
    let lengths = (method.len() as u32, uri.len() as u32);
    Guest::default()
        .pages(200)
        .bytes(TEXT, method.as_bytes())
        .bytes(TEXT + 64, uri.as_bytes())
        .words(ANSWER, &[0, 0, TEXT, lengths.0, TEXT + 64, lengths.1, 0, 0, 1, 2_000_000, body_bytes])
        .pre_call("(i32.const 1024)")
}

/// A response with that status, one header, and transformed data; `kind` is the decision's case.
fn respond(kind: u32, status: u32, header: (&str, &str), data: &str) -> Guest {
    Guest::default()
        .bytes(TEXT, header.0.as_bytes())
        .bytes(TEXT + 64, header.1.as_bytes())
        .bytes(TEXT + 128, data.as_bytes())
        .words(TEXT + 512, &[TEXT, header.0.len() as u32, TEXT + 64, header.1.len() as u32])
        .words(ANSWER, &[0, kind, status, TEXT + 512, 1, 0, 0, 1, TEXT + 128, data.len() as u32])
}

/// `failed(failure)` or `fault`, by `words` at the answer.
fn with_text(words: &[u32], texts: &[&str]) -> Guest {
    let guest = Guest::default().words(ANSWER, words);
    texts.iter().zip(0_u32..).fold(guest, |guest, (text, index)| guest.bytes(TEXT + index * 1_024, text.as_bytes()))
}

#[tokio::test]
async fn a_request_comes_back_as_it_was_given() {
    let report = pre_call(call("POST", "https://api.example.com/v2", 3), roomy()).await;
    let Ok(PreCallDecision::Call(request)) = report.outcome else { panic!("{:?}", report.outcome) };
    assert_eq!((request.method, request.uri.as_str()), (Method::Post, "https://api.example.com/v2"));
    assert_eq!(request.body.unwrap().as_slice(), [0; 3]);
}

#[tokio::test]
async fn a_request_that_is_none_is_refused() {
    for (method, uri, words) in [
        ("FETCH", "https://a/", "`FETCH` is not a method"),
        ("GET", "/v2", "`/v2` is not an absolute URI"),
        ("GET", "", "is not an absolute URI"),
    ] {
        check(pre_call(call(method, uri, 0), roomy()).await, HookErrorKind::InvalidOutput, words).await;
    }
}

#[tokio::test]
async fn output_is_limited_to_the_byte() {
    // covers P-05
    let uri = "https://a/";
    let bytes = 1_000_000;
    let limits = |output_bytes| InvocationLimits { output_bytes, ..roomy() };
    let whole = u64::from(bytes) + 4 + uri.len() as u64;
    assert!(pre_call(call("POST", uri, bytes), limits(whole)).await.outcome.is_ok());
    let report = pre_call(call("POST", uri, bytes), limits(whole - 1)).await;
    check(report, HookErrorKind::OutputTooLarge, &format!("more than {} bytes", whole - 1)).await;
}

#[tokio::test]
async fn a_response_may_be_given_by_both_sides() {
    let guest = respond(1, 203, ("X-Tier", "gold"), r#"{"tier": "gold"}"#);
    let report = pre_call(guest.pre_call("(i32.const 1024)"), roomy()).await;
    let Ok(PreCallDecision::Respond(response)) = report.outcome else { panic!("{:?}", report.outcome) };
    assert_eq!((response.status, response.header("x-tier")), (203, Some("gold")));
    let guest = respond(0, 200, ("content-length", "2"), "[1]");
    let report = post_response(guest.post_response("(i32.const 1024)"), roomy()).await;
    let Ok(PostResponseDecision::Keep(response)) = report.outcome else { panic!("{:?}", report.outcome) };
    assert_eq!(response.transformed_data, Some(serde_json::json!([1])));
}

#[tokio::test]
async fn a_response_that_is_none_is_refused() {
    for (status, header, data, words) in [
        (99, ("a", "b"), "1", "99 is not an HTTP status"),
        (600, ("a", "b"), "1", "600 is not an HTTP status"),
        (200, ("a b", "b"), "1", "`a b` is not a header name"),
        (200, ("a", "b\r\nc: d"), "1", "holds a control character"),
        (200, ("a", "b"), "{", "transformed-data is not JSON"),
    ] {
        let guest = respond(0, status, header, data).post_response("(i32.const 1024)");
        check(post_response(guest, roomy()).await, HookErrorKind::InvalidOutput, words).await;
    }
}

#[tokio::test]
async fn a_failure_reaches_the_flow_and_a_fault_the_log() {
    let guest = with_text(&[0, 2, TEXT, 5, 1, TEXT + 1_024, 4], &["stop!", "why."]);
    let report = act(guest.action("(i32.const 1024)"), roomy()).await;
    let failure = Failure { reason: "stop!".to_owned(), description: Some("why.".to_owned()) };
    assert_eq!(report.outcome, Ok(ActionDecision::Failed(failure)));
    let guest = with_text(&[1, TEXT, 9, 1, TEXT + 1_024, 7], &["no\nluck\x1b!", "at main"]);
    let report = act(guest.action("(i32.const 1024)"), roomy()).await;
    let report = check(report, HookErrorKind::Fault, "it gave a fault: no luck!").await;
    assert_eq!(report.outcome.unwrap_err().detail.as_deref(), Some("at main"));
}

#[tokio::test]
async fn a_long_failure_is_refused() {
    // covers A-07
    let reason = |chars: u32| with_text(&[0, 2, TEXT, chars, 0, 0, 0], &[&"x".repeat(200)]).action("(i32.const 1024)");
    assert!(act(reason(100), roomy()).await.outcome.is_ok());
    check(act(reason(101), roomy()).await, HookErrorKind::InvalidOutput, "101 characters, at most 100").await;
}

#[tokio::test]
async fn operations_hold_json() {
    // [add {path, value}, remove path]; each takes five words: kind, path, value
    let operations = |value: &str| {
        let list = [0, TEXT, 2, TEXT + 1_024, value.len() as u32, 2, TEXT, 2, 0, 0];
        with_text(&[0, 0, TEXT + 2_048, 2], &["/a", value]).words(TEXT + 2_048, &list).action("(i32.const 1024)")
    };
    let report = act(operations("{\"b\":1}"), roomy()).await;
    let add = Operation::Add { path: "/a".to_owned(), value: Some(serde_json::json!({"b": 1})) };
    assert_eq!(report.outcome, Ok(ActionDecision::Success(vec![add, Operation::Remove { path: "/a".to_owned() }])));
    check(act(operations("b"), roomy()).await, HookErrorKind::InvalidOutput, "the value for `/a` is not JSON").await;
    let deep = "[".repeat(101) + &"]".repeat(101);
    check(act(operations(&deep), roomy()).await, HookErrorKind::InvalidOutput, "deeper than 100").await;
}
