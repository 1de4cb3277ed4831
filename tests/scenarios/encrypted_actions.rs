//! Actions that encrypt: what travels, what is refused, and what nobody is shown.

use serde_json::{Value, json};
use weir_tests::partner::Partner;

use crate::house::House;
use crate::secrets::spellings;

const MOBILE: &str = "canary-mobile-070-123";
const TOKEN: &str = "canary-credential-abcdef";
const TIER: &str = "canary-tier-that-came-back";

fn claim(name: &str) -> String {
    format!("/user/claims[uri=http://wso2.org/claims/{name}]")
}

fn event() -> Value {
    json!({ "user": {
        "claims": [{ "uri": "http://wso2.org/claims/mobile", "value": MOBILE }], "credentials": { "token": TOKEN },
    } })
}

/// A step whose event and operations are encrypted, with these members besides.
fn step(encryption: &Value, further: &Value) -> Value {
    let mut step = json!({
        "id": "act", "action": "FLOW_EXTENSION", "service": "service.act",
        "allowed-operations": [{ "op": "replace", "paths": [claim("tier")] }], "encryption": encryption,
    });
    for (name, value) in further.as_object().unwrap() {
        step[name] = value.clone();
    }
    step
}

fn both_ways() -> Value {
    json!({
        "certificate": "partner", "event": [claim("mobile"), "/user/credentials/token"],
        "key": "partner", "operations": [claim("tier")],
    })
}

fn save(house: &House, steps: &Value) -> crate::api::Answer {
    put(house, "/v1/flows/encrypted", &json!({ "flow": "encrypted", "steps": steps }))
}

fn put(house: &House, path: &str, body: &Value) -> crate::api::Answer {
    house.api().put(path, "application/json", body.to_string().as_bytes())
}

/// A server with the partner's identity and the service's connector.
async fn house(partner: &Partner) -> House {
    let house = House::empty().await;
    let connector = json!({
        "connector": "service", "base-url": house.upstream.url(),
        "functions": [{ "name": "act", "method": "POST", "endpoint": "/", "log": {
            "request": "info", "success": "info", "failure": "warning",
        } }],
    });
    for (path, body) in [("/v1/identities/partner", partner.identity()), ("/v1/connectors/service", connector)] {
        let answer = put(&house, path, &body);
        assert!((200..300).contains(&answer.status), "{path}: {}", answer.text);
    }
    house
}

fn answer(house: &House, value: &Value) {
    let operation = json!({ "op": "replace", "path": claim("tier"), "value": value });
    house.upstream.answer_next(axum::Json(json!({ "actionStatus": "SUCCESS", "operations": [operation] })));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_encrypted_is_shown_to_nobody_on_its_way_there_and_back() {
    // covers A-12, D-04; keeps K-01
    let partner = Partner::new().unwrap();
    let house = house(&partner).await;
    let is_tier = format!("event.user.claims.exists(c, c.uri.endsWith('/tier') && c.value == '{TIER}')");
    let check = json!({ "id": "check", "condition": [{ "when": is_tier, "next": "end" }, { "otherwise": "wrong" }] });
    let wrong = json!({ "id": "wrong", "fail": { "reason": "the value is another" } });
    let saved = save(&house, &json!([step(&both_ways(), &json!({})), check, wrong]));
    assert!((200..300).contains(&saved.status), "{}", saved.text);
    let sealed = partner.encrypt(TIER).unwrap();
    answer(&house, &json!(sealed));
    let run = house.run("encrypted", &event());
    assert_eq!(run["state"], "completed", "the context has the plain value: {run}");

    let sent = house.upstream.received()[0].json();
    let user = &sent["event"]["flow"]["user"];
    let (header, mobile) = partner.decrypt(user["claims"][0]["value"].as_str().unwrap()).unwrap();
    assert_eq!(header, json!({ "alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "application/json" }));
    assert_eq!(
        (user["claims"][0]["uri"].as_str().unwrap(), mobile.as_str()),
        ("http://wso2.org/claims/mobile", MOBILE)
    );
    let (_, token) = partner.decrypt(user["credentials"]["token"].as_str().unwrap()).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&token).unwrap(), json!({ "type": "PLAIN_TEXT", "value": TOKEN }));

    let id = run["id"].as_str().unwrap();
    let journal = house.api().get(&format!("/v1/runs/{id}/journal"));
    let changes = &journal.json()["items"][0]["changes"];
    assert!(changes.to_string().contains("http://wso2.org/claims/tier"), "the change is told: {changes}");
    let mut seen = vec![sent.to_string(), run.to_string(), journal.text, house.server.log()];
    for path in [format!("/v1/runs/{id}"), format!("/v1/runs/{id}/events"), format!("/v1/runs/{id}/diagnostics")] {
        seen.push(house.api().get(&path).text);
    }
    for arguments in [vec!["run", "show", id], vec!["run", "show", id, "-o", "json"], vec!["logs", "--run", id]] {
        let output = house.server.try_cli(&house.key, &arguments, "").unwrap();
        seen.push(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    for spelling in [MOBILE, TOKEN, TIER].into_iter().flat_map(spellings) {
        for text in &seen {
            assert!(!text.contains(&spelling), "{spelling} in {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_not_encrypted_or_not_for_us_refuses_the_whole_answer() {
    //
    let (partner, other) = (Partner::new().unwrap(), Partner::new().unwrap());
    let house = house(&partner).await;
    let (good, foreign) = (partner.encrypt(TIER).unwrap(), other.encrypt(TIER).unwrap());
    let cut = &good[..good.len() - 4];
    for profile in ["strict", "wso2"] {
        assert!(save(&house, &json!([step(&both_ways(), &json!({ "profile": profile }))])).status < 300);
        for (value, code) in [
            (json!("gold"), "action.not-encrypted"),
            (json!(""), "action.not-encrypted"),
            (json!(7), "action.not-encrypted"),
            (json!({ "a": good }), "action.not-encrypted"),
            (json!("aaa.bbb.ccc"), "action.not-encrypted"),
            (json!([good, good]), "action.not-encrypted"),
            (json!(["chess,tea"]), "action.not-encrypted"),
            (json!("a.b.c.d.e"), "action.not-decrypted"),
            (json!(foreign), "action.not-decrypted"),
            (json!(cut), "action.not-decrypted"),
        ] {
            answer(&house, &value);
            let run = house.run("encrypted", &event());
            assert_eq!(run["state"], "error", "{profile}: {value}");
            let journal = house.journal(&run);
            assert_eq!(
                journal[0]["outcome"]["end"]["error"]["code"], code,
                "{profile}: {value}: {}",
                journal[0]["outcome"]
            );
            let changes = journal[0]["changes"].as_array().unwrap();
            assert!(changes.iter().all(|change| change["key"] != "event"), "nothing is applied: {changes:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_in_the_clear_because_a_certificate_is_missing_or_past() {
    //
    let house = house(&Partner::new().unwrap()).await;
    let past = Partner::with(|params| params.not_after = rcgen::date_time_ymd(2020, 1, 1)).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let elliptic = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    let elliptic = crate::real_world::pem("CERTIFICATE", elliptic.der());
    assert!(put(&house, "/v1/identities/past", &past.certificate()).status < 300);
    assert!(put(&house, "/v1/identities/elliptic", &json!({ "certificates": elliptic })).status < 300);
    for (identity, path, profile, code) in [
        ("past", claim("mobile"), "strict", "action.certificate-expired"),
        ("past", claim("mobile"), "wso2", "action.certificate-expired"),
        ("elliptic", claim("mobile"), "wso2", "action.encryption-key"),
        ("nobody", claim("mobile"), "strict", "action.no-certificate"),
        ("nobody", "/user/credentials/token".to_owned(), "wso2", "action.no-certificate"),
    ] {
        let encryption = json!({ "certificate": identity, "event": [path] });
        assert!(save(&house, &json!([step(&encryption, &json!({ "profile": profile }))])).status < 300);
        let run = house.run("encrypted", &event());
        let journal = house.journal(&run);
        assert_eq!(
            journal[0]["outcome"]["end"]["error"]["code"], code,
            "{identity}, {profile}: {}",
            journal[0]["outcome"]
        );
    }
    assert_eq!(house.upstream.received().len(), 0, "the service was never asked");
    // The other system's way: a claim is left out, with a warning.
    let encryption = json!({ "certificate": "nobody", "event": [claim("mobile")] });
    assert!(save(&house, &json!([step(&encryption, &json!({ "profile": "wso2" }))])).status < 300);
    house.upstream.answer_next(axum::Json(json!({ "actionStatus": "SUCCESS" })));
    let run = house.run("encrypted", &event());
    assert_eq!(run["state"], "completed");
    let sent = String::from_utf8(house.upstream.received()[0].body.clone()).unwrap();
    assert!(!sent.contains(MOBILE) && !sent.contains("claims/mobile"), "{sent}");
    let diagnostics = house.journal(&run)[0]["diagnostics"].clone();
    let left_out = |entry: &Value| entry["actionId"] == "action-request" && entry["level"] == "warning";
    assert!(diagnostics.as_array().unwrap().iter().any(left_out), "{diagnostics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_is_refused_when_it_is_saved() {
    //
    let house = house(&Partner::new().unwrap()).await;
    for (encryption, pointer) in [
        (json!({ "event": [claim("mobile")] }), "/steps/0/encryption"),
        (json!({ "certificate": "", "event": [claim("mobile")] }), "/steps/0/encryption"),
        (json!({ "certificate": "partner", "event": ["/risk/score"] }), "/steps/0/encryption/event/0"),
        (json!({ "operations": [claim("tier")] }), "/steps/0/encryption"),
        (json!({ "key": "partner", "operations": [claim("mobile")] }), "/steps/0/encryption/operations/0"),
        (json!({ "key": "partner", "operations": vec![claim("tier"); 101] }), "/steps/0/encryption/operations"),
    ] {
        let answer = save(&house, &json!([step(&encryption, &json!({}))]));
        assert_eq!(answer.status, 422, "{encryption}: {}", answer.text);
        assert!(answer.text.contains("flow.encryption"), "{}", answer.text);
        assert!(answer.text.contains(&format!("\"{pointer}\"")), "{encryption}: {}", answer.text);
    }
}
