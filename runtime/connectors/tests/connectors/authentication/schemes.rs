//! Every scheme over the wire, and none of its secrets in what comes back.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use weir_engine::ports::Exchange;

use super::support::{
    API_KEY, AWS_SECRET, AWS_TOKEN, CLIENT_SECRET, HMAC_KEY, House, PASSWORD, body, closing, header, posting, server,
};
use crate::support::Upstream;

/// Sends back everything that it hears: in a header, and twice in the body.
async fn echo() -> Upstream {
    server(|request| {
        let one_line = request.replace("\r\n", " ~ ").chars().filter(char::is_ascii).collect::<String>();
        let echoed = json!({"heard": request, "hex": hex::encode(request), "base64": BASE64_STANDARD.encode(request)});
        closing(200, &format!("x-heard: {one_line}\r\n"), echoed.to_string())
    })
    .await
}

/// Grants a token that says everything that was asked.
async fn echoing_token_endpoint() -> Upstream {
    server(|request| {
        let granted = json!({"access_token": "granted-t0ken-4711", "expires_in": 60, "echo": request});
        closing(200, "", granted.to_string())
    })
    .await
}

fn schemes(endpoint: &Upstream) -> Vec<Value> {
    let token = json!({"url": endpoint.url()});
    let in_body = json!({"url": endpoint.url(), "client-authentication": "body"});
    vec![
        json!({"type": "basic", "credential": "basic"}),
        json!({"type": "bearer", "credential": "bearer"}),
        json!({"type": "digest", "credential": "basic"}),
        json!({"type": "api-key", "credential": "api-key", "in": "header", "name": "X-Key"}),
        json!({"type": "api-key", "credential": "api-key", "in": "query", "name": "key"}),
        json!({"type": "oauth2-client-credentials", "client": "client", "token": token}),
        json!({"type": "oauth2-client-credentials", "client": "client", "token": in_body}),
        json!({"type": "oauth2-password", "credential": "basic", "client": "client", "token": token}),
        json!({"type": "oauth2-jwt-bearer", "identity": "signer", "token": token,
               "assertion": {"algorithm": "EdDSA", "issuer": "weir"}}),
        json!({"type": "aws-sigv4", "credential": "aws", "region": "eu-central-1", "service": "execute-api"}),
        json!({"type": "aws-sigv4", "credential": "aws", "region": "eu-central-1", "service": "s3"}),
        json!({"type": "hmac", "credential": "hmac-key", "header": "x-signature", "prefix": "v1="}),
        json!({"type": "hmac", "credential": "hmac-key", "header": "x-signature", "encoding": "base64",
               "signed": "${request.timestamp}.${request.body}", "timestamp-header": "x-time"}),
    ]
}

/// What a request was authenticated with, as it stands on the wire.
fn proofs(request: &str) -> Vec<String> {
    let target = request.split(' ').nth(1).unwrap_or_default();
    let mut proofs = vec![
        header(request, "authorization").split_once(' ').map(|(_, proof)| proof).unwrap_or_default().to_owned(),
        header(request, "x-key").to_owned(),
        header(request, "x-amz-security-token").to_owned(),
        header(request, "x-signature").trim_start_matches("v1=").to_owned(),
        target.split_once("key=").map(|(_, key)| key).unwrap_or_default().to_owned(),
    ];
    let signature = |proof: &String| proof.split_once("Signature=").map(|(_, signature)| signature.to_owned());
    let signed = proofs.iter().filter_map(signature).collect::<Vec<_>>();
    if !signed.is_empty() {
        proofs = [&proofs[1..], &signed].concat();
    }
    proofs.retain(|proof| !proof.is_empty());
    proofs
}

/// No spelling of the secret, nor the middle of its base64, is in what came back.
fn assert_absent(exchange: &Exchange, secret: &str, scheme: &Value) {
    let response = exchange.outcome.as_ref().expect("a response");
    let shown = format!(
        "{} {:?} {}",
        serde_json::to_string(exchange).expect("json"),
        response.headers,
        response.body.as_text().expect("text")
    );
    for shift in 0..3 {
        let encoded = BASE64_STANDARD.encode(format!("{}{secret}", "x".repeat(shift)));
        let middle = &encoded[4..encoded.len() - 4];
        assert!(!shown.contains(middle), "{scheme}: {secret} in base64: {shown}");
    }
    for spelling in [secret, &hex::encode(secret), &hex::encode_upper(secret)] {
        assert!(!shown.contains(spelling), "{scheme}: {secret}: {shown}");
    }
    assert!(shown.contains("***"), "{scheme}: {shown}");
}

#[tokio::test]
async fn no_scheme_lets_its_secrets_come_back() {
    // covers C-06, keeps K-01, K-02
    let (upstream, endpoint) = (echo().await, echoing_token_endpoint().await);
    for scheme in schemes(&endpoint) {
        let exchange = House::new().call(&posting(&upstream, scheme.clone())).await;
        let request = upstream.heard().pop().expect("a request");
        assert_eq!(body(&request), "hello");
        let proofs = proofs(&request);
        // The first call of digest is not authenticated yet, and nobody challenged it.
        assert_eq!(proofs.is_empty(), scheme["type"] == "digest", "{scheme}: {request}");
        if proofs.is_empty() {
            continue;
        }
        for secret in proofs.iter().map(String::as_str) {
            assert_absent(&exchange, secret, &scheme);
        }
        for secret in
            [PASSWORD, API_KEY, CLIENT_SECRET, AWS_SECRET, AWS_TOKEN, HMAC_KEY, "b34rer-token", "granted-t0ken-4711"]
        {
            assert_absent(&exchange, secret, &scheme);
        }
    }
}

#[tokio::test]
async fn a_digest_response_does_not_come_back() {
    // keeps K-02
    let upstream = server(|request| match header(request, "authorization") {
        "" => {
            closing(401, "www-authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256\r\n", "")
        }
        given => closing(200, &format!("x-heard: {given}\r\n"), given),
    })
    .await;
    let scheme = json!({"type": "digest", "credential": "basic"});
    let exchange = House::new().call(&posting(&upstream, scheme.clone())).await;
    let sent = upstream.heard().pop().expect("a request");
    let response = header(&sent, "authorization").split_once("response=\"").expect("a response").1.to_owned();
    assert_absent(&exchange, &response[..64], &scheme);
}

#[tokio::test]
async fn signatures_cover_what_is_sent() {
    // covers C-06
    let (upstream, endpoint) = (echo().await, echoing_token_endpoint().await);
    let house = House::new();
    for scheme in schemes(&endpoint).into_iter().filter(|scheme| scheme["type"] == "hmac") {
        house.response(&posting(&upstream, scheme.clone())).await;
        let request = upstream.heard().pop().expect("a request");
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, HMAC_KEY.as_bytes());
        let time = header(&request, "x-time");
        let (text, encode): (_, fn(&[u8]) -> String) = match time {
            "" => ("hello".to_owned(), |tag| format!("v1={}", hex::encode(tag))),
            time => (format!("{time}.hello"), |tag| BASE64_STANDARD.encode(tag)),
        };
        let expected = encode(ring::hmac::sign(&key, text.as_bytes()).as_ref());
        assert_eq!(header(&request, "x-signature"), expected, "{scheme}");
    }
    let aws = json!({"type": "aws-sigv4", "credential": "aws", "region": "eu-central-1", "service": "s3"});
    house.response(&posting(&upstream, aws)).await;
    let request = upstream.heard().pop().expect("a request");
    let hash = ring::digest::digest(&ring::digest::SHA256, b"hello");
    assert_eq!(header(&request, "x-amz-content-sha256"), hex::encode(hash));
    assert_eq!(header(&request, "x-amz-security-token"), AWS_TOKEN);
    let signed =
        "SignedHeaders=content-type;host;idempotency-key;x-amz-content-sha256;x-amz-date;x-amz-security-token,";
    assert!(header(&request, "authorization").contains(signed), "{request}");
}

#[tokio::test]
async fn aws_signatures_are_those_of_a_verifier() {
    // covers C-06: the canonical request of the SigV4 specification, written down a second time
    let upstream = echo().await;
    let aws = json!({"type": "aws-sigv4", "credential": "aws", "region": "eu-central-1", "service": "execute-api"});
    House::new().response(&posting(&upstream, aws)).await;
    let request = upstream.heard().pop().expect("a request");
    let sha256 = |bytes: &[u8]| hex::encode(ring::digest::digest(&ring::digest::SHA256, bytes));
    let mac = |key: &[u8], text: &str| {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
        ring::hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
    };
    let time = header(&request, "x-amz-date");
    let (date, authorization) = (&time[..8], header(&request, "authorization"));
    let names = authorization.split_once("SignedHeaders=").and_then(|(_, rest)| rest.split_once(',')).expect("names").0;
    let headers: String = names.split(';').map(|name| format!("{name}:{}\n", header(&request, name))).collect();
    // All services but S3 encode the path twice.
    let canonical = format!("POST\n/dir/a%2520b\nx=1\n{headers}\n{names}\n{}", sha256(b"hello"));
    let scope = format!("{date}/eu-central-1/execute-api/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", sha256(canonical.as_bytes()));
    let mut key = format!("AWS4{AWS_SECRET}").into_bytes();
    for part in [date, "eu-central-1", "execute-api", "aws4_request"] {
        key = mac(&key, part);
    }
    let signature = hex::encode(mac(&key, &text));
    assert!(authorization.ends_with(&format!("Signature={signature}")), "{request}");
}
