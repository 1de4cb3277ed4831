//! Bodies become values (C-13).

use serde_json::{Value, json};
use weir_engine::message::Response;
use weir_engine::ports::{ConnectorErrorKind as Kind, Connectors as _};

use crate::support::{Fixture, document, with, with_function};

fn parse(format: &str, method: &str, status: u16, headers: &[(&str, &str)], body: &[u8]) -> Result<Value, String> {
    let fixture = Fixture::new();
    let document = with(document("http://a.test"), json!({"connection": {"json-depth-max": 3}}));
    let function = json!({"method": method, "response": {"format": format}});
    let request = fixture.bind(with_function(document, function), &json!({})).expect("binds");
    let headers = headers.iter().map(|(name, value)| weir_engine::message::Header::new(name, *value)).collect();
    let response = Response { status, headers, body: body.to_vec().into(), transformed_data: None };
    fixture.connectors.parse_body(&request, &response).map_err(|error| {
        assert_eq!(error.kind, Kind::InvalidBody);
        error.message
    })
}

fn of(format: &str, body: &str) -> Result<Value, String> {
    parse(format, "GET", 200, &[], body.as_bytes())
}

#[test]
fn each_format_gives_its_value() {
    // covers C-13
    assert_eq!(of("none", "{"), Ok(Value::Null));
    assert_eq!(of("string", "a\u{feff}\0é"), Ok(json!("a\u{feff}\0é")));
    assert_eq!(of("string", ""), Ok(json!("")));
    assert_eq!(of("json-object", r#" {"a": [1, 2.5, "x"]} "#), Ok(json!({"a": [1, 2.5, "x"]})));
    assert_eq!(of("json-array", "[1]"), Ok(json!([1])));
    assert_eq!(of("json-object", r#"{"n": 9007199254740993}"#), Ok(json!({"n": 9_007_199_254_740_993_i64})));
}

#[test]
fn what_does_not_fit_says_where() {
    // covers C-13
    for (format, body, says) in [
        ("json-object", "[]", "the body is a list, but the function's response format is `json-object`"),
        ("json-array", "{}", "the body is an object, but the function's response format is `json-array`"),
        ("json-array", "null", "the body is null"),
        ("json-object", "{\n\"a\": 1,\n}", "the body is not JSON: trailing comma at line 3 column 1"),
        ("json-object", "{} x", "trailing characters at line 1 column 4"),
        ("json-object", r#"{"a":[[[1]]]}"#, "deeper than 3 levels at line 1 column 8"),
        ("json-object", r#"{"a": 1e999}"#, "number out of range at line 1"),
        ("json-object", "<html>", "expected value at line 1 column 1"),
        ("json-object", "", "the body is empty"),
    ] {
        let error = of(format, body).expect_err(body);
        assert!(error.starts_with("`api.f`: ") && error.contains(says), "{body}: {error}");
    }
    let latin = parse("string", "GET", 200, &[], b"ab\xe9").expect_err("no UTF-8");
    assert!(latin.contains("byte 2 is not part of a character"), "{latin}");
    let charset = [("content-type", "text/plain; charset=ISO-8859-1")];
    let error = parse("string", "GET", 200, &charset, b"ab").expect_err("another charset");
    assert!(error.contains("charset is `ISO-8859-1`"), "{error}");
    assert_eq!(parse("string", "GET", 200, &[("content-type", "text/plain; charset=\"UTF-8\"")], b"a"), Ok(json!("a")));
}

#[test]
fn answers_that_never_have_a_body_are_null() {
    for (method, status) in [("GET", 204), ("GET", 304), ("HEAD", 200)] {
        assert_eq!(parse("json-object", method, status, &[], b""), Ok(Value::Null), "{method} {status}");
    }
    assert!(parse("json-object", "GET", 204, &[], b"x").is_err());
}
