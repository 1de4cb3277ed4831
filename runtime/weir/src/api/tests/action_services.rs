//! Plugins served to systems that call external action services: who may, and what a refusal looks like.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};

use super::house::{Answer, Ask, House};

const PATH: &str = "/v1/action-services/acme/sign";

fn envelope() -> Value {
    json!({ "actionType": "FLOW_EXTENSION", "event": {}, "allowedOperations": [], "requestId": "r" })
}

#[track_caller]
fn check_error(answer: &Answer, status: u16) {
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    assert_eq!(answer.headers["content-type"], "application/json");
    assert!(answer.headers.contains_key("x-request-id"));
    assert_eq!(answer.body["actionStatus"], "ERROR", "{answer:?}");
    for (member, most) in [("errorMessage", 100), ("errorDescription", 300)] {
        let text = answer.body[member].as_str().unwrap();
        let fits = |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "-_.!?;:'()[]".contains(c);
        assert!((1..=most).contains(&text.len()) && text.chars().all(fits), "{text}");
    }
}

#[tokio::test]
async fn a_key_opens_its_own_tenants_plugins_in_each_of_three_ways() {
    // covers A-10, T-01, T-02
    let house = House::new().await;
    house.furnish().await;
    let ask = || Ask::new("POST", PATH).json(&envelope());
    let basic = |key: &str| format!("Basic {}", BASE64_STANDARD.encode(format!("weir:{key}")));
    for key in [&house.runner, &house.admin, &house.author] {
        for ask in [ask().key(key), ask().header("authorization", &basic(key)), ask().header("x-api-key", key)] {
            let answer = house.ask(ask).await;
            // There is no sandbox here: the hook is missing, which is the request's fault and nobody's secret.
            check_error(&answer, 400);
        }
    }
    let mut refused = Vec::new();
    for ask in [
        ask(),
        ask().key("weir_acme"),
        ask().key(&house.viewer),
        ask().key(&house.stranger),
        ask().key(&house.operator),
        ask().key(&house.runner).header("x-api-key", &house.runner),
        ask().header("authorization", &basic("weir_acme")),
        Ask::new("POST", "/v1/action-services/nobody/sign").json(&envelope()).key(&house.runner),
    ] {
        let answer = house.ask(ask).await;
        check_error(&answer, 401);
        assert_eq!(answer.headers.get_all("www-authenticate").iter().count(), 2);
        refused.push(answer.body);
    }
    refused.dedup();
    assert_eq!(refused.len(), 1, "nobody learns which tenants and keys there are: {refused:?}");
}

#[tokio::test]
async fn what_is_no_request_is_an_error_of_the_contract() {
    // covers A-03, A-10
    let house = House::with(|limits| limits.event_bytes = 4096).await;
    house.furnish().await;
    let ask = |path: &str| Ask::new("POST", path).key(&house.runner);
    let json_body = |body: &str| ask(PATH).body("application/json", body.to_owned());
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let twice = r#"{"actionType": "FLOW_EXTENSION", "event": {"a": 1, "a": 2}, "allowedOperations": []}"#;
    for (what, ask) in [
        ("no body", json_body("")),
        ("no JSON", json_body("{")),
        ("a list", json_body("[]")),
        ("no event", json_body(r#"{"actionType": "FLOW_EXTENSION", "allowedOperations": []}"#)),
        ("deep", json_body(&deep)),
        ("twice", json_body(twice)),
        ("large", json_body(&" ".repeat(5000))),
        ("no UTF-8", ask(PATH).body("application/json", vec![0xff_u8, 0xfe])),
        ("content type", ask(PATH).body("text/plain", envelope().to_string())),
        ("type", json_body(&envelope().to_string().replace("FLOW_EXTENSION", "NO_SUCH"))),
        ("plugin", ask("/v1/action-services/acme/nobody").json(&envelope())),
        ("plugin's name", ask("/v1/action-services/acme/No!").json(&envelope())),
        ("range", ask("/v1/action-services/acme/sign@9").json(&envelope())),
        ("config", ask(&format!("{PATH}?config=%7B")).json(&envelope())),
        ("input", ask(&format!("{PATH}?input=%24%7Bevent.%7D")).json(&envelope())),
        ("parameter", ask(&format!("{PATH}?other=1")).json(&envelope())),
    ] {
        let answer = house.ask(ask).await;
        assert_eq!(answer.body["actionStatus"], "ERROR", "{what}");
        check_error(&answer, 400);
    }
}

#[tokio::test]
async fn a_refusal_has_fixed_words() {
    // covers A-10: what the tenant has, and what is wrong with it, is nobody's business
    let house = House::new().await;
    house.furnish().await;
    for (path, words) in [
        ("/v1/action-services/acme/nobody", "there is no such plugin; or no enabled version of it in this range"),
        ("/v1/action-services/acme/sign@9", "there is no such plugin; or no enabled version of it in this range"),
        (PATH, "the plugin has no hook 'action'"),
        (
            "/v1/action-services/acme/sign?input=%24%7Bevent.%7D",
            "the 'input' or the 'config' in the URL has faults; the owner of the action sees them",
        ),
        (
            "/v1/action-services/acme/sign?input=%24%7Bevent.secret%7D",
            "the 'input' in the URL cannot be made of this event; the owner of the action sees why",
        ),
    ] {
        let answer = house.ask(Ask::new("POST", path).json(&envelope()).key(&house.runner)).await;
        check_error(&answer, 400);
        assert_eq!(answer.body["errorDescription"], words, "{path}");
    }
}
