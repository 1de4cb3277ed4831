//! Secrets do not come back (K-01, K-02).

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use weir_engine::ports::Exchange;

use crate::support::{Fixture, SECRET, TOKEN, Upstream, answer, document, with};

fn authenticated(upstream: &Upstream, kind: &str, credential: &str) -> Value {
    with(document(upstream.url()), json!({"authentication": {"type": kind, "credential": credential}}))
}

/// What a secret looks like in the forms that are promised.
fn forms(secret: &str) -> Vec<String> {
    let json = json!(secret).to_string();
    let mut forms = vec![
        secret.to_owned(),
        json.trim_matches('"').to_owned(),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).map(lower_escape).collect(),
        hex::encode(secret),
        hex::encode_upper(secret),
    ];
    for before in ["", "x", "xx"] {
        forms.push(BASE64_STANDARD.encode(format!("{before}{secret}")));
        forms.push(BASE64_URL_SAFE_NO_PAD.encode(format!("{before}{secret}")));
    }
    forms
}

fn lower_escape(piece: &str) -> String {
    if piece.starts_with('%') { piece.to_lowercase() } else { piece.to_owned() }
}

/// No form of the secret, nor eight characters of its base64 core, is in anything that comes back.
fn assert_clean(exchange: &Exchange, secret: &str, form: &str) {
    let shown = format!("{} {exchange:?}", serde_json::to_string(exchange).expect("json"));
    let middle = BASE64_STANDARD.encode(format!("xxx{secret}"))[8..16].to_owned();
    for trace in [secret, &hex::encode(secret), &hex::encode_upper(secret), &middle] {
        assert!(!shown.contains(trace), "{form}: {shown}");
    }
    assert!(shown.contains("***"), "{form}: {shown}");
}

#[tokio::test]
async fn reflected_secrets_are_masked_in_headers_and_bodies() {
    // keeps K-02
    for (kind, secret) in [("basic", SECRET), ("bearer", TOKEN)] {
        for form in forms(secret) {
            let header = if form.is_ascii() { format!("x-echo: a{form}b\r\n") } else { String::new() };
            let upstream = Upstream::answering(answer(200, &header, format!("before {form} after"))).await;
            let exchange = Fixture::new().call(authenticated(&upstream, kind, kind)).await;
            assert_clean(&exchange, secret, &form);
            let response = exchange.outcome.expect("a response");
            let text = response.body.as_text().expect("text");
            assert!(text.starts_with("before ") && text.ends_with(" after"), "{form}: {text}");
            if !header.is_empty() {
                assert!(response.header("x-echo").expect("there").contains("***"), "{form}");
            }
        }
    }
}

#[tokio::test]
async fn the_header_itself_is_masked_whatever_the_password() {
    // keeps K-02
    for (kind, credential) in [("basic", "basic"), ("basic", "short"), ("bearer", "bearer")] {
        let upstream = Upstream::serving(|mut stream, heard| async move {
            let request = heard.request(&mut stream).await?;
            let line = request.lines().find(|line| line.starts_with("authorization")).unwrap_or_default().to_owned();
            stream.write_all(&answer(200, &format!("x-echo: {line}\r\n"), line)).await
        })
        .await;
        let response = Fixture::new().response(authenticated(&upstream, kind, credential)).await;
        let text = response.body.as_text().expect("text").trim_end_matches('=');
        assert!(text.ends_with(" ***"), "{text}");
        assert!(response.header("x-echo").expect("there").contains("***"));
    }
}

#[tokio::test]
async fn compressed_and_split_bodies_are_masked() {
    // keeps K-02
    let mut gzip = Vec::new();
    let mut encoder = async_compression::tokio::write::GzipEncoder::new(&mut gzip);
    encoder.write_all(format!("<{TOKEN}>").as_bytes()).await.expect("compresses");
    encoder.shutdown().await.expect("compresses");
    let upstream = Upstream::answering(answer(200, "content-encoding: gzip\r\n", gzip)).await;
    let response = Fixture::new().response(authenticated(&upstream, "bearer", "bearer")).await;
    assert_eq!(response.body.as_text(), Some("<***>"));

    let split = Upstream::serving(|mut stream, heard| async move {
        heard.request(&mut stream).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
        for byte in format!("<{TOKEN}>").bytes() {
            stream.write_all(&[b'1', b'\r', b'\n', byte, b'\r', b'\n']).await?;
            stream.flush().await?;
        }
        stream.write_all(b"0\r\n\r\n").await
    })
    .await;
    let response = Fixture::new().response(authenticated(&split, "bearer", "bearer")).await;
    assert_eq!(response.body.as_text(), Some("<***>"));
}

#[tokio::test]
async fn errors_hold_no_secret() {
    // keeps K-01
    let content_encoding = format!("content-encoding: {TOKEN}\r\n");
    let upstream = Upstream::answering(answer(200, &content_encoding, "x")).await;
    let exchange = Fixture::new().call(authenticated(&upstream, "bearer", "bearer")).await;
    assert!(exchange.outcome.is_err());
    assert_clean(&exchange, TOKEN, "content-encoding");
}
