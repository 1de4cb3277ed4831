//! The flow runner, live and afterwards: what a step did, for whoever looks for a fault, and no more than they may see.

use axum::Json;
use serde_json::{Value, json};
use weir_tests::upstream::TOKEN;

use crate::api::Api;
use crate::house::{House, event};

/// What nobody may read: it stands under a name that the connector marks.
const CANARY: &str = "canary-nickname-4711";

/// The demo, with a value in its event that is sensitive.
async fn house() -> House {
    let house = House::demo().await;
    let document = std::fs::read_to_string(house.folder.path().join("connector.yaml")).unwrap();
    let marked = format!("{document}\nsensitive: [nickname]\n");
    let saved = house.api().put("/v1/connectors/random-user", "application/yaml", marked.as_bytes());
    assert_eq!(saved.status, 200, "{}", saved.text);
    house
}

fn secret_event() -> Value {
    let mut event = event();
    event["user"]["nickname"] = json!(CANARY);
    event
}

/// Starts the demo in the flow runner: what it printed, and its exit code.
fn debug(house: &House, event: &Value, further: &[&str]) -> (String, i32) {
    let event = event.to_string();
    let arguments = [&["run", "start", "registration", "--event", &event, "--debug"], further].concat();
    let output = house.server.try_cli(&house.key, &arguments, "").unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let remarks = String::from_utf8(output.stderr).unwrap();
    assert!(remarks.starts_with("run ") && remarks.trim_end().ends_with(" started"), "{remarks}");
    assert_eq!(remarks.trim_end().lines().count(), 1, "{remarks}");
    (printed, output.status.code().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_is_shown_with_what_it_sent_got_and_changed() {
    // covers F-09
    let house = house().await;
    let (shown, code) = debug(&house, &secret_event(), &[]);
    assert_eq!(code, 0, "{shown}");
    for text in [
        "1. person  call random-user.lookup",
        "pre-call correlate@1.0.0",
        "of 2000000000 fuel",
        "input {\n",
        "request, after the hook\n    - POST http",
        "response, as it came\n    200",
        "log: ",
        "  context\n    + connectors.person\n",
        "    event\n",
        "gold",
        "5. done  end",
        ": completed",
        "tier = \"gold\"",
    ] {
        assert!(shown.contains(text), "{text:?} is not in\n{shown}");
    }
    let id = shown.split("run ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let again = house.server.cli(&house.key, &["run", "show", &id, "--debug"]).unwrap();
    assert_eq!(again.trim_end(), shown.trim_end(), "afterwards it is the same as live");
    for text in [&shown, &again] {
        assert!(!text.contains(CANARY) && !text.contains(TOKEN), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_fails_is_shown_with_its_logs_and_its_error() {
    // covers F-09
    let house = house().await;
    house.upstream.answer_next(Json(json!({ "results": "none, canary-free" })));
    let (shown, code) = debug(&house, &secret_event(), &[]);
    assert_eq!(code, 1, "the run failed:\n{shown}");
    for text in ["post-response normalise@1.0.0", "plugin.fault: ", "log: ", "caught plugin.fault", ": failed"] {
        assert!(shown.contains(text), "{text:?} is not in\n{shown}");
    }
    assert!(!shown.contains(CANARY), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_json_and_the_api_say_the_same() {
    // covers F-09
    let house = house().await;
    let (printed, _) = debug(&house, &secret_event(), &["--output", "json"]);
    let lines: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (run, steps) = lines.split_last().unwrap();
    let (run, steps): (&Value, Vec<&Value>) = (&run["run"], steps.iter().map(|line| &line["step"]).collect());
    let path = format!("/v1/runs/{}/debug", run["id"].as_str().unwrap());
    let told = house.api().get(&path);
    assert_eq!(told.status, 200, "{}", told.text);
    assert_eq!(told.json()["items"], json!(steps));

    let person = steps[0];
    let call = &person["calls"][0];
    assert_eq!((&call["function"], &call["attempts"]), (&json!("random-user.lookup"), &json!(1)));
    assert_eq!(call["response"]["status"], 200);
    assert_eq!(call["request"]["method"], "POST");
    let hook = &person["hooks"][0];
    assert_eq!((&hook["plugin"], &hook["hook"]), (&json!("correlate@1.0.0"), &json!("pre-call")));
    assert!(hook["input"]["user"]["id"] == "u-1001" && hook["fuel"].as_u64() > Some(0), "{hook:#}");
    assert!(hook["output"]["call"]["uri"].as_str().is_some_and(|uri| uri.contains("locale")), "{hook:#}");
    let added = &person["context"][0];
    assert_eq!((&added["key"], &added["change"]), (&json!("connectors.person"), &json!("added")));
    let changed = &steps[2]["context"][0];
    assert_eq!((&changed["key"], &changed["change"]), (&json!("event"), &json!("changed")));
    assert!(changed["members"].to_string().contains("gold"), "{changed:#}");
    assert!(!printed.contains(CANARY) && !printed.contains(TOKEN), "{printed}");

    let paged = house.api().get(&format!("{path}?limit=2")).json();
    assert_eq!((paged["items"].as_array().unwrap().len(), &paged["next_after"]), (2, &json!(2)));
    let viewer = house.server.tenant("other", "admin").unwrap();
    assert_eq!(Api::new(&house.server.url, &viewer).get(&path).status, 404);
}
