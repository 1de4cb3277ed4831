//! How many calls of a connector go out at a time, when none do, and where the time goes (C-21, C-20).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Semaphore;
use weir_engine::ports::{CallContext, ConnectorErrorKind as Kind, Connectors as _};

use crate::support::{Fixture, Upstream, answer, context, document, with, with_function};

/// Answers one request for each permit.
async fn gated() -> (Upstream, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let answers = gate.clone();
    let upstream = Upstream::serving(move |mut stream, heard| {
        let answers = answers.clone();
        async move {
            loop {
                heard.request(&mut stream).await?;
                answers.acquire().await.expect("open").forget();
                stream.write_all(&answer(200, "", "")).await?;
            }
        }
    })
    .await;
    (upstream, gate)
}

/// Waits until that many requests were heard.
async fn heard(upstream: &Upstream, count: usize) {
    while upstream.heard().len() < count {
        tokio::task::yield_now().await;
    }
}

fn with_places(url: String, places: u16, timeout: &str) -> Value {
    with(document(url), json!({"connection": {"concurrency-max": places, "request-timeout": timeout}}))
}

#[tokio::test]
async fn calls_over_the_limit_wait_and_then_fail() {
    // covers C-21: at N and N + 1
    let (upstream, answers) = gated().await;
    let fixture = Arc::new(Fixture::new());
    let call = |document: Value| {
        let fixture = fixture.clone();
        tokio::spawn(async move { fixture.call(document).await })
    };
    let patient = || with_places(upstream.url(), 2, "30s");
    let under_way = [call(patient()), call(patient())];
    heard(&upstream, 2).await;
    let exchange = fixture.call(with_places(upstream.url(), 2, "100ms")).await;
    let error = exchange.outcome.expect_err("no place");
    assert_eq!((error.kind, exchange.attempts.len()), (Kind::ConcurrencyLimit, 0));
    assert!(error.message.contains("`api.f`: 2 calls") && error.message.contains("within 100ms"), "{}", error.message);
    // Other connectors, and the same one of nobody else, have places of their own.
    let other = with(patient(), json!({"connector": "other"}));
    let other = call(other);
    heard(&upstream, 3).await;
    // One more waits for its turn, and has it.
    let waiting = call(patient());
    answers.add_permits(4);
    for call in under_way.into_iter().chain([other, waiting]) {
        assert_eq!(call.await.expect("no panic").outcome.map(|it| it.status), Ok(200));
    }
    assert_eq!(upstream.heard().len(), 4);
}

#[tokio::test]
async fn waiting_is_inside_the_budget() {
    // keeps E-05
    let (upstream, _answers) = gated().await;
    let fixture = Arc::new(Fixture::new());
    let document = with_places(upstream.url(), 1, "30s");
    let first = {
        let (fixture, document) = (fixture.clone(), document.clone());
        tokio::spawn(async move { fixture.call(document).await })
    };
    heard(&upstream, 1).await;
    let request = fixture.bind(document.clone(), &json!({})).expect("binds");
    let hurried = CallContext { budget: Duration::from_millis(50), ..context("acme") };
    let error = fixture.connectors.send(&hurried, &request).await.outcome.expect_err("no place");
    assert_eq!((error.kind, error.message.contains("within 50ms")), (Kind::ConcurrencyLimit, true));
    // A call that is given up leaves its place to others.
    first.abort();
    assert!(first.await.is_err());
    let exchange = fixture.connectors.send(&hurried, &request).await;
    assert_eq!(exchange.outcome.map(|it| it.status).map_err(|it| it.kind), Err(Kind::RequestTimeout));
}

#[tokio::test]
async fn the_circuit_opens_and_closes_again() {
    // covers C-21
    let well = Arc::new(AtomicBool::new(false));
    let is_well = well.clone();
    let upstream = Upstream::replying(move |_, _| {
        let status = if is_well.load(Ordering::SeqCst) { 200 } else { 500 };
        answer(status, "", "")
    })
    .await;
    let fixture = Fixture::new();
    let breaking = |name: &str, open_for: &str| {
        let breaker = json!({"circuit-breaker": {"failures-max": 3, "open-for": open_for}});
        let document = with(document(upstream.url()), json!({"connector": name, "connection": breaker}));
        with_function(document, json!({"retry": {"attempts-max": 2, "backoff": "1ms"}}))
    };
    let call = async |document: &Value| {
        let exchange = fixture.call(document.clone()).await;
        (exchange.attempts.len(), exchange.outcome.map(|it| it.status))
    };
    // Two attempts, then one: it opens, and there is no second. Then there is none.
    let long = breaking("long", "5m");
    assert_eq!((call(&long).await, call(&long).await), ((2, Ok(500)), (1, Ok(500))));
    let (attempts, outcome) = call(&long).await;
    let error = outcome.expect_err("open");
    assert_eq!((error.kind, attempts, upstream.heard().len()), (Kind::CircuitOpen, 0, 3));
    assert!(error.message.contains("the circuit breaker of `long` is open"), "{}", error.message);
    // Another connector to the same system is another circuit.
    let short = breaking("short", "100ms");
    assert_eq!((call(&short).await, call(&short).await), ((2, Ok(500)), (1, Ok(500))));
    let next_answer = async || loop {
        match call(&short).await {
            (0, Err(error)) if error.kind == Kind::CircuitOpen => tokio::time::sleep(Duration::from_millis(5)).await,
            answer => return answer,
        }
    };
    // One attempt finds out, and the circuit stays open; then the system is well, and the circuit closes.
    assert_eq!(next_answer().await, (1, Ok(500)));
    well.store(true, Ordering::SeqCst);
    assert_eq!((next_answer().await, call(&short).await), ((1, Ok(200)), (1, Ok(200))));
    well.store(false, Ordering::SeqCst);
    assert_eq!(call(&short).await, (2, Ok(500)));
}

#[tokio::test]
async fn what_is_refused_here_does_not_open_the_circuit() {
    // covers C-21
    let fixture = Fixture::new();
    let breaker = json!({"circuit-breaker": {"failures-max": 1, "open-for": "1m"}});
    let denied = with(document("http://10.0.0.1"), json!({"connection": breaker}));
    let upstream = Upstream::replying(|_, _| answer(429, "", "")).await;
    let faulty = json!({"connection": breaker, "authentication": {"type": "bearer", "credential": "nobody"}});
    let faulty = with(document(upstream.url()), faulty);
    let busy = with(document(upstream.url()), json!({"connection": breaker}));
    for _ in 0..3 {
        assert_eq!(fixture.error_kind(denied.clone()).await, Kind::EgressDenied);
        assert_eq!(fixture.error_kind(faulty.clone()).await, Kind::Credential);
        assert_eq!(fixture.response(busy.clone()).await.status, 429);
    }
    // A refused connection does.
    let refusing = with(document("http://127.0.0.1:1"), json!({"connection": breaker}));
    assert_eq!(fixture.error_kind(refusing).await, Kind::Connect);
    assert_eq!(fixture.error_kind(busy).await, Kind::CircuitOpen);
}

#[tokio::test]
async fn times_of_opening_are_there_where_a_connection_was_opened() {
    // covers C-16
    let upstream = Upstream::replying(|_, _| answer(200, "", "")).await;
    let fixture = Fixture::new();
    let opened = async |host: &str| {
        let exchange = fixture.call(document(format!("http://{host}:{}", upstream.address.port()))).await;
        let timings = exchange.attempts[0].timings;
        for time in [timings.dns_us, timings.connect_us].into_iter().flatten() {
            assert!(time <= timings.first_byte_us, "{timings:?}");
        }
        [timings.dns_us.is_some(), timings.connect_us.is_some(), timings.tls_us.is_some()]
    };
    assert_eq!(opened("a.test").await, [true, true, false]);
    assert_eq!(opened("a.test").await, [false, false, false]);
    assert_eq!(opened("127.0.0.1").await, [false, true, false]);
    assert_eq!(upstream.connections().await, 2);
    // Where it fails, what was done until then.
    let exchange = fixture.call(document("http://a.test:1")).await;
    let timings = exchange.attempts[0].timings;
    assert!(timings.dns_us.is_some() && timings.connect_us.is_none(), "{timings:?}");
}

#[tokio::test]
async fn redirects_add_their_times() {
    let target = Upstream::replying(|_, _| answer(200, "", "")).await;
    let location = format!("location: http://b.test:{}/\r\n", target.address.port());
    let upstream = Upstream::replying(move |_, _| answer(302, &location, "")).await;
    let document = document(format!("http://127.0.0.1:{}", upstream.address.port()));
    let document = with_function(document, json!({"redirects": {"follow": true}}));
    let timings = Fixture::new().call(document).await.attempts[0].timings;
    assert!(timings.dns_us.is_some() && timings.connect_us.is_some(), "{timings:?}");
}

/// Sends up to 1 GiB after `head`, and counts.
async fn gibibyte(head: Vec<u8>, chunk: Vec<u8>) -> (Upstream, Arc<AtomicUsize>) {
    let sent = Arc::new(AtomicUsize::new(0));
    let (counter, head, chunk) = (sent.clone(), Arc::new(head), Arc::new(chunk));
    let upstream = Upstream::serving(move |mut stream, heard| {
        let (counter, head, chunk) = (counter.clone(), head.clone(), chunk.clone());
        async move {
            heard.request(&mut stream).await?;
            stream.write_all(&head).await?;
            while counter.load(Ordering::SeqCst) < 1 << 30 {
                stream.write_all(&chunk).await?;
                counter.fetch_add(chunk.len(), Ordering::SeqCst);
            }
            stream.shutdown().await
        }
    })
    .await;
    (upstream, sent)
}

#[tokio::test]
async fn a_gibibyte_is_read_up_to_the_limit() {
    // covers C-20; keeps E-03: plain, and as gzip that does not shrink (RFC 1951 section 3.2.4: stored blocks)
    let stored = [&[0, 0xff, 0xff, 0, 0][..], &[b'a'; 0xffff]].concat();
    let gzip_header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let gzip = [&b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n"[..], &gzip_header].concat();
    for (head, chunk) in [(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'a'; 1 << 16]), (gzip, stored)] {
        let (upstream, sent) = gibibyte(head, chunk).await;
        let document = with(document(upstream.url()), json!({"connection": {"response-bytes-max": 1 << 20}}));
        assert_eq!(Fixture::new().error_kind(document).await, Kind::ResponseTooLarge);
        // Besides what the sockets of both sides hold.
        assert!(sent.load(Ordering::SeqCst) < (1 << 20) + (12 << 20), "{sent:?} bytes were sent");
    }
}
