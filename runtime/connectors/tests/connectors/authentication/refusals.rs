//! What is refused: documents at save, and requests whose hooks touch what the host sets.

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use weir_connectors::{Ceilings, validate};
use weir_engine::message::Header;
use weir_engine::ports::ConnectorErrorKind as Kind;

use super::support::{House, guarded, posting};
use crate::support::{context, document, with};

#[track_caller]
fn check(authentication: Value, expected: Expect) {
    crate::validation::check(with(document("https://a.test"), json!({"authentication": authentication})), expected);
}

#[test]
fn good_authentications_have_no_faults() {
    // covers C-06
    let token = json!({"url": "https://idp.test/token?v=2", "scopes": ["a:b", "https://x.test/.default"],
                       "parameters": {"audience": "x", "client_id": "public"}});
    for authentication in [
        json!({"type": "none"}),
        json!({"type": "digest", "credential": "c"}),
        json!({"type": "api-key", "credential": "c", "in": "header", "name": "Authorization"}),
        json!({"type": "api-key", "credential": "c", "in": "query", "name": "api key"}),
        json!({"type": "oauth2-password", "credential": "c", "token": token}),
        json!({"type": "oauth2-jwt-bearer", "identity": "i", "token": token, "assertion":
               {"algorithm": "RS256", "issuer": "x", "lifetime": "1h", "claims": {"jti": "1", "nbf": 1}}}),
        json!({"type": "aws-sigv4", "credential": "c", "region": "eu-central-1", "service": "execute-api"}),
        json!({"type": "hmac", "credential": "c", "header": "x-s", "timestamp-header": "x-t",
               "signed": "${request.method}\n${request.path}\n${request.query}\n${request.headers['x-t']}\n${request.uri}${request.body}${request.timestamp}"}),
    ] {
        check(authentication, expect![[r#""#]]);
    }
}

#[test]
fn names_of_headers_and_parameters() {
    // covers C-06, keeps E-04
    check(
        json!({"type": "api-key", "credential": "c", "in": "header", "name": "Host"}),
        expect![[
            r#"/authentication/name [connector.document.header] header `host` belongs to the connection or to the host and cannot be set"#
        ]],
    );
    check(
        json!({"type": "api-key", "credential": "c", "in": "header", "name": "a b"}),
        expect![[r#"/authentication/name [connector.document.header] `a b` is not a header name (RFC 9110 token)"#]],
    );
    check(
        json!({"type": "api-key", "credential": "c", "in": "query", "name": ""}),
        expect![[
            r#"/authentication/name [connector.document.authentication] the query parameter's name must be 1 to 1024 bytes without control characters"#
        ]],
    );
}

#[test]
fn claims_and_signed_texts_have_a_length() {
    // covers C-06; keeps A4: N and N + 1
    let claims = |bytes: usize| {
        let assertion =
            json!({"algorithm": "EdDSA", "issuer": "weir", "claims": {"c": "x".repeat(bytes - r#"{"c":""}"#.len())}});
        let token = json!({"url": "https://a.com/token"});
        json!({"type": "oauth2-jwt-bearer", "identity": "signer", "assertion": assertion, "token": token})
    };
    let signed = |bytes: usize| {
        let text = format!("${{request.body}}{}", "x".repeat(bytes - "${request.body}".len()));
        json!({"type": "hmac", "credential": "key", "header": "x-signature", "signed": text})
    };
    check(claims(8192), expect![[r#""#]]);
    check(
        claims(8193),
        expect![
            "/authentication/assertion/claims [connector.document.authentication] the claims have 8193 bytes as JSON; they may have 8192"
        ],
    );
    check(signed(8192), expect![[r#""#]]);
    check(
        signed(8193),
        expect![
            "/authentication/signed [connector.document.authentication] the signed text has 8193 bytes; it may have 8192"
        ],
    );
}

#[test]
fn token_requests() {
    // covers C-06
    let token = json!({
        "url": "ftp://u:p@idp.test/token#f",
        "scopes": ["a b", "", "ok"],
        "parameters": {"grant_type": "x", "client_secret": "x", "client_id": "x", "a/b": "x\n"},
    });
    check(
        json!({"type": "oauth2-client-credentials", "client": "c", "token": token}),
        expect![[r#"
            /authentication/token/url [connector.document.authentication] this URL must be an `https` or `http` URL
            /authentication/token/url [connector.document.authentication] this URL has a fragment, which is never sent; leave it out
            /authentication/token/url [connector.document.authentication] this URL holds a user name or a password; store a credential and name it in `authentication`
            /authentication/token/scopes/0 [connector.document.authentication] a scope is 1 to 1024 visible ASCII characters without `"` and `\` (RFC 6749 section 3.3); give each scope an entry of its own
            /authentication/token/scopes/1 [connector.document.authentication] a scope is 1 to 1024 visible ASCII characters without `"` and `\` (RFC 6749 section 3.3); give each scope an entry of its own
            /authentication/token/parameters/a~1b [connector.document.authentication] a parameter's name and value must be 1 to 1024 bytes without control characters
            /authentication/token/parameters/client_id [connector.document.authentication] `client_id` is set by the host; leave it out, and keep secrets in credentials
            /authentication/token/parameters/client_secret [connector.document.authentication] `client_secret` is set by the host; leave it out, and keep secrets in credentials
            /authentication/token/parameters/grant_type [connector.document.authentication] `grant_type` is set by the host; leave it out, and keep secrets in credentials"#]],
    );
    // keeps A4: at N and N + 1
    for (count, faulty) in [(64, false), (65, true)] {
        let token = json!({"url": "https://idp.test", "scopes": vec!["a"; count]});
        let authentication = json!({"type": "oauth2-client-credentials", "client": "c", "token": token});
        let document = with(document("https://a.test"), json!({"authentication": authentication}));
        let document = serde_json::from_value(document).expect("a document");
        assert_eq!(!validate(&document, &Ceilings::default()).is_empty(), faulty);
    }
}

#[test]
fn assertions() {
    // covers C-06
    let claims = json!({"iss": 1, "sub": 1, "aud": 1, "exp": 1, "iat": 1, "x": 1});
    let assertion = json!({"algorithm": "ES256", "issuer": "", "key-id": "a\n", "lifetime": "61m", "claims": claims});
    check(
        json!({"type": "oauth2-jwt-bearer", "identity": "i", "assertion": assertion, "token": {"url": "https://idp.test"}}),
        expect![[r#"
            /authentication/assertion/lifetime [connector.document.authentication] `lifetime` must be at least 1s and at most 1h: whoever gets hold of an assertion may use it so long
            /authentication/assertion/issuer [connector.document.authentication] `issuer` must be 1 to 1024 bytes without control characters
            /authentication/assertion/key-id [connector.document.authentication] `key-id` must be 1 to 1024 bytes without control characters
            /authentication/assertion/claims/aud [connector.document.authentication] the claim `aud` is set by the host; use `issuer`, `subject`, `audience` and `lifetime` of the assertion
            /authentication/assertion/claims/exp [connector.document.authentication] the claim `exp` is set by the host; use `issuer`, `subject`, `audience` and `lifetime` of the assertion
            /authentication/assertion/claims/iat [connector.document.authentication] the claim `iat` is set by the host; use `issuer`, `subject`, `audience` and `lifetime` of the assertion
            /authentication/assertion/claims/iss [connector.document.authentication] the claim `iss` is set by the host; use `issuer`, `subject`, `audience` and `lifetime` of the assertion
            /authentication/assertion/claims/sub [connector.document.authentication] the claim `sub` is set by the host; use `issuer`, `subject`, `audience` and `lifetime` of the assertion"#]],
    );
}

#[test]
fn signatures() {
    // covers C-06
    check(
        json!({"type": "aws-sigv4", "credential": "c", "region": "", "service": "a/b"}),
        expect![[r#"
            /authentication/region [connector.document.authentication] `region` must be 1 to 64 letters, digits, `-`, `_` and `.`, such as `eu-central-1` and `execute-api`
            /authentication/service [connector.document.authentication] `service` must be 1 to 64 letters, digits, `-`, `_` and `.`, such as `eu-central-1` and `execute-api`"#]],
    );
    let role = json!({"role-arn": "weir", "external-id": "", "url": "file:///x"});
    check(
        json!({"type": "aws-sigv4", "credential": "c", "region": "r", "service": "s", "assume-role": role}),
        expect![[r#"
            /authentication/assume-role/role-arn [connector.document.authentication] `role-arn` must be the ARN of a role, such as `arn:aws:iam::123456789012:role/weir`
            /authentication/assume-role/external-id [connector.document.authentication] `external-id` must be 1 to 1024 bytes without control characters
            /authentication/assume-role/url [connector.document.authentication] this URL must be an `https` or `http` URL"#]],
    );
    check(
        json!({"type": "hmac", "credential": "c", "header": "Host", "timestamp-header": "host", "prefix": "a\n", "signed": "constant"}),
        expect![[r#"
            /authentication/header [connector.document.header] header `host` belongs to the connection or to the host and cannot be set
            /authentication/timestamp-header [connector.document.header] header `host` belongs to the connection or to the host and cannot be set
            /authentication/timestamp-header [connector.document.authentication] the signature goes into this header; give the timestamp another
            /authentication/prefix [connector.document.authentication] `prefix` must be at most 1024 ASCII characters, none a control character
            /authentication/signed [connector.document.authentication] the signed text reads nothing of the request, so that every request has one signature"#]],
    );
    check(
        json!({"type": "hmac", "credential": "c", "header": "x-s", "signed": "${request.bodi}"}),
        expect![[
            r#"/authentication/signed [connector.document.template] `request` has no `bodi`; it has `method`, `uri`, `path`, `query`, `headers`, `body`, `timestamp`"#
        ]],
    );
    check(
        json!({"type": "hmac", "credential": "c", "header": "x-s", "signed": "${event.user.id}"}),
        expect![[
            r#"/authentication/signed [connector.document.template] `event` is not known here; an expression sees `request` (at byte 2)"#
        ]],
    );
}

/// Each with a header that it sets.
fn owners() -> [(Value, &'static str); 7] {
    let signed = json!({"type": "hmac", "credential": "hmac-key", "header": "X-Sig", "timestamp-header": "X-Time"});
    let aws = json!({"type": "aws-sigv4", "credential": "aws", "region": "r", "service": "s"});
    [
        (json!({"type": "basic", "credential": "basic"}), "authorization"),
        (json!({"type": "digest", "credential": "basic"}), "Authorization"),
        (json!({"type": "api-key", "credential": "api-key", "in": "header", "name": "X-Key"}), "x-key"),
        (signed.clone(), "x-sig"),
        (signed, "X-TIME"),
        (aws.clone(), "x-amz-date"),
        (aws, "x-amz-content-sha256"),
    ]
}

#[test]
fn documents_do_not_set_what_authentication_sets() {
    // covers C-06
    for (authentication, name) in owners() {
        let headers = json!([{"name": name, "value": "x"}]);
        let document = with(document("https://a.test"), json!({"authentication": authentication, "headers": headers}));
        let document = serde_json::from_value(document).expect("a document");
        let faults = validate(&document, &Ceilings::default());
        let [fault] = faults.as_slice() else { panic!("{authentication}: {faults:?}") };
        assert_eq!((fault.pointer.as_str(), fault.code), ("/headers/0/name", "connector.document.header"));
    }
    // Others of that family are the document's.
    let headers = json!([{"name": "x-amz-target", "value": "Table.Put"}, {"name": "authorization-x", "value": "x"}]);
    let aws = json!({"type": "aws-sigv4", "credential": "aws", "region": "r", "service": "s"});
    crate::validation::check(
        with(document("https://a.test"), json!({"authentication": aws, "headers": headers})),
        expect![[r#""#]],
    );
}

#[tokio::test]
async fn hooks_do_not_set_what_authentication_sets() {
    // covers C-06, keeps E-04
    let upstream = guarded(<_>::default()).await;
    let house = House::new();
    for (authentication, name) in owners() {
        let document = posting(&upstream, authentication);
        let set = Some(Header::new(name, "mine"));
        let error = house.call_as(&context("acme"), &document, set).await.outcome.expect_err("refused");
        assert_eq!(error.kind, Kind::RequestNotPermitted, "{name}: {}", error.message);
        assert!(error.message.contains("leave one of the two out"), "{}", error.message);
    }
    let key = json!({"type": "api-key", "credential": "api-key", "in": "query", "name": "x"});
    let error = house.error(&posting(&upstream, key)).await;
    assert_eq!(error.kind, Kind::RequestNotPermitted, "{}", error.message);
    assert_eq!(upstream.connections().await, 0);
}

#[tokio::test]
async fn credentials_of_another_type_are_refused() {
    // covers C-06
    let upstream = guarded(<_>::default()).await;
    let house = House::new();
    let token = json!({"url": "http://127.0.0.1:9/"});
    for (authentication, wanted) in [
        (json!({"type": "digest", "credential": "aws"}), "basic"),
        (json!({"type": "bearer", "credential": "aws"}), "bearer"),
        (json!({"type": "api-key", "credential": "aws", "in": "header", "name": "x"}), "api-key"),
        (json!({"type": "oauth2-client-credentials", "client": "aws", "token": token}), "oauth2-client"),
        (json!({"type": "oauth2-password", "credential": "aws", "token": token}), "basic"),
        (json!({"type": "oauth2-password", "credential": "basic", "client": "aws", "token": token}), "oauth2-client"),
        (json!({"type": "aws-sigv4", "credential": "basic", "region": "r", "service": "s"}), "aws"),
        (json!({"type": "hmac", "credential": "aws", "header": "x"}), "hmac-key"),
    ] {
        let error = house.error(&posting(&upstream, authentication)).await;
        assert_eq!(error.kind, Kind::Credential);
        assert!(error.message.contains(&format!("needs `{wanted}`")), "{}", error.message);
    }
    assert_eq!(upstream.connections().await, 0);
}
