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

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_every_type_are_set_without_their_secrets_on_the_command_line() {
    // covers C-06, T-03; keeps K-01
    let house = House::empty().await;
    let set = |arguments: &[&str], input: &str| {
        let arguments = [&["credential", "set"], arguments].concat();
        let output = house.server.try_cli(&house.key, &arguments, input).unwrap();
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(!said.contains("c4nary"), "{said}");
        (output.status.code(), said)
    };
    for (arguments, input) in [
        (&["a", "--type", "basic", "--username", "u"][..], "c4nary\n"),
        (&["b", "--type", "bearer"], "c4nary"),
        (&["c", "--type", "api-key"], "c4nary"),
        (&["d", "--type", "oauth2-client", "--client-id", "my client"], "c4nary"),
        (&["e", "--type", "oauth2-client", "--client-id", "public", "--public"], ""),
        // `NO_COLOR` is a variable that is set here.
        (&["f", "--type", "aws", "--access-key-id", "AKID", "--session-token-from-env", "NO_COLOR"], "c4nary"),
        (&["g", "--type", "hmac-key", "--key-encoding", "hex"], "6334"),
        (&["h", "--type", "hmac-key"], "c4nary\n"),
        (&["i", "--type", "hmac-key", "--key-encoding", "base64", "--from-env", "NO_COLOR"], ""),
    ] {
        let (code, said) = set(arguments, input);
        // One digit is no base64: the server says so, and not what it was.
        let refused = arguments.contains(&"base64");
        assert_eq!(code, Some(if refused { 1 } else { 0 }), "{arguments:?}: {said}");
        assert!(said.contains(if refused { "`hex` or `base64`" } else { arguments[2] }), "{said}");
    }
    for (arguments, says) in [
        (&["x", "--type", "bearer", "--username", "u"][..], "`--username` belongs to `--type basic`"),
        (&["x", "--type", "api-key", "--key-encoding", "hex"], "`--key-encoding` belongs to `--type hmac-key`"),
        (&["x", "--type", "bearer", "--public"], "`--public` belongs to `--type oauth2-client`"),
        (&["x", "--type", "aws"], "--access-key-id"),
        (&["x", "--type", "aws", "--access-key-id", "A", "--session-token-from-env", "NOT_THERE"], "NOT_THERE"),
        (&["x", "--type", "api-key"], "the secret is empty"),
    ] {
        let (code, said) = set(arguments, if arguments.contains(&"aws") { "c4nary" } else { "" });
        assert!(code == Some(64) && said.contains(says), "{arguments:?}: {code:?} {said}");
    }
    let listed = house.server.cli(&house.key, &["credential", "list"]).unwrap();
    for kind in ["basic", "bearer", "api-key", "oauth2-client", "aws", "hmac-key"] {
        assert!(listed.contains(kind), "{listed}");
    }
}
