//! A caller that looks at the answer before it asks again gets one attempt, and nothing that the function says changes
//! that.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use weir_engine::ports::{Attempts, CallContext, ConnectorErrorKind as Kind, Connectors as _, Exchange};

use crate::support::{
    FakeResolver, Fixture, TOKEN, Upstream, answer, context, document, settings, with, with_function,
};

const LONG: Duration = Duration::from_secs(20);

async fn one(fixture: &Fixture, document: serde_json::Value, timeout: Duration) -> Exchange {
    let request = fixture.bind(document, &json!({})).expect("binds");
    let context = CallContext { attempts: Attempts::One { timeout }, ..context("acme") };
    fixture.connectors.send(&context, &request).await
}

#[tokio::test]
async fn no_status_is_retried_and_no_redirect_followed() {
    //
    let eager = json!({"retry": {"attempts-max": 5, "statuses": [302, 500, 503], "on-timeout": true},
        "redirects": {"follow": true}});
    for status in [200, 302, 401, 500, 502, 503, 504] {
        let upstream = Upstream::replying(move |_, _| answer(status, "location: /next\r\n", "x")).await;
        let exchange = one(&Fixture::new(), with_function(document(upstream.url()), eager.clone()), LONG).await;
        assert_eq!(exchange.outcome.map(|it| it.status), Ok(status));
        assert_eq!((exchange.attempts.len(), upstream.heard().len()), (1, 1), "{status}");
    }
}

#[tokio::test]
async fn the_shorter_of_both_time_outs_holds_and_says_so() {
    // covers A-08, C-09
    let silent = || {
        Upstream::serving(|mut stream, heard| async move {
            heard.request(&mut stream).await?;
            heard.request(&mut stream).await.map(drop)
        })
    };
    for (own, given, length, advice) in [
        ("10s", 50, "within 50ms", "`settings.request-timeout`"),
        ("50ms", 10_000, "within 50ms", "the connector's `request-timeout`"),
    ] {
        let upstream = silent().await;
        let document = with(document(upstream.url()), json!({"connection": {"request-timeout": own}}));
        let document = with_function(document, json!({"retry": {"on-timeout": true}}));
        let exchange = one(&Fixture::new(), document, Duration::from_millis(given)).await;
        let error = exchange.outcome.expect_err("no answer");
        assert_eq!((error.kind, exchange.attempts.len(), upstream.heard().len()), (Kind::RequestTimeout, 1, 1));
        assert!(error.message.contains(length) && error.message.contains(advice), "{error}");
    }
}

#[tokio::test]
async fn slow_bytes_do_not_lengthen_an_attempt() {
    // covers A-08, E-05
    let upstream = Upstream::serving(|mut stream, heard| async move {
        heard.request(&mut stream).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").await?;
        loop {
            stream.write_all(b"x").await?;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let exchange = one(&Fixture::new(), document(upstream.url()), Duration::from_millis(100)).await;
    assert_eq!(exchange.outcome.expect_err("too slow").kind, Kind::RequestTimeout);
}

#[tokio::test]
async fn everything_else_holds_as_for_any_call() {
    // covers A-08, C-17, C-19, C-21
    let echo = Upstream::replying(|request, _| answer(200, "", request)).await;
    let bearer = json!({"authentication": {"type": "bearer", "credential": "bearer"}});
    let exchange = one(&Fixture::new(), with(document(echo.url()), bearer), LONG).await;
    let response = exchange.outcome.expect("an answer");
    let body = String::from_utf8_lossy(response.body.as_slice()).into_owned();
    assert!(echo.heard()[0].contains(TOKEN) && !body.contains(TOKEN), "{body}");
    assert!(body.contains("idempotency-key: \"run-7/risk/0\""), "{body}");

    let fixture = Fixture::with(settings(), FakeResolver::default().with("inside.test", &[&["10.0.0.7"]]));
    let exchange = one(&fixture, document("http://inside.test"), LONG).await;
    assert_eq!(exchange.outcome.expect_err("denied").kind, Kind::EgressDenied);

    let failing = Upstream::replying(|_, _| answer(500, "", "")).await;
    let breaker = json!({"connection": {"circuit-breaker": {"failures-max": 1, "open-for": "1h"}}});
    let (fixture, document) = (Fixture::new(), with(document(failing.url()), breaker));
    assert_eq!(one(&fixture, document.clone(), LONG).await.outcome.map(|it| it.status), Ok(500));
    assert_eq!(one(&fixture, document, LONG).await.outcome.expect_err("open").kind, Kind::CircuitOpen);
    assert_eq!(failing.heard().len(), 1);
}
