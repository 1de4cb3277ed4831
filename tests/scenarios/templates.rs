//! From a template to a connector that works, by the real command line.

use serde_json::json;
use weir_tests::upstream::TOKEN;

use crate::house::House;

const OWN: &str = "\
template: people
title: People of the house
description: Looks people up.
settings:
  - { name: base-url, description: Where, example: \"https://people.example.com\" }
  - { name: size, description: How many, type: integer, default: 1 }
connector:
  connector: { $setting: name }
  base-url: { $setting: base-url }
  authentication: { type: bearer, credential: token }
  functions:
    - name: find
      arguments: [{ name: size, type: integer, default: { $setting: size } }]
      # Whoever has the same seed is the same person.
      endpoint: /api?seed=s&results=${args.size}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_template_becomes_a_connector_that_is_tried_at_once() {
    // covers C-22, C-16
    let house = House::empty().await;
    let cli = |line: &[&str]| house.server.cli(&house.key, line).unwrap();
    let listed = cli(&["connector", "templates"]);
    assert!(listed.contains("mail-sender") && listed.contains("shipped"), "{listed}");
    let shown = cli(&["connector", "templates", "generic-http"]);
    assert!(shown.contains("base-url") && shown.contains("(required) such as https://"), "{shown}");

    let missing = house.server.try_cli(&house.key, &["connector", "new", "generic-http"], "").unwrap();
    assert_eq!(missing.status.code(), Some(1));
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(said.contains("connector.template-settings") && said.contains("/values/base-url"), "{said}");

    let at = format!("base-url={}", house.upstream.url());
    let new = ["connector", "new", "generic-http", "--name", "things", "--set", &at, "--set", "credential=token"];
    let document = cli(&new);
    assert!(document.starts_with("connector: \"things\"\n"), "{document}");
    assert_eq!(house.api().get("/v1/connectors").json()["items"], json!([]), "nothing is saved without being asked");

    house.server.try_cli(&house.key, &["credential", "set", "token", "--type", "bearer"], TOKEN).unwrap();
    let saved = cli(&[&new[..], &["--apply"]].concat());
    assert!(saved.contains("things") && saved.contains("saved"), "{saved}");
    let page = cli(&["connector", "test", "things.get", "--arg", "id=7"]);
    assert!(page.starts_with("success  200  things.get (version 1)"), "{page}");
    assert_eq!(house.upstream.received()[0].uri, "/items/7");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_adds_a_template_without_a_build_or_a_restart() {
    // covers C-22
    let templates = tempfile::tempdir().unwrap();
    let house = House::with_config(&format!("[connectors]\ntemplates-dir = '{}'", templates.path().display())).await;
    let file = templates.path().join("people.yaml");
    std::fs::write(&file, OWN.replace("size, description", "length, description")).unwrap();
    std::fs::write(templates.path().join("other.yaml"), OWN.replace("template: people", "template: other")).unwrap();
    let listed = || house.server.cli(&house.key, &["connector", "templates"]).unwrap();
    let of_operator = listed().lines().filter(|line| line.contains("operator")).count();
    assert_eq!(of_operator, 1, "one with faults is left out, and no other with it");
    house.server.log_with("a template has a fault: there is no setting `size`");

    let check = |exit| {
        let line = ["connector", "check-template", file.to_str().unwrap()];
        let output = house.server.try_cli(&house.key, &line, "").unwrap();
        assert_eq!(output.status.code(), Some(exit));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let faults = check(1);
    assert!(faults.contains("people.yaml:13:") && faults.contains("there is no setting `size`"), "{faults}");
    std::fs::write(&file, OWN).unwrap();
    check(0);
    assert!(listed().lines().any(|line| line.starts_with("people ") && line.contains("operator")));

    let at = format!("base-url={}", house.upstream.url());
    let new = ["connector", "new", "people", "--set", &at, "--set", "size=2"];
    let document = house.server.cli(&house.key, &new).unwrap();
    assert!(document.contains("# Whoever has the same seed is the same person.\n"), "{document}");
    assert!(document.contains("default: 2"), "{document}");
    let wrong = house.server.try_cli(&house.key, &[&new[..5], &["size=two"]].concat(), "").unwrap();
    assert_eq!(wrong.status.code(), Some(64));
}
