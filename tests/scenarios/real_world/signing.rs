//! Claims that are signed by the server, and verified by `jose` (npm) with the keys that the server publishes.

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use serde_json::{Value, json};
use weir_tests::partner::Partner;

use super::services;
use crate::house::House;

fn flow(name: &str, algorithm: &str) -> Value {
    json!({ "flow": name, "steps": [
        { "id": "said", "claims": [{ "key": "https://weir.test/tier", "type": "string", "value": "gold é" }] },
        { "id": "signed", "claims": [], "sign": {
            "key": name, "algorithm": algorithm, "issuer": "https://weir.test", "subject": "${event.user}",
            "audience": ["shop", "other"], "type": "at+jwt", "expires-in": "1h",
        } },
    ] })
}

#[tokio::test(flavor = "multi_thread")]
async fn another_implementation_verifies_what_we_sign_with_each_algorithm() {
    // covers F-08
    let rsa = Partner::new().unwrap().identity()["private_key"].clone();
    let [ec, ed] =
        [&PKCS_ECDSA_P256_SHA256, &PKCS_ED25519].map(|kind| KeyPair::generate_for(kind).unwrap().serialize_pem());
    let keys = [("rsa", "RS256", rsa), ("ec", "ES256", json!(ec)), ("ed", "EdDSA", json!(ed))];
    let house = House::empty().await;
    let api = house.api();
    for (name, algorithm, key) in &keys {
        let stored = api.put(
            &format!("/v1/identities/{name}"),
            "application/json",
            json!({ "private_key": key }).to_string().as_bytes(),
        );
        assert_eq!(stored.status, 201, "{}", stored.text);
        let saved =
            api.put(&format!("/v1/flows/{name}"), "application/json", flow(name, algorithm).to_string().as_bytes());
        assert_eq!(saved.status, 201, "{}", saved.text);
    }
    for (name, algorithm, _) in &keys {
        let run = house.run(name, &json!({ "user": "u1" }));
        let jwt = run["jwt"].as_str().unwrap_or_else(|| panic!("{run:#}"));
        let published = api.get(&format!("/v1/identities/{name}/jwks")).json();
        let Some(verified) = services::verified(jwt, &published, algorithm) else { return };
        let verified = verified.unwrap();
        assert_eq!(verified["payload"]["https://weir.test/tier"], "gold é");
        assert_eq!(verified["payload"]["jti"], format!("{}.2", run["id"].as_str().unwrap()));
        assert_eq!(verified["header"]["kid"], verified["thumbprint"], "the key's name is its RFC 7638 thumbprint");
        let (rest, last) = jwt.split_at(jwt.len() - 8);
        let forged = format!("{rest}{}", last.chars().rev().collect::<String>());
        services::verified(&forged, &published, algorithm).unwrap().expect_err("a signature that was changed");
    }
}
