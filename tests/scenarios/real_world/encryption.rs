//! An action whose service encrypts and decrypts with `jose` (npm).

use serde_json::json;
use weir_tests::partner::Partner;

use super::services;
use crate::house::House;

/// What the service read and sent back, and what it sent in a list.
const IS_READ: &str = "event.user.claims.exists(c, c.uri.endsWith('/tier') && c.value == '070|PLAIN_TEXT|s3cr\"et é') && \
                         event.user.claims.exists(c, c.uri.endsWith('/interests') && c.value == ['chess', 'tea'])";

#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_another_implementation_reads_what_we_encrypt_and_we_read_what_it_encrypts() {
    // covers, D-04
    let (theirs, ours) = (Partner::new().unwrap(), Partner::new().unwrap());
    let folder = services::folder();
    std::fs::write(folder.join("service.key"), theirs.identity()["private_key"].as_str().unwrap()).unwrap();
    std::fs::write(folder.join("weir.pem"), ours.identity()["certificates"].as_str().unwrap()).unwrap();
    let Some(service) = services::encrypting(folder) else { return };
    let house = House::empty().await;
    let api = house.api();
    for (path, body) in [
        ("/v1/identities/theirs", theirs.certificate()),
        ("/v1/identities/ours", ours.identity()),
        (
            "/v1/connectors/service",
            json!({
                "connector": "service", "base-url": service.url,
                "functions": [{ "name": "act", "method": "POST", "endpoint": "/" }],
            }),
        ),
        (
            "/v1/flows/encrypted",
            json!({ "flow": "encrypted", "steps": [
                {
                    "id": "act", "action": "FLOW_EXTENSION", "service": "service.act",
                    "allowed-operations": [{ "op": "replace", "paths": [claim("tier"), claim("interests")] }],
                    "encryption": {
                        "certificate": "theirs", "event": [claim("mobile"), "/user/credentials/password"],
                        "key": "ours", "operations": [claim("tier"), claim("interests")],
                    },
                },
                { "id": "check", "condition": [
                    { "when": IS_READ, "next": "end" },
                    { "otherwise": "wrong" },
                ] },
                { "id": "wrong", "fail": { "reason": "the values are not those" } },
            ] }),
        ),
    ] {
        let answer = api.put(path, "application/json", body.to_string().as_bytes());
        assert!((200..300).contains(&answer.status), "{path}: {}", answer.text);
    }
    let run = house.run(
        "encrypted",
        &json!({ "user": {
            "claims": [{ "uri": "http://wso2.org/claims/mobile", "value": "070" }],
            "credentials": { "password": "s3cr\"et é" },
        } }),
    );
    assert_eq!(run["state"], "completed", "{run} {:?}", house.journal(&run));
}

fn claim(name: &str) -> String {
    format!("/user/claims[uri=http://wso2.org/claims/{name}]")
}
