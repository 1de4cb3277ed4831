//! Bodies become values, as the function's response format says (C-13).

use serde_json::Value;
use weir_engine::connector::{PermittedRequest, ResponseFormat};
use weir_engine::expression::type_name;
use weir_engine::message::{Method, Response};

/// How much of JSON is read (C-20).
#[derive(Debug, Clone, Copy)]
pub(crate) struct JsonLimits {
    /// Levels of lists and objects.
    pub(crate) depth_max: u16,
    /// Values and names.
    pub(crate) nodes_max: u32,
}

/// The body as a value; `null` where the format reads none, or where HTTP gives none.
///
/// # Errors
/// What is wrong with the body, and where in it.
pub(crate) fn parse(request: &PermittedRequest, response: &Response, limits: JsonLimits) -> Result<Value, String> {
    let body = response.body.as_slice();
    match request.function().response.format {
        ResponseFormat::None => Ok(Value::Null),
        ResponseFormat::String => text(response).map(Value::String),
        ResponseFormat::Xml => Err("XML is not there yet".to_owned()),
        ResponseFormat::JsonObject | ResponseFormat::JsonArray if has_no_body(request, response) => Ok(Value::Null),
        ResponseFormat::JsonObject => match json(body, limits)? {
            object @ Value::Object(_) => Ok(object),
            other => {
                Err(format!("the body is {}, but the function's response format is `json-object`", type_name(&other)))
            }
        },
        ResponseFormat::JsonArray => match json(body, limits)? {
            array @ Value::Array(_) => Ok(array),
            other => {
                Err(format!("the body is {}, but the function's response format is `json-array`", type_name(&other)))
            }
        },
    }
}

/// Statuses and methods whose responses never have a body (RFC 9110 section 6.4.1).
fn has_no_body(request: &PermittedRequest, response: &Response) -> bool {
    let never = matches!(response.status, 204 | 205 | 304) || request.request().method == Method::Head;
    never && response.body.is_empty()
}

fn text(response: &Response) -> Result<String, String> {
    let charset = response.header("content-type").and_then(charset);
    if let Some(charset) = charset
        && !["utf-8", "utf8", "us-ascii"].iter().any(|known| known.eq_ignore_ascii_case(charset))
    {
        let charset: String = charset.chars().take(40).collect();
        return Err(format!("the body's charset is `{charset}`; only `utf-8` is read as text"));
    }
    match std::str::from_utf8(response.body.as_slice()) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => Err(format!(
            "the body is not UTF-8 text: byte {} is not part of a character; use the response format `none` for binary bodies",
            error.valid_up_to()
        )),
    }
}

/// The `charset` parameter of a content type (RFC 9110 section 8.3.2).
fn charset(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    })
}

fn json(body: &[u8], limits: JsonLimits) -> Result<Value, String> {
    // RFC 8259 section 8.1 lets a reader ignore a byte order mark.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err("the body is empty, but the function's response format is JSON; use the format `none`, or let the function answer 204".to_owned());
    }
    check_limits(body, limits)?;
    serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))
}

/// Refuses a body that nests too deep or has too many values, before anything recurses into it or takes memory for
/// each of them (E-03). Every value and every name but the first comes after one of `,`, `[`, `{` and `:`.
fn check_limits(body: &[u8], limits: JsonLimits) -> Result<(), String> {
    let JsonLimits { depth_max, nodes_max } = limits;
    let (mut depth, mut nodes) = (0_u32, 1_u32);
    let mut in_string = false;
    let mut escaped = false;
    for (index, byte) in body.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => (depth, nodes) = (depth.saturating_add(1), nodes.saturating_add(1)),
            b',' | b':' => nodes = nodes.saturating_add(1),
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > depth_max.into() {
            let (line, column) = place(body, index);
            return Err(format!(
                "the body nests deeper than {depth_max} levels at line {line} column {column}; the connector's `json-depth-max` decides how deep it may"
            ));
        }
        if nodes > nodes_max {
            let (line, column) = place(body, index);
            return Err(format!(
                "the body has more than {nodes_max} values and names by line {line} column {column}; ask the outside system for less at once; the operator's `json-nodes-max` decides how many there may be"
            ));
        }
    }
    Ok(())
}

/// Line and column of a byte, both from 1, as serde_json counts them.
fn place(text: &[u8], index: usize) -> (usize, usize) {
    let before = text.get(..index).unwrap_or(text);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(body: &[u8], depth_max: u16) -> Result<Value, String> {
        super::json(body, JsonLimits { depth_max, nodes_max: 200_000 })
    }

    #[test]
    fn depth_counts_at_n_and_n_plus_1() {
        // covers C-20
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(json(nested(64).as_bytes(), 64).is_ok());
        let error = json(nested(65).as_bytes(), 64).expect_err("65 levels");
        assert!(error.contains("deeper than 64 levels at line 1 column 65"), "{error}");
        assert!(json(nested(127).as_bytes(), 127).is_ok());
        assert!(json("[".repeat(1_000_000).as_bytes(), 127).is_err());
        assert!(json(br#"["[[[[{{{{\"[[["]"#, 1).is_ok());
    }

    #[test]
    fn nodes_count_at_n_and_n_plus_1() {
        // covers C-20, keeps E-03
        let of = |body: &str, nodes_max| super::json(body.as_bytes(), JsonLimits { depth_max: 9, nodes_max });
        for (body, nodes) in [("1", 1), ("[1,2]", 3), (r#"{"a":1,"b":[2]}"#, 6), (r#"["[{,:\\\",,"]"#, 2)] {
            assert!(of(body, nodes).is_ok(), "{body}");
            assert!(of(body, nodes - 1).is_err(), "{body}");
        }
        assert_eq!(
            of("[1,\n2,3]", 3).expect_err("four"),
            "the body has more than 3 values and names by line 2 column 2; ask the outside system for less at once; the operator's `json-nodes-max` decides how many there may be"
        );
        let many = format!("[{}1]", "{\"\":0},".repeat(500_000));
        assert!(json(many.as_bytes(), 64).expect_err("too many").contains("200000"));
    }

    #[test]
    fn errors_say_where() {
        // covers C-13
        let error = |body: &[u8]| json(body, 64).expect_err("faulty");
        assert!(error(b"{\n  \"a\": nope}").contains("line 2 column"), "{}", error(b"{\n  \"a\": nope}"));
        assert!(error(b"").contains("empty") && error(b" \r\n").contains("empty"));
        assert!(error(b"\"\xff\"").contains("line 1"));
        assert_eq!(json(b"\xef\xbb\xbf{}", 1), Ok(Value::Object(serde_json::Map::new())));
    }

    #[test]
    fn charsets() {
        assert_eq!(charset("text/plain; charset=\"UTF-8\""), Some("UTF-8"));
        assert_eq!(charset("text/plain;a=b; Charset=latin1"), Some("latin1"));
        assert_eq!(charset("text/plain"), None);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(body in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = json(&body, 10);
        }
    }
}
