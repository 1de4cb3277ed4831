//! Redirects are followed where a function says so, and take no credential elsewhere (C-08, E-01).

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::Ordering;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use weir_engine::ports::{ConnectorError, ConnectorErrorKind as Kind, Hop};

use crate::egress::{ELSEWHERE, LOOPBACK, bracketed};
use crate::support::{FakeResolver, Fixture, TOKEN, Upstream, answer, document, with, with_function};

fn following(url: impl Into<String>) -> Value {
    with_function(document(url), json!({"redirects": {"follow": true}}))
}

fn to(status: u16, location: &str) -> Vec<u8> {
    answer(status, &format!("location: {location}\r\n"), "moved")
}

fn has(request: &str, header: &str) -> bool {
    request.contains(&format!("\r\n{header}: "))
}

#[tokio::test]
async fn methods_and_bodies_are_kept_or_not() {
    // covers C-08: RFC 9110 section 15.4, and Fetch for POST
    let upstream = Upstream::replying(|request, _| {
        let target = request.split(' ').nth(1).expect("a target");
        match target.strip_prefix("/?").and_then(|status| status.parse().ok()) {
            Some(status) => to(status, "/next#fragment"),
            None => answer(200, "", "here"),
        }
    })
    .await;
    let fixture = Fixture::new();
    for (status, method, becomes) in [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
        (301, "PUT", "PUT"),
        (302, "DELETE", "DELETE"),
        (303, "PUT", "GET"),
        (303, "DELETE", "GET"),
        (303, "HEAD", "HEAD"),
        (302, "GET", "GET"),
        (308, "HEAD", "HEAD"),
    ] {
        let body = matches!(method, "POST" | "PUT").then(|| json!({"a": 1}));
        let function = json!({"method": method, "endpoint": format!("?{status}"), "body": body});
        let exchange = fixture.call(with_function(following(upstream.url()), function)).await;
        let response = exchange.outcome.expect("a response");
        assert_eq!(response.status, 200, "{status} {method}");
        let heard = upstream.heard().pop().expect("a request");
        assert!(heard.starts_with(&format!("{becomes} /next HTTP/1.1\r\n")), "{status} {method}: {heard}");
        let keeps_body = body.is_some() && becomes == method;
        assert_eq!(heard.ends_with("\r\n\r\n{\"a\":1}"), keeps_body, "{status} {method}: {heard}");
        assert_eq!(has(&heard, "content-type"), keeps_body, "{status} {method}: {heard}");
        assert_eq!(has(&heard, "idempotency-key"), becomes == method, "{status} {method}: {heard}");
        let hops = [Hop { status, to: format!("{}/next", upstream.url()) }];
        assert_eq!((exchange.attempts.len(), exchange.attempts[0].status), (1, Some(200)));
        assert_eq!(exchange.attempts[0].hops, hops);
    }
}

#[tokio::test]
async fn hops_at_n_and_n_plus_1() {
    // covers C-08
    let upstream = Upstream::replying(|request, _| {
        let left: u32 = request.split(['/', ' ', '?']).nth(2).and_then(|it| it.parse().ok()).expect("a number");
        if left == 0 { answer(200, "", "") } else { to(302, &format!("/{}?q=1", left - 1)) }
    })
    .await;
    let fixture = Fixture::new();
    for (most, hops, good) in [(3, 3, true), (3, 4, false), (10, 10, true), (10, 11, false), (200, 11, false)] {
        let before = upstream.heard().len();
        let function = json!({"endpoint": format!("/{hops}"), "redirects": {"follow": true, "hops-max": most}});
        let exchange = fixture.call(with_function(document(upstream.url()), function)).await;
        let followed = exchange.attempts[0].hops.iter().map(|hop| hop.to.clone()).collect::<Vec<_>>();
        let count = if good { hops } else { most.min(10) };
        let expected: Vec<_> = (1..=count).map(|it| format!("{}/{}", upstream.url(), hops - it)).collect();
        assert_eq!(followed, expected, "{most} {hops}");
        assert_eq!(upstream.heard().len() - before, expected.len() + 1);
        match exchange.outcome {
            Ok(response) => assert_eq!((response.status, good), (200, true)),
            Err(error) => assert_eq!((error.kind, good), (Kind::Redirect, false), "{}", error.message),
        }
    }
}

/// A document with a token, and with secrets in headers of its own.
fn with_secrets(url: String) -> Value {
    let header = |name: &str| json!({"name": name, "value": "mine"});
    let names =
        ["cookie", "x-api-key", "x-signature", "authorization-extra", "accept", "accept-language", "user-agent"];
    let function = json!({"method": "POST", "body": {"a": 1}, "headers": names.map(header)});
    with_function(with(following(url), json!({"authentication": {"type": "bearer", "credential": "bearer"}})), function)
}

#[tokio::test]
async fn credentials_stay_at_their_origin() {
    // covers C-08; keeps E-04: another port is another origin, and so is another name
    for status in [303, 307] {
        let elsewhere = Upstream::replying(|_, _| answer(200, "", "")).await;
        for host in ["127.0.0.1", "other.test"] {
            let location = format!("http://{host}:{}/x", elsewhere.address.port());
            let upstream = Upstream::replying(move |request, _| {
                if request.contains(" /second ") { to(status, &location) } else { to(307, "/second") }
            })
            .await;
            Fixture::new().response(with_secrets(upstream.url())).await;
            // At home each request is authenticated.
            let home = upstream.heard();
            assert_eq!(home.len(), 2);
            for request in home {
                for name in ["authorization", "cookie", "x-api-key", "x-signature"] {
                    assert!(has(&request, name), "{name}: {request}");
                }
            }
            let heard = elsewhere.heard().pop().expect("a request");
            let names =
                heard.split("\r\n").skip(1).filter_map(|line| Some(line.split_once(": ")?.0)).collect::<Vec<_>>();
            let mut expected = vec!["accept", "accept-language", "user-agent", "accept-encoding", "host"];
            if status == 307 {
                expected.extend(["content-type", "content-length", "idempotency-key"]);
            }
            assert_eq!(sorted(names), sorted(expected), "{heard}");
            assert!(!heard.contains(TOKEN) && heard.contains("accept: mine\r\n"), "{heard}");
        }
    }
}

fn sorted(mut names: Vec<&str>) -> Vec<&str> {
    names.sort_unstable();
    names
}

#[tokio::test]
async fn what_comes_back_home_is_not_authenticated() {
    // keeps E-04: another origin does not say what is done with a credential
    let home = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
    let known = home.clone();
    let elsewhere = Upstream::replying(move |_, _| to(307, &format!("{}/admin", known.get().expect("set")))).await;
    let away = elsewhere.url();
    let upstream = Upstream::replying(
        move |request, _| {
            if request.contains(" /admin ") { answer(200, "", "") } else { to(307, &away) }
        },
    )
    .await;
    home.set(upstream.url()).expect("once");
    let exchange = Fixture::new().call(with_secrets(upstream.url())).await;
    assert_eq!(exchange.outcome.map(|it| it.status), Ok(200));
    let heard = upstream.heard();
    assert!(has(&heard[0], "authorization") && !has(&heard[1], "authorization") && !has(&heard[1], "cookie"));
    let hops = exchange.attempts[0].hops.iter().map(|hop| hop.to.as_str()).collect::<Vec<_>>();
    assert_eq!(hops, [format!("{}/", elsewhere.url()), format!("{}/admin", upstream.url())]);
}

#[tokio::test]
async fn a_secret_in_a_location_goes_nowhere() {
    // keeps E-04, K-02
    let elsewhere = Upstream::replying(|_, _| answer(200, "", "")).await;
    let token: String = url::form_urlencoded::byte_serialize(TOKEN.as_bytes()).collect();
    for place in [format!("?token={token}"), format!("{token}/x")] {
        let location = format!("{}/{place}", elsewhere.url());
        let upstream = Upstream::replying(move |_, _| to(302, &location)).await;
        let error = Fixture::new().error(with_secrets(upstream.url())).await;
        assert_eq!(error.kind, Kind::Redirect, "{}", error.message);
        assert!(error.message.contains("holds a secret") && !error.message.contains("tok_"), "{}", error.message);
        // At home it may go, but the journal does not have it.
        let upstream =
            Upstream::replying(
                move |request, _| {
                    if request.starts_with("POST / ") { to(307, &place) } else { answer(200, "", "") }
                },
            )
            .await;
        let exchange = Fixture::new().call(with_secrets(upstream.url())).await;
        assert_eq!(exchange.outcome.map(|it| it.status), Ok(200));
        assert!(!exchange.attempts[0].hops[0].to.contains("tok_"), "{:?}", exchange.attempts[0].hops);
    }
    assert_eq!(elsewhere.connections().await, 0);
}

#[tokio::test]
async fn locations_that_lead_nowhere() {
    // covers C-08
    for (headers, says) in [
        ("", "0 `location` headers"),
        ("location: /a\r\nlocation: /b\r\n", "2 `location` headers"),
        ("location: https://\r\n", "not a URL"),
        ("location: http://[::1\r\n", "not a URL"),
        ("location: gopher://127.0.0.1/\r\n", "a `gopher` URL"),
        ("location: http://user@127.0.0.1/\r\n", "a user name"),
    ] {
        let upstream = Upstream::replying(move |_, _| answer(302, headers, "")).await;
        let exchange = Fixture::new().call(following(upstream.url())).await;
        let error = exchange.outcome.expect_err("no way");
        assert_eq!((error.kind, error.message.contains(says)), (Kind::Redirect, true), "{}", error.message);
        assert_eq!((exchange.attempts.len(), exchange.attempts[0].status), (1, Some(302)));
        assert_eq!(upstream.heard().len(), 1);
    }
    for status in [300, 304, 305, 306] {
        let upstream = Upstream::replying(move |_, _| to(status, "/x")).await;
        assert_eq!(Fixture::new().response(following(upstream.url())).await.status, status);
    }
}

/// A server that redirects to where the header `x-to` says, at the one address that may be dialled.
async fn closed_but_for_one(resolver: FakeResolver) -> (Fixture, Upstream) {
    let upstream = Upstream::replying(|request, _| {
        let to_line = request.lines().find_map(|line| line.strip_prefix("x-to: "));
        to(307, to_line.expect("a location"))
    })
    .await;
    let rule = json!({"cidr": "127.0.0.1/32", "ports": [upstream.address.port()]});
    (Fixture::with(json!({"egress": {"allow": [rule]}}), resolver), upstream)
}

/// Follows a redirect there: what it came to, and how many hops were made.
async fn led_to(location: &str, (fixture, upstream): &(Fixture, Upstream)) -> (Result<u16, ConnectorError>, usize) {
    let function = json!({"headers": [{"name": "x-to", "value": location}]});
    let exchange = fixture.call(with_function(following(upstream.url()), function)).await;
    (exchange.outcome.map(|it| it.status), exchange.attempts[0].hops.len())
}

#[tokio::test]
async fn closed_addresses_are_not_followed_to() {
    // keeps E-01: each spelling, also after user info
    let target = Upstream::answering(answer(200, "", "")).await;
    let port = target.address.port();
    let closed = closed_but_for_one(FakeResolver::default()).await;
    let elsewhere = ELSEWHERE.map(bracketed);
    for spelling in LOOPBACK.into_iter().chain(elsewhere.iter().map(String::as_str)) {
        for (userinfo, kind) in [("", Kind::EgressDenied), ("127.0.0.1@", Kind::Redirect)] {
            let (outcome, hops) = led_to(&format!("http://{userinfo}{spelling}:{port}/"), &closed).await;
            let error = outcome.expect_err(spelling);
            assert_eq!((error.kind, hops), (kind, 0), "{spelling}: {}", error.message);
        }
    }
    assert_eq!(closed.0.resolver.lookups.load(Ordering::SeqCst), 0);
    assert_eq!(target.connections().await, 0);
}

#[tokio::test]
async fn names_of_closed_addresses_are_not_followed_to() {
    // keeps E-01: each address as the answer of a name server
    let target = Upstream::answering(answer(200, "", "")).await;
    let addresses = ["127.0.0.1", "::1", "::ffff:127.0.0.1"].into_iter().chain(ELSEWHERE).enumerate();
    let mut resolver = FakeResolver::default();
    let mut locations = Vec::new();
    for (number, address) in addresses {
        for (before, after) in
            [("innocent", ".test"), ("innocent", ".test."), ("b\u{fc}cher", ".test"), ("A", ".LOCALHOST")]
        {
            let location = format!("http://{before}{number}{after}:{}/", target.address.port());
            let url: url::Url = location.parse().expect("a URL");
            resolver = resolver.with(url.host_str().expect("a host"), &[&[address]]);
            locations.push(location);
        }
    }
    let closed = closed_but_for_one(resolver).await;
    for location in &locations {
        let error = led_to(location, &closed).await.0.expect_err(location);
        assert_eq!(error.kind, Kind::EgressDenied, "{location}: {}", error.message);
    }
    assert_eq!(closed.0.resolver.lookups.load(Ordering::SeqCst), locations.len());
    assert_eq!(target.connections().await, 0);
}

/// Spellings of IPv4 addresses that URLs know, in hexadecimal, octal and decimal, and inside IPv6.
fn spelling() -> impl Strategy<Value = String> {
    let address = prop_oneof![
        any::<[u8; 3]>().prop_map(|[a, b, c]| Ipv4Addr::new(127, a, b, c)),
        any::<[u8; 3]>().prop_map(|[a, b, c]| Ipv4Addr::new(10, a, b, c)),
        any::<[u8; 2]>().prop_map(|[a, b]| Ipv4Addr::new(192, 168, a, b)),
        Just(Ipv4Addr::new(169, 254, 169, 254)),
        Just(Ipv4Addr::UNSPECIFIED),
    ];
    (address, 0_usize..10, 0_usize..5).prop_map(|(address, form, zeros)| {
        let [a, b, c, d] = address.octets();
        let number = u32::from(address);
        let zeros = "0".repeat(zeros);
        match form {
            0 => format!("{number}"),
            1 => format!("0x{zeros}{number:x}"),
            2 => format!("0{zeros}{number:o}"),
            3 => format!("0x{a:X}.0{b:o}.{}", u16::from_be_bytes([c, d])),
            4 => format!("{a}.0x{zeros}{:x}.", number & 0xff_ffff),
            5 => format!("%{:02x}{}", a.to_string().as_bytes()[0], &format!("{a}.{b}.{c}.{d}")[1..]),
            6 => format!("[{}]", address.to_ipv6_mapped()),
            7 => format!("[64:ff9b::{a:x}{b:02x}:{c:x}{d:02x}]"),
            8 => format!("[{}]", Ipv6Addr::new(0x2002, number.wrapping_shr(16) as u16, number as u16, 0, 0, 0, 0, 1)),
            _ => format!("[::{a}.{b}.{c}.{d}]"),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_spelling_of_a_closed_address_is_followed(spelling in spelling(), before in "(http:)?(//|\\\\\\\\|/\\\\)") {
        // keeps E-01
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (outcome, hops) = runtime.block_on(async {
            let closed = closed_but_for_one(FakeResolver::default()).await;
            led_to(&format!("{before}{spelling}:1/"), &closed).await
        });
        prop_assert_eq!((outcome.map_err(|it| it.kind), hops), (Err(Kind::EgressDenied), 0), "{}{}", before, spelling);
    }
}

#[tokio::test]
async fn the_body_of_a_redirect_is_not_read() {
    // keeps E-03
    let upstream = Upstream::serving(|mut stream, heard| async move {
        let request = heard.request(&mut stream).await?;
        if request.starts_with("GET /next ") {
            return stream.write_all(&answer(200, "connection: close\r\n", "here")).await;
        }
        stream.write_all(b"HTTP/1.1 302 Found\r\nlocation: /next\r\ncontent-encoding: x\r\n\r\n").await?;
        loop {
            stream.write_all(&[b'a'; 1 << 16]).await?;
        }
    })
    .await;
    let document = with(following(upstream.url()), json!({"connection": {"response-bytes-max": 100}}));
    assert_eq!(Fixture::new().response(document).await.body.as_text(), Some("here"));
}

#[tokio::test]
async fn all_hops_are_under_the_time_out_of_the_attempt() {
    // covers C-08, C-09
    let silent = Upstream::serving(|mut stream, heard| async move {
        heard.request(&mut stream).await?;
        std::future::pending().await
    })
    .await;
    let location = format!("{}/x?secret=1", silent.url());
    let upstream = Upstream::replying(move |_, _| to(302, &location)).await;
    let document = with(following(upstream.url()), json!({"connection": {"request-timeout": "1s"}}));
    let exchange = Fixture::new().call(document).await;
    let error = exchange.outcome.expect_err("silent");
    assert_eq!(error.kind, Kind::RequestTimeout);
    assert!(error.message.contains(&silent.address.to_string()), "{}", error.message);
    let attempt = &exchange.attempts[0];
    assert_eq!((attempt.status, attempt.hops.len()), (Some(302), 1));
    assert!(Duration::from_micros(attempt.timings.total_us) >= Duration::from_secs(1));
}
