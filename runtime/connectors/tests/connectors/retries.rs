//! Calls are made again where that is of use, and only then (C-18, E-05).

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use weir_engine::ports::{CallContext, ConnectorErrorKind as Kind, Connectors as _, Exchange};

use crate::support::{FakeResolver, Fixture, Upstream, answer, context, document, settings, with, with_function};

fn retrying(url: impl Into<String>, retry: Value) -> Value {
    with_function(document(url), json!({"retry": retry}))
}

fn statuses(exchange: &Exchange) -> Vec<u16> {
    exchange.attempts.iter().map(|attempt| attempt.status.expect("an answer")).collect()
}

#[tokio::test]
async fn there_is_one_more_attempt_after_some_statuses() {
    // covers C-18
    for (status, attempts) in [
        (500, 2),
        (502, 2),
        (503, 2),
        (504, 2),
        (200, 1),
        (302, 1),
        (400, 1),
        (401, 1),
        (404, 1),
        (408, 1),
        (429, 1),
        (501, 1),
        (505, 1),
    ] {
        let upstream = Upstream::replying(move |_, _| answer(status, "", "x")).await;
        let exchange = Fixture::new().call(document(upstream.url())).await;
        assert_eq!(statuses(&exchange), vec![status; attempts]);
        assert_eq!((upstream.heard().len(), exchange.outcome.map(|it| it.status)), (attempts, Ok(status)));
    }
}

#[tokio::test]
async fn all_attempts_are_the_same_request() {
    // covers C-18, F-06
    let upstream = Upstream::replying(|_, before| answer(if before < 2 { 503 } else { 201 }, "", "x")).await;
    let function = json!({"method": "POST", "body": {"a": 1}, "retry": {"attempts-max": 5, "backoff": "20ms"}});
    let exchange = Fixture::new().call(with_function(document(upstream.url()), function)).await;
    assert_eq!(exchange.outcome.as_ref().map(|it| it.status), Ok(201));
    assert_eq!(statuses(&exchange), [503, 503, 201]);
    let heard = upstream.heard();
    assert!(heard.iter().all(|request| *request == heard[0]), "{heard:?}");
    assert!(heard[0].contains("\r\nidempotency-key: \"run-7/risk/0\"\r\n") && heard[0].ends_with("{\"a\":1}"));
    // Doubled, less at most a half.
    let waited: Vec<_> = exchange.attempts.iter().map(|attempt| attempt.waited_us).collect();
    assert!(waited[0] == 0 && (10_000..=20_000).contains(&waited[1]), "{waited:?}");
    assert!((20_000..=40_000).contains(&waited[2]) && exchange.elapsed_us >= waited[1] + waited[2], "{waited:?}");
}

#[tokio::test]
async fn a_retry_after_is_honoured_or_there_is_no_attempt() {
    // covers C-18
    let past = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (asked, longest, waits) in [
        ("1", "1s", Some(1_000_000..=1_000_000)),
        ("2", "1s", None),
        ("99999999999999999999", "1s", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", "1s", None),
        ("0", "1s", Some(5_000..=10_000)),
        (past, "1s", Some(5_000..=10_000)),
        ("soon", "1s", Some(5_000..=10_000)),
    ] {
        let header = format!("retry-after: {asked}\r\n");
        let upstream = Upstream::replying(move |_, before| match before {
            0 => answer(503, &header, ""),
            _ => answer(200, "", ""),
        })
        .await;
        let document = retrying(upstream.url(), json!({"backoff": "10ms", "backoff-max": longest}));
        let exchange = Fixture::new().call(document).await;
        match waits {
            Some(waits) => assert!(waits.contains(&exchange.attempts[1].waited_us), "{asked}: {:?}", exchange.attempts),
            None => assert_eq!(statuses(&exchange), [503], "{asked}"),
        }
    }
}

#[tokio::test]
async fn there_is_one_more_attempt_where_no_connection_came_about() {
    // covers C-18
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
        listener.local_addr().expect("address").port()
    };
    let refusing = format!("http://127.0.0.1:{port}");
    let slow = "http://stuck.test".to_owned();
    for (url, patience, kind) in [(refusing, "20s", Kind::Connect), (slow, "100ms", Kind::ConnectTimeout)] {
        for (retries, attempts) in [(true, 2), (false, 1)] {
            let document = retrying(&url, json!({"on-connection-failure": retries}));
            let document = with(document, json!({"connection": {"connect-timeout": patience}}));
            let exchange = Fixture::new().call(with_function(document, json!({"method": "POST"}))).await;
            let kinds: Vec<_> = exchange.attempts.iter().map(|it| it.error.as_ref().map(|it| it.kind)).collect();
            assert_eq!(kinds, vec![Some(kind); attempts]);
        }
    }
    // A name that does not resolve will not do so in a moment.
    assert_eq!(Fixture::new().call(document("http://nowhere.test")).await.attempts.len(), 1);
}

#[tokio::test]
async fn a_connection_that_breaks_is_worth_another_where_twice_is_like_once() {
    // covers C-18: RFC 9110 section 9.2.2
    for (method, attempts) in [("GET", 2), ("HEAD", 2), ("PUT", 2), ("DELETE", 2), ("POST", 1), ("PATCH", 1)] {
        let upstream = Upstream::answering("").await;
        let exchange = Fixture::new().call(with_function(document(upstream.url()), json!({"method": method}))).await;
        assert_eq!(exchange.outcome.map_err(|it| it.kind).map(|it| it.status), Err(Kind::Protocol));
        assert_eq!((exchange.attempts.len(), upstream.heard().len()), (attempts, attempts), "{method}");
    }
    // Once an answer has begun, or was no HTTP, there is nothing to be had from another.
    for garbage in ["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", "hello\r\n\r\n"] {
        let upstream = Upstream::answering(garbage).await;
        assert_eq!(Fixture::new().call(document(upstream.url())).await.attempts.len(), 1, "{garbage}");
    }
}

#[tokio::test]
async fn a_request_that_a_kept_connection_took_may_have_been_acted_on() {
    // covers C-18: RFC 9110 section 9.2.2; the server has read the request, and only then closes
    for (method, outcome, opened) in [("GET", Ok(200), vec![false, true]), ("POST", Err(Kind::Protocol), vec![false])] {
        let upstream = Upstream::serving(|mut stream, heard| async move {
            heard.request(&mut stream).await?;
            stream.write_all(&answer(200, "", "")).await?;
            heard.request(&mut stream).await.map(|_| ())
        })
        .await;
        let fixture = Fixture::new();
        let document = with_function(document(upstream.url()), json!({"method": method}));
        assert_eq!(fixture.call(document.clone()).await.attempts.len(), 1);
        let exchange = fixture.call(document).await;
        assert_eq!(exchange.outcome.map(|it| it.status).map_err(|it| it.kind), outcome, "{method}");
        let connected = exchange.attempts.iter().map(|it| it.timings.connect_us.is_some()).collect::<Vec<_>>();
        assert_eq!((connected, upstream.heard().len()), (opened.clone(), 1 + opened.len()), "{method}");
        assert_eq!(exchange.attempts[0].error.as_ref().map(|it| it.kind), Some(Kind::Protocol));
    }
}

#[tokio::test]
async fn what_was_acted_on_before_a_redirect_is_not_asked_for_again() {
    // covers C-08, C-18
    for (method, attempts) in [("POST", 1), ("PATCH", 1), ("PUT", 2), ("GET", 2)] {
        let upstream = Upstream::replying(|request, _| {
            if request.starts_with("GET /done ") { answer(503, "", "") } else { answer(303, "location: /done\r\n", "") }
        })
        .await;
        let function = json!({"method": method, "redirects": {"follow": true}});
        let exchange = Fixture::new().call(with_function(document(upstream.url()), function)).await;
        assert_eq!(statuses(&exchange), vec![503; attempts], "{method}");
        assert_eq!(upstream.heard().len(), 2 * attempts, "{method}");
    }
}

#[tokio::test]
async fn a_time_out_is_worth_another_where_the_function_says_so() {
    // covers C-18
    for (retries, attempts) in [(true, 2), (false, 1)] {
        let upstream = Upstream::serving(|mut stream, heard| async move {
            heard.request(&mut stream).await?;
            std::future::pending().await
        })
        .await;
        let document = retrying(upstream.url(), json!({"on-timeout": retries}));
        let exchange = Fixture::new().call(with(document, json!({"connection": {"request-timeout": "700ms"}}))).await;
        assert_eq!((exchange.attempts.len(), upstream.heard().len()), (attempts, attempts));
        assert_eq!(exchange.outcome.map_err(|it| it.kind).map(|it| it.status), Err(Kind::RequestTimeout));
    }
}

#[tokio::test]
async fn attempts_at_n_and_n_plus_1() {
    // covers C-18, C-20
    let upstream = Upstream::replying(|_, _| answer(429, "", "")).await;
    let attempts = async |retry: Value, ceiling: Value| {
        let mut settings = settings();
        settings["ceilings"] = json!({"attempts-max": ceiling});
        let fixture = Fixture::with(settings, FakeResolver::default());
        fixture.call(retrying(upstream.url(), retry)).await.attempts.len()
    };
    let policy = |most: u8| json!({"statuses": [429], "attempts-max": most, "backoff": "1ms"});
    assert_eq!(attempts(policy(1), json!(10)).await, 1);
    assert_eq!(attempts(policy(4), json!(10)).await, 4);
    assert_eq!(attempts(policy(4), json!(3)).await, 3);
    assert_eq!(attempts(policy(200), json!(200)).await, 10);
}

#[tokio::test]
async fn a_wait_that_the_budget_has_no_room_for_is_not_begun() {
    // keeps E-05
    let upstream = Upstream::replying(|_, _| answer(503, "retry-after: 60\r\n", "x")).await;
    let fixture = Fixture::new();
    let document = retrying(upstream.url(), json!({"backoff-max": "2m"}));
    let request = fixture.bind(document, &json!({})).expect("binds");
    let context = CallContext { budget: Duration::from_secs(20), ..context("acme") };
    let exchange = fixture.connectors.send(&context, &request).await;
    assert_eq!((statuses(&exchange), exchange.outcome.map(|it| it.status)), (vec![503], Ok(503)));
    assert!(exchange.elapsed_us < 20_000_000);
}

#[tokio::test]
async fn the_budget_ends_the_last_attempt() {
    // keeps E-05: the second attempt has less than its own time-out
    let upstream = Upstream::serving(|mut stream, heard| async move {
        heard.request(&mut stream).await?;
        stream.write_all(&answer(503, "", "")).await?;
        heard.request(&mut stream).await?;
        std::future::pending().await
    })
    .await;
    let fixture = Fixture::new();
    let policy = json!({"attempts-max": 5, "on-timeout": true, "backoff": "1ms"});
    let request = fixture.bind(retrying(upstream.url(), policy), &json!({})).expect("binds");
    let context = CallContext { budget: Duration::from_millis(1500), ..context("acme") };
    let exchange = fixture.connectors.send(&context, &request).await;
    let error = exchange.outcome.expect_err("no time");
    assert_eq!((error.kind, exchange.attempts.len()), (Kind::RequestTimeout, 2));
    assert!(error.message.contains("within 1500ms; that is what was left of the time budget"), "{}", error.message);
    let kinds: Vec<_> = exchange.attempts.iter().map(|it| it.error.as_ref().map(|it| it.kind)).collect();
    assert_eq!(kinds, [None, Some(Kind::RequestTimeout)]);
}
