//! What a tenant makes of responses, from saving the connector to the context of the run (C-13 to C-15).

use axum::http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use weir_tests::upstream::TOKEN;

use crate::house::House;

fn risk(url: &str) -> Value {
    json!({
        "connector": "risk", "base-url": url,
        "authentication": {"type": "bearer", "credential": "token"},
        "functions": [{
            "name": "score",
            "arguments": [{"name": "least", "type": "integer", "default": 80}],
            "response": {
                "format": "xml",
                "schema": {
                    "type": "object", "required": ["risk"],
                    "properties": {"risk": {"type": "object", "properties": {"score": {"type": "string"}, "said": {}}}},
                },
                "transformation": {
                    "expression": "{'high': int(response.body.risk.score) > args.least, 'type': response.headers['content-type']}",
                    "schema": {"properties": {"high": {"type": "boolean"}, "type": {}}},
                },
            },
        }],
    })
}

const FLOW: &str = "flow: risky\nsteps:\n  - id: risk\n    call: risk.score\n  - id: claims\n    claims: [{ key: high, type: boolean, value: '${connectors.risk.transformed_data.high}' }]\n";

fn house_with_risk(house: &House) {
    let credential = json!({"type": "bearer", "token": TOKEN}).to_string();
    let stored = house.api().put("/v1/credentials/token", "application/json", credential.as_bytes());
    assert!(stored.status < 300, "{}", stored.text);
    let document = risk(&house.upstream.url()).to_string();
    let saved = house.api().put("/v1/connectors/risk", "application/json", document.as_bytes());
    assert_eq!(saved.status, 201, "{}", saved.text);
}

fn answers(house: &House, body: String) {
    house.upstream.answer_next(([(CONTENT_TYPE, "application/xml")], body));
}

#[tokio::test(flavor = "multi_thread")]
async fn xml_is_read_checked_and_transformed_and_its_secrets_stay_away() {
    // covers C-13, C-14, C-15, C-17, D-04
    let house = House::empty().await;
    house_with_risk(&house);
    let saved = house.api().put("/v1/flows/risky", "application/yaml", FLOW.as_bytes());
    assert_eq!((saved.status, &saved.json()["warnings"]), (201, &json!([])), "{}", saved.text);

    let echo: String = TOKEN.chars().map(|it| format!("&#{};", u32::from(it))).collect();
    answers(&house, format!("<risk><score>81</score><said by=\"{echo}\">{echo}</said></risk>"));
    let run = house.run("risky", &json!({}));
    assert_eq!(run["claims"], json!([{"key": "high", "value": true}]), "{run}");
    let journal = house.journal(&run);
    let result = &journal[0]["changes"][0]["value"];
    let said = json!({"@by": "***", "#text": "***"});
    assert_eq!(result["body"], json!({"risk": {"score": "81", "said": said}}), "{result}");
    assert_eq!(result["transformed_data"], json!({"high": true, "type": "application/xml"}));
    assert!(!Value::from(journal).to_string().contains("&#"), "no reference is left of an echoed secret");

    for (body, code, says) in [
        ("<risk><score><a/></score></risk>", "connector.response-schema", "at `/risk/score`: "),
        ("<risk><score>many</score></risk>", "connector.transformation", "int(response.body.risk.score)"),
        ("<risk>\n<score></risk>", "connector.invalid-body", "at line 2 column 8"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><risk/>", "connector.invalid-body", "a document type declaration"),
    ] {
        answers(&house, body.to_owned());
        let run = house.run("risky", &json!({}));
        assert!(run.to_string().contains(code), "{body}: {run}");
        let journal = Value::from(house.journal(&run)).to_string();
        assert!(journal.contains(says), "{body}: {journal}");
        assert!(journal.contains(&body[..6]), "the response is kept: {journal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_is_warned_of_what_no_response_can_have() {
    // covers C-14, F-03
    let house = House::empty().await;
    house_with_risk(&house);
    let slip = FLOW.replace("transformed_data.high", "transformed_data.hihg");
    let saved = house.api().put("/v1/flows/risky", "application/yaml", slip.as_bytes());
    assert_eq!(saved.status, 201, "{}", saved.text);
    let warnings = &saved.json()["warnings"];
    assert_eq!(warnings[0]["code"], "flow.unknown-response-member", "{warnings}");
    assert_eq!((&warnings[0]["line"], &warnings[0]["severity"]), (&json!(6), &json!("warning")), "{warnings}");
    assert_eq!(warnings[0]["help"], "`connectors.risk.transformed_data` has `high`, `type`", "{warnings}");

    let mut faulty = risk(&house.upstream.url());
    faulty["functions"][0]["response"]["schema"] = json!({"$ref": "https://example.org/schema.json"});
    let refused = house.api().put("/v1/connectors/risk", "application/json", faulty.to_string().as_bytes());
    assert!(refused.text.contains("connector.document.response-schema"), "{}", refused.text);
}
