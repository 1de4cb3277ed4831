//! Secrets do not come back (K-01, K-02).

use std::io;

use async_compression::tokio::write::{BrotliEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
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
    // keeps K-02, covers D-04
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

/// The text, compressed.
async fn compressed(coding: &str, text: &str) -> Vec<u8> {
    async fn through(mut encoder: impl AsyncWrite + Unpin, text: &str) -> io::Result<()> {
        encoder.write_all(text.as_bytes()).await?;
        encoder.shutdown().await
    }
    let mut bytes = Vec::new();
    match coding {
        "gzip" => through(GzipEncoder::new(&mut bytes), text).await,
        "deflate" => through(ZlibEncoder::new(&mut bytes), text).await,
        "br" => through(BrotliEncoder::new(&mut bytes), text).await,
        _ => through(ZstdEncoder::new(&mut bytes), text).await,
    }
    .expect("compresses");
    bytes
}

#[tokio::test]
async fn compressed_bodies_are_masked() {
    // keeps K-02, covers D-04
    for coding in ["gzip", "deflate", "br", "zstd"] {
        for form in forms(TOKEN) {
            let body = compressed(coding, &format!("<{form}>")).await;
            let upstream = Upstream::answering(answer(200, &format!("content-encoding: {coding}\r\n"), body)).await;
            let exchange = Fixture::new().call(authenticated(&upstream, "bearer", "bearer")).await;
            assert_clean(&exchange, TOKEN, &form);
            let text = exchange.outcome.expect("a response").body.as_text().map(str::to_owned).expect("text");
            assert!(text.starts_with('<') && text.ends_with('>') && text.contains("***"), "{coding} {form}: {text}");
        }
    }
}

#[tokio::test]
async fn names_of_headers_are_masked() {
    // keeps K-02, covers D-04
    use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
    let token = "Named-By-Its-Token";
    for name in [token.to_owned(), hex::encode(token), BASE64.encode(token)] {
        let upstream = Upstream::answering(answer(200, &format!("X-{name}-Y: v\r\n"), "")).await;
        let response = Fixture::new().response(authenticated(&upstream, "bearer", "name")).await;
        let masked = response.headers.iter().find(|header| header.value.as_text() == Some("v")).expect("the header");
        assert!(masked.name.starts_with("x-***") && masked.name.len() < 12, "{name}: {masked:?}");
    }
}

#[tokio::test]
async fn split_bodies_are_masked() {
    // keeps K-02, covers D-04: each byte in a chunk of its own, and a packet of its own
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
