//! A canary: a stored secret is nowhere but in the outgoing request.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use weir_tests::upstream::TOKEN;

use crate::house::{House, event, files};

/// The ways in which a secret could lie about.
pub(crate) fn spellings(secret: &str) -> Vec<String> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut spellings = vec![secret.to_owned(), hex.to_uppercase(), hex];
    for shift in 0..3 {
        let padded = format!("{}{secret}", "x".repeat(shift));
        let encoded = BASE64_STANDARD.encode(padded);
        // The first and the last characters depend on the neighbours.
        spellings.push(encoded[4..encoded.len() - 4].to_owned());
    }
    spellings
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_lies_nowhere_in_the_clear() {
    // keeps K-01; covers D-04, T-03
    let house = House::demo().await;
    let run = house.run("registration", &event());
    let api = house.api();
    let id = run["id"].as_str().unwrap();
    let mut seen = vec![run.to_string(), house.server.log()];
    for path in ["/v1/credentials", "/v1/credentials/random-user-token", "/v1/connectors/random-user"] {
        seen.push(api.get(path).text);
    }
    for path in ["", "/journal", "/events"] {
        seen.push(api.get(&format!("/v1/runs/{id}{path}")).text);
    }
    let metrics = crate::house::Api::new(&house.server.url, &house.server.operator_key()).get("/metrics");
    assert_eq!(metrics.status, 200);
    seen.push(metrics.text);
    for spelling in spellings(TOKEN) {
        for text in &seen {
            assert!(!text.contains(&spelling), "{spelling} in {text}");
        }
        for file in files(&house.data()) {
            let bytes = std::fs::read(&file).unwrap();
            let found = bytes.windows(spelling.len()).any(|window| window == spelling.as_bytes());
            assert!(!found, "{spelling} in {}", file.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_reflects_the_secret_is_masked_before_anything_sees_it() {
    // keeps K-02
    let house = House::demo().await;
    let reflected = json!({ "results": [], "echo": format!("Bearer {TOKEN}"), "hex": TOKEN.bytes().map(|byte| format!("{byte:02x}")).collect::<String>() });
    house.upstream.answer_next(axum::Json(reflected));
    let run = house.run("registration", &event());
    let journal = serde_json::Value::from(house.journal(&run)).to_string();
    for spelling in spellings(TOKEN) {
        assert!(!journal.contains(&spelling), "{spelling}");
    }
    assert!(journal.contains("***"), "{journal}");
}
