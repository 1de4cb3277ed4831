//! The types of a flow's expressions at its save (F-04).

use std::sync::Arc;

use serde_json::json;

use super::check;
use crate::catalogue::Catalogue;
use crate::connector::Connector;
use crate::document::Format;

/// The faults of types of a flow whose input has a schema, with their places.
fn faults(steps: &str) -> Vec<String> {
    let response = json!({"schema": {"type": "object", "properties": {"score": {"type": "integer"}}}});
    let document = json!({
        "connector": "sys", "base-url": "https://sys.test/", "functions": [{"name": "get", "response": response}],
    });
    let mut catalogue = Catalogue::default();
    let document = serde_json::from_value(document).expect("a connector");
    catalogue.add_connector(Arc::new(Connector { version: 1, document }));
    let head = "flow: f\ninput:\n  schema:\n    properties: { age: { type: integer }, name: { type: string } }\n    type: object\nsteps:\n";
    let text = format!("{head}  - id: a\n    call: sys.get\n{steps}");
    let faults = match check(&text, Format::Yaml, &catalogue) {
        Ok((_, _, warnings)) => warnings,
        Err(faults) => faults,
    };
    let own = faults.0.iter().filter(|fault| !fault.code.starts_with("flow.unknown-plugin"));
    own.map(|it| format!("{:?} {}:{}-{} {}", it.severity, it.line, it.column, it.end_column, it.message)).collect()
}

#[test]
fn what_no_event_can_make_right_is_an_error_at_its_place() {
    // covers F-04, F-03
    let steps = "  - id: b\n    condition:\n      - when: event.name == 'x' && event.age + 1\n        next: end\n      - when: event.age + 'x' == 'y'\n        next: end\n      - when: event.name\n        next: end\n      - otherwise: end\n";
    assert_eq!(
        faults(steps),
        [
            "Warning 11:36-49 && needs true or false, not int",
            "Error 13:15-30 `+` has no meaning between number and string",
            "Error 15:15-25 this gives string, but a condition must give true or false",
        ]
    );
}

#[test]
fn what_responses_are_said_to_be_is_warned_of() {
    // covers F-04, C-14
    let steps = "  - id: b\n    claims:\n      - key: k\n        type: string\n        value: |\n          Hello ${event.name},\n          ${connectors.a.body.score + 'x'} ${connectors.a.status.split('a')}\n    next: end\n";
    assert_eq!(
        faults(steps),
        [
            "Warning 15:13-42 `+` has no meaning between number and string",
            "Warning 15:46-65 `split` takes string here, not number; it is called as `string.split(string, int?) -> list(string)`",
        ]
    );
}

#[test]
fn what_a_step_may_have_changed_is_only_warned_of() {
    let steps = "  - id: b\n    action: FLOW_EXTENSION\n    plugin: tier@1\n    allowed-operations: [{ op: replace, paths: [\"/name\"] }]\n  - id: c\n    claims: [{ key: k, type: dynamic, value: \"${event.age + 'x'}\" }]\n    next: end\n";
    assert_eq!(faults(steps), ["Warning 14:49-64 `+` has no meaning between number and string"]);
}

#[test]
fn unknown_functions_are_told_where_they_stand() {
    // covers F-04
    let steps = "  - id: b\n    claims: [{ key: k, type: string, value: \"${event.name} ${event.name.toLower()}\" }]\n    next: end\n";
    assert_eq!(
        faults(steps),
        ["Error 10:70-79 there is no function `toLower`; did you mean `lower`? (at `toLower()}`)"]
    );
}
