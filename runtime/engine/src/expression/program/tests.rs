use super::*;
use serde_json::json;

fn scope() -> Scope {
    Scope::new([
        ("event", json!({"user": {"id": "u1", "age": 41}, "list": [1, 2, 3], "text": "a b"})),
        ("connectors", json!({"risk": {"transformed_data": {"score": 81}}})),
    ])
}

#[track_caller]
fn check(source: &str, expected: Value) {
    let value = Expression::parse(source)
        .map_err(|fault| fault.message)
        .and_then(|expression| expression.evaluate(&scope()).map_err(|error| error.to_string()));
    assert_eq!(value, Ok(expected), "{source}");
}

#[test]
fn values() {
    // covers F-04
    check("event.user.id", json!("u1"));
    check("connectors.risk.transformed_data.score > 80", json!(true));
    check("event.user.age + 1", json!(42));
    check("1.5 * 2.0", json!(3.0));
    check("{'user': event.user.id}", json!({"user": "u1"}));
    check("event.list.map(x, x * 2)", json!([2, 4, 6]));
    check("event.list.exists(x, event.list.all(y, y <= x))", json!(true));
    check("has(event.user.name) ? event.user.name : 'nobody'", json!("nobody"));
    check("'k' in connectors", json!(false));
    check("steps", Value::Null);
}

#[test]
fn faults_say_what_and_where() {
    let fault = |source: &str| Expression::parse(source).expect_err(source);
    assert_eq!(
        fault("user.id == 1").message,
        "`user` is not known here; an expression sees `event`, `connectors`, `steps`, `claims`, `args`, `run`"
    );
    assert_eq!(fault("event.a ==").offset, "event.a ==".len());
    assert!(fault("event.l.map(a, event.l.map(b, event.l.map(c, c)))").message.contains("3 deep"));
    assert!(fault(&"1 + ".repeat(4000)).message.contains("bytes"));
    assert!(fault(&"(".repeat(2000)).message.contains("brackets"));
    assert!(fault(&"!".repeat(2000)).message.contains("brackets"));
    assert!(fault(&format!("{}1", "1+".repeat(100))).message.contains("100 times `+`"));
    assert!(fault(&format!("event.l{}", ".map(x,x)".repeat(40))).message.contains("allowed"));
    assert!(fault("  ").message.contains("missing"));
}

#[test]
fn evaluation_errors_name_no_value() {
    let error = |source: &str| {
        Expression::parse(source).map(|it| it.evaluate(&scope())).expect("parses").expect_err(source).to_string()
    };
    assert_eq!(
        error("event.user.name"),
        "`event.user.name` reads the field `name`, which is not there; test it with has(…) first"
    );
    assert_eq!(error("event.user.id + 1"), "`event.user.id + 1` uses `add` on (string, int), which it is not made for");
    assert_eq!(error("1 / (event.user.age - 41)"), "`1 / (event.user.age - 41)` divides by zero");
}

#[test]
fn the_deepest_expressions_fit_on_a_stack() {
    // keeps S-10: a worker has as much stack as this thread
    let scope = scope();
    for deep in [
        format!("{}1", "1-".repeat(MARKS_MAX)),
        format!("{}true", "!".repeat(MARKS_MAX)),
        format!("event{}", ".a".repeat(MARKS_MAX)),
        format!("event{}", "[0]".repeat(MARKS_MAX / 2)),
        format!("{}1{}", "(".repeat(MARKS_MAX / 2), ")".repeat(MARKS_MAX / 2)),
        format!("{}1{}", "[".repeat(MARKS_MAX / 2), "]".repeat(MARKS_MAX / 2)),
        format!("{}1", "true?1:".repeat(MARKS_MAX)),
    ] {
        if let Ok(expression) = Expression::parse(&deep) {
            let _ = expression.evaluate(&scope);
        }
    }
}

proptest::proptest! {
    #[test]
    fn parsing_and_evaluating_never_panics(source in "[ a-z0-9.()\\[\\]{}'\"+*/<>=!?:,&|-]{0,60}") {
        if let Ok(expression) = Expression::parse(&source) {
            let _ = expression.evaluate(&scope());
        }
    }
}
