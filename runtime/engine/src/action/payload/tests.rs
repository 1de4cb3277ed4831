use super::*;
use crate::action::{ActionTypes, ClaimEntry};

fn paths(texts: &[&str]) -> Vec<Path> {
    texts.iter().map(|text| text.parse().expect("a path")).collect()
}

fn asked(kind: &str, trigger: &str, event: &Value, shown: Shown<'_>) -> Result<Value, PayloadError> {
    let run = json!({ "id": "r-1", "flow": "f", "trigger": trigger, "tenant": "acme" });
    let sources = Sources { event, run: &run, resumed: &Value::Null };
    ActionTypes::shipped().get(kind).expect("shipped").payload(sources, shown)
}

fn all(claims: &ClaimRules) -> Shown<'_> {
    Shown { expose: None, hidden: &[], encrypted: &[], claims }
}

fn person() -> Value {
    json!({
        "user": {
            "id": "u-1",
            "username": "ada",
            "claims": [
                {"uri": "http://wso2.org/claims/givenname", "value": "Ada"},
                {"uri": "http://wso2.org/claims/interests", "value": "chess, tea"},
                {"uri": "http://wso2.org/claims/empty", "value": ""},
            ],
            "credentials": {"password": "s3cret"},
        },
        "application": {"id": ""},
        "organization": {"name": "Acme", "depth": 0, "plan": "gold"},
        "internal": "not for actions",
    })
}

#[test]
fn an_action_sees_what_its_type_grants_and_nothing_that_is_empty() {
    //
    let rules = ClaimRules::default();
    let payload = asked("FLOW_EXTENSION", "PASSWORD_RECOVERY", &person(), all(&rules)).expect("asked");
    let expected = json!({
        "flow": {
            "flowType": "PASSWORD_RECOVERY",
            "flowId": "r-1",
            "user": {
                "id": "u-1",
                "claims": [
                    {"uri": "http://wso2.org/claims/givenname", "value": "Ada"},
                    {"uri": "http://wso2.org/claims/interests", "value": "chess, tea"},
                ],
            },
        },
        "organization": {"name": "Acme", "depth": 0},
    });
    assert_eq!(payload, expected, "no user name outside a registration, no credentials, no empty texts");
    let payload = asked("FLOW_EXTENSION", "REGISTRATION", &person(), all(&rules)).expect("asked");
    assert_eq!(payload.pointer("/flow/user/username"), Some(&json!("ada")));
}

#[test]
fn an_owner_names_the_only_parts_and_those_that_are_hidden() {
    //
    let rules = ClaimRules::default();
    let expose = paths(&["/user/claims[uri=http://wso2.org/claims/givenname]", "/user/credentials/password"]);
    let shown = Shown { expose: Some(&expose), ..all(&rules) };
    let payload = asked("FLOW_EXTENSION", "REGISTRATION", &person(), shown).expect("asked");
    let user = json!({
        "claims": [{"uri": "http://wso2.org/claims/givenname", "value": "Ada"}],
        "credentials": {"password": {"type": "PLAIN_TEXT", "value": "s3cret"}},
    });
    assert_eq!(payload.pointer("/flow/user"), Some(&user));
    let hidden = paths(&["/user/claims[uri=http://wso2.org/claims/givenname]", "/organization", "/flow/flowType"]);
    let encrypted = paths(&["/user/credentials/password"]);
    let shown = Shown { hidden: &hidden, encrypted: &encrypted, ..all(&rules) };
    let payload = asked("FLOW_EXTENSION", "REGISTRATION", &person(), shown).expect("asked");
    assert!(!payload.to_string().contains("Ada") && payload.get("organization").is_none(), "{payload}");
    assert!(payload.pointer("/flow/flowType").is_none(), "{payload}");
    let password = payload.pointer("/flow/user/credentials/password");
    assert_eq!(password, Some(&json!("s3cret")), "what travels encrypted is shown, as the encryption wants it");
    assert!(!hide(&person(), &hidden).to_string().contains("Ada"));
    assert_eq!(hide(&person(), &[]), person());
}

#[test]
fn a_multi_valued_claim_is_a_list() {
    //
    let entry = ClaimEntry { multi_valued: true };
    let known = [("http://wso2.org/claims/interests".to_owned(), entry)].into_iter().collect();
    let rules = ClaimRules { known: Some(known), ..ClaimRules::default() };
    let payload = asked("FLOW_EXTENSION", "REGISTRATION", &person(), all(&rules)).expect("asked");
    assert_eq!(payload.pointer("/flow/user/claims/1/value"), Some(&json!(["chess", "tea"])));
    assert_eq!(payload.pointer("/flow/user/claims/0/value"), Some(&json!("Ada")));
}

#[test]
fn an_event_that_is_too_large_or_of_another_shape_is_told_without_its_values() {
    //
    let rules = ClaimRules::default();
    let wrong = json!({ "user": { "claims": "c4nary" } });
    let error = asked("FLOW_EXTENSION", "REGISTRATION", &wrong, all(&rules)).expect_err("no list");
    assert_eq!(error.code(), "action.event-invalid");
    assert!(error.to_string().contains("`/flow/user/claims`") && !error.to_string().contains("c4nary"), "{error}");
    let kind = ActionTypes::shipped().get("PRE_UPDATE_PASSWORD").expect("shipped").as_ref().clone();
    let request = json!({ "request": { "text": "x".repeat(kind.event_bytes_max) } });
    let error = asked("PRE_UPDATE_PASSWORD", "", &request, all(&rules)).expect_err("too large");
    assert_eq!(error.code(), "action.event-too-large");
}

#[test]
fn a_value_that_is_empty_stays_where_it_is_asked_for() {
    let rules = ClaimRules::default();
    let event = json!({ "request": { "claims": [{ "uri": "http://wso2.org/claims/nick", "value": "" }] } });
    assert_eq!(asked("PRE_UPDATE_PROFILE", "", &event, all(&rules)), Ok(event));
}

#[test]
fn a_type_grants_its_members_what_is_in_them_and_what_they_are_in() {
    let kind = ActionTypes::shipped();
    let kind = kind.get("FLOW_EXTENSION").expect("shipped");
    for granted in ["/user", "/user/claims", "/user/claims[uri=a]", "/flow/flowType", "/organization/id"] {
        assert!(kind.grants(&granted.parse().expect("a path")), "{granted}");
    }
    for other in ["/users", "/internal", "/user/secret", "/organization/plan"] {
        assert!(!kind.grants(&other.parse().expect("a path")), "{other}");
    }
}
