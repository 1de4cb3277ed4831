//! The command line as its users meet it.

use crate::house::House;

#[tokio::test(flavor = "multi_thread")]
async fn a_faulty_flow_is_shown_with_its_lines() {
    // covers F-03
    let house = House::demo().await;
    let file = house.folder.path().join("faulty.yaml");
    std::fs::write(&file, "flow: faulty\nsteps:\n  - id: a\n    call: random-user.find\n    next: nowhere\n").unwrap();
    let file = file.display().to_string();
    for command in [["flow", "validate", &file], ["flow", "apply", &file]] {
        let output = house.server.try_cli(&house.key, &command, "").unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{said}");
        for part in
            ["flow.unknown-function", "faulty.yaml:4:11", "flow.unknown-step", "5 |     next: nowhere", "^^^^^^^"]
        {
            assert!(said.contains(part), "{part} is missing in\n{said}");
        }
    }
    let saved = house.server.cli(&house.key, &["flow", "list"]).unwrap();
    assert!(!saved.contains("faulty"), "{saved}");
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_say_who_has_to_do_something() {
    let house = House::empty().await;
    let code = |arguments: &[&str]| house.server.try_cli(&house.key, arguments, "").unwrap().status.code();
    assert_eq!(code(&["flow", "list"]), Some(0));
    assert_eq!(code(&["flow", "lisst"]), Some(64));
    assert_eq!(code(&["flow", "show", "nothing"]), Some(1));
    assert_eq!(code(&["--url", "http://127.0.0.1:1", "flow", "list"]), Some(69));
    let wrong = house.folder.path().join("wrong.key");
    std::fs::write(&wrong, "weir_demo_0000000000000000_0000").unwrap();
    let refused = house.server.try_cli(&wrong, &["flow", "list"], "").unwrap();
    assert_eq!(refused.status.code(), Some(77));
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_read_json_and_people_read_tables() {
    let house = House::demo().await;
    let json: serde_json::Value =
        serde_json::from_str(&house.server.cli(&house.key, &["plugin", "list", "--output", "json"]).unwrap()).unwrap();
    assert_eq!(json.as_array().map(Vec::len), Some(3));
    let table = house.server.cli(&house.key, &["plugin", "list"]).unwrap();
    assert!(table.contains("correlate") && table.contains("pre-call"), "{table}");
    let event = weir_tests::demo::event_file();
    let run =
        house.server.cli(&house.key, &["run", "start", "registration", "--event", &event, "--wait", "30s"]).unwrap();
    assert!(run.contains("completed") && run.contains("gold"), "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_finds_a_good_house_good() {
    let house = House::demo().await;
    let output = house.server.try_cli(&house.key, &["doctor"], "").unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
