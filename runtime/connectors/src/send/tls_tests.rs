//! TLS and HTTP/2 against a server with a certificate of its own.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use weir_engine::connector::{BoundRequest, Connector, ConnectorDocument, PermittedRequest};
use weir_engine::ids::{CredentialName, IdentityName, RequestId, TenantId};
use weir_engine::message::{Method, Request};
use weir_engine::ports::{CallContext, ConnectorErrorKind as Kind};

use super::Sender;
use super::clients::{Clients, public_roots};
use super::transport::Target;
use crate::credentials::{CredentialError, Credentials, Identity, StoredCredential};
use crate::settings::ConnectorSettings;
use crate::system_resolver::SystemResolver;

struct NoCredentials;

#[async_trait]
impl Credentials for NoCredentials {
    async fn credential(&self, _: &TenantId, _: &CredentialName) -> Result<Option<StoredCredential>, CredentialError> {
        Ok(None)
    }

    async fn identity(&self, _: &TenantId, _: &IdentityName) -> Result<Option<Identity>, CredentialError> {
        Ok(None)
    }
}

/// A TLS server that answers with the HTTP version that it was asked in, and as many bytes of headers as the path
/// says. Gives its port and its certificate.
async fn server(name: &str, alpn: &[&str]) -> (u16, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let mut config = config.with_no_client_auth().with_single_cert(vec![certificate.clone()], key).expect("a pair");
    config.alpn_protocols = alpn.iter().map(|it| it.as_bytes().to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let port = listener.local_addr().expect("address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let stream = acceptor.accept(stream).await.ok()?;
                let serve = service_fn(async |request: hyper::Request<hyper::body::Incoming>| {
                    let long = request.uri().path().trim_start_matches('/').parse().unwrap_or(0);
                    hyper::Response::builder()
                        .header("x-long", "a".repeat(long))
                        .body(format!("{:?}", request.version()))
                });
                auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), serve).await.ok()
            });
        }
    });
    (port, certificate)
}

/// Trusts one certificate under the name `pin`, and shows another as `shown`.
struct Pinned(CertificateDer<'static>);

#[async_trait]
impl Credentials for Pinned {
    async fn credential(&self, _: &TenantId, _: &CredentialName) -> Result<Option<StoredCredential>, CredentialError> {
        Ok(None)
    }

    async fn identity(&self, _: &TenantId, name: &IdentityName) -> Result<Option<Identity>, CredentialError> {
        let pin = Identity { version: 1, certificates: vec![self.0.clone()], key: None };
        let made = rcgen::generate_simple_self_signed(["partner.test".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let shown = Identity { version: 1, certificates: vec![made.cert.der().clone()], key: Some(Arc::new(key)) };
        Ok(Some(if name.as_str() == "pin" { pin } else { shown }))
    }
}

fn sender(roots: RootCertStore) -> Sender {
    sender_with(roots, Arc::new(NoCredentials))
}

fn sender_with(roots: RootCertStore, credentials: Arc<dyn Credentials>) -> Sender {
    let settings: ConnectorSettings =
        serde_json::from_value(json!({"egress": {"allow": [{"cidr": "127.0.0.1/32"}]}})).expect("settings");
    let clients = Clients::new(settings.clone(), Arc::new(SystemResolver), roots).expect("tls");
    Sender::over(clients, credentials, &settings)
}

fn request(port: u16, path: &str) -> PermittedRequest {
    permitted(document(port, &json!({})), path)
}

fn document(port: u16, tls: &serde_json::Value) -> ConnectorDocument {
    let document = json!({
        "connector": "api",
        "base-url": format!("https://127.0.0.1:{port}"),
        "connection": {"header-bytes-max": 2000},
        "tls": tls,
        "functions": [{"name": "f"}],
    });
    serde_json::from_value(document).expect("a document")
}

fn permitted(document: ConnectorDocument, path: &str) -> PermittedRequest {
    let function = Arc::new(document.functions[0].clone());
    let uri = document.base_url.join(path).expect("a path");
    let request = Request { method: Method::Get, uri, headers: Vec::new(), body: None };
    let connector = Arc::new(Connector { version: 1, document });
    BoundRequest::new(connector, function, request.clone()).permit(request).expect("permitted")
}

fn context() -> CallContext {
    CallContext {
        tenant: "acme".parse().expect("a tenant"),
        request_id: RequestId::generate(),
        idempotency_key: "k".into(),
        budget: Duration::from_secs(30),
        attempts: weir_engine::ports::Attempts::OfFunction,
    }
}

fn trusting(certificate: CertificateDer<'static>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a root");
    roots
}

#[tokio::test]
async fn both_http_versions_over_tls() {
    for (alpn, version) in [(&["h2", "http/1.1"][..], "HTTP/2.0"), (&["http/1.1"], "HTTP/1.1"), (&[], "HTTP/1.1")] {
        let (port, certificate) = server("127.0.0.1", alpn).await;
        let sender = sender(trusting(certificate));
        let exchange = sender.send(&context(), &request(port, "/0")).await;
        assert_eq!(exchange.outcome.expect("a response").body.as_text(), Some(version));
        // covers C-16: the second call goes over the same connection
        let again = sender.send(&context(), &request(port, "/0")).await;
        let timings = [exchange.attempts[0].timings, again.attempts[0].timings];
        let opened = timings.map(|it| [it.dns_us, it.connect_us, it.tls_us].map(|time| time.is_some()));
        assert_eq!(opened, [[false, true, true], [false; 3]], "{timings:?}");
    }
}

#[tokio::test]
async fn header_bytes_are_limited_over_http2_too() {
    // covers C-20
    let (port, certificate) = server("127.0.0.1", &["h2"]).await;
    let sender = sender(trusting(certificate));
    let kind = async |path: &str| sender.send(&context(), &request(port, path)).await.outcome.err().map(|it| it.kind);
    assert_eq!(kind("/1800").await, None);
    assert_eq!(kind("/2000").await, Some(Kind::ResponseTooLarge));
    assert_eq!(kind("/200000").await, Some(Kind::ResponseTooLarge));
    assert_eq!(kind("/600000").await, Some(Kind::Protocol));
    assert_eq!(kind("/1800").await, None);
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_or_for_another_name_is_refused() {
    // keeps E-03
    let (port, _) = server("127.0.0.1", &["h2"]).await;
    let (other_port, other) = server("other.test", &["h2"]).await;
    for (roots, port) in [(public_roots(), port), (trusting(other), other_port)] {
        let error = sender(roots).send(&context(), &request(port, "/0")).await.outcome.expect_err("refused");
        assert_eq!(error.kind, Kind::Tls, "{}", error.message);
        assert!(error.message.contains("certificate"), "{}", error.message);
    }
}

#[tokio::test]
async fn trusted_identities_replace_the_public_roots() {
    // covers C-07: a server that the public roots vouch for is a stranger to a connector with trust of its own
    let (port, certificate) = server("127.0.0.1", &[]).await;
    let (pinned_port, pinned) = server("127.0.0.1", &[]).await;
    let sender = sender_with(trusting(certificate), Arc::new(Pinned(pinned)));
    let kind = async |port, tls| {
        let request = permitted(document(port, &tls), "/0");
        sender.send(&context(), &request).await.outcome.err().map(|it| it.kind)
    };
    let pin = json!({"trusted": ["pin"]});
    assert_eq!(kind(port, json!({})).await, None);
    assert_eq!(kind(port, pin.clone()).await, Some(Kind::Tls));
    assert_eq!(kind(pinned_port, pin).await, None);
    assert_eq!(kind(pinned_port, json!({})).await, Some(Kind::Tls));
}

#[tokio::test]
async fn the_identity_is_shown_to_its_own_origin_alone() {
    // covers C-07, C-08: another host, port or scheme is another origin; the trust is the same everywhere
    let pinned = rcgen::generate_simple_self_signed(["x.test".to_owned()]).expect("a certificate").cert.der().clone();
    let sender = sender_with(public_roots(), Arc::new(Pinned(pinned)));
    let document = document(8443, &json!({"trusted": ["pin"], "identity": "shown"}));
    for (url, abroad, shown, trusted) in [
        ("https://127.0.0.1:8443/other", false, true, true),
        ("https://127.0.0.1:8443/other", true, false, true),
        ("https://127.0.0.1:8444/", false, false, true),
        ("https://127.0.0.2:8443/", false, false, true),
        ("http://127.0.0.1:8443/", false, false, false),
    ] {
        let target = Target::of(&url.parse().expect("a URL"));
        let tls = sender.wire.tls_of(&context().tenant, &document, &target, abroad).await.expect("identities");
        let key = format!("{:?}", tls.key());
        assert_eq!((key.contains("shown"), key.contains("pin")), (shown, trusted), "{url}: {key}");
    }
}
