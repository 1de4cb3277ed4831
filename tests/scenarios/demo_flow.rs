//! The flow of the demo, seen from every side.

use serde_json::{Value, json};
use weir_tests::upstream::TOKEN;

use crate::house::{House, event};

fn step<'a>(journal: &'a [Value], id: &str) -> &'a Value {
    journal.iter().find(|entry| entry["step"] == id).unwrap_or_else(|| panic!("no step {id} in {journal:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_run_completes_with_its_claims() {
    // covers C-17, F-02, F-05, F-08, A-06, P-04
    let house = House::demo().await;
    let run = house.run("registration", &event());
    assert_eq!(run["state"], "completed", "{run:#}");
    let claims = json!([
        { "key": "age", "value": 35 },
        { "key": "full_name", "value": "Ada Lovelace" },
        { "key": "tier", "value": "gold" },
    ]);
    assert_eq!(run["claims"], claims, "{run:#}");

    let received = house.upstream.received();
    let [request] = received.as_slice() else { panic!("{received:?}") };
    assert_eq!(request.uri, "/api?results=1&seed=u-1001&locale=de-CH");
    assert_eq!(request.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert!(request.header("x-correlation-id").is_some_and(|id| id.len() >= 16));
    assert!(request.header("idempotency-key").is_some());
    let body = request.json();
    assert_eq!(body["user"]["id"], "u-1001");
    assert!(body["user"].get("email").is_none() && body["user"].get("phone").is_none(), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_shows_each_hook_before_and_after() {
    // covers D-03, F-09
    let house = House::demo().await;
    let run = house.run("registration", &event());
    let journal = house.journal(&run);
    let steps: Vec<&str> = journal.iter().filter_map(|entry| entry["step"].as_str()).collect();
    assert_eq!(steps, ["person", "adult", "tier", "claims", "done"]);
    let call = &step(&journal, "person")["record"];
    assert!(call["bound_request"]["body"].as_str().unwrap().contains("Lovelace"));
    assert!(!call["sent_request"]["body"].as_str().unwrap().contains("Lovelace"));
    assert!(call["exchange"]["outcome"]["Ok"].get("transformed_data").is_none(), "{call:#}");
    assert_eq!(call["final_response"]["transformed_data"]["full_name"], "Ada Lovelace");
    let hook = &call["pre_call"][0];
    assert_eq!(hook["invocation"]["plugin"]["name"], "correlate");
    assert!(hook["report"]["fuel"].as_u64().unwrap() > 1_000);
    assert!(!hook["report"]["logs"].as_array().unwrap().is_empty());
    let action = &step(&journal, "tier")["record"];
    assert_eq!(action["operations"][0]["result"], "applied");
    assert!(!json!(journal).to_string().contains(TOKEN), "the journal has the credential");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_business_failure_ends_the_run_with_words_for_its_user() {
    // covers F-10, A-07
    let house = House::demo().await;
    let mut young = event();
    young["user"]["id"] = json!("young-1");
    let run = house.run("registration", &young);
    assert_eq!(run["state"], "failed", "{run:#}");
    assert_eq!(run["failure"]["reason"], "Minimum age not reached");
    let mut silent = event();
    silent["user"]["consent"] = json!(false);
    let run = house.run("registration", &silent);
    assert_eq!(run["failure"]["reason"], "Consent missing", "{run:#}");
    assert_eq!(house.upstream.received().len(), 1, "without consent nothing is sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_answers_nonsense_takes_the_error_way() {
    // covers C-13, F-10
    let house = House::demo().await;
    house.upstream.answer_next("this is not JSON");
    let run = house.run("registration", &event());
    assert_eq!(run["failure"]["reason"], "Please try again later", "{run:#}");
    let journal = house.journal(&run);
    let outcome = step(&journal, "person")["outcome"].to_string();
    assert!(outcome.contains("plugin.fault"), "{outcome}");
}

#[tokio::test(flavor = "multi_thread")]
async fn loopback_is_denied_until_an_operator_allows_it() {
    // covers C-19, keeps E-01
    let house = House::demo().await;
    let other = std::fs::read_to_string(house.folder.path().join("connector.yaml")).unwrap();
    let port = house.upstream.url();
    let port = port.rsplit(':').next().unwrap();
    let metadata = other.replace(&house.upstream.url(), &format!("http://127.0.0.2:{port}"));
    let saved = house.api().put("/v1/connectors/random-user", "application/yaml", metadata.as_bytes());
    assert!((200..300).contains(&saved.status), "{}", saved.text);
    let run = house.run("registration", &event());
    let journal = house.journal(&run);
    let outcome = step(&journal, "person")["outcome"].to_string();
    assert!(outcome.contains("connector.egress-denied"), "{outcome}");
    assert_eq!(house.upstream.received().len(), 0);
}
