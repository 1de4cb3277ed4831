use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::super::profile::ProfileName;
use super::*;
use crate::message::{Header, Octets};

fn kind() -> ActionType {
    let document = json!({"type": "T", "title": "t", "reserved-reasons": ["server_error", "500"], "data": "/user"});
    serde_json::from_value(document).expect("a type")
}

fn response(status: u16, content_type: Option<&str>, body: impl AsRef<[u8]>) -> Response {
    let headers = content_type.map(|value| Header::new("content-type", value)).into_iter().collect();
    Response { status, headers, body: Octets::from(body.as_ref().to_vec()), transformed_data: None }
}

fn read_with(profile: &Profile, response: &Response) -> Result<ReadAnswer, UnusableAnswer> {
    read_answer(response, &AnswerRules { kind: &kind(), profile, depth_max: 64 })
}

fn read(status: u16, body: impl AsRef<[u8]>) -> Result<ActionAnswer, UnusableAnswer> {
    let response = response(status, Some("application/json"), body);
    read_with(&Profile::named(ProfileName::Strict), &response).map(|read| read.answer)
}

fn ok(body: &Value) -> ActionAnswer {
    read(200, body.to_string()).unwrap_or_else(|unusable| panic!("{unusable}"))
}

#[test]
fn each_status_of_an_answer_is_taken_where_it_belongs() {
    // covers A-05, A-07, A-08
    let none = ActionAnswer::Success { operations: Vec::new(), data: None };
    assert_eq!(ok(&json!({"actionStatus": "SUCCESS"})), none);
    assert_eq!(ok(&json!({"actionStatus": "SUCCESS", "operations": []})), none);
    let operations = json!([
        {"op": "add", "path": "/a/-", "value": null},
        {"op": "replace", "path": ""},
        {"op": "remove", "path": "/a", "value": "said for nothing"},
    ]);
    let expected = vec![
        Operation::Add { path: "/a/-".to_owned(), value: Some(Value::Null) },
        Operation::Replace { path: String::new(), value: None },
        Operation::Remove { path: "/a".to_owned() },
    ];
    let answer = ok(&json!({"actionStatus": "SUCCESS", "operations": operations, "data": {"user": {"id": 1}}}));
    assert_eq!(answer, ActionAnswer::Success { operations: expected, data: Some(json!({"user": {"id": 1}})) });
    let redirect = json!([{"op": "redirect", "url": "https://ext.example.test/"}]);
    let operations = vec![Operation::Redirect { url: "https://ext.example.test/".to_owned() }];
    assert_eq!(
        ok(&json!({"actionStatus": "INCOMPLETE", "operations": redirect})),
        ActionAnswer::Incomplete { operations }
    );
    let failed = json!({"actionStatus": "FAILED", "failureReason": "no", "failureDescription": null});
    assert_eq!(ok(&failed), ActionAnswer::Failed(Failure { reason: "no".to_owned(), description: None }));
    let error = json!({"actionStatus": "ERROR", "errorMessage": "down", "errorDescription": "db"}).to_string();
    let expected = ProviderError { message: "down".to_owned(), description: Some("db".to_owned()) };
    for status in [400, 401, 500] {
        assert_eq!(read(status, &error), Ok(ActionAnswer::Error(expected.clone())));
    }
}

#[test]
fn what_is_no_answer_says_what_and_where() {
    // covers A-05
    let many = Value::from_iter((0..201).map(|_| json!({"op": "remove", "path": "/a"})));
    for (body, code, says) in [
        (json!([]), "unusable-answer", "its body is a list instead of an object"),
        (json!({}), "unusable-answer", "at `/actionStatus`: it is missing"),
        (json!({"actionStatus": null}), "unusable-answer", "at `/actionStatus`: it is null instead of text"),
        (json!({"actionStatus": "success"}), "unusable-answer", "it is none of SUCCESS, FAILED and INCOMPLETE"),
        (json!({"actionStatus": "ERROR", "errorMessage": "x"}), "unusable-answer", "not with 200"),
        (json!({"actionStatus": "SUCCESS", "operations": null}), "unusable-answer", "at `/operations`: it is null"),
        (json!({"actionStatus": "SUCCESS", "operations": {}}), "unusable-answer", "`/operations`: it is an object"),
        (
            json!({"actionStatus": "SUCCESS", "operations": [1]}),
            "unusable-answer",
            "at `/operations/0`: it is a number",
        ),
        (
            json!({"actionStatus": "SUCCESS", "operations": [{"op": "move"}]}),
            "unusable-answer",
            "at `/operations/0/op`",
        ),
        (json!({"actionStatus": "SUCCESS", "operations": [{"path": "/"}]}), "unusable-answer", "at `/operations/0/op`"),
        (
            json!({"actionStatus": "SUCCESS", "operations": [{"op": "replace", "value": 1}]}),
            "unusable-answer",
            "at `/operations/0/path`: `replace` needs it",
        ),
        (
            json!({"actionStatus": "SUCCESS", "operations": [{"op": "redirect", "url": 7}]}),
            "unusable-answer",
            "at `/operations/0/url`: it is a number instead of text",
        ),
        (json!({"actionStatus": "SUCCESS", "operations": many}), "too-many-operations", "it has 201 operations"),
        (json!({"actionStatus": "INCOMPLETE"}), "unusable-answer", "at `/operations`: INCOMPLETE needs"),
        (json!({"actionStatus": "INCOMPLETE", "operations": []}), "unusable-answer", "at `/operations`"),
        (json!({"actionStatus": "FAILED"}), "unusable-answer", "at `/failureReason`: FAILED needs it"),
        (
            json!({"actionStatus": "FAILED", "failureReason": 5}),
            "unusable-answer",
            "at `/failureReason`: it is a number",
        ),
        (json!({"actionStatus": "FAILED", "failureReason": ""}), "unusable-answer", "`failureReason` is empty"),
        (json!({"actionStatus": "FAILED", "failureReason": "Server_Error"}), "reserved-reason", "`Server_Error`"),
        (json!({"actionStatus": "FAILED", "failureReason": "500"}), "reserved-reason", "`500`"),
        (json!({"actionStatus": "SUCCESS", "a/b": 1}), "unusable-answer", "at `/a~1b`: nothing of this name"),
        (
            json!({"actionStatus": "SUCCESS", "operations": [{"op": "remove", "path": "/", "from": "/a"}]}),
            "unusable-answer",
            "at `/operations/0/from`",
        ),
    ] {
        let unusable = read(200, body.to_string()).expect_err(&body.to_string());
        assert_eq!(unusable.code, format!("action.{code}"), "{body}: {unusable}");
        assert!(unusable.message.contains(says), "{body}: {unusable}");
    }
    let twice = read(200, r#"{"actionStatus": "FAILED", "failureReason": "no", "actionStatus": "SUCCESS"}"#);
    assert!(twice.expect_err("twice").message.contains("a name stands twice"));
}

#[test]
fn errors_are_taken_by_the_same_rules() {
    // covers A-07, A-08
    for body in [
        json!({"actionStatus": "ERROR", "error": "x", "errorDescription": "y"}),
        json!({"actionStatus": "ERROR", "errorMessage": "x".repeat(101)}),
        json!({"actionStatus": "ERROR", "errorMessage": "x", "errorDescription": "y".repeat(301)}),
        json!({"actionStatus": "FAILED", "failureReason": "no"}),
        json!({"actionStatus": "SUCCESS"}),
        json!("ERROR"),
    ] {
        for status in [400, 401, 500] {
            let unusable = read(status, body.to_string()).expect_err("no error");
            assert_eq!(unusable.code, "action.unexpected-status", "{body}");
            assert!(unusable.message.contains(&status.to_string()), "{unusable}");
        }
    }
    let success = json!({"actionStatus": "SUCCESS"}).to_string();
    let error = json!({"actionStatus": "ERROR", "errorMessage": "x"}).to_string();
    for status in [100, 201, 204, 302, 403, 404, 422, 429, 502, 503, 504, 599] {
        for body in [&success, &error] {
            assert_eq!(read(status, body).expect_err("no answer").code, "action.unexpected-status");
        }
    }
}

#[test]
fn the_content_type_is_json_and_nothing_else() {
    // covers A-05
    let read = |content_type| {
        let response = response(200, content_type, r#"{"actionStatus": "SUCCESS"}"#);
        read_with(&Profile::named(ProfileName::Strict), &response)
    };
    for taken in ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"] {
        assert!(read(Some(taken)).is_ok(), "{taken}");
    }
    for wrong in ["text/plain", "application/problem+json", "text/json", ""] {
        assert!(read(Some(wrong)).expect_err(wrong).message.contains("`content-type`"), "{wrong}");
    }
    assert!(read(None).is_err());
    let mut two = response(200, Some("application/json"), r#"{"actionStatus": "SUCCESS"}"#);
    two.headers.push(Header::new("content-type", "text/html"));
    assert!(read_with(&Profile::named(ProfileName::Strict), &two).is_err());
}

#[test]
fn settings_decide_on_texts_and_unknown_members() {
    // covers A-05, A-07
    let strict = Profile::named(ProfileName::Strict);
    let wso2 = Profile::named(ProfileName::Wso2);
    let ignoring = Profile { unknown_members: UnknownMembers::Ignore, ..strict };
    let comma = json!({"actionStatus": "FAILED", "failureReason": "a, b"}).to_string();
    let comma = response(200, Some("application/json"), comma);
    assert!(read_with(&strict, &comma).is_ok() && read_with(&wso2, &comma).is_err());
    let more = json!({"actionStatus": "SUCCESS", "trace": 1, "operations": [{"op": "remove", "path": "/a", "x": 1}]});
    let more = response(200, Some("application/json"), more.to_string());
    assert!(read_with(&strict, &more).is_err() && read_with(&wso2, &more).is_err());
    assert_eq!(
        read_with(&ignoring, &more).map(|read| read.ignored),
        Ok(vec!["/operations/0/x".into(), "/trace".into()])
    );
    // `data` is unknown to a type that has no place for it.
    let data = response(200, Some("application/json"), r#"{"actionStatus": "SUCCESS", "data": {}}"#);
    let plain = ActionType { data: None, ..kind() };
    assert_eq!(plain.request_timeout, Duration::from_secs(5));
    let rules = AnswerRules { kind: &plain, profile: &strict, depth_max: 64 };
    assert!(read_answer(&data, &rules).is_err() && read_with(&strict, &data).is_ok());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[A-Za-z/_]{0,8}".prop_map(Value::from),
        prop::sample::select(vec!["SUCCESS", "FAILED", "INCOMPLETE", "ERROR", "add", "redirect"]).prop_map(Value::from),
    ];
    let names = prop::sample::select(vec![
        "actionStatus",
        "operations",
        "op",
        "path",
        "value",
        "url",
        "failureReason",
        "errorMessage",
        "x",
    ]);
    leaf.prop_recursive(3, 20, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(names.clone().prop_map(str::to_owned), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(status in 100_u16..600, body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(status, body);
    }

    #[test]
    fn only_a_plain_success_is_one(status in prop::sample::select(vec![200_u16, 201, 400, 500, 503]), body in any_json()) {
        // covers A-05
        let success = matches!(read(status, body.to_string()), Ok(ActionAnswer::Success { .. }));
        let says_so = status == 200 && body.get("actionStatus") == Some(&json!("SUCCESS"));
        let has_operations = body.get("operations").is_none_or(Value::is_array);
        prop_assert!(!success || (says_so && has_operations), "{}", body);
    }
}
