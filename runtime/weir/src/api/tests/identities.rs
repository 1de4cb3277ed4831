//! TLS identities: certificates are read back, keys never; what cannot work is refused (C-07).

use std::time::{Duration, SystemTime};

use axum::http::StatusCode;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use weir_engine::ports::{DefinitionKind, Expectation, NewDefinition};

use super::house::{Answer, Ask, House};
use crate::secrets::VaultError;

/// A key made for tests: the cryptography here can make no RSA keys.
const RSA: &str = include_str!("../../../../connectors/tests/connectors/fixtures/rsa-2048.pem");

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(der))
}

fn key_pem(key: &KeyPair) -> String {
    pem("PRIVATE KEY", &key.serialize_der())
}

/// A certificate of that name, signed by the issuer or by itself, that ceases to hold in so many days.
fn certificate(name: &str, key: &KeyPair, issuer: Option<&Issuer<'_, KeyPair>>, days: i64) -> String {
    let mut params = params(name);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let days_from_1970 = i64::try_from(now.as_secs() / 86_400).unwrap() + days;
    params.not_after =
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(days_from_1970).unwrap() * 86_400);
    let made = match issuer {
        Some(issuer) => params.signed_by(key, issuer),
        None => params.self_signed(key),
    };
    pem("CERTIFICATE", made.unwrap().der())
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn pair(name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    (certificate(name, &key, None, 1000), key_pem(&key))
}

async fn set(house: &House, name: &str, body: &Value) -> Answer {
    house.ask(Ask::new("PUT", &format!("/v1/identities/{name}")).key(&house.admin).json(body)).await
}

#[tokio::test]
async fn certificates_are_told_and_keys_are_not() {
    // covers C-07, keeps K-01
    let house = House::new().await;
    let key = KeyPair::generate().unwrap();
    let body = json!({ "certificates": certificate("partner.test", &key, None, 1000), "private_key": key_pem(&key) });
    let put = set(&house, "partner", &body).await;
    assert_eq!(put.status, StatusCode::CREATED, "{put:?}");
    assert_eq!(put.headers["etag"], "\"1\"");
    let one = house.ask(Ask::new("GET", "/v1/identities/partner").key(&house.viewer)).await;
    assert_eq!(one.body, put.body);
    assert_eq!(one.body["type"], "certificate-and-key");
    assert_eq!(one.body["key"], "ECDSA, 256 bits");
    let told = &one.body["certificates"][0];
    assert_eq!((&told["names"], &told["is_ca"]), (&json!(["partner.test"]), &json!(true)));
    assert!(told["subject"].as_str().unwrap().contains("CN=partner.test"), "{told}");
    assert_eq!(told["fingerprint_sha256"].as_str().unwrap().len(), 64);
    assert_eq!(told["not_after"], one.body["expires_at"]);
    assert_eq!(one.body["warnings"], json!([]));
    let list = house.ask(Ask::new("GET", "/v1/identities").key(&house.viewer)).await;
    assert_eq!(list.body["items"][0]["expires_at"], one.body["expires_at"]);
    assert!(list.body["items"][0]["certificates"].is_null(), "{list:?}");

    let stored = house.app.store.definition(&"acme".parse().unwrap(), DefinitionKind::Identity, "partner", None).await;
    let seen = [put.body, one.body, list.body, stored.unwrap().unwrap().body].map(|value| value.to_string());
    let secret = key.serialize_der();
    // The private number itself: what surrounds it in PKCS#8 is the same for every key.
    let secret = &secret[36..68];
    for shift in 0..3 {
        let padded = [vec![0; shift], secret.to_vec()].concat();
        let encoded = BASE64_STANDARD.encode(padded);
        let needle = &encoded[4..encoded.len() - 4];
        assert!(seen.iter().all(|text| !text.contains(needle)));
    }
    assert!(seen.iter().all(|text| !text.contains(&hex::encode(secret))));
}

#[tokio::test]
async fn an_identity_opens_as_it_was_set() {
    // covers C-07: with a key, without one, and a key alone, in every form
    let house = House::new().await;
    let (acme, rsa_der) = ("acme".parse().unwrap(), BASE64_STANDARD.decode(body_of(RSA)).unwrap());
    let ec = KeyPair::generate().unwrap();
    let sec1 = pem("EC PRIVATE KEY", &ec.serialize_der()[29..]);
    let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let own = certificate("ec.test", &ec, None, 1000);
    for (body, kind, key, certificates) in [
        (json!({ "certificates": own, "private_key": sec1 }), "certificate-and-key", "ECDSA, 256 bits", 1),
        (
            json!({ "private_key": format!("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{sec1}") }),
            "key",
            "ECDSA, 256 bits",
            0,
        ),
        (json!({ "private_key": key_pem(&ed25519) }), "key", "Ed25519", 0),
        (json!({ "private_key": RSA }), "key", "RSA, 2048 bits", 0),
        (json!({ "private_key": pem("RSA PRIVATE KEY", &rsa_der[26..]) }), "key", "RSA, 2048 bits", 0),
        (json!({ "certificates": format!("Bag Attributes\n{own}\n{own}") }), "certificates", "", 2),
    ] {
        let put = set(&house, "one", &body).await;
        assert!(put.status.is_success(), "{put:?}");
        assert_eq!(put.body["type"], kind);
        assert_eq!(put.body["key"].as_str().unwrap_or_default(), key);
        let opened = house.app.vault.open_identity(&acme, &"one".parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(u64::from(opened.identity.version), put.body["version"].as_u64().unwrap());
        assert_eq!(opened.identity.certificates.len(), certificates);
        assert_eq!(opened.identity.key.is_some(), !key.is_empty());
        if let Some(der) = opened.identity.key {
            let text = body["private_key"].as_str().unwrap();
            assert!(text.replace('\n', "").contains(&BASE64_STANDARD.encode(der.secret_der())));
        }
    }
}

fn body_of(pem: &str) -> String {
    pem.lines().filter(|line| !line.starts_with('-')).collect()
}

#[tokio::test]
async fn what_cannot_work_is_refused_with_advice() {
    // covers C-07; keeps K-01: nothing of the key is repeated
    let house = House::new().await;
    let ((one, one_key), (two, two_key)) = (pair("one.test"), pair("two.test"));
    let p521 = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
    for (body, what) in [
        (json!({}), "there is neither"),
        (json!({ "certificates": "hello" }), "no PEM certificate"),
        (
            json!({ "certificates": "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----" }),
            "no PEM certificate",
        ),
        (json!({ "certificates": pem("CERTIFICATE", b"hello") }), "certificate 1 is no X.509 certificate"),
        (json!({ "certificates": format!("{one}{one_key}") }), "`certificates` holds a private key"),
        (json!({ "certificates": one, "private_key": two_key }), "take the key that its request was made with"),
        (
            json!({ "certificates": format!("{one}{two}"), "private_key": two_key }),
            "but of certificate 2; write that one first",
        ),
        (
            json!({ "certificates": format!("{one}{two}"), "private_key": one_key }),
            "certificate 1 was not issued by certificate 2",
        ),
        (json!({ "private_key": format!("{one_key}{two_key}") }), "exactly one PEM private key"),
        (json!({ "private_key": format!("{one}{one_key}") }), "and no certificates"),
        (json!({ "private_key": "hello" }), "exactly one PEM private key"),
        (json!({ "private_key": p521 }), "of a kind that is not used"),
        (json!({ "private_key": one_key.replace("PRIVATE", "ENCRYPTED PRIVATE") }), "is encrypted"),
        (
            json!({ "private_key": "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMAA=\n-----END RSA PRIVATE KEY-----" }),
            "is encrypted",
        ),
    ] {
        let answer = set(&house, "faulty", &body).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (422, "identity.invalid"), "{what}: {answer:?}");
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains(what), "{what}: {detail}");
        assert!(![&one_key, &two_key].iter().any(|key| detail.contains(&body_of(key))));
    }
    // A key in the wrong place is not repeated either, and owners are not taken from bodies.
    for body in
        [json!({ "private_key": [one_key] }), json!({ "certificates": one, "tenant": "other" }), json!([one_key])]
    {
        let answer = set(&house, "faulty", &body).await;
        assert_eq!(answer.code(), "request.invalid-body", "{answer:?}");
        assert!(!answer.body.to_string().contains(&body_of(&one_key)[..40]), "{answer:?}");
    }
    assert_eq!(house.ask(Ask::new("GET", "/v1/identities/faulty").key(&house.admin)).await.status, 404);
}

#[tokio::test]
async fn a_chain_goes_from_its_own_certificate_to_its_issuers() {
    // covers C-07
    let house = House::new().await;
    let [root, middle, own] = [(); 3].map(|()| KeyPair::generate().unwrap());
    let own_key = key_pem(&own);
    let root_pem = certificate("root", &root, None, 1000);
    let root = Issuer::new(params("root"), root);
    let middle_pem = certificate("middle", &middle, Some(&root), 1000);
    let middle = Issuer::new(params("middle"), middle);
    let own_pem = certificate("own", &own, Some(&middle), 1000);
    let put = async |certificates: String| {
        set(&house, "chain", &json!({ "certificates": certificates, "private_key": own_key })).await
    };
    assert_eq!(put(format!("{own_pem}{middle_pem}{root_pem}")).await.status, StatusCode::CREATED);
    assert_eq!(put(own_pem.clone()).await.status, StatusCode::OK);
    assert!(put(format!("{own_pem}{root_pem}{middle_pem}")).await.body["detail"].to_string().contains("certificate 1"));
    assert!(put(format!("{middle_pem}{own_pem}")).await.body["detail"].to_string().contains("of certificate 2"));
}

#[tokio::test]
async fn what_has_expired_or_soon_will_is_taken_and_warned_of() {
    // covers C-07
    let house = House::new().await;
    let key = KeyPair::generate().unwrap();
    for (days, warning) in [(-10, "expired at"), (10, "expires in "), (31, "")] {
        let body = json!({ "certificates": certificate("old.test", &key, None, days), "private_key": key_pem(&key) });
        let put = set(&house, "old", &body).await;
        assert!(put.status.is_success(), "{put:?}");
        let list = house.ask(Ask::new("GET", "/v1/identities").key(&house.admin)).await;
        for told in [&put.body, &list.body["items"][0]] {
            let warnings = told["warnings"].as_array().unwrap();
            assert_eq!(warnings.len(), usize::from(!warning.is_empty()), "{told}");
            assert!(warnings.iter().all(|told| told.as_str().unwrap().contains(warning)), "{told}");
        }
    }
}

#[tokio::test]
async fn sizes_and_counts_are_bounded() {
    // keeps A4: at N and N + 1
    let house = House::with(|limits| limits.small_bytes = 1 << 20).await;
    let (one, key) = pair("one.test");
    let status = async |body: Value| set(&house, "large", &body).await.status.as_u16();
    assert_eq!(status(json!({ "certificates": one.repeat(32) })).await, 201);
    assert_eq!(status(json!({ "certificates": one.repeat(33) })).await, 422);
    let padded = |bytes: usize| format!("{}{key}", "\n".repeat(bytes - key.len()));
    assert_eq!(status(json!({ "private_key": padded(16 << 10) })).await, 200);
    assert_eq!(status(json!({ "private_key": padded((16 << 10) + 1) })).await, 422);
    let large = |names: usize| {
        let names: Vec<String> = (0..names).map(|number| format!("{number:050}.test")).collect();
        let made = CertificateParams::new(names).unwrap().self_signed(&KeyPair::generate().unwrap()).unwrap();
        (made.der().len(), pem("CERTIFICATE", made.der()))
    };
    for names in [270, 290] {
        let (bytes, text) = large(names);
        assert_eq!(status(json!({ "certificates": text })).await == 200, bytes <= 16 << 10, "{bytes}");
    }
}

#[tokio::test]
async fn a_row_that_was_moved_does_not_open_and_versions_go_on() {
    // keeps K-03
    let house = House::new().await;
    let acme = "acme".parse().unwrap();
    let (certificates, _) = pair("one.test");
    let body = json!({ "certificates": certificates });
    assert_eq!(set(&house, "one", &body).await.status, StatusCode::CREATED);
    let stored = house.app.store.definition(&acme, DefinitionKind::Identity, "one", None).await.unwrap().unwrap();
    let moved = NewDefinition {
        tenant: acme.clone(),
        kind: DefinitionKind::Identity,
        name: "two".to_owned(),
        created_at: house.app.clock.now(),
        body: stored.body,
    };
    house.app.store.put_definition(moved, Expectation::Any).await.unwrap();
    let opened = house.app.vault.open_identity(&acme, &"two".parse().unwrap()).await;
    assert!(matches!(opened, Err(VaultError::NotOpened { kind: "identity", .. })));

    let stale = Ask::new("PUT", "/v1/identities/one").key(&house.admin).header("if-match", "\"7\"").json(&body);
    assert_eq!(house.ask(stale).await.code(), "object.precondition-failed");
    assert_eq!(set(&house, "one", &body).await.body["version"], 2);
    let removed = house.ask(Ask::new("DELETE", "/v1/identities/one").key(&house.admin)).await;
    assert_eq!(removed.status, StatusCode::NO_CONTENT);
    let again = set(&house, "one", &body).await;
    // Never a number that was: connections of the removed one would be taken for its own.
    assert_eq!(again.status, StatusCode::CREATED);
    assert!(again.body["version"].as_u64() > Some(2), "{again:?}");
    assert!(house.app.vault.open_identity(&acme, &"one".parse().unwrap()).await.unwrap().is_some());
}
