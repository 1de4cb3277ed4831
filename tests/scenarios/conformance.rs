//! The vectors of connectors, and the program that runs vectors.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

fn conformance(arguments: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_conformance")).arg("-v").args(arguments).output().unwrap()
}

fn lines(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn no_vector_of_connectors_fails() {
    // covers C-01, C-02, C-03, C-04, C-05, C-06, C-08, C-09, C-11, C-12, C-13, C-15, C-16, C-17, F-08, F-10
    let folder = weir_tests::paths::root().join("../shared/vectors");
    if !folder.is_dir() {
        let _ =
            writeln!(std::io::stderr(), "skipped: {} is not there, so there are no vectors to run", folder.display());
        return;
    }
    let output = conformance(&[&folder]);
    let lines = lines(&output);
    for file in ["14-descope-connector.json", "17-transmit-web-service-function.json"] {
        let score = lines.iter().find_map(|line| line.strip_prefix(file));
        assert!(score.is_some_and(|score| score.ends_with(" 0 failed, 0 skipped")), "{}", lines.join("\n"));
    }
    assert!(output.status.success(), "{}", lines.join("\n"));
}

#[test]
fn what_fails_or_is_not_known_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let vector = |id: &str, area: &str, expect: &str| {
        format!(
            r#"{{"id":"{id}","product":"transmit","area":"{area}","title":"t","given":{{"requestTimeout":2,"unit":"seconds"}},"expect":{expect}}}"#
        )
    };
    let area = "web-service-function";
    let list = [
        vector("good", area, r#"{"millis":2000}"#),
        vector("bad", area, r#"{"millis":2001}"#),
        vector("odd", area, r#"{"furlongs":1}"#),
        vector("far", "elsewhere", r#"{"millis":2000}"#),
    ];
    std::fs::write(folder.path().join("a.json"), format!("[{}]", list.join(","))).unwrap();
    std::fs::write(folder.path().join("b.json"), format!("[{}]", vector("more", area, r#"{"millis":2000}"#))).unwrap();
    std::fs::write(folder.path().join("notes.md"), "no vectors").unwrap();
    let output = conformance(&[folder.path()]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        lines(&output),
        [
            "a.json: 1 passed, 1 failed, 2 skipped",
            "  failed  bad (t): the request time-out is 2s instead of 2.001s",
            "  skipped odd (t): no runner for given [requestTimeout, unit] with expected [furlongs]",
            "  skipped far (t): no runner for `transmit`, `elsewhere`",
            "b.json: 1 passed, 0 failed, 0 skipped",
            "2 passed, 1 failed, 2 skipped",
        ]
    );
    let nothing = conformance(&[&folder.path().join("nowhere")]);
    assert_eq!((nothing.status.code(), lines(&nothing)), (Some(2), Vec::new()));
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("cannot be read"));
}
