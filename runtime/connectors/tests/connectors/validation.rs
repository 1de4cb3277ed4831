//! Faults of documents, found when they are saved (C-01 to C-05, C-09, C-20).

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use weir_connectors::{Ceilings, validate};
use weir_engine::ports::{ConnectorErrorKind as Kind, Connectors as _};

use crate::support::{Fixture, connector, document, with, with_function};

/// The faults of a document at save.
#[track_caller]
pub(crate) fn check(document: Value, expected: Expect) {
    let document = serde_json::from_value(document).expect("a document");
    let faults: Vec<String> = validate(&document, &Ceilings::default())
        .iter()
        .map(|fault| format!("{} [{}] {}", fault.pointer, fault.code, fault.message))
        .collect();
    expected.assert_eq(&faults.join("\n"));
}

#[test]
fn a_good_document_has_no_faults() {
    let function = json!({
        "method": "POST",
        "arguments": [{"name": "a", "type": "object", "default": {}}, {"name": "_b2", "type": "string", "required": true}],
        "endpoint": "/x/${args._b2}?q=${event.user.id}",
        "headers": [{"name": "x-a", "value": "${run.id}"}],
        "body": "{\"a\": ${args.a}, \"b\": \"${args._b2}\"}",
    });
    check(with_function(document("https://a.com/v1"), function), expect![[r#""#]]);
}

#[test]
fn base_urls() {
    // covers C-01
    check(
        document("ftp://u:p@a.com/?q#f"),
        expect![[r#"
        /base-url [connector.document.base-url] the base URL's scheme is `ftp`; write an `https` or `http` URL
        /base-url [connector.document.base-url] the base URL has a query; put it in the `endpoint` of the functions
        /base-url [connector.document.base-url] the base URL has a fragment, which is never sent; leave it out
        /base-url [connector.document.base-url] the base URL holds a user name or a password; store a credential and name it in `authentication`"#]],
    );
    for changing in ["https://${event.host}/", "https://a.com/${event.tenant}/v1"] {
        check(
            document(changing),
            expect![[
                r#"/base-url [connector.document.base-url] the base URL has a `${…}`, but it is never interpolated: no value decides which system is called; put what changes into the `endpoint` of the functions"#
            ]],
        );
    }
}

#[test]
fn tls_settings() {
    // covers C-07
    let trusted: Vec<String> = (0..11).map(|number| format!("ca-{number}")).collect();
    check(
        with(document("http://a.com"), json!({"tls": {"trusted": trusted}})),
        expect![[r#"
            /tls [connector.document.tls] the base URL is `http`, so nothing of this would be used: write `https`, or leave `tls` out
            /tls/trusted [connector.document.count] there are 11 trusted identities; a connector has at most 10, and one identity can hold many certificates"#]],
    );
    let most = json!({"tls": {"trusted": trusted[..10], "identity": "partner", "version-min": "1.3"}});
    check(with(document("https://a.com"), most), expect![[r#""#]]);
}

#[test]
fn sensitive_names() {
    // covers D-04; keeps A4: N and N + 1
    let marked = |names: Value| with(document("https://a.com"), json!({ "sensitive": names }));
    check(marked(json!(["national-number", "x".repeat(128)])), expect![[r#""#]]);
    check(
        marked(json!(["--", "x".repeat(129)])),
        expect![[r#"
        /sensitive/0 [connector.document.sensitive] a name has a letter or a digit, and at most 128 bytes
        /sensitive/1 [connector.document.sensitive] a name has a letter or a digit, and at most 128 bytes"#]],
    );
    check(marked(vec!["a"; 100].into()), expect![[r#""#]]);
    check(
        marked(vec!["a"; 101].into()),
        expect!["/sensitive [connector.document.count] there are 101 of these; a connector marks at most 100"],
    );
}

#[test]
fn functions_and_arguments() {
    // covers C-02
    let arguments = json!([
        {"name": "a", "type": "integer", "default": 1.5},
        {"name": "a", "type": "string", "default": "x", "required": true},
        {"name": "a-b", "type": "string"},
    ]);
    let mut doubled = with_function(document("https://a.com"), json!({"arguments": arguments}));
    let first = doubled["functions"][0].clone();
    doubled["functions"].as_array_mut().expect("a list").push(first);
    doubled["functions"][1]["arguments"] = json!([]);
    check(
        doubled,
        expect![[r#"
        /functions/0/arguments/0/default [connector.document.default-type] the default is a number, but the argument is a whole number
        /functions/0/arguments/1/name [connector.document.duplicate] another argument is named `a`; give each its own name
        /functions/0/arguments/1/default [connector.document.required-default] a required argument has no use for a default; leave one of the two out
        /functions/0/arguments/2/name [connector.document.argument-name] `a-b` is not an argument name; write a letter or `_`, then letters, digits and `_`, at most 64 in all
        /functions/1/name [connector.document.duplicate] another function is named `f`; give each its own name"#]],
    );
    check(
        with(document("https://a.com"), json!({"functions": []})),
        expect!["/functions [connector.document.no-functions] a connector needs at least one function"],
    );
}

#[test]
fn templates() {
    // covers C-03, C-04, C-05
    let function = json!({
        "endpoint": "/a/${nope}/b",
        "headers": [{"name": "Host", "value": "x"}, {"name": "x", "value": "${"}, {"name": "y z", "value": ""}, {"name": "x", "value": "a\nb"}],
        "body": {"a/b": ["${event.}"]},
    });
    let headers = json!({
        "headers": [{"name": "content-length", "value": "1"}, {"name": "Authorization", "value": "x"}],
        "authentication": {"type": "basic", "credential": "c"},
    });
    check(
        with_function(with(document("https://a.com"), headers), function),
        expect![[r#"
            /headers/0/name [connector.document.header] header `content-length` belongs to the connection or to the host and cannot be set
            /headers/1/name [connector.document.header] the connector's `authentication` sets `authorization`; leave one of the two out
            /functions/0/headers/0/name [connector.document.header] header `host` belongs to the connection or to the host and cannot be set
            /functions/0/headers/1/value [connector.document.template] this `${` has no matching `}`; write `$${` where the characters are meant (at byte 0)
            /functions/0/headers/2/name [connector.document.header] `y z` is not a header name (RFC 9110 token)
            /functions/0/headers/3/value [connector.document.header] the value of header `x` holds a control character
            /functions/0/endpoint [connector.document.template] `nope` is not known here; an expression sees `event`, `connectors`, `steps`, `claims`, `args`, `run`, `item` (at byte 5)
            /functions/0/body [connector.document.body] a GET request has no body; a body goes with POST, PUT and PATCH
            /functions/0/body/a~1b/0 [connector.document.template] this is not a CEL expression: Syntax error: no viable alternative at input '.' (at byte 8)"#]],
    );
    for endpoint in ["x", "${event.x}", "/a#b", "/../a"] {
        let document = serde_json::from_value(with_function(document("https://a.com"), json!({"endpoint": endpoint})));
        let faults = validate(&document.expect("a document"), &Ceilings::default());
        assert_eq!(faults.len(), 1, "{endpoint}");
        assert_eq!(
            (faults[0].pointer.as_str(), faults[0].code),
            ("/functions/0/endpoint", "connector.document.endpoint")
        );
    }
    check(
        with_function(document("https://a.com"), json!({"method": "PUT", "body": "{\"a\": ${args.x}"})),
        expect![[r#"
            /functions/0/body [connector.document.unknown-argument] `args.x` is read here, but the function declares no argument `x`
            /functions/0/body [connector.document.body] the text is not JSON: EOF while parsing an object at line 1 column 8"#]],
    );
}

#[test]
fn limits() {
    // covers C-09, C-20
    let over = json!({
        "request-timeout": "301s", "connect-timeout": "49ms", "response-bytes-max": (64 << 20) + 1,
        "header-bytes-max": 0, "json-depth-max": 128,
    });
    check(
        with(document("https://a.com"), json!({"connection": over})),
        expect![[r#"
        /connection/request-timeout [connector.document.timeout] `request-timeout` must be at least 1ms and at most 5m
        /connection/connect-timeout [connector.document.timeout] `connect-timeout` must be at least 50ms and at most 5m
        /connection/response-bytes-max [connector.document.limit] `response-bytes-max` is 67108865; the operator lets it be from 1 to 67108864
        /connection/header-bytes-max [connector.document.limit] `header-bytes-max` is 0; the operator lets it be from 1 to 262144
        /connection/json-depth-max [connector.document.limit] `json-depth-max` is 128; the operator lets it be from 1 to 127"#]],
    );
    let at = json!({
        "request-timeout": "5m", "connect-timeout": "50ms", "response-bytes-max": 64 << 20,
        "header-bytes-max": 256 << 10, "json-depth-max": 127,
    });
    check(with(document("https://a.com"), json!({"connection": at})), expect![[r#""#]]);
}

#[test]
fn delivery() {
    // covers C-08, C-18, C-21: at N and N + 1
    let shared = |places: u32, open_for: &str| json!({"connection": {"concurrency-max": places, "circuit-breaker": {"open-for": open_for}}});
    let function = |hops: u8, attempts: u8, statuses: [u16; 2], backoffs: [&str; 2]| {
        json!({
            "redirects": {"follow": true, "hops-max": hops},
            "retry": {
                "attempts-max": attempts, "statuses": statuses, "backoff": backoffs[0], "backoff-max": backoffs[1],
            },
        })
    };
    let written = |shared: Value, function: Value| with_function(with(document("https://a.com"), shared), function);
    check(
        written(shared(0, "99ms"), function(0, 0, [199, 600], ["0ms", "301s"])),
        expect![[r#"
        /connection/concurrency-max [connector.document.limit] `concurrency-max` is 0; the operator lets it be from 1 to 1024
        /connection/circuit-breaker/open-for [connector.document.limit] `open-for` must be at least 100ms and at most 5m
        /functions/0/redirects/hops-max [connector.document.limit] `hops-max` is 0; it can be from 1 to 10
        /functions/0/retry/attempts-max [connector.document.limit] `attempts-max` is 0; the operator lets it be from 1 to 10
        /functions/0/retry/statuses/0 [connector.document.retry] 199 is not the status of a response; those go from 200 to 599
        /functions/0/retry/statuses/1 [connector.document.retry] 600 is not the status of a response; those go from 200 to 599
        /functions/0/retry/backoff [connector.document.retry] `backoff` must be at least 1ms, and at most `backoff-max`, which is 301s
        /functions/0/retry/backoff-max [connector.document.retry] `backoff-max` must be at most 5m"#]],
    );
    check(
        written(shared(1025, "301s"), function(11, 11, [200, 599], ["2s", "1s"])),
        expect![[r#"
        /connection/concurrency-max [connector.document.limit] `concurrency-max` is 1025; the operator lets it be from 1 to 1024
        /connection/circuit-breaker/open-for [connector.document.limit] `open-for` must be at least 100ms and at most 5m
        /functions/0/redirects/hops-max [connector.document.limit] `hops-max` is 11; it can be from 1 to 10
        /functions/0/retry/attempts-max [connector.document.limit] `attempts-max` is 11; the operator lets it be from 1 to 10
        /functions/0/retry/backoff [connector.document.retry] `backoff` must be at least 1ms, and at most `backoff-max`, which is 1s"#]],
    );
    check(written(shared(1, "100ms"), function(1, 1, [200, 599], ["1ms", "1ms"])), expect![[r#""#]]);
    check(written(shared(1024, "5m"), function(10, 10, [200, 599], ["5m", "5m"])), expect![[r#""#]]);
    let statuses = |count: usize| json!({"retry": {"statuses": vec![503; count]}});
    check(with_function(document("https://a.com"), statuses(100)), expect![[r#""#]]);
    check(
        with_function(document("https://a.com"), statuses(101)),
        expect!["/functions/0/retry/statuses [connector.document.count] there are 101 statuses; at most 100 are taken"],
    );
}

#[test]
fn text_bodies_that_no_value_can_stand_in() {
    // keeps E-04
    for (content_type, body, says) in [
        ("application/xml", "<a>${event.user.id}</a>", "no encoding"),
        ("multipart/form-data; boundary=x", "--x${event.user.id}", "no encoding"),
        ("text/${event.user.id}", "a", "without `${"),
        ("application/x-ndjson", "{\"a\": ${event.user.id}}\n{", "row 2 is not JSON"),
        ("text/json", "{\"a\": ${event.user.id}", "not JSON"),
        ("application/xml", "<a/>", ""),
        ("application/x-ndjson", "{\"a\": ${event.user.id}}\n{}\n", ""),
    ] {
        let headers = json!([{"name": "content-type", "value": content_type}]);
        let faulty =
            with_function(document("https://a.com"), json!({"method": "PUT", "headers": headers, "body": body}));
        let faults = validate(&serde_json::from_value(faulty.clone()).expect("a document"), &Ceilings::default());
        let found: Vec<_> = faults.iter().map(|fault| (fault.pointer.as_str(), fault.message.contains(says))).collect();
        let expected: &[_] = if says.is_empty() { &[] } else { &[("/functions/0/body", true)] };
        assert_eq!(found, expected, "{content_type}: {faults:?}");
        assert_eq!(Fixture::new().bind(faulty, &json!({})).is_ok(), says.is_empty(), "{content_type}");
    }
}

#[test]
fn counts_at_n_and_n_plus_1() {
    // covers C-20
    let counted = |functions: usize, headers: usize, arguments: usize| {
        let headers: Vec<_> =
            (0..headers).map(|it| json!({"name": format!("x-{it}"), "value": "${event.a}"})).collect();
        let arguments: Vec<_> = (0..arguments).map(|it| json!({"name": format!("a{it}"), "type": "string"})).collect();
        let named = |it| json!({"name": format!("f{it}"), "headers": headers, "arguments": arguments});
        let functions: Vec<_> = (0..functions).map(named).collect();
        let document = with(document("https://a.com"), json!({"headers": headers, "functions": functions}));
        let faults = validate(&serde_json::from_value(document).expect("a document"), &Ceilings::default());
        assert!(faults.iter().all(|fault| fault.code == "connector.document.count"), "{faults:?}");
        faults.into_iter().map(|fault| fault.pointer).collect::<Vec<_>>()
    };
    assert_eq!(counted(100, 10, 10), [""; 0]);
    assert_eq!(counted(1, 100, 100), [""; 0]);
    assert_eq!(counted(101, 1, 1), ["/functions"]);
    assert_eq!(counted(1, 101, 101), ["/headers", "/functions/0/arguments", "/functions/0/headers"]);
}

#[test]
fn requests_at_n_and_n_plus_1() {
    // covers C-20: a value that is written many times is not held many times
    let bind = |most: u64, function: Value, value: &str| {
        let mut settings = crate::support::settings();
        settings["ceilings"] = json!({"request-bytes-max": most});
        let fixture = Fixture::with(settings, crate::support::FakeResolver::default());
        let arguments = json!([{"name": "v", "type": "string"}]);
        let document =
            with_function(with_function(document("http://a.test"), json!({"arguments": arguments})), function);
        fixture.bind(document, &json!({"v": value})).map(drop)
    };
    let uri = "http://a.test/".len() as u64;
    let list = |count: usize| vec!["${args.v}"; count];
    for (function, bytes, place) in [
        (json!({"endpoint": "/x${args.v}?q=${args.v}"}), uri + 14, "the endpoint"),
        (json!({"headers": [{"name": "x-a", "value": "${args.v}${args.v}"}]}), uri + 13, "header `x-a`"),
        (json!({"method": "PUT", "body": "\"${args.v}${args.v}\""}), uri + 12, "the body"),
        (json!({"method": "PUT", "body": {"a": list(2), "b": null, "c": "x${args.v}"}}), uri + 45, "the body"),
    ] {
        assert_eq!(bind(bytes, function.clone(), "12345"), Ok(()), "{function}");
        let error = bind(bytes - 1, function, "12345").expect_err("over");
        assert_eq!(error.kind, Kind::Interpolation);
        assert!(error.message.contains(&format!("{place}: the request is over {} bytes", bytes - 1)), "{error}");
    }
    let error =
        bind(4 << 20, json!({"method": "PUT", "body": list(10_000)}), &"x".repeat(1 << 20)).expect_err("10 GiB");
    assert!(error.message.contains("`request-bytes-max`"), "{error}");
}

#[test]
fn a_document_that_leaves_limits_out_is_held_to_lower_ceilings() {
    let lowest = std::time::Duration::from_secs(1);
    let ceilings = Ceilings { response_bytes_max: 10, concurrency_max: 1, attempts_max: 1, ..Ceilings::default() };
    let ceilings = Ceilings { timeout_max: lowest, ..ceilings };
    let document = serde_json::from_value(document("https://a.com")).expect("a document");
    assert_eq!(validate(&document, &ceilings), []);
}

#[test]
fn a_faulty_document_is_an_error_when_it_is_called() {
    let fixture = Fixture::new();
    let faulty = connector(with_function(document("https://a.com"), json!({"endpoint": "/${"})));
    let bind = |function: &str| {
        let (scope, arguments) = (weir_engine::expression::Scope::default(), serde_json::Map::new());
        fixture.connectors.bind(&faulty, &function.parse().expect("name"), &arguments, &scope).expect_err("faulty")
    };
    let error = bind("f");
    assert_eq!((error.kind, error.message.contains("/functions/0/endpoint")), (Kind::Interpolation, true));
    let error = bind("g");
    assert_eq!(error.kind, Kind::InvalidArgument);
    assert_eq!(error.message, "connector `api` version 1 has no function `g`; it has `f`");
}

#[test]
fn responses() {
    // covers C-14, C-15
    let response = |settings: Value| with_function(document("https://a.com"), json!({ "response": settings }));
    check(
        response(json!({
            "format": "none", "schema": {"properties": {"a/b": {"type": "thing"}}},
            "transformation": {"schema": {"$ref": "https://example.org/schema.json"}},
        })),
        expect![[r#"
            /functions/0/response/schema [connector.document.response-schema] a schema needs a body, and the format `none` reads none; give the function another `format`, or leave one of the two out
            /functions/0/response/schema/properties/a~1b/type [connector.document.response-schema] this is not a JSON Schema that can be used: "thing" is not valid under any of the schemas listed in the 'anyOf' keyword
            /functions/0/response/transformation [connector.document.transformation] a transformation needs an `expression` or a `plugin`
            /functions/0/response/transformation/schema [connector.document.response-schema] `$ref: https://example.org/schema.json` leads back to itself or out of the schema; write out as many levels as there are, here"#]],
    );
    let transformation = |transformation: Value| response(json!({ "transformation": transformation }));
    check(
        transformation(json!({"expression": "response.body", "plugin": "shape@^1", "config": {"k": 1}})),
        expect![
            "/functions/0/response/transformation [connector.document.transformation] a transformation is an `expression` or a `plugin`, not both; leave one out"
        ],
    );
    check(
        transformation(json!({"expression": "event.user + args.nope", "config": 1})),
        expect![[r#"
        /functions/0/response/transformation/config [connector.document.transformation] only a `plugin` takes a `config`; leave it out beside an `expression`
        /functions/0/response/transformation/expression [connector.document.transformation] `event` is not known here; an expression sees `response`, `args` (at byte 0)"#]],
    );
    check(
        transformation(json!({"expression": "response.body + args.nope"})),
        expect![
            "/functions/0/response/transformation/expression [connector.document.unknown-argument] `args.nope` is read here, but the function declares no argument `nope`"
        ],
    );
    check(
        transformation(json!({"expression": "response.body ="})),
        expect![
            "/functions/0/response/transformation/expression [connector.document.transformation] this is not a CEL expression: Syntax error: token recognition error at: '=' (at byte 14)"
        ],
    );
    check(
        transformation(json!({"plugin": "shape@^1", "config": {"k": 1}, "schema": {"type": "object"}})),
        expect![[r#""#]],
    );
    check(
        response(json!({"schema": {"description": "x".repeat(70_000)}})),
        expect![
            "/functions/0/response/schema [connector.document.response-schema] the schema is over 65536 bytes of JSON"
        ],
    );
    check(
        response(json!({"schema": {"pattern": "(a+)\\1"}})),
        expect![[
            r#"/functions/0/response/schema/pattern [connector.document.response-schema] this is not a JSON Schema that can be used: "(a+)\\1" is not a "regex"; a pattern looks neither ahead nor behind and takes at most 64 KiB when it is compiled"#
        ]],
    );
}

#[tokio::test]
async fn a_document_with_faulty_response_settings_is_bound_by_nobody() {
    // covers C-14: one that an older version saved
    let faulty = with_function(document("https://a.com"), json!({"response": {"schema": {"type": 1}}}));
    let error = Fixture::new().bind(faulty, &json!({})).expect_err("unusable");
    assert!(
        error.message.contains("/functions/0/response/schema/type: this is not a JSON Schema"),
        "{}",
        error.message
    );
}
