//! What token endpoints are asked, and what they may answer.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use weir_connectors::Credential;
use weir_engine::ports::ConnectorErrorKind as Kind;

use super::support::{
    CLIENT_SECRET, House, PASSWORD, body, client_credentials, closing, guarded, header, posting, server, token_endpoint,
};
use crate::support::{Upstream, answer, with};

/// The parameters of the only request to a token endpoint, and its `authorization`.
async fn asked(house: &House, authentication: Value) -> (Vec<(String, String)>, String) {
    let (endpoint, upstream) = (token_endpoint(60).await, guarded(<_>::default()).await);
    let mut authentication = authentication;
    authentication["token"]["url"] = json!(format!("{}/token?v=2", endpoint.url()));
    house.response(&posting(&upstream, authentication)).await;
    let request = endpoint.heard().swap_remove(0);
    assert!(request.starts_with("POST /token?v=2 HTTP/1.1\r\n"), "{request}");
    assert_eq!(header(&request, "content-type"), "application/x-www-form-urlencoded");
    assert_eq!(header(&request, "accept"), "application/json");
    let parameters = url::form_urlencoded::parse(body(&request).as_bytes()).into_owned().collect();
    (parameters, header(&request, "authorization").to_owned())
}

fn parameters(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn client_credentials_are_asked_for_by_the_standard() {
    // covers C-06: RFC 6749 sections 2.3.1 and 4.4.2
    let house = House::new();
    let token = json!({"scopes": ["a:b", "c"], "parameters": {"audience": "https://api.test/&"}});
    let mut authentication = json!({"type": "oauth2-client-credentials", "client": "client", "token": token});
    let grant = ("grant_type", "client_credentials");
    let wanted = [("scope", "a:b c"), ("audience", "https://api.test/&")];
    let (form, authorization) = asked(&house, authentication.clone()).await;
    assert_eq!(form, parameters(&[grant, wanted[0], wanted[1]]));
    let pair = BASE64_STANDARD.encode("my+client:cl1ent%2Fs3cret%2B%26%3D");
    assert_eq!(authorization, format!("Basic {pair}"));
    authentication["token"]["client-authentication"] = json!("body");
    let (form, authorization) = asked(&house, authentication.clone()).await;
    let client = [("client_id", "my client"), ("client_secret", CLIENT_SECRET)];
    assert_eq!(form, parameters(&[grant, client[0], client[1], wanted[0], wanted[1]]));
    assert_eq!(authorization, "");
    // A public client names itself in the body.
    house.vault.set("client", Credential::Oauth2Client { client_id: "public".into(), client_secret: "".into() });
    authentication["token"] = json!({});
    assert_eq!(asked(&house, authentication).await.0, parameters(&[grant, ("client_id", "public")]));
}

#[tokio::test]
async fn passwords_are_asked_for_by_the_standard() {
    // covers C-06: RFC 6749 section 4.3.2
    let house = House::new();
    let mut authentication = json!({"type": "oauth2-password", "credential": "basic", "token": {}});
    let form = parameters(&[("grant_type", "password"), ("username", "Mufasa"), ("password", PASSWORD)]);
    assert_eq!(asked(&house, authentication.clone()).await, (form.clone(), String::new()));
    authentication["client"] = json!("client");
    let (asked, authorization) = asked(&house, authentication).await;
    assert!(asked == form && authorization.starts_with("Basic "), "{asked:?} {authorization}");
}

#[tokio::test]
async fn assertions_are_sent_by_the_standard() {
    // covers C-06: RFC 7523 section 2.1
    let house = House::new();
    let assertion =
        json!({"algorithm": "EdDSA", "issuer": "weir", "subject": "ann", "audience": "idp", "claims": {"n": 1}});
    let authentication =
        json!({"type": "oauth2-jwt-bearer", "identity": "signer", "assertion": assertion, "token": {"scopes": ["s"]}});
    let (form, authorization) = asked(&house, authentication.clone()).await;
    assert_eq!(authorization, "");
    let names: Vec<&str> = form.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["grant_type", "assertion", "scope"]);
    assert_eq!(form[0].1, "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let claims = BASE64_URL_SAFE_NO_PAD.decode(form[1].1.split('.').nth(1).expect("claims")).expect("base64");
    let claims: Value = serde_json::from_slice(&claims).expect("JSON");
    assert_eq!(claims["exp"].as_u64().expect("a number") - claims["iat"].as_u64().expect("a number"), 300);
    for (name, value) in [("iss", json!("weir")), ("sub", json!("ann")), ("aud", json!("idp")), ("n", json!(1))] {
        assert_eq!(claims[name], value);
    }
    // Identities that cannot sign like that.
    house.vault.set_identity("bare", None);
    let upstream = guarded(<_>::default()).await;
    for (change, says) in [
        (json!({"identity": "missing"}), "the identity `missing` does not exist"),
        (json!({"identity": "bare"}), "has no private key"),
        (json!({"assertion": {"algorithm": "RS256", "issuer": "x"}}), "of another kind"),
    ] {
        let mut authentication = with(authentication.clone(), change);
        authentication["token"]["url"] = json!("http://127.0.0.1:9/token");
        let error = house.error(&posting(&upstream, authentication)).await;
        assert!(error.kind == Kind::Identity && error.message.contains(says), "{error:?}");
    }
    assert_eq!(upstream.connections().await, 0);
}

#[tokio::test]
async fn refusals_name_the_reason_and_no_secret() {
    // covers C-06, keeps K-02
    let upstream = guarded(<_>::default()).await;
    let endpoint = server(|request| {
        let echo = format!("who is {}?\r\n{}", header(request, "authorization"), CLIENT_SECRET);
        closing(401, "", json!({"error": "invalid_client", "error_description": echo}).to_string())
    })
    .await;
    let error = House::new().error(&posting(&upstream, client_credentials(&endpoint))).await;
    assert_eq!((error.kind, error.kind.code()), (Kind::Token, "connector.token"));
    assert_eq!(
        error.message,
        "`api.f`: the token endpoint answered 401 with `invalid_client` (who is Basic ***==?  ***); check the credential, the scopes and the URL in `authentication`"
    );
    assert_eq!((endpoint.heard().len(), upstream.connections().await), (1, 0));
}

#[tokio::test]
async fn refusals_are_masked_before_they_are_cut() {
    // covers C-06, keeps K-02
    let upstream = guarded(<_>::default()).await;
    let endpoint = server(|_| {
        // The cut is in the middle of the secret.
        let echo = format!("{}{CLIENT_SECRET}", "x".repeat(200 - CLIENT_SECRET.len() / 2));
        closing(400, "", json!({"error": "invalid_client", "error_description": echo}).to_string())
    })
    .await;
    let error = House::new().error(&posting(&upstream, client_credentials(&endpoint))).await;
    assert!(error.message.contains("xxx***)") && !error.message.contains(&CLIENT_SECRET[..4]), "{error:?}");
}

#[tokio::test]
async fn token_endpoints_are_under_the_same_rules() {
    // covers C-06, keeps E-01, E-03
    let house = House::new();
    let upstream = guarded(<_>::default()).await;
    let target = token_endpoint(60).await;
    let redirecting = Upstream::answering(answer(307, &format!("location: {}\r\n", target.url()), "")).await;
    let large = Upstream::answering(answer(200, "", "x".repeat(5000))).await;
    let silent = Upstream::serving(|mut stream, heard| async move {
        heard.request(&mut stream).await?;
        std::future::pending().await
    })
    .await;
    let connection = json!({"connection": {"response-bytes-max": 4000, "request-timeout": "200ms"}});
    for (url, kind, says) in [
        (redirecting.url(), Kind::Token, "a redirect (307)"),
        (large.url(), Kind::ResponseTooLarge, "the token endpoint: "),
        (silent.url(), Kind::RequestTimeout, "the token endpoint: "),
        (target.url().replace("127.0.0.1", "127.0.0.2"), Kind::EgressDenied, "the token endpoint: "),
        ("http://10.0.0.1/token".to_owned(), Kind::EgressDenied, "the token endpoint: "),
    ] {
        let token = json!({"type": "oauth2-client-credentials", "client": "client", "token": {"url": url}});
        let error = house.error(&with(posting(&upstream, token), connection.clone())).await;
        assert!(error.kind == kind && error.message.contains(says), "{url}: {error:?}");
    }
    assert_eq!((target.connections().await, upstream.connections().await), (0, 0));
}

#[tokio::test]
async fn answers_of_token_endpoints_at_n_and_n_plus_1() {
    // covers C-06, keeps E-03: whatever the connector lets its functions read
    for (bytes, kind) in [(64 << 10, None), ((64 << 10) + 1, Some(Kind::ResponseTooLarge))] {
        let endpoint = server(move |_| {
            let start = r#"{"access_token":"granted-1","x":""#;
            closing(200, "", format!("{start}{}\"}}", "x".repeat(bytes - start.len() - 2)))
        })
        .await;
        let upstream = server(|_| closing(200, "", "")).await;
        let outcome = House::new().call(&posting(&upstream, client_credentials(&endpoint))).await.outcome;
        assert_eq!(outcome.as_ref().err().map(|it| it.kind), kind, "{bytes}");
        if let Err(error) = outcome {
            assert!(error.message.contains("the token endpoint: ") && error.message.contains("65536"), "{error:?}");
            assert!(!error.message.contains("response-bytes-max"), "{error:?}");
        }
    }
}
