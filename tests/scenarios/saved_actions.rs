//! Saved actions: a flow that does not change while its action does.

use axum::Json;
use serde_json::{Value, json};

use crate::house::House;

const FLOW: &str = "flow: join\ntrigger: REGISTRATION\nsteps:\n  - { id: tier, action: FLOW_EXTENSION, uses: loyalty }\n  - id: claims\n    claims: [{ key: tiers, type: dynamic, value: \"${has(event.user.claims) ? event.user.claims : []}\" }]\n";
const ALLOWED: &str =
    "allowed-operations:\n  - { op: replace, paths: ['/user/claims[uri=http://wso2.org/claims/tier]'] }\n";

fn by_service() -> String {
    format!("action: loyalty\ntype: FLOW_EXTENSION\nservice: partner.ask\n{ALLOWED}")
}

fn by_plugin() -> String {
    let input = "input: { age: '${event.user.age}', country: '${event.user.country}' }\n";
    let config = "config: { tiers: [{ name: gold, minimum_age: 30 }], otherwise: bronze }\n";
    format!("action: loyalty\ntype: FLOW_EXTENSION\nplugin: tier@^1\n{input}{config}{ALLOWED}")
}

fn apply(house: &House, noun: &str, text: &str) -> String {
    let output = house.server.try_cli(&house.key, &[noun, "apply", "-"], text).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

fn joined(house: &House) -> (Value, Value) {
    let run = house.run("join", &json!({ "user": { "age": 35, "country": "Switzerland" } }));
    let record = house.journal(&run)[0]["record"].clone();
    (run, record)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_stays_as_it_is_when_a_plugin_takes_over_from_a_service() {
    //
    let house = House::empty().await;
    let url = house.upstream.url();
    let connector =
        format!("connector: partner\nbase-url: {url}\nfunctions: [{{ name: ask, method: POST, endpoint: /act }}]\n");
    apply(&house, "connector", &connector);
    let guest = weir_tests::paths::guest("tier").display().to_string();
    house.server.cli(&house.key, &["plugin", "push", "tier@1.0.0", &guest]).unwrap();
    apply(&house, "action", &by_service());
    assert_eq!(apply(&house, "flow", FLOW).trim(), "", "no warning");

    let set = json!({ "op": "replace", "path": "/user/claims[uri=http://wso2.org/claims/tier]", "value": "gold" });
    house.upstream.answer_next(Json(json!({ "actionStatus": "SUCCESS", "operations": [set] })));
    let (first, record) = joined(&house);
    assert_eq!((&first["state"], &record["saved"]), (&json!("completed"), &json!({ "name": "loyalty", "version": 1 })));
    assert_eq!(first["claims"][0]["value"][0]["value"], "gold");
    assert_eq!(house.upstream.received().len(), 1);

    apply(&house, "action", &by_plugin());
    let (second, record) = joined(&house);
    assert_eq!(record["saved"], json!({ "name": "loyalty", "version": 2 }));
    assert_eq!(house.upstream.received().len(), 1, "the plugin served");
    assert_eq!(second["claims"], first["claims"], "with the same result");
    assert_eq!(second["flow_version"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_is_switched_off_stops_the_run_or_is_passed_over() {
    //
    let house = House::empty().await;
    let guest = weir_tests::paths::guest("tier").display().to_string();
    house.server.cli(&house.key, &["plugin", "push", "tier@1.0.0", &guest]).unwrap();
    let cli = |arguments: &[&str]| house.server.cli(&house.key, arguments).unwrap();
    apply(&house, "action", &by_plugin());
    apply(&house, "flow", FLOW);
    cli(&["action", "deactivate", "FLOW_EXTENSION/loyalty"]);
    assert!(cli(&["action", "list"]).contains("inactive"));
    let (run, _) = joined(&house);
    assert_eq!((&run["state"], &run["error"]["code"]), (&json!("error"), &json!("action.unavailable")));

    apply(&house, "flow", &FLOW.replace("uses: loyalty", "uses: loyalty, when-unavailable: skip"));
    let (run, record) = joined(&house);
    assert_eq!((&run["state"], &record["skipped"]), (&json!("completed"), &json!("switched-off")));

    cli(&["action", "activate", "FLOW_EXTENSION/loyalty"]);
    apply(&house, "action", &format!("{}when: event.user.country == 'Austria'\n", by_plugin()));
    let (run, record) = joined(&house);
    assert_eq!((&run["state"], &record["skipped"]), (&json!("completed"), &json!("condition-not-met")));
    let shown = cli(&["action", "versions", "FLOW_EXTENSION/loyalty"]);
    assert_eq!(shown.lines().filter(|line| line.contains("FLOW_EXTENSION/loyalty")).count(), 4, "{shown}");
    assert!(cli(&["action", "show", "FLOW_EXTENSION/loyalty"]).contains("when: event.user.country"));
    cli(&["action", "delete", "FLOW_EXTENSION/loyalty"]);
    let (run, record) = joined(&house);
    assert_eq!((&run["state"], &record["skipped"]), (&json!("completed"), &json!("no-provider")));
}
