//! The guest examples that serve actions, through the real server, with the outside systems that they ask.

mod range_api;

pub(crate) use self::range_api::RangeApi;

use axum::Json;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::house::House;

/// Uploads a guest.
fn push(house: &House, name: &str) {
    let file = weir_tests::paths::guest(name).display().to_string();
    house.server.cli(&house.key, &["plugin", "push", &format!("{name}@1.0.0"), &file]).unwrap();
}

/// Saves a connector that is made from a template.
fn connector(house: &House, template: &str, name: &str, url: &str) {
    let at = format!("base-url={url}");
    house.server.cli(&house.key, &["connector", "new", template, "--name", name, "--set", &at, "--apply"]).unwrap();
}

/// Saves a flow of one action, and runs it.
fn act(house: &House, kind: &str, plugin: &str, members: &Value, event: &Value) -> Value {
    let mut step = json!({ "id": "act", "action": kind, "plugin": format!("{plugin}@^1") });
    step.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let flow = json!({ "flow": "acting", "steps": [step] }).to_string();
    let saved = house.api().put("/v1/flows/acting", "application/json", flow.as_bytes());
    assert!((200..300).contains(&saved.status), "{}", saved.text);
    house.run("acting", event)
}

/// What the run's event is in the end.
fn event_after(house: &House, run: &Value) -> Value {
    let answer = house.api().get(&format!("/v1/runs/{}/context", run["id"].as_str().unwrap()));
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["event"].clone()
}

/// The first plugin's log lines of the run.
fn logged(house: &House, run: &Value) -> String {
    house.journal(run)[0]["record"]["hook"]["report"]["logs"].to_string()
}

fn password(credential: &Value) -> Value {
    json!({ "user": { "id": "u-1", "updatingCredential": credential }, "initiatorType": "USER", "action": "UPDATE" })
}

fn plain(text: &str) -> Value {
    password(&json!({ "type": "PASSWORD", "format": "PLAIN_TEXT", "value": text }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_known_from_a_breach_is_refused_and_never_leaves() {
    // covers, P-07
    let house = House::empty().await;
    let api = RangeApi::start().await;
    push(&house, "breached-password");
    connector(&house, "breached-passwords", "passwords", &api.url());
    let run = |event: &Value| {
        let members = json!({ "grants": ["passwords.check"] });
        act(&house, "PRE_UPDATE_PASSWORD", "breached-password", &members, event)
    };

    let known = run(&plain("password"));
    assert_eq!(known["state"], "failed", "{known:#}");
    assert_eq!(known["failure"]["reason"], "Password known from a breach", "{}", logged(&house, &known));
    let famous = run(&plain("correct horse battery staple"));
    assert_eq!(famous["state"], "failed", "it was in a comic, and so in breaches: {famous:#}");
    let good = run(&plain("Tr0ub4dor&3"));
    assert_eq!(good["state"], "completed", "{good:#}");
    assert_eq!(api.asked(), ["5BAA6", "ABF7A", "87457"], "five digits of each hash, and nothing else");
    assert!(logged(&house, &good).contains("in no known breach"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_cannot_be_checked_passes_only_where_the_settings_say_so() {
    //
    let house = House::empty().await;
    let api = RangeApi::start().await;
    push(&house, "breached-password");
    connector(&house, "breached-passwords", "passwords", &api.url());
    let run = |config: Value, event: &Value| {
        let members = json!({ "grants": ["passwords.check"], "config": config });
        act(&house, "PRE_UPDATE_PASSWORD", "breached-password", &members, event)
    };

    for status in [StatusCode::TOO_MANY_REQUESTS, StatusCode::NOT_FOUND] {
        api.set_down(Some(status));
        let refused = run(json!({}), &plain("Tr0ub4dor&3"));
        assert_eq!(refused["state"], "failed", "{refused:#}");
        assert_eq!(refused["failure"]["reason"], "Password not checked");
        let accepted = run(json!({ "when_unavailable": "accept" }), &plain("Tr0ub4dor&3"));
        assert_eq!(accepted["state"], "completed", "{accepted:#}");
        assert!(logged(&house, &accepted).contains("accepted unchecked"));
    }
    api.set_down(None);

    let asked = api.asked().len();
    let hash = json!({ "type": "PASSWORD", "format": "HASH", "value": "XohImNooBHFR0OVvjcYpJ3NgPQ1qq73WKhHvch0VQtg=",
        "additionalData": { "algorithm": "SHA256" } });
    let stopped = run(json!({}), &password(&hash));
    let code = stopped["error"]["code"].as_str();
    assert_eq!((stopped["state"].as_str(), code), (Some("error"), Some("action.provider-error")));
    assert!(stopped["error"].to_string().contains("when_unreadable"), "{stopped:#}");
    assert_eq!(run(json!({ "when_unreadable": "accept" }), &password(&hash))["state"], "completed");
    assert_eq!(api.asked().len(), asked, "the digest of another hash is not looked up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_with_a_value_of_another_form_is_refused_by_the_name_of_its_claim() {
    //
    let house = House::empty().await;
    push(&house, "profile-rules");
    let config = json!({ "claims": {
        "http://wso2.org/claims/mobile": { "form": "phone", "name": "mobile number" },
        "http://wso2.org/claims/country": { "form": "country", "name": "country", "only": ["CH", "SE"] },
        "http://wso2.org/claims/dob": { "form": "date", "name": "date of birth" },
    } });
    let run = |claims: &[(&str, &str)]| {
        let claim =
            |(name, value): &(&str, &str)| json!({ "uri": format!("http://wso2.org/claims/{name}"), "value": value });
        let claims: Vec<Value> = claims.iter().map(claim).collect();
        let event = json!({
            "user": { "id": "u-1" }, "request": { "claims": claims }, "initiatorType": "USER", "action": "UPDATE",
        });
        act(&house, "PRE_UPDATE_PROFILE", "profile-rules", &json!({ "config": config }), &event)
    };

    let good = run(&[("mobile", "+41790000000"), ("country", "CH"), ("dob", "1990-12-10"), ("nickname", "!")]);
    assert_eq!(good["state"], "completed", "{good:#}");
    let bad = run(&[("mobile", "079 000 00 00"), ("country", "Switzerland"), ("dob", "1990-12-10")]);
    assert_eq!(bad["state"], "failed", "{bad:#}");
    assert_eq!(bad["failure"]["reason"], "Profile not valid");
    let description = bad["failure"]["description"].as_str().unwrap();
    assert!(description.contains("mobile number") && description.contains("country"), "{description}");
    assert!(!description.contains("079") && !description.contains("Switzerland"), "{description}");
    let log = logged(&house, &bad);
    assert!(log.contains("http://wso2.org/claims/mobile") && !log.contains("079"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_risk_becomes_a_tier_and_too_high_a_risk_stops_the_flow() {
    //
    let house = House::empty().await;
    push(&house, "tier-enrichment");
    house.server.try_cli(&house.key, &["credential", "set", "risk-key", "--type", "api-key"], "k-1").unwrap();
    connector(&house, "risk-api", "risk", &house.upstream.url());
    let uri = |name: &str| format!("http://wso2.org/claims/{name}");
    let paths = ["tier", "risk"].map(|name| format!("/user/claims[uri={}]", uri(name)));
    let run = |config: Value| {
        let mut members = json!({
            "grants": ["risk.score"],
            "input": { "user": "${event.user.id}", "ip": "${event.ip}" },
            "allowed-operations": [{ "op": "replace", "paths": paths }],
            "config": {
                "tiers": [{ "name": "gold", "score_max": 20 }, { "name": "silver", "score_max": 60 }],
                "otherwise": "bronze", "refuse_above": 90, "risk_claim": uri("risk"),
            },
        });
        members["config"].as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
        let claims = json!([{ "uri": uri("tier"), "value": "none" }, { "uri": uri("country"), "value": "CH" }]);
        let event = json!({ "user": { "id": "u-1", "claims": claims }, "ip": "192.0.2.7" });
        act(&house, "FLOW_EXTENSION", "tier-enrichment", &members, &event)
    };

    for (score, tier) in [(12, "gold"), (60, "silver"), (90, "bronze")] {
        house.upstream.answer_next(Json(json!({ "score": score, "reasons": [] })));
        let rated = run(json!({}));
        assert_eq!(rated["state"], "completed", "{rated:#}");
        let claims = json!([
            { "uri": uri("tier"), "value": tier }, { "uri": uri("country"), "value": "CH" },
            { "uri": uri("risk"), "value": score.to_string() },
        ]);
        assert_eq!(event_after(&house, &rated)["user"]["claims"], claims);
    }
    let asked = house.upstream.received();
    assert_eq!((asked[0].uri.as_str(), asked[0].header("x-api-key")), ("/score", Some("k-1")));
    assert_eq!(asked[0].json()["user"]["id"], "u-1");

    house.upstream.answer_next(Json(json!({ "score": 91 })));
    let refused = run(json!({}));
    assert_eq!(
        (refused["state"].as_str(), refused["failure"]["reason"].as_str()),
        (Some("failed"), Some("User not allowed"))
    );
    house.upstream.answer_next(StatusCode::FORBIDDEN);
    assert_eq!(run(json!({}))["state"], "error", "no score, no tier");
    house.upstream.answer_next(StatusCode::FORBIDDEN);
    let without = run(json!({ "when_unavailable": { "tier": "bronze" } }));
    assert_eq!(event_after(&house, &without)["user"]["claims"][0]["value"], "bronze");
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_off_the_list_are_asked_away_the_last_first() {
    //
    let house = House::empty().await;
    push(&house, "scope-limiter");
    let members = json!({
        "config": { "keep": ["openid", "read:*"], "expires_in_max": 900 },
        "allowed-operations": [
            { "op": "remove", "paths": ["/accessToken/scopes/0", "/accessToken/scopes/1", "/accessToken/scopes/2"] },
            { "op": "replace", "paths": ["/accessToken/claims/expires_in"] },
        ],
    });
    let token = |scopes: Value| {
        let claims = json!([{ "name": "sub", "value": "u-1" }, { "name": "expires_in", "value": 3600 }]);
        json!({ "accessToken": { "scopes": scopes, "claims": claims } })
    };
    let event = token(json!(["write:a", "read:metrics", "write:b"]));
    let run = act(&house, "PRE_ISSUE_ACCESS_TOKEN", "scope-limiter", &members, &event);
    let answer = house.journal(&run)[0]["record"]["answer"].clone();
    let asked: Vec<String> = answer["success"]["operations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|operation| format!("{} {}", operation["op"].as_str().unwrap(), operation["path"].as_str().unwrap()))
        .collect();
    let expected =
        ["remove /accessToken/scopes/2", "remove /accessToken/scopes/0", "replace /accessToken/claims/expires_in"];
    assert_eq!(asked, expected, "{run:#}");

    let none = act(&house, "PRE_ISSUE_ACCESS_TOKEN", "scope-limiter", &members, &token(json!(["write:a"])));
    assert_eq!((none["state"].as_str(), none["failure"]["reason"].as_str()), (Some("failed"), Some("invalid_scope")));
}
