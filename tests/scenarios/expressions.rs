//! `weir eval`: expressions tried without a server.

use std::process::{Command, Output};

use serde_json::{Value, json};

fn eval(arguments: &[&str]) -> Output {
    let mut command = Command::new(weir_tests::paths::weir());
    // No server, no key, no configuration.
    command.env_clear().arg("eval").args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

#[test]
fn an_expression_is_tried_on_an_event_with_its_type_and_cost() {
    // covers F-04
    let output = eval(&["event.l.map(x, x * 2)", "--event", r#"{"l": [1, 2]}"#]);
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), json!([2, 4]));
    assert!(said(&output).contains("type list; ") && said(&output).contains(" operations, "), "{}", said(&output));
    let output = eval(&["timestamp(run.created_at) + duration('1h')", "--output", "json", "--context", &file()]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answer["value"], &answer["type"]), (&json!("2026-01-31T13:00:00Z"), &json!("timestamp")));
    assert!(answer["cost"]["operations"].as_u64() > Some(0), "{answer}");
    let output = eval(&["Hello ${event.name.upper()}!", "--template", "--event", r#"{"name": "é"}"#]);
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), json!("Hello É!"));
}

/// A context in a file of its own.
fn file() -> String {
    let path = std::env::temp_dir().join(format!("weir-eval-{}.json", std::process::id()));
    std::fs::write(&path, r#"{"run": {"created_at": "2026-01-31T12:00:00Z"}}"#).unwrap();
    path.display().to_string()
}

#[test]
fn errors_stand_under_their_part_and_exit_as_others_do() {
    // covers F-04
    let output = eval(&["1 + sise(event)"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    for part in ["flow.expression", "did you mean `size`?", "expression:1:5"] {
        assert!(said(&output).contains(part), "{part} is missing in\n{}", said(&output));
    }
    let output = eval(&["1 + event.a", "--event", r#"{"a": "x"}"#]);
    assert!(
        said(&output).contains("expression.evaluation") && said(&output).contains("(int, string)"),
        "{}",
        said(&output)
    );
    let output = eval(&["event.a > 1"]);
    assert!(said(&output).contains("`event` was not given") && said(&output).contains("--event"), "{}", said(&output));
    for wrong in
        [vec![], vec!["1", "--event", "no-such-file"], vec!["1", "--functions", "x"], vec!["--functions", "nope"]]
    {
        assert_eq!(eval(&wrong).status.code(), Some(64), "{wrong:?}: {}", said(&eval(&wrong)));
    }
}

#[test]
fn the_library_is_listed() {
    // covers F-04
    let list = said(&eval(&["--functions"]));
    assert!(list.contains("string.split(string, int?) -> list(string)") && list.contains("hash.sha256"), "{list}");
    let one = said(&eval(&["--functions", "json.parse"]));
    assert!(one.contains("at most 64 levels deep") && one.contains("output"), "{one}");
    let all: Value = serde_json::from_slice(&eval(&["--functions", "--output", "json"]).stdout).unwrap();
    assert!(all.as_array().is_some_and(|all| all.iter().all(|one| one["example"].is_string())), "{all}");
}
