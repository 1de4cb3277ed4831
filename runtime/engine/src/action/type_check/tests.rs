use super::*;

const SMALL: &str = "type: RISK_CHECK\ntitle: A check of risk\n";

fn faults(more: &str) -> Vec<(String, String, u32)> {
    let faults = read_type(&format!("{SMALL}{more}")).expect_err("has faults").0;
    faults.into_iter().map(|fault| (fault.code, fault.pointer, fault.line)).collect()
}

#[test]
fn a_small_type_will_do() {
    //
    let kind = read_type(SMALL).expect("a type");
    assert_eq!((kind.name.as_str(), kind.event_bytes_max), ("RISK_CHECK", 1 << 20));
    assert_eq!(read_type(&serde_json::to_string(&kind).expect("JSON")).expect("the same"), kind);
}

#[test]
fn every_fault_of_a_type_is_found_with_its_place() {
    //
    for (more, code, pointer) in [
        ("colour: red\n", "action-type.shape", "/colour"),
        ("data: user\n", "action-type.pointer", "/data"),
        ("event: [{ to: user, from: /event/user }]\n", "action-type.pointer", "/event/0/to"),
        ("event: [{ to: /a, from: /context/user }]\n", "action-type.pointer", "/event/0/from"),
        ("event: [{ to: /a, from: /run/secret }]\n", "action-type.pointer", "/event/0/from"),
        ("event: [{ to: /a, from: /eventual }]\n", "action-type.pointer", "/event/0/from"),
        ("event: [{ to: /a, from: /event/a~2 }]\n", "action-type.pointer", "/event/0/from"),
        ("event: [{ to: /a, from: /run/id, listed: true }]\n", "action-type.shape", "/event/0"),
        ("event: [{ to: /a, from: /event/a }, { to: /a/b, from: /event/b }]\n", "action-type.duplicate", "/event/1/to"),
        ("schema: { type: 12 }\n", "action-type.schema", "/schema/type"),
        ("operations: [add, add]\n", "action-type.duplicate", "/operations/1"),
        ("operations: [redirect]\n", "action-type.redirect", "/operations"),
        ("redirect: {}\n", "action-type.redirect", "/redirect"),
        ("places: [{ path: a, holds: { kind: claims } }]\n", "action-type.pointer", "/places/0/path"),
        (
            "rule-fields: { a: { from: /event/a, operators: [] } }\n",
            "action-type.rule-field",
            "/rule-fields/a/operators",
        ),
        ("event-bytes-max: 0\n", "action-type.limit", "/event-bytes-max"),
        ("request-timeout: 0s\n", "action-type.limit", "/request-timeout"),
    ] {
        assert_eq!(faults(more), [(code.to_owned(), pointer.to_owned(), 3)], "{more}");
    }
    let results = |failed: &str, error: &str| {
        let fault = faults(&format!("results:\n  - endpoint: e\n    failed: {failed}\n    error: {error}\n"));
        fault.into_iter().map(|(code, pointer, _)| (code, pointer)).collect::<Vec<_>>()
    };
    let fine = "{ status: 500 }";
    assert_eq!(
        results("{ status: 99 }", fine),
        [("action-type.result".to_owned(), "/results/0/failed/status".to_owned())]
    );
    let unknown = results("{ status: 400, body: { a: 'x ${cause}' } }", fine);
    assert_eq!(unknown, [("action-type.result".to_owned(), "/results/0/failed/body/a".to_owned())]);
    let leak = results("{ status: 400 }", "{ status: 500, body: ['${reason}'] }");
    assert_eq!(leak, [("action-type.result".to_owned(), "/results/0/error/body/0".to_owned())]);
}

#[test]
fn names_and_sizes_are_bounded() {
    for name in ["risk", "_X", "", "A B", &"A".repeat(65)] {
        let faults = read_type(&format!("type: '{name}'\ntitle: t\n")).expect_err("no name").0;
        assert_eq!(faults[0].code, "action-type.name", "{name:?}");
    }
    let many: String = (0..=ITEMS_MAX).map(|index| format!("  - {{ to: /m{index}, from: /event/a }}\n")).collect();
    assert_eq!(faults(&format!("event:\n{many}"))[0].0, "action-type.limit");
    let body = "x".repeat(BODY_BYTES_MAX);
    let results =
        format!("results: [{{ endpoint: e, failed: {{ status: 400, body: {body} }}, error: {{ status: 500 }} }}]\n");
    assert_eq!(faults(&results)[0].0, "action-type.limit");
}

proptest::proptest! {
    #[test]
    fn any_text_is_a_type_or_has_faults(text in "(type|title|event|:|-|\\{|\\}|/|,| |\\n|~|\\[|\\]|A){0,40}") {
        let _ = read_type(&text);
    }
}
