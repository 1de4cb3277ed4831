//! What no lint can hold: who may know what, how long a file may be, what stands at the top of the house.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Longest file of ours, in lines.
const LINES_MAX: usize = 400;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Files that git tracks, below a folder, with that ending.
fn tracked(ending: &str) -> Vec<PathBuf> {
    let output = std::process::Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    listed.split('\0').filter(|path| path.ends_with(ending) && !path.is_empty()).map(PathBuf::from).collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_default()
}

#[test]
fn each_big_dependency_has_one_door() {
    for (dependency, door) in [
        ("wasmtime", "runtime/plugins"),
        ("wasmtime-wasi", "runtime/plugins"),
        ("reqwest", "runtime/connectors"),
        ("sled", "runtime/stores"),
        ("cel", "runtime/engine"),
        ("axum", "runtime/weir"),
    ] {
        let users: BTreeSet<String> = tracked("Cargo.toml")
            .into_iter()
            .filter(|path| path.starts_with("runtime"))
            .filter(|path| {
                let manifest = read(path);
                let dependencies = manifest.split("[dev-dependencies]").next().unwrap_or_default();
                dependencies.lines().any(|line| {
                    let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
                    name == dependency
                })
            })
            .filter_map(|path| Some(path.parent()?.display().to_string()))
            .collect();
        assert_eq!(users, BTreeSet::from([door.to_owned()]), "{dependency}");
    }
}

#[test]
fn ports_are_implemented_by_crates_that_know_the_engine_and_not_one_another() {
    for name in ["plugins", "connectors", "stores"] {
        let manifest = read(Path::new(&format!("runtime/{name}/Cargo.toml")));
        let dependencies = manifest.split("[dev-dependencies]").next().unwrap();
        for other in ["plugins", "connectors", "stores"] {
            assert!(!dependencies.contains(&format!("weir-{other}.")), "{name} knows {other}");
        }
    }
    let engine = read(Path::new("runtime/engine/Cargo.toml"));
    let dependencies = engine.split("[dev-dependencies]").next().unwrap().split("[dependencies]").nth(1).unwrap();
    assert!(!dependencies.contains("weir-"), "the engine knows its ports only");
}

#[test]
fn files_are_short() {
    let long: Vec<String> = tracked(".rs")
        .into_iter()
        .map(|path| (read(&path).lines().count(), path))
        .filter(|(lines, _)| *lines > LINES_MAX)
        .map(|(lines, path)| format!("{} has {lines} lines", path.display()))
        .collect();
    assert_eq!(long, Vec::<String>::new());
}

#[test]
fn the_top_of_the_house_stays_a_map() {
    let known = [
        ".ci",
        ".gitignore",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "Makefile",
        "README.md",
        "clippy.toml",
        "deny.toml",
        "guest-examples",
        "runtime",
        "rustfmt.toml",
        "tests",
        "wit",
    ];
    let tops: BTreeSet<String> = tracked("")
        .iter()
        .filter_map(|path| Some(path.components().next()?.as_os_str().to_string_lossy().into_owned()))
        .collect();
    let unknown: Vec<&String> = tops.iter().filter(|top| !known.contains(&top.as_str())).collect();
    assert_eq!(unknown, Vec::<&String>::new());
}

/// The lines of the requirements that are met so far: of flows, actions and connectors, all of them.
const MET: [&str; 52] = [
    "F-01", "F-02", "F-03", "F-04", "F-05", "F-06", "F-07", "F-08", "F-09", "F-10", "F-11", "F-12", "F-13", "F-14",
    "A-01", "A-02", "A-03", "A-04", "A-05", "A-06", "A-07", "A-08", "A-09", "A-10", "A-11", "A-12", "D-01", "D-02",
    "D-03", "C-01", "C-02", "C-03", "C-04", "C-05", "C-06", "C-07", "C-08", "C-09", "C-10", "C-11", "C-12", "C-13",
    "C-14", "C-15", "C-16", "C-17", "C-18", "C-19", "C-20", "C-21", "C-22", "D-04",
];

#[test]
fn each_requirement_has_a_test_that_names_it() {
    let texts: Vec<String> = tracked(".rs")
        .iter()
        .map(|path| read(path))
        .filter(|text| text.contains("[test") || text.contains("::test"))
        .collect();
    let marked: BTreeSet<&str> = texts
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(|line| line.split_once("// ")?.1.split_once("covers "))
        .flat_map(|(_, ids)| ids.split([',', ' ', ';', '.', ':']))
        .collect();
    let unproven: Vec<&&str> = MET.iter().filter(|id| !marked.contains(**id)).collect();
    assert_eq!(unproven, Vec::<&&str>::new(), "write `// covers ID` into the test that proves it");
}

#[test]
fn time_and_chance_reach_a_step_by_one_door() {
    // covers F-11
    let doors = ["ports.clock", "RequestId::generate", "RunId::generate", "now_v7", "new_v4", "SystemTime", "rand::"];
    // Ids of entries for people are no part of what a replay compares.
    let is_told = |path: &Path| path.ends_with("steps/diagnostics.rs") || path.ends_with("action/entries.rs");
    let steps = tracked(".rs").into_iter().filter(|path| path.starts_with("runtime/engine/src/steps"));
    let found: Vec<String> = steps
        .filter(|path| !is_told(path))
        .flat_map(|path| {
            let text = read(&path);
            let found = doors.iter().filter(|door| text.contains(**door));
            found.map(|door| format!("{}: {door}", path.display())).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(found, Vec::<String>::new(), "ask `Outside`: a replay gives what it noted");
}

#[test]
fn nothing_is_put_off() {
    let marks = [
        "TO".to_owned() + "DO",
        "FIX".to_owned() + "ME",
        "unimpl".to_owned() + "emented!",
        "#[ig".to_owned() + "nore]",
    ];
    let mut found = Vec::new();
    for path in tracked(".rs") {
        let text = read(&path);
        found.extend(
            marks.iter().filter(|mark| text.contains(mark.as_str())).map(|mark| format!("{}: {mark}", path.display())),
        );
    }
    assert_eq!(found, Vec::<String>::new());
}
