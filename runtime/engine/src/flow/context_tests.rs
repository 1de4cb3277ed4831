//! What flows read of responses, against what functions are known to answer (C-14).

use std::sync::Arc;

use serde_json::{Value, json};

use super::check;
use crate::catalogue::Catalogue;
use crate::connector::Connector;
use crate::document::Format;

/// The warnings of a flow whose step `a` calls a function with these response settings, and whose step `b` reads.
fn warnings_of(response: &Value, call: &str, read: &str) -> Vec<String> {
    let text = format!(
        "flow: f\nsteps:\n  - id: a\n    call: sys.get\n{call}  - id: b\n    claims: [{{ key: k, type: dynamic, value: \"${{{read}}}\" }}]\n"
    );
    warnings(response, &text)
}

fn warnings(response: &Value, text: &str) -> Vec<String> {
    let document = json!({
        "connector": "sys", "base-url": "https://sys.test/",
        "functions": [{"name": "get", "response": response}],
    });
    let mut catalogue = Catalogue::default();
    let document = serde_json::from_value(document).expect("a connector");
    catalogue.add_connector(Arc::new(Connector { version: 1, document }));
    let faults = match check(text, Format::Yaml, &catalogue) {
        Ok((_, _, warnings)) => warnings,
        Err(faults) => faults,
    };
    let known = faults.0.iter().filter(|it| !["flow.unknown-plugin"].contains(&it.code.as_str()));
    known.map(|it| format!("{}:{} {}", it.line, it.column, it.message)).collect()
}

fn person() -> Value {
    json!({
        "schema": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "home": {"$ref": "#/$defs/address"},
                "tags": {"type": "array", "items": {"properties": {"key": {}}}},
                "open": {"properties": {"a": {}}, "additionalProperties": true},
                "typed": {"additionalProperties": {"properties": {"a": {}}}},
                "free": {},
                "either": {"anyOf": [{"properties": {"a": {"type": "string"}}}, {"$ref": "#/$defs/address"}]},
                "both": {"allOf": [{"properties": {"a": {}}}, {"$ref": "#/$defs/address"}]},
                "asked": {"properties": {"a": {}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
                "maybe": {"type": ["object", "null"], "properties": {"a": {}}},
                "pattern": {"properties": {"a": {}}, "patternProperties": {"^x-": {}}},
                "closed": {"additionalProperties": false},
                "loop": {"$ref": "#/properties/loop"},
            },
            "$defs": {"address": {"type": "object", "properties": {"city": {"type": "string"}}}},
        },
    })
}

#[test]
fn members_that_a_schema_does_not_have_are_warned_of() {
    // covers C-14, F-03
    for slip in [
        "connectors.a.stauts",
        "connectors.a.status.code",
        "connectors.a.body.nam",
        "connectors.a.body['nam']",
        "connectors.a.body.name.first",
        "connectors.a.body.home.zip",
        "connectors.a.body.tags[0].kee",
        "connectors.a.body.tags.key",
        "connectors.a.body.name[0]",
        "connectors.a.body.typed.x.b",
        "connectors.a.body.either.b",
        "connectors.a.body.both.b",
        "connectors.a.body.asked.c",
        "connectors.a.body.maybe.b",
        "connectors.a.body.closed.x",
        "connectors.a.transformed_data.x",
        "connectors.a.headers['x-a'].b",
        "[1].map(x, connectors.a.body.nam)",
        "{'a': connectors.a.body.nam}",
        "has(connectors.a.bdy.name)",
    ] {
        let warnings = warnings_of(&person(), "", slip);
        assert_eq!(warnings.len(), 1, "{slip}: {warnings:?}");
        assert!(warnings[0].starts_with("6:46 `connectors.a."), "{slip}: {warnings:?}");
        assert!(warnings[0].contains("what `sys.get` gives has no such part"), "{slip}: {warnings:?}");
    }
}

#[test]
fn what_may_be_there_is_not_warned_of() {
    // covers C-14
    for good in [
        "connectors.a",
        "connectors.a.status + connectors.a.elapsed_ms",
        "connectors.a.headers['x-a'] + connectors.a.headers.date",
        "connectors.a.body.name",
        "connectors.a.body.home.city",
        "connectors.a.body.tags[0].key",
        "connectors.a.body.tags.map(t, t.whatever)",
        "connectors.a.body[event.field].x",
        "connectors.a.body.open.x.y",
        "connectors.a.body.typed.x.a",
        "connectors.a.body.free.x",
        "connectors.a.body.either.a + connectors.a.body.either.city",
        "connectors.a.body.both.a + connectors.a.body.both.city",
        "connectors.a.body.asked.a",
        "connectors.a.body.pattern.x",
        "connectors.a.body.loop.x",
        "has(connectors.a.body.nam)",
        "has(connectors.a.body.extra) ? connectors.a.body.extra.x : 1",
        "connectors.a.transformed_data == null",
    ] {
        assert_eq!(warnings_of(&person(), "", good), Vec::<String>::new(), "{good}");
    }
}

#[test]
fn help_names_what_there_is() {
    // covers C-14
    let text = "flow: f\nsteps:\n  - id: a\n    call: sys.get\n  - id: b\n    condition:\n      - when: connectors.a.body.home.zip == 1\n        next: end\n      - otherwise: end\n";
    assert_eq!(
        warnings(&person(), text),
        ["7:15 `connectors.a.body.home.zip` is read here, but what `sys.get` gives has no such part"]
    );
    let mut catalogue = Catalogue::default();
    let document = json!({"connector": "sys", "base-url": "https://sys.test/", "functions": [{"name": "get", "response": person()}]});
    let document = serde_json::from_value(document).expect("a connector");
    catalogue.add_connector(Arc::new(Connector { version: 1, document }));
    let (_, _, faults) = check(text, Format::Yaml, &catalogue).unwrap_or_else(|faults| panic!("{faults:?}"));
    let fault = faults.0.first().expect("one");
    assert_eq!(fault.code, "flow.unknown-response-member");
    assert_eq!(fault.help.as_deref(), Some("`connectors.a.body.home` has `city`"));
}

#[test]
fn formats_and_transformations_say_something_too() {
    // covers C-14, C-15
    let transformed = |schema: Value| json!({"transformation": {"expression": "1", "schema": schema}});
    for (response, read, count) in [
        (json!({"format": "none"}), "connectors.a.body.x", 1),
        (json!({"format": "string"}), "connectors.a.body.x", 1),
        (json!({"format": "json-array"}), "connectors.a.body.x", 1),
        (json!({"format": "json-array"}), "connectors.a.body[0].x", 0),
        (json!({"format": "json-object"}), "connectors.a.body.x", 0),
        (json!({"format": "xml"}), "connectors.a.body.root", 0),
        (json!({"format": "xml", "schema": {"properties": {"root": {}}}}), "connectors.a.body.rot", 1),
        (transformed(json!({"properties": {"score": {}}})), "connectors.a.transformed_data.score", 0),
        (transformed(json!({"properties": {"score": {}}})), "connectors.a.transformed_data.scor", 1),
        (json!({"transformation": {"expression": "1"}}), "connectors.a.transformed_data.x", 0),
    ] {
        assert_eq!(warnings_of(&response, "", read).len(), count, "{response} {read}");
    }
}

#[test]
fn what_nobody_can_know_is_not_warned_of() {
    // covers C-14
    let hooked = "    post-response: [{ plugin: p@1 }]\n";
    assert_eq!(warnings_of(&person(), hooked, "connectors.a.body.nam"), Vec::<String>::new());
    assert_eq!(warnings_of(&person(), hooked, "connectors.a.transformed_data.x"), Vec::<String>::new());
    assert_eq!(warnings_of(&person(), hooked, "connectors.a.stauts").len(), 1);
    let mut lenient = person();
    lenient["fail-on-invalid-status"] = json!(false);
    assert_eq!(warnings_of(&lenient, "", "connectors.a.body.error"), Vec::<String>::new());
    // After a failure the response is one of an invalid status, of which no schema speaks.
    assert_eq!(
        warnings_of(&person(), "    next: end\n    on-failure: b\n", "connectors.a.body.error"),
        Vec::<String>::new()
    );
    assert_eq!(warnings_of(&person(), "    on-failure: end\n", "connectors.a.body.error").len(), 1);
}

#[test]
fn a_key_that_several_steps_write_has_what_one_of_them_gives() {
    // covers C-14
    let read = |member: &str| {
        let text = format!(
            "flow: f\nsteps:\n  - id: a\n    call: sys.get\n    context-key: connectors.r\n  - id: b\n    call: sys.other\n    context-key: connectors.r\n  - id: c\n    claims: [{{ key: k, type: dynamic, value: '${{connectors.r.body.{member}}}' }}]\n"
        );
        let mut catalogue = Catalogue::default();
        let of = |name: &str, member: &str| {
            let mut properties = json!({});
            properties[member] = json!({});
            json!({"name": name, "response": {"schema": {"properties": properties}}})
        };
        let functions = [of("get", "x"), of("other", "y")];
        let document = json!({"connector": "sys", "base-url": "https://sys.test/", "functions": functions});
        let document = serde_json::from_value(document).expect("a connector");
        catalogue.add_connector(Arc::new(Connector { version: 1, document }));
        check(&text, Format::Yaml, &catalogue).map_or(99, |(_, _, warnings)| warnings.0.len())
    };
    assert_eq!((read("x"), read("y"), read("z")), (0, 0, 1));
}

#[test]
fn schemas_that_go_round_or_explode_end() {
    // keeps S-10
    let doubling: serde_json::Map<String, Value> = (0..40)
        .map(|level| {
            let next = json!({"$ref": format!("#/$defs/d{}", level + 1)});
            (format!("d{level}"), json!({"anyOf": [next.clone(), next]}))
        })
        .collect();
    for schema in [
        json!({"$ref": "#"}),
        json!({"$ref": "https://example.org/"}),
        json!({"$ref": "#/$defs/d0", "$defs": doubling}),
        json!({"properties": 1, "allOf": 1, "anyOf": [], "type": 1}),
        json!(true),
    ] {
        assert_eq!(warnings_of(&json!({ "schema": schema }), "", "connectors.a.body.x.y"), Vec::<String>::new());
    }
}
