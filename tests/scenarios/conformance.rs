//! The program that runs vectors, and what all of them come to.

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
fn no_vector_fails_that_is_not_decided_against() {
    // covers A-02, A-03, A-04, A-05, A-06, A-07, A-08, D-01
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
    // Also: nothing in `decided.md` is stale or unknown, and it has at most 3 in 100 of those with a source.
    assert!(output.status.success(), "{}", lines.join("\n"));
}

fn vector(id: &str, area: &str, expect: &str) -> String {
    format!(
        r#"{{"id":"{id}","product":"transmit","area":"{area}","title":"t","evidence":"seed","given":{{"requestTimeout":2,"unit":"seconds"}},"expect":{expect}}}"#
    )
}

const AREA: &str = "web-service-function";

#[test]
fn what_fails_or_is_not_known_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let list = [
        vector("good", AREA, r#"{"millis":2000}"#),
        vector("bad", AREA, r#"{"millis":2001}"#),
        vector("odd", AREA, r#"{"furlongs":1}"#),
        vector("far", "elsewhere", r#"{"millis":2000}"#),
    ];
    std::fs::write(folder.path().join("a.json"), format!("[{}]", list.join(","))).unwrap();
    let more = vector("more", AREA, r#"{"millis":2000}"#).replace("seed", "derived");
    std::fs::write(folder.path().join("b.json"), format!("[{more}]")).unwrap();
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
            "",
            "evidence  no action",
            "derived   1 of 1",
            "seed      1 of 4, 1 failed, 2 skipped",
            "",
            "2 passed, 1 failed, 2 skipped",
        ]
    );
    let nothing = conformance(&[&folder.path().join("nowhere")]);
    assert_eq!((nothing.status.code(), lines(&nothing)), (Some(2), Vec::new()));
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("cannot be read"));
}

#[test]
fn what_is_no_vector_is_said_and_the_others_run() {
    let folder = tempfile::tempdir().unwrap();
    let good = vector("good", AREA, r#"{"millis":2000}"#);
    let odd = r#"{"id":"odd","product":7},"text",null,{},{"id":"bare"}"#;
    std::fs::write(folder.path().join("a.json"), format!("[{odd},{good}]")).unwrap();
    std::fs::write(folder.path().join("b.json"), "{").unwrap();
    std::fs::write(folder.path().join("c.json"), b"\xff[]").unwrap();
    let output = conformance(&[folder.path()]);
    assert_eq!(output.status.code(), Some(1));
    let lines = lines(&output);
    for said in
        ["  failed  odd: no vector: ", "  failed  #2: no vector: ", "  failed  #4: no vector: missing field `id`"]
    {
        assert!(lines.iter().any(|line| line.starts_with(said)), "{said}: {}", lines.join("\n"));
    }
    for score in [
        "a.json: 1 passed, 4 failed, 1 skipped",
        "b.json: 0 passed, 1 failed, 0 skipped",
        "c.json: 0 passed, 1 failed, 0 skipped",
    ] {
        assert!(lines.iter().any(|line| line == score), "{score}: {}", lines.join("\n"));
    }
    assert_eq!(lines.last().map(String::as_str), Some("1 passed, 6 failed, 1 skipped"));
}

#[test]
fn the_score_comes_as_tables_to_be_pasted() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.json"), format!("[{}]", vector("good", AREA, r#"{"millis":2000}"#))).unwrap();
    let output = conformance(&[Path::new("-m"), folder.path()]);
    let text = lines(&output).join("\n");
    assert!(text.contains("| file | passed | failed | decided | skipped |\n| --- | --- | --- | --- | --- |\n| a.json | 1 | 0 | 0 | 0 |\n| all | 1 | 0 | 0 | 0 |"), "{text}");
    assert!(text.contains("| evidence | no action |\n| --- | --- |\n| seed | 1 of 1 |"), "{text}");
    assert!(text.ends_with("1 passed, 0 failed, 0 skipped"), "{text}");
}
