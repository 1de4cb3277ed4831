//! Bodies become values (C-13).

use serde_json::{Value, json};
use weir_engine::message::Response;
use weir_engine::ports::{ConnectorErrorKind as Kind, Connectors as _, ReadResponse};

use crate::support::{Fixture, document, with, with_function};

async fn parse(
    format: &str,
    method: &str,
    status: u16,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Value, String> {
    let fixture = Fixture::new();
    let document = with(document("http://a.test"), json!({"connection": {"json-depth-max": 3}}));
    let function = json!({"method": method, "response": {"format": format}});
    let request = fixture.bind(with_function(document, function), &json!({})).expect("binds");
    let headers = headers.iter().map(|(name, value)| weir_engine::message::Header::new(name, *value)).collect();
    let response = Response { status, headers, body: body.to_vec().into(), transformed_data: None };
    let last = fixture.connectors.conclude_response(&request, &response, None).await;
    let first = fixture.connectors.read_response(&request, &response, 0).await;
    assert_eq!(first, last.clone().map(|body| ReadResponse { body, transformed_data: None }));
    last.map_err(|error| {
        assert_eq!(error.kind, Kind::InvalidBody);
        error.message
    })
}

async fn of(format: &str, body: &str) -> Result<Value, String> {
    parse(format, "GET", 200, &[], body.as_bytes()).await
}

#[tokio::test]
async fn each_format_gives_its_value() {
    // covers C-13
    assert_eq!(of("none", "{").await, Ok(Value::Null));
    assert_eq!(of("string", "a\u{feff}\0é").await, Ok(json!("a\u{feff}\0é")));
    assert_eq!(of("string", "").await, Ok(json!("")));
    assert_eq!(of("json-object", r#" {"a": [1, 2.5, "x"]} "#).await, Ok(json!({"a": [1, 2.5, "x"]})));
    assert_eq!(of("json-array", "[1]").await, Ok(json!([1])));
    assert_eq!(of("xml", "<a b='1'><c>2</c></a>").await, Ok(json!({"a": {"@b": "1", "c": "2"}})));
    assert_eq!(of("json-object", r#"{"n": 9007199254740993}"#).await, Ok(json!({"n": 9_007_199_254_740_993_i64})));
}

#[tokio::test]
async fn what_does_not_fit_says_where() {
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
        ("xml", "<a>\n<b></a>", "`</a>` stands where `</b>` is expected at line 2 column 4"),
        ("xml", "<a><b><c><d/></c></b></a>", "nests deeper than the 3 levels"),
        ("xml", "{}", "text outside of its root element"),
    ] {
        let error = of(format, body).await.expect_err(body);
        assert!(error.starts_with("`api.f`: ") && error.contains(says), "{body}: {error}");
    }
    let latin = parse("string", "GET", 200, &[], b"ab\xe9").await.expect_err("no UTF-8");
    assert!(latin.contains("byte 2 is not part of a character"), "{latin}");
    let charset = [("content-type", "text/plain; charset=ISO-8859-1")];
    let error = parse("string", "GET", 200, &charset, b"ab").await.expect_err("another charset");
    assert!(error.contains("charset is `ISO-8859-1`"), "{error}");
    let error = parse("xml", "GET", 200, &charset, b"<a/>").await.expect_err("another charset");
    assert!(error.contains("charset is `ISO-8859-1`"), "{error}");
    let utf_8 = [("content-type", "text/plain; charset=\"UTF-8\"")];
    assert_eq!(parse("string", "GET", 200, &utf_8, b"a").await, Ok(json!("a")));
    let declared = b"<?xml version='1.0' encoding='latin1'?><a/>";
    assert_eq!(parse("xml", "GET", 200, &utf_8, declared).await, Ok(json!({"a": ""})));
}

#[tokio::test]
async fn answers_that_never_have_a_body_are_null() {
    // covers C-13
    for format in ["json-object", "json-array", "xml"] {
        for (method, status) in [("GET", 204), ("GET", 304), ("HEAD", 200)] {
            assert_eq!(parse(format, method, status, &[], b"").await, Ok(Value::Null), "{format} {method} {status}");
        }
        assert!(parse(format, "GET", 204, &[], b"x").await.is_err());
        assert!(parse(format, "GET", 200, &[], b"").await.is_err());
    }
}

#[tokio::test]
async fn the_body_of_an_invalid_status_is_text_where_it_is_no_document() {
    // covers C-12: the flow can read what it was refused with
    for format in ["json-object", "json-array", "xml"] {
        assert_eq!(parse(format, "GET", 503, &[], b"busy \xff").await, Ok(json!("busy \u{fffd}")), "{format}");
    }
    assert_eq!(parse("json-object", "GET", 404, &[], b"{\"e\": 1}").await, Ok(json!({"e": 1})));
    assert_eq!(parse("xml", "GET", 404, &[], b"<e/>").await, Ok(json!({"e": ""})));
}
