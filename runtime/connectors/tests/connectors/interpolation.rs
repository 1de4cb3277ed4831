//! Whatever a value is, it stays in its place: it changes no host, adds no header, breaks no JSON (C-03, E-04).

use proptest::prelude::*;
use serde_json::{Value, json};
use weir_engine::ports::ConnectorErrorKind as Kind;

use crate::support::{Fixture, document, with_function};

/// Text that is made to break out, and any other.
fn text() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "\r\nx-evil: 1",
        "\n",
        "\r",
        "\0",
        "\"",
        "\\",
        "\\u0022",
        "}",
        "{",
        "]",
        ",",
        ":",
        "'",
        "${args.a}",
        "${",
        "$",
        "@evil.test",
        "//evil.test/",
        "\\\\evil.test",
        "../..",
        "..",
        "%2e%2e/",
        "/",
        "?",
        "#",
        "&",
        "=",
        ";",
        "%",
        "%0d%0a",
        "evil.test:80",
        "http://evil.test",
        "é",
        "\u{2028}",
        "\u{202e}",
        "😀",
        " ",
        "\t",
        "",
    ]);
    prop_oneof![proptest::collection::vec(pieces, 0..6).prop_map(|pieces| pieces.concat()), any::<String>(), ".{0,20}",]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((text(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn function() -> Value {
    let function = json!({
        "method": "POST",
        "arguments": [{"name": "a", "type": "string"}, {"name": "o", "type": "object"}],
        "endpoint": "/x/${args.a}/y?q=${args.a}&r=1",
        "body": "{\"a\": \"${args.a}\", \"mixed\": \"<${args.a}>\", \"o\": ${args.o}, \"last\": true}",
    });
    with_function(document("https://api.test:8443/v1"), function)
}

fn with_header() -> Value {
    let function = json!({
        "arguments": [{"name": "a", "type": "string"}],
        "endpoint": "/",
        "headers": [{"name": "x-first", "value": "1"}, {"name": "x-a", "value": "<${args.a}>"}, {"name": "x-last", "value": "2"}],
    });
    with_function(document("https://api.test:8443/v1"), function)
}

proptest! {
    #[test]
    fn no_value_changes_the_host_or_breaks_json(a in text(), members in proptest::collection::vec((text(), value()), 0..4)) {
        // covers C-03, keeps E-04
        thread_local!(static FIXTURE: Fixture = Fixture::new());
        let object = Value::Object(members.into_iter().collect());
        let bound = FIXTURE.with(|fixture| fixture.bind(function(), &json!({"a": a, "o": object})));
        let permitted = match bound {
            Ok(permitted) => permitted,
            // Dots that would climb have no spelling that every server leaves alone.
            Err(error) => {
                prop_assert_eq!(error.kind, Kind::Interpolation, "{}", error.message);
                return Ok(());
            }
        };
        let request = permitted.request();
        let uri = &request.uri;
        prop_assert_eq!(uri.origin().ascii_serialization(), "https://api.test:8443");
        prop_assert!(uri.username().is_empty() && uri.password().is_none() && uri.fragment().is_none());
        let segments: Vec<&str> = uri.path_segments().expect("a path").collect();
        prop_assert_eq!((segments.len(), &segments[..2], segments[3]), (4, &["v1", "x"][..], "y"), "{}", uri);
        let pairs: Vec<(String, String)> = uri.query_pairs().into_owned().collect();
        prop_assert_eq!(pairs, [("q".to_owned(), a.clone()), ("r".to_owned(), "1".to_owned())]);
        let body = request.body.as_ref().expect("a body").as_text().expect("text");
        let parsed: Value = serde_json::from_str(body).expect("JSON");
        prop_assert_eq!(parsed, json!({"a": a, "mixed": format!("<{a}>"), "o": object, "last": true}));
    }

    #[test]
    fn no_value_adds_a_header(a in text()) {
        // covers C-03, C-05, keeps E-04
        thread_local!(static FIXTURE: Fixture = Fixture::new());
        match FIXTURE.with(|fixture| fixture.bind(with_header(), &json!({"a": a}))) {
            Ok(permitted) => {
                let headers = &permitted.request().headers;
                let names: Vec<&str> = headers.iter().map(|header| header.name.as_str()).collect();
                prop_assert_eq!(names, ["x-first", "x-a", "x-last"]);
                let value = headers[1].value.as_slice();
                prop_assert!(!value.iter().any(|byte| b"\r\n\0".contains(byte)));
                prop_assert_eq!(value.to_vec(), format!("<{a}>").into_bytes());
            }
            Err(error) => {
                prop_assert_eq!(error.kind, Kind::Interpolation);
                // Only what no header can hold is refused.
                prop_assert!(a.chars().any(|it| it.is_control()), "{:?}", a);
            }
        }
    }
}
