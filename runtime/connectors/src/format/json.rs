//! JSON bodies.

use serde_json::Value;

use super::{Limits, place};

/// The body as JSON (RFC 8259).
///
/// # Errors
/// What is wrong, and where.
pub(super) fn parse(body: &[u8], limits: Limits) -> Result<Value, String> {
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
fn check_limits(body: &[u8], limits: Limits) -> Result<(), String> {
    let Limits { depth_max, nodes_max } = limits;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn json(body: &[u8], depth_max: u16) -> Result<Value, String> {
        parse(body, Limits { depth_max, nodes_max: 200_000 })
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
        let of = |body: &str, nodes_max| parse(body.as_bytes(), Limits { depth_max: 9, nodes_max });
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

    proptest::proptest! {
        #[test]
        fn never_panics(body in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = json(&body, 10);
        }
    }
}
