//! Upstreams that mean harm end in bounded time and memory with a typed error (C-09, C-20, E-03).

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_compression::tokio::write::{BrotliEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
use serde_json::{Value, json};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use weir_engine::ports::ConnectorErrorKind as Kind;

use crate::support::{FakeResolver, Fixture, Upstream, answer, document, with, with_function};

fn connection(document: Value, connection: Value) -> Value {
    with(document, json!({"connection": connection}))
}

/// Sends `head`, then `chunk` again and again until nobody listens; counts the bytes.
async fn endless(head: &'static str, chunk: Vec<u8>, pause: Duration) -> (Upstream, Arc<AtomicU64>) {
    let sent = Arc::new(AtomicU64::new(0));
    let (counter, chunk): (_, Arc<[u8]>) = (sent.clone(), chunk.into());
    let upstream = Upstream::serving(move |mut stream, heard| {
        let (counter, chunk) = (counter.clone(), chunk.clone());
        async move {
            heard.request(&mut stream).await?;
            stream.write_all(head.as_bytes()).await?;
            loop {
                stream.write_all(&chunk).await?;
                counter.fetch_add(chunk.len() as u64, Ordering::SeqCst);
                tokio::time::sleep(pause).await;
            }
        }
    })
    .await;
    (upstream, sent)
}

/// What sockets on both sides may hold besides what was read.
const SLACK: u64 = 12 << 20;

#[tokio::test]
async fn one_byte_at_a_time_runs_into_the_request_timeout() {
    // covers C-09
    for head in ["HTTP/1.1 200 O", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"] {
        let (upstream, _) = endless(head, b"x".to_vec(), Duration::from_millis(50)).await;
        let document = connection(document(upstream.url()), json!({"request-timeout": "300ms"}));
        let started = Instant::now();
        let exchange = Fixture::new().call(document).await;
        let error = exchange.outcome.expect_err("too slow");
        assert_eq!(error.kind, Kind::RequestTimeout, "{}", error.message);
        assert!(error.message.contains("within 300ms; raise the connector's `request-timeout`"), "{}", error.message);
        assert_eq!(exchange.attempts[0].error.as_ref().map(|it| it.kind), Some(Kind::RequestTimeout));
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn a_slow_connection_runs_into_the_connection_timeout() {
    // covers C-09: a name server and a TLS handshake that never answer
    let silent = Upstream::serving(|stream, _| async move {
        std::future::pending::<()>().await;
        drop(stream);
        Ok(())
    })
    .await;
    for url in ["http://stuck.test".to_owned(), format!("https://{}", silent.address)] {
        let document = connection(document(url), json!({"connect-timeout": "100ms", "request-timeout": "20s"}));
        let error = Fixture::new().error(document).await;
        assert_eq!(error.kind, Kind::ConnectTimeout, "{}", error.message);
        assert!(error.message.contains("within 100ms"), "{}", error.message);
    }
}

#[tokio::test]
async fn a_name_whose_turn_does_not_come_is_an_error_of_its_own() {
    // keeps E-05
    let document = connection(document("http://busy.test"), json!({"connect-timeout": "100ms"}));
    let error = Fixture::new().error(document).await;
    assert_eq!(error.kind, Kind::Resolve);
    assert!(error.message.contains("too many names are being looked up at once"), "{}", error.message);
}

#[tokio::test]
async fn nobody_there() {
    let gone = Upstream::answering("").await;
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
        listener.local_addr().expect("address").port()
    };
    let error = Fixture::new().error(document(format!("http://127.0.0.1:{port}"))).await;
    assert_eq!((error.kind, error.message.contains("connection refused")), (Kind::Connect, true), "{}", error.message);
    assert_eq!(Fixture::new().error_kind(document(gone.url())).await, Kind::Protocol);
}

#[tokio::test]
async fn endless_headers() {
    let (upstream, sent) = endless("HTTP/1.1 200 OK\r\n", b"x-more: 0123456789\r\n".repeat(100), Duration::ZERO).await;
    assert_eq!(Fixture::new().error_kind(document(upstream.url())).await, Kind::ResponseTooLarge);
    assert!(sent.load(Ordering::SeqCst) < SLACK);
    let (upstream, sent) = endless("HTTP/1.1 200 OK\r\nx-long: ", vec![b'a'; 1 << 16], Duration::ZERO).await;
    assert_eq!(Fixture::new().error_kind(document(upstream.url())).await, Kind::ResponseTooLarge);
    assert!(sent.load(Ordering::SeqCst) < SLACK);
}

#[tokio::test]
async fn header_bytes_at_n_and_n_plus_1() {
    // covers C-20
    let head = |long: usize| answer(200, &format!("x-long: {}\r\n", "a".repeat(long)), "");
    let fixed = "x-long".len() + "content-length0".len();
    for (limit, over) in [(100, false), (100, true), (200_000, false), (200_000, true)] {
        let upstream = Upstream::answering(head(limit - fixed + usize::from(over))).await;
        let document = connection(document(upstream.url()), json!({"header-bytes-max": limit}));
        let outcome = Fixture::new().call(document).await.outcome;
        assert_eq!(
            outcome.map(|it| it.status).map_err(|it| it.kind),
            if over { Err(Kind::ResponseTooLarge) } else { Ok(200) }
        );
    }
}

#[tokio::test]
async fn header_fields_at_n_and_n_plus_1() {
    // covers C-20
    for (most, fields, good) in [(3, 2, true), (3, 3, false), (128, 127, true), (128, 128, false)] {
        let upstream = Upstream::answering(answer(200, &"x: y\r\n".repeat(fields), "")).await;
        let mut settings = crate::support::settings();
        settings["ceilings"] = json!({"response-headers-max": most});
        let outcome = Fixture::with(settings, FakeResolver::default()).call(document(upstream.url())).await.outcome;
        assert_eq!(
            outcome.as_ref().map(|_| ()).map_err(|it| it.kind),
            if good { Ok(()) } else { Err(Kind::ResponseTooLarge) }
        );
    }
}

#[tokio::test]
async fn body_bytes_at_n_and_n_plus_1() {
    // covers C-20: with a length, in chunks, until the end, in each coding, and in several frames
    let plain = |length: usize| vec![b'a'; length];
    for over in [0_usize, 1] {
        let body = plain(1000 + over);
        let chunked = format!(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n",
            body.len(),
            String::from_utf8_lossy(&body)
        );
        let to_the_end = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}", String::from_utf8_lossy(&body));
        let mut answers = vec![answer(200, "", &body), chunked.into(), to_the_end.into()];
        for coding in ["gzip", "deflate", "br", "zstd"] {
            let coded = |bytes: Vec<u8>| answer(200, &format!("content-encoding: {coding}\r\n"), bytes);
            answers.push(coded(compressed(coding, body.len()).await));
            // RFC 8878 section 3 lets a body be several frames, one after the other. (The HTTP client reads the first
            // member alone of a gzip body that has several.)
            if coding == "zstd" {
                let halves = [compressed(coding, 500).await, compressed(coding, 500 + over).await];
                answers.push(coded(halves.concat()));
            }
        }
        for answer in answers {
            let upstream = Upstream::answering(answer).await;
            let document = connection(document(upstream.url()), json!({"response-bytes-max": 1000}));
            let outcome = Fixture::new().call(document).await.outcome;
            let length = outcome.map(|it| it.body.len()).map_err(|it| it.kind);
            assert_eq!(length, if over == 1 { Err(Kind::ResponseTooLarge) } else { Ok(1000) });
        }
    }
}

#[tokio::test]
async fn an_endless_body() {
    let head = "HTTP/1.1 200 OK\r\n\r\n";
    let (upstream, sent) = endless(head, vec![b'a'; 1 << 16], Duration::ZERO).await;
    let document = connection(document(upstream.url()), json!({"response-bytes-max": 1 << 20}));
    let error = Fixture::new().error(document).await;
    assert_eq!(error.kind, Kind::ResponseTooLarge);
    assert!(
        error.message.contains("more than 1048576 bytes; the connector's `response-bytes-max`"),
        "{}",
        error.message
    );
    assert!(sent.load(Ordering::SeqCst) < (1 << 20) + SLACK, "{sent:?} bytes were sent");
}

#[tokio::test]
async fn a_length_over_the_limit_is_refused_before_the_body() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n";
    let (upstream, _) = endless(head, b"a".to_vec(), Duration::from_secs(60)).await;
    assert_eq!(Fixture::new().error_kind(document(upstream.url())).await, Kind::ResponseTooLarge);
}

/// That many `a`s.
async fn compressed(coding: &str, length: usize) -> Vec<u8> {
    async fn fill(mut encoder: impl AsyncWrite + Unpin, mut left: usize) -> io::Result<()> {
        let block = vec![b'a'; 1 << 16];
        while left > 0 {
            let part = left.min(block.len());
            encoder.write_all(&block[..part]).await?;
            left -= part;
        }
        encoder.shutdown().await
    }
    let mut bytes = Vec::new();
    match coding {
        "gzip" => fill(GzipEncoder::new(&mut bytes), length).await,
        "deflate" => fill(ZlibEncoder::new(&mut bytes), length).await,
        "br" => fill(BrotliEncoder::with_quality(&mut bytes, async_compression::Level::Fastest), length).await,
        _ => fill(ZstdEncoder::new(&mut bytes), length).await,
    }
    .expect("compresses");
    bytes
}

#[tokio::test]
async fn compression_bombs() {
    // covers C-20, keeps E-03
    for coding in ["gzip", "deflate", "br", "zstd"] {
        let bomb = compressed(coding, 256 << 20).await;
        assert!(bomb.len() < 1 << 20, "{coding}: {} bytes", bomb.len());
        let upstream = Upstream::answering(answer(200, &format!("content-encoding: {coding}\r\n"), bomb)).await;
        let started = Instant::now();
        assert_eq!(Fixture::new().error_kind(document(upstream.url())).await, Kind::ResponseTooLarge, "{coding}");
        assert!(started.elapsed() < Duration::from_secs(4), "{coding}: {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn codings() {
    let small = compressed("zstd", 10).await;
    for (coding, body, method, expected) in [
        ("zstd", small.clone(), "GET", Ok(10)),
        ("identity", b"abc".to_vec(), "GET", Ok(3)),
        ("gzip, gzip", b"abc".to_vec(), "GET", Err(Kind::Protocol)),
        ("exotic", b"abc".to_vec(), "GET", Err(Kind::Protocol)),
        ("gzip", b"not gzip".to_vec(), "GET", Err(Kind::Protocol)),
        ("zstd", small[..small.len() - 2].to_vec(), "GET", Err(Kind::Protocol)),
        ("gzip", Vec::new(), "HEAD", Ok(0)),
    ] {
        let upstream = Upstream::answering(answer(200, &format!("content-encoding: {coding}\r\n"), body)).await;
        let outcome =
            Fixture::new().call(with_function(document(upstream.url()), json!({"method": method}))).await.outcome;
        assert_eq!(outcome.map(|it| it.body.len()).map_err(|it| it.kind), expected, "{coding} {method}");
    }
}

#[tokio::test]
async fn what_is_no_http() {
    for garbage in [
        "",
        "\r\n\r\n",
        "hello, world\r\n\r\n",
        "<html>",
        "\x16\x03\x01\x02\x00",
        "HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nab",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx",
    ] {
        let upstream = Upstream::answering(garbage).await;
        let error = Fixture::new().error(document(upstream.url())).await;
        assert_eq!(error.kind, Kind::Protocol, "{garbage:?}: {}", error.message);
        assert!(error.message.contains(&upstream.address.to_string()), "{}", error.message);
        assert!(!error.message.contains(char::is_control), "{}", error.message);
    }
}

#[tokio::test]
async fn more_than_the_length_says_never_reaches_the_next_call() {
    let smuggled = [answer(200, "", "first"), answer(200, "", "smuggled")].concat();
    let upstream = Upstream::serving(move |mut stream, heard| {
        let smuggled = smuggled.clone();
        async move {
            loop {
                heard.request(&mut stream).await?;
                stream.write_all(&smuggled).await?;
            }
        }
    })
    .await;
    let fixture = Fixture::new();
    for _ in 0..5 {
        assert_eq!(fixture.response(document(upstream.url())).await.body.as_text(), Some("first"));
    }
}

#[tokio::test]
async fn tls_to_a_port_without_it() {
    let plain = Upstream::serving(|mut stream, _| async move {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await?;
        std::future::pending().await
    })
    .await;
    let error = Fixture::new().error(document(format!("https://{}", plain.address))).await;
    assert_eq!(error.kind, Kind::Tls, "{}", error.message);
    assert!(error.message.contains("that it speaks TLS"), "{}", error.message);
}

#[tokio::test]
async fn interim_answers_without_end() {
    let interim = b"HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n".repeat(100);
    let (upstream, _) = endless("", interim, Duration::from_millis(1)).await;
    let document = connection(document(upstream.url()), json!({"request-timeout": "300ms"}));
    let kind = Fixture::new().error_kind(document).await;
    assert!(matches!(kind, Kind::RequestTimeout | Kind::Protocol), "{kind:?}");
}
