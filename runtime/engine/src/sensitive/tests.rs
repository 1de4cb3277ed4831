use super::*;
use proptest::prelude::*;
use serde_json::json;

const CANARY: &str = "c4nary";

fn names() -> SensitiveNames {
    SensitiveNames::marked(["date-of-birth", "ssn"]).and_standard()
}

fn request(uri: &str, headers: &[(&str, &str)], body: &str) -> Request {
    Request {
        method: crate::message::Method::Post,
        uri: uri.parse().unwrap(),
        headers: headers.iter().map(|(name, value)| Header::new(name, *value)).collect(),
        body: Some(body.to_owned().into()),
    }
}

#[test]
fn names_are_compared_without_case_and_punctuation() {
    for name in
        ["Authorization", "Set-Cookie", "x-api-key", "accessToken", "DateOfBirth", "user[ssn]", "a.SSN", "w:ssn"]
    {
        assert!(names().has(name), "{name}");
    }
    for name in ["", "author", "dateOfBirthday", "ssnx", "x-request-id", "status"] {
        assert!(!names().has(name), "{name}");
    }
    assert!(!SensitiveNames::default().has("password"), "nothing is sensitive that nobody named");
}

#[test]
fn what_stands_under_a_sensitive_name_is_masked_wherever_it_stands() {
    // covers D-04
    let cases = [
        (request(&format!("https://a.test/x?q=1&access_token={CANARY}"), &[], ""), "q=1&access_token=***"),
        (request("https://a.test/", &[("authorization", CANARY)], ""), "***"),
        (request("https://a.test/", &[("referer", &format!("https://b.test/?ssn={CANARY}#x"))], ""), "ssn=***#x"),
        (
            request("https://a.test/", &[], &json!({ "a": [{ "SSN": { "deep": CANARY } }], "b": 1 }).to_string()),
            "\\\"b\\\":1",
        ),
        (request("https://a.test/", &[], &json!({ "t": json!({ "ssn": CANARY }).to_string() }).to_string()), "***"),
        (request("https://a.test/", &[], &json!([{ "name": "ssn", "value": CANARY }]).to_string()), "***"),
        (
            request(
                "https://a.test/",
                &[("content-type", "application/x-www-form-urlencoded")],
                &format!("a=1&%73sn={CANARY}"),
            ),
            "a=1&ssn=***",
        ),
        (request("https://a.test/", &[("content-type", "text/xml")], &format!("<a><ssn>{CANARY}</ssn></a>")), "hidden"),
        (request("https://a.test/", &[], &format!("{{\"p\\u0061ssword\":\"{CANARY}\",")), "hidden"),
        (request("https://a.test/", &[], &format!("{{\"x\":{{\"ssn\":\"{CANARY}\"}},\"x\":1}}")), "\\\"x\\\":1"),
    ];
    let within = [
        (
            request("https://a.test/", &[("location", &format!("https://b.test/#state=1&access_token={CANARY}"))], ""),
            "=1&",
        ),
        (request("https://a.test/", &[("location", &format!("https://b.test/#/in?ssn={CANARY}"))], ""), "/in?ssn=***"),
        (request(&format!("https://a.test/?a=1#ssn={CANARY}"), &[], ""), "a=1#ssn=***"),
        (request(&format!("https://a.test/?to=%2Fx%3Fssn%3D{CANARY}"), &[], ""), "?to=%2Fx%3Fssn%3D***"),
        (
            request(
                "https://a.test/",
                &[("content-type", "application/x-www-form-urlencoded")],
                &format!("a=1&user={{\"ssn\":\"{CANARY}\"}}"),
            ),
            "a=1&user=",
        ),
        (request("https://a.test/", &[("x-who", &format!("{{\"ssn\":\"{CANARY}\""))], ""), "***"),
        (request("https://a.test/", &[], &json!({ "t": format!("[ssn: {CANARY}]") }).to_string()), "***"),
    ];
    for (mut request, expected) in cases.into_iter().chain(within) {
        names().mask_request(&mut request);
        let text = serde_json::to_string(&request).unwrap();
        assert!(!text.contains(CANARY) && text.contains(expected), "{text}");
        let once = request.clone();
        names().mask_request(&mut request);
        assert_eq!(request, once, "masking twice is masking once");
    }
}

#[test]
fn what_is_not_sensitive_stays_as_it_was_written() {
    let body = "{ \"a\" : 1.00 }";
    let plain = request("https://a.test/?a=%20b", &[("accept", "text/a; q=1?")], body);
    let mut masked = plain.clone();
    names().mask_request(&mut masked);
    assert_eq!(masked, plain);
}

#[test]
fn names_of_connectors_and_steps_hide_nothing() {
    let steps = json!({ "token-step": { "failure": "shown", "ssn": CANARY } });
    let mut context = json!({
        "event": { "password": CANARY },
        "connectors": { "identity-provider-token": { "status": 200, "body": { "ssn": CANARY } } },
        "steps": steps,
        "claims": { "w:ssn": CANARY },
    });
    names().mask_context(&mut context);
    assert!(!context.to_string().contains(CANARY), "{context}");
    assert_eq!(context["connectors"]["identity-provider-token"]["status"], 200);
    assert_eq!(context["steps"]["token-step"]["failure"], "shown");
}

#[test]
fn more_names_than_can_be_sought_hide_every_text_without_structure() {
    // covers D-04; keeps A4: N and N + 1
    for (count, hidden) in [(matcher::NAMES_SOUGHT_MAX, false), (matcher::NAMES_SOUGHT_MAX + 1, true)] {
        let names: Vec<String> = (0..count).map(|number| format!("name{number}x")).collect();
        let names = SensitiveNames::marked(names.iter().map(String::as_str));
        assert_eq!(names.masked_body(&"<a>plain</a>".into(), None) != "<a>plain</a>".into(), hidden);
        let found = names.masked_body(&format!("<N-ame_0x>{CANARY}</N-ame_0x>").into(), None);
        assert!(found.as_text().unwrap().starts_with(MASK), "{found:?}");
    }
}

fn json_with(name: String) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<i32>().prop_map(|n| json!(n)),
        "[a-z?=&{\\[ ]{0,8}".prop_map(|t| json!(t))
    ];
    let tree = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,3}", inner, 0..4).prop_map(|map| map.into_iter().collect::<Value>()),
        ]
    });
    (tree, 0..4_u8).prop_map(move |(tree, nested)| {
        let bare = json!({ "around": tree, name.clone(): { "x": [CANARY] } });
        (0..nested).fold(bare, |value, level| match level % 2 {
            0 => json!([value]),
            _ => json!({ "text": value.to_string() }),
        })
    })
}

fn spelled(name: &'static str) -> impl Strategy<Value = String> {
    let separators = prop::collection::vec(prop_oneof![Just(""), Just("-"), Just("_")], name.len());
    (separators, prop::collection::vec(any::<bool>(), name.len())).prop_map(move |(separators, upper)| {
        name.chars()
            .zip(separators)
            .zip(upper)
            .map(|((letter, separator), upper)| {
                format!("{}{separator}", if upper { letter.to_ascii_uppercase() } else { letter })
            })
            .collect()
    })
}

proptest! {
    // covers D-04: a canary under a sensitive name is in no output
    #[test]
    fn no_canary_comes_through(value in prop_oneof![spelled("ssn"), spelled("password"), spelled("dateofbirth")].prop_flat_map(json_with)) {
        let mut masked = value.clone();
        names().mask_json(&mut masked);
        prop_assert!(!masked.to_string().contains(CANARY), "{masked}");
        let body = names().masked_body(&value.to_string().into(), None);
        prop_assert!(!body.as_text().unwrap().contains(CANARY), "{body:?}");
        let mut twice = masked.clone();
        names().mask_json(&mut twice);
        prop_assert_eq!(twice, masked);
    }

    #[test]
    fn no_canary_comes_through_a_form(before in "[ -~]{0,20}", name in prop_oneof![spelled("ssn"), spelled("apikey")]) {
        let form = format!("{before}&{name}={CANARY}");
        let body = names().masked_body(&form.clone().into(), Some("Application/X-WWW-Form-URLEncoded; charset=utf-8"));
        prop_assert!(!body.as_text().unwrap().contains(CANARY), "{body:?}");
        let mut uri: url::Url = "https://a.test/".parse().unwrap();
        uri.set_query(Some(&form));
        names().mask_uri(&mut uri);
        prop_assert!(!uri.as_str().contains(CANARY), "{uri}");
    }

    #[test]
    fn any_bytes_are_a_body(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in "[ -~]{0,30}") {
        let once = names().masked_body(&bytes.into(), Some(&kind));
        let _ = names().masked_body(&once, Some(&kind));
    }
}
