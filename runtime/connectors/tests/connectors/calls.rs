//! Calls that go well, and those that are refused before anything is sent.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use weir_engine::message::Header;
use weir_engine::ports::{ConnectorErrorKind as Kind, Connectors as _};

use crate::support::{Fixture, SECRET, TOKEN, Upstream, answer, context, document, with, with_function};

#[tokio::test]
async fn a_request_goes_out_as_the_document_says() {
    // covers C-01, C-02, C-03, C-04, C-05
    let upstream = Upstream::answering(answer(200, "", "{}")).await;
    let fixture = Fixture::new();
    let document = with_function(
        with(document(format!("{}/v1", upstream.url())), json!({"headers": [{"name": "X-Tag", "value": "one"}]})),
        json!({
            "method": "POST",
            "arguments": [{"name": "id", "type": "string", "required": true}, {"name": "n", "type": "integer", "default": 3}],
            "endpoint": "/users/${args.id}/x?q=${args.id}&u=${event.user.id}",
            "headers": [{"name": "x-tag", "value": "two ${args.n}"}, {"name": "x-other", "value": "${args.id}"}],
            "body": {"id": "${args.id}", "n": "${args.n}", "text": "n=${args.n}", "list": [1, "${args.missing_is_null == null}"]},
        }),
    );
    let faulty = fixture.bind(document.clone(), &json!({"id": "a b/&"}));
    assert!(faulty.expect_err("no such argument").message.contains("declares no argument `missing_is_null`"));
    let document =
        with_function(document, json!({"body": {"id": "${args.id}", "n": "${args.n}", "text": "n=${args.n}"}}));
    let request = fixture.bind(document, &json!({"id": "a b/&"})).expect("binds");
    fixture.send(&request).await.outcome.expect("a response");
    let product = concat!("weir/", env!("CARGO_PKG_VERSION"));
    let expected = format!(
        "POST /v1/users/a%20b%2F%26/x?q=a%20b%2F%26&u=u1 HTTP/1.1\r\nx-tag: one\r\nx-tag: two 3\r\nx-other: a b/&\r\n\
         content-type: application/json\r\nuser-agent: {product}\r\nidempotency-key: \"run-7/risk/0\"\r\naccept: */*\r\n\
         host: {}\r\ncontent-length: 33\r\n\r\n{}",
        upstream.address, r#"{"id":"a b/&","n":3,"text":"n=3"}"#,
    );
    let heard = upstream.heard().join("");
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.split("\r\n").map(str::to_owned).collect();
        lines.retain(|line| !line.starts_with("accept-encoding: "));
        lines.sort();
        lines
    };
    assert_eq!(sorted(&heard), sorted(&expected));
    assert!(heard.find("x-tag: one") < heard.find("x-tag: two 3"));
}

#[tokio::test]
async fn a_response_comes_back_with_its_parts() {
    // covers C-12, C-17
    let headers = "X-A: 1\r\nset-cookie: b=2\r\nSet-Cookie: a=1\r\n";
    for status in [200, 204, 302, 404, 501] {
        let body = if status == 204 { "" } else { "text" };
        let upstream = Upstream::answering(answer(status, headers, body)).await;
        let exchange = Fixture::new().call(document(upstream.url())).await;
        let response = exchange.outcome.expect("any status is a response");
        assert_eq!((response.status, response.body.as_text()), (status, Some(body)));
        let expected = [("x-a", "1"), ("set-cookie", "b=2"), ("set-cookie", "a=1")];
        assert_eq!(response.headers[..3], expected.map(|(name, value)| Header::new(name, value)));
        let [attempt] = exchange.attempts.as_slice() else { panic!("one attempt") };
        assert_eq!((attempt.status, &attempt.error), (Some(status), &None));
        assert!(attempt.timings.first_byte_us <= attempt.timings.total_us);
        assert!(attempt.timings.total_us <= exchange.elapsed_us);
    }
}

#[tokio::test]
async fn a_redirect_is_the_response() {
    // keeps E-01: in the place of a redirect's target
    let target = Upstream::answering(answer(200, "", "")).await;
    let fixture = Fixture::new();
    for location in [target.url(), format!("//localhost:{}/", target.address.port())] {
        let upstream = Upstream::answering(answer(302, &format!("location: {location}\r\n"), "")).await;
        let response = fixture.response(document(upstream.url())).await;
        assert_eq!((response.status, response.header("location")), (302, Some(location.as_str())));
    }
    assert_eq!(target.connections().await, 0);
}

#[tokio::test]
async fn every_method_arrives() {
    // covers C-04
    let upstream = Upstream::answering(answer(200, "", "")).await;
    let fixture = Fixture::new();
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        fixture.response(with_function(document(upstream.url()), json!({"method": method}))).await;
        assert!(upstream.heard().last().expect("a request").starts_with(&format!("{method} / HTTP/1.1\r\n")));
    }
}

#[tokio::test]
async fn text_bodies_are_encoded_for_their_content_type() {
    // covers C-03
    let upstream = Upstream::answering(answer(200, "", "")).await;
    let fixture = Fixture::new();
    for (content_type, body, sent) in [
        (None, r#"{"a": "${event.user.id}\"", "b": ${event.user}}"#, r#"{"a": "u1\"", "b": {"id":"u1"}}"#),
        (Some("application/x-www-form-urlencoded"), "a=${event.user}&b=1", "a=%7B%22id%22%3A%22u1%22%7D&b=1"),
        (Some("text/plain"), "<${event.user.id}>", "<u1>"),
    ] {
        let headers: Vec<_> = content_type.iter().map(|it| json!({"name": "Content-Type", "value": it})).collect();
        let function = json!({"method": "PUT", "body": body, "headers": headers});
        fixture.response(with_function(document(upstream.url()), function)).await;
        let heard = upstream.heard().pop().expect("a request");
        assert!(heard.ends_with(&format!("\r\n\r\n{sent}")), "{heard}");
        let sent_type = content_type.unwrap_or("application/json");
        assert!(heard.contains(&format!("content-type: {sent_type}\r\n")), "{heard}");
    }
}

#[tokio::test]
async fn a_functions_content_type_replaces_the_connectors() {
    let upstream = Upstream::answering(answer(200, "", "")).await;
    let content_type = |value: &str| json!([{"name": "content-type", "value": value}]);
    let document = with(document(upstream.url()), json!({"headers": content_type("text/plain")}));
    let function = json!({"method": "POST", "body": "a", "headers": content_type("text/csv")});
    Fixture::new().response(with_function(document, function)).await;
    let heard = upstream.heard().join("");
    assert!(heard.contains("content-type: text/csv\r\n") && !heard.contains("text/plain"), "{heard}");
}

#[tokio::test]
async fn credentials_are_added_by_the_host() {
    // covers C-06
    let upstream = Upstream::answering(answer(200, "", "")).await;
    let fixture = Fixture::new();
    let authentication = |kind: &str| json!({"authentication": {"type": kind, "credential": kind}});
    fixture.response(with(document(upstream.url()), authentication("basic"))).await;
    fixture.response(with(document(upstream.url()), authentication("bearer"))).await;
    let heard = upstream.heard();
    use base64::Engine as _;
    let pair = base64::prelude::BASE64_STANDARD.encode(format!("user:{SECRET}"));
    assert!(heard[0].contains(&format!("authorization: Basic {pair}\r\n")), "{}", heard[0]);
    assert!(heard[1].contains(&format!("authorization: Bearer {TOKEN}\r\n")), "{}", heard[1]);
}

#[tokio::test]
async fn credentials_that_cannot_be_used_are_an_error_before_anything_is_sent() {
    // covers C-06
    let upstream = Upstream::answering(answer(200, "", "")).await;
    let fixture = Fixture::new();
    for (kind, credential, says) in [
        ("basic", "missing", "does not exist"),
        ("basic", "bearer", "is of type `bearer`"),
        ("bearer", "broken", "the master key is missing"),
    ] {
        let authentication = json!({"authentication": {"type": kind, "credential": credential}});
        let error = fixture.error(with(document(upstream.url()), authentication)).await;
        assert_eq!(error.kind, Kind::Credential);
        assert!(error.message.contains(says), "{}", error.message);
    }
    let document = with(document(upstream.url()), json!({"authentication": {"type": "basic", "credential": "basic"}}));
    let request = fixture
        .bind_and_change(document, &json!({}), |request| request.headers.push(Header::new("Authorization", "mine")))
        .expect("binds");
    assert_eq!(fixture.send(&request).await.outcome.expect_err("refused").kind, Kind::RequestNotPermitted);
    assert_eq!(upstream.connections().await, 0);
}

#[tokio::test]
async fn a_document_may_authenticate_by_itself() {
    let upstream = Upstream::answering(answer(200, "", "")).await;
    let headers = json!({"headers": [{"name": "authorization", "value": "Mine ${event.user.id}"}, {"name": "user-agent", "value": "me"}]});
    Fixture::new().response(with(document(upstream.url()), headers)).await;
    let heard = upstream.heard().join("");
    assert!(heard.contains("authorization: Mine u1\r\n") && heard.contains("user-agent: me\r\n"), "{heard}");
}

#[tokio::test]
async fn connections_are_reused_but_never_across_tenants() {
    // keeps E-01
    let upstream = Upstream::serving(|mut stream, heard| async move {
        loop {
            heard.request(&mut stream).await?;
            stream.write_all(&answer(200, "", "ok")).await?;
        }
    })
    .await;
    let fixture = Fixture::new();
    let request = fixture.bind(document(upstream.url()), &json!({})).expect("binds");
    for _ in 0..3 {
        fixture.send(&request).await.outcome.expect("a response");
    }
    let other = fixture.connectors.send(&context("other"), &request).await;
    assert_eq!(other.outcome.expect_err("denied").kind, Kind::EgressDenied);
    assert_eq!((upstream.heard().len(), upstream.connections().await), (3, 1));
}

#[tokio::test]
async fn clients_are_few() {
    let upstream = Upstream::answering(answer(200, "", "")).await;
    let mut settings = crate::support::settings();
    settings["pool"] = json!({"clients-max": 1});
    let fixture = Fixture::with(settings, crate::support::FakeResolver::default());
    for host in ["a.test", "b.test", "a.test"] {
        fixture.response(document(format!("http://{host}:{}", upstream.address.port()))).await;
    }
    assert_eq!(upstream.heard().len(), 3);
}

#[tokio::test]
async fn one_budget_holds_for_everything() {
    // keeps E-05
    let upstream = Upstream::serving(|mut stream, heard| async move {
        heard.request(&mut stream).await?;
        std::future::pending().await
    })
    .await;
    let fixture = Fixture::new();
    let stuck = with(document(upstream.url()), json!({"authentication": {"type": "basic", "credential": "stuck"}}));
    let slow_name = document("http://stuck.test");
    for (document, attempts) in [(stuck, 0), (slow_name, 1), (document(upstream.url()), 1)] {
        let request = fixture.bind(document, &json!({})).expect("binds");
        let context = weir_engine::ports::CallContext { budget: Duration::from_millis(80), ..context("acme") };
        let exchange = fixture.connectors.send(&context, &request).await;
        let error = exchange.outcome.expect_err("no time");
        assert_eq!((error.kind, exchange.attempts.len()), (Kind::RequestTimeout, attempts), "{}", error.message);
        assert!(error.message.contains("budget"), "{}", error.message);
        assert!(exchange.elapsed_us < 1_500_000);
    }
    let request = fixture.bind(document(upstream.url()), &json!({})).expect("binds");
    let context = weir_engine::ports::CallContext { budget: Duration::ZERO, ..context("acme") };
    let error = fixture.connectors.send(&context, &request).await.outcome.expect_err("no time");
    assert_eq!(error.kind, Kind::RequestTimeout);
}

#[tokio::test]
async fn errors_name_the_function() {
    let error = Fixture::new().error(document("http://nowhere.test")).await;
    assert_eq!(error.kind, Kind::Resolve);
    assert_eq!(
        error.message,
        "`api.f`: the host `nowhere.test` does not resolve; check its spelling and the name server"
    );
}

#[tokio::test]
async fn methods_that_take_a_body_say_how_long_it_is() {
    // covers C-04
    for (method, says) in [("POST", true), ("PUT", true), ("PATCH", true), ("GET", false), ("DELETE", false)] {
        let upstream = Upstream::answering(answer(200, "", "")).await;
        let request = with_function(document(upstream.url()), json!({ "method": method }));
        assert_eq!(Fixture::new().response(request).await.status, 200);
        let heard = upstream.heard().concat();
        assert_eq!(heard.contains("content-length: 0\r\n"), says, "{heard}");
    }
}
