//! Nothing is dialled that the policy does not allow, in whatever spelling and place (C-19, E-01, E-02).

use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use weir_engine::ports::ConnectorErrorKind as Kind;

use crate::support::{FakeResolver, Fixture, Upstream, answer, document};

/// Spellings of this machine's own addresses.
pub(crate) const LOOPBACK: [&str; 62] = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.0.0.1.",
    "2130706433",
    "2130706433.",
    "0x7f000001",
    "0x7F000001",
    "0x7f.1",
    "0x7f.0.1",
    "0x7f.0.0.1",
    "0x7f.0x0.0x0.0x1",
    "017700000001",
    "0177.0.0.1",
    "0177.0.0.01",
    "0177.1",
    "0177.0x0.1",
    "00000177.0.0.1",
    "127.0.0.0x1",
    "127.0x1",
    "127.000.000.001",
    "127.255.255.254",
    "127.127.127.127",
    "127.65535",
    "１２７.０.０.１",
    "127。0。0。1",
    "127．0．0．1",
    "①②⑦.0.0.1",
    "１２７．１",
    "%31%32%37.0.0.1",
    "127%2e0%2e0%2e1",
    "%30x7f.1",
    "0",
    "0.0.0.0",
    "00",
    "0x0",
    "0x",
    "0.0",
    "0.0.0.0.",
    "000.000.000.000",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::0.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::FFFF:7F00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::127.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[2002:7f00:1::]",
    "[2002:7f00:1::1]",
    "[2001:0:0:0:0:0:80ff:fffe]",
    "[::ffff:0.0.0.0]",
    "[::ffff:127.1.2.3]",
    "[2002::]",
    "[64:ff9b::]",
];

/// Addresses of other machines that are not globally routable, and metadata services.
pub(crate) const ELSEWHERE: [&str; 46] = [
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "192.168.255.255",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "100.64.0.1",
    "100.127.255.255",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "0.1.2.3",
    "fc00::1",
    "fd00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "100::1",
    "2001:2::1",
    "2001:db8::1",
    "3fff::1",
    "2001:10::1",
    "5f00::1",
    "4000::1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "::ffff:0:10.0.0.1",
];

/// Nobody may reach loopback.
fn closed() -> Fixture {
    Fixture::with(json!({}), FakeResolver::default())
}

pub(crate) fn bracketed(address: &str) -> String {
    if address.contains(':') { format!("[{address}]") } else { address.to_owned() }
}

#[tokio::test]
async fn literals_in_every_spelling() {
    // keeps E-01
    let upstream = Upstream::answering(answer(200, "", "")).await;
    let fixture = closed();
    let elsewhere = ELSEWHERE.map(bracketed);
    for spelling in LOOPBACK.into_iter().chain(elsewhere.iter().map(String::as_str)) {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{spelling}:{}/", upstream.address.port());
            let exchange = fixture.call(document(url)).await;
            let error = exchange.outcome.expect_err(spelling);
            assert_eq!(error.kind, Kind::EgressDenied, "{spelling}: {}", error.message);
            assert!(exchange.attempts.is_empty(), "{spelling}");
        }
    }
    assert_eq!(fixture.resolver.lookups.load(Ordering::SeqCst), 0);
    assert_eq!(upstream.connections().await, 0);
}

#[tokio::test]
async fn answers_of_the_name_server() {
    // keeps E-01
    let upstream = Upstream::answering(answer(200, "", "")).await;
    let own = ["127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1"];
    for address in own.into_iter().chain(ELSEWHERE) {
        for host in ["innocent.test", "localhost", "a.localhost."] {
            let fixture = Fixture::with(json!({}), FakeResolver::default().with(host, &[&[address]]));
            let error = fixture.error(document(format!("http://{host}:{}", upstream.address.port()))).await;
            assert_eq!(error.kind, Kind::EgressDenied, "{host} {address}: {}", error.message);
        }
    }
    assert_eq!(upstream.connections().await, 0);
}

#[tokio::test]
async fn targets_of_redirects() {
    // keeps E-01
    let target = Upstream::answering(answer(200, "", "")).await;
    let fixture = Fixture::new();
    for spelling in LOOPBACK {
        let location = format!("location: http://{spelling}:{}/\r\n", target.address.port());
        let upstream = Upstream::answering(answer(307, &location, "")).await;
        assert_eq!(fixture.response(document(upstream.url())).await.status, 307);
    }
    assert_eq!(target.connections().await, 0);
}

#[tokio::test]
async fn rebinding_finds_nobody() {
    // keeps E-02: first an address that may be dialled, then one that may not, on the same port
    let inside = Upstream::answering(answer(200, "", "inside")).await;
    let port = inside.address.port();
    let outside = Upstream::serving_at(&format!("127.0.0.2:{port}"), |mut stream, heard| async move {
        use tokio::io::AsyncWriteExt as _;
        heard.request(&mut stream).await?;
        stream.write_all(&answer(200, "connection: close\r\n", "outside")).await
    })
    .await;
    let answers: [&[&str]; 4] = [&["127.0.0.2"], &["127.0.0.1"], &["127.0.0.1", "127.0.0.2"], &["::1", "127.0.0.1"]];
    let settings = json!({"egress": {"allow": [{"cidr": "127.0.0.2/32"}]}});
    let fixture = Fixture::with(settings, FakeResolver::default().with("turns.test", &answers));
    let mut outcomes = Vec::new();
    for _ in answers {
        outcomes.push(fixture.call(document(format!("http://turns.test:{port}"))).await.outcome);
    }
    let bodies: Vec<_> = outcomes.iter().map(|it| it.as_ref().ok().and_then(|it| it.body.as_text())).collect();
    assert_eq!(bodies, [Some("outside"), None, Some("outside"), None]);
    // Each call has asked once: there is no second answer to dial.
    assert_eq!(fixture.resolver.lookups.load(Ordering::SeqCst), answers.len());
    assert_eq!((outside.connections().await, inside.connections().await), (2, 0));
}

#[tokio::test]
async fn rules_open_what_they_say() {
    // covers C-19
    let upstream = Upstream::answering(answer(200, "", "")).await;
    let port = upstream.address.port();
    let reaches = async |allow: Value, host: &str| {
        let fixture = Fixture::with(json!({"egress": {"allow": [allow]}}), FakeResolver::default());
        fixture.call(document(format!("http://{host}:{port}"))).await.outcome.is_ok()
    };
    assert!(reaches(json!({"cidr": "127.0.0.0/8"}), "127.0.0.1").await);
    assert!(reaches(json!({"cidr": "127.0.0.0/8"}), "any.test").await);
    assert!(reaches(json!({"host": "*.test", "cidr": "127.0.0.1/32", "ports": [port]}), "a.test").await);
    assert!(!reaches(json!({"host": "*.test", "cidr": "127.0.0.1/32"}), "a.other").await);
    assert!(!reaches(json!({"host": "a.test", "cidr": "127.0.0.1/32", "ports": [1]}), "a.test").await);
    assert!(!reaches(json!({"host": "a.test"}), "a.test").await);
    assert!(!reaches(json!({"cidr": "10.0.0.0/8"}), "127.0.0.1").await);
}

#[tokio::test]
async fn a_denial_says_what_an_operator_would_write() {
    let error = closed().error(document("http://0x7f.1:8080/x")).await;
    assert_eq!(
        error.message,
        "`api.f`: the egress policy denies `http://127.0.0.1:8080`: it is loopback, and only globally routable addresses are reached; an operator can write `allow = [{ host = \"127.0.0.1\", cidr = \"127.0.0.1/32\", ports = [8080], schemes = [\"http\"] }]` under `[connectors.egress.tenants.acme]`"
    );
}

#[tokio::test]
async fn a_proxy_variable_changes_nothing() {
    // keeps E-01
    let proxy = Upstream::answering(answer(200, "", "proxied")).await;
    let mut child = tokio::process::Command::new(std::env::current_exe().expect("this test"));
    child.args(["--exact", "calls::every_method_arrives"]);
    for variable in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        child.env(variable, proxy.url());
    }
    let output = child.output().await.expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
    assert_eq!(proxy.connections().await, 0);
}
