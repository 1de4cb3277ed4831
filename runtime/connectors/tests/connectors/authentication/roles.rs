//! Roles of AWS that are assumed, against a server that stands in for STS.

use serde_json::{Value, json};
use weir_engine::ports::ConnectorErrorKind as Kind;

use super::support::{AWS_SECRET, AWS_TOKEN, House, body, closing, guarded, header, posting, server};
use crate::support::Upstream;

fn role(sts: &Upstream) -> Value {
    let role = json!({"role-arn": "arn:aws:iam::123456789012:role/weir", "external-id": "x/1", "url": sts.url()});
    json!({"type": "aws-sigv4", "credential": "aws", "region": "eu-central-1", "service": "s3", "assume-role": role})
}

#[tokio::test]
async fn a_role_is_assumed_once_and_its_keys_sign() {
    // covers C-06, keeps K-02
    let sts = server(|_| {
        let keys = json!({"AccessKeyId": "ASIATEMPORARY", "SecretAccessKey": "temporary-s3cret", "SessionToken": "temporary-t0ken"});
        closing(200, "", json!({"AssumeRoleResponse": {"AssumeRoleResult": {"Credentials": keys}}}).to_string())
    })
    .await;
    let upstream = server(|request| closing(200, "", request)).await;
    let house = House::new();
    for _ in 0..2 {
        let response = house.response(&posting(&upstream, role(&sts))).await;
        let echoed = response.body.as_text().expect("text");
        assert!(echoed.contains("ASIATEMPORARY/") && !echoed.contains("temporary-t0ken"), "{echoed}");
        let request = upstream.heard().pop().expect("a request");
        assert_eq!(header(&request, "x-amz-security-token"), "temporary-t0ken");
    }
    let heard = sts.heard();
    let [asked] = heard.as_slice() else { panic!("asked {} times", heard.len()) };
    assert_eq!(header(asked, "accept"), "application/json");
    let authorization = header(asked, "authorization");
    assert!(
        authorization.contains("Credential=AKIDEXAMPLE/") && authorization.contains("/eu-central-1/sts/"),
        "{asked}"
    );
    let form: Vec<(String, String)> = url::form_urlencoded::parse(body(asked).as_bytes()).into_owned().collect();
    let expected = [
        ("Action", "AssumeRole"),
        ("Version", "2011-06-15"),
        ("RoleArn", "arn:aws:iam::123456789012:role/weir"),
        ("RoleSessionName", "weir-acme"),
        ("DurationSeconds", "3600"),
        ("ExternalId", "x/1"),
    ];
    assert_eq!(form, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[tokio::test]
async fn a_refused_role_is_a_token_error_without_secrets() {
    // covers C-06, keeps K-02
    let upstream = guarded(<_>::default()).await;
    let sts = server(|request| {
        let message = format!("no, {} {AWS_SECRET}", header(request, "x-amz-security-token"));
        closing(403, "", json!({"Error": {"Code": "AccessDenied", "Message": message}}).to_string())
    })
    .await;
    let error = House::new().error(&posting(&upstream, role(&sts))).await;
    assert_eq!(error.kind, Kind::Token);
    assert!(error.message.contains("403 with `AccessDenied` (no, *** ***)"), "{}", error.message);
    assert!(!error.message.contains(AWS_TOKEN));
    assert_eq!(upstream.connections().await, 0);
}
