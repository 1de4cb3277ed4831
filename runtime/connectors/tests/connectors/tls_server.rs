//! TLS servers with certificates of their own, and the authorities that make them.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SignatureAlgorithm};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// TLS 1.2 and nothing later.
pub(crate) const TLS_1_2: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];

/// A key made for these tests, and used nowhere else: the cryptography here can make no RSA keys.
const RSA: &str = include_str!("fixtures/rsa-2048.pem");

/// A certificate with its key.
pub(crate) struct Pair {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: PrivateKeyDer<'static>,
}

fn pkcs8(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(key.serialize_der()).into()
}

fn params(host: &str) -> CertificateParams {
    CertificateParams::new([host.to_owned()]).expect("a name")
}

/// A certificate that nobody but itself has signed.
pub(crate) fn self_signed(host: &str, is_ca: bool) -> Pair {
    let key = KeyPair::generate().expect("a key");
    let mut params = params(host);
    params.is_ca = if is_ca { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::ExplicitNoCa };
    let certificate = params.self_signed(&key).expect("a certificate");
    Pair { certificate: certificate.der().clone(), key: pkcs8(&key) }
}

/// Issues certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: CertificateDer<'static>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        // Two of the same name would be told apart by their signatures alone.
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        params.distinguished_name.push(DnType::CommonName, format!("authority {number}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate").der().clone();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    pub(crate) fn pair(&self, host: &str) -> Pair {
        self.sign(&params(host), &KeyPair::generate().expect("a key"))
    }

    /// One that holds from the first year on until the second.
    pub(crate) fn pair_within(&self, host: &str, years: Range<i32>) -> Pair {
        let mut params = params(host);
        params.not_before = rcgen::date_time_ymd(years.start, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.end, 1, 1);
        self.sign(&params, &KeyPair::generate().expect("a key"))
    }

    /// Every kind of key in every form, each with a name.
    pub(crate) fn pairs_of_every_kind(&self, host: &str) -> Vec<(&'static str, Pair)> {
        let made = |algorithm: &'static SignatureAlgorithm| KeyPair::generate_for(algorithm).expect("a key");
        let rsa = PrivatePkcs8KeyDer::from_pem_slice(RSA.as_bytes()).expect("the fixture is a key");
        let rsa = KeyPair::from_pkcs8_der_and_sign_algo(&rsa, &rcgen::PKCS_RSA_SHA256).expect("a key");
        let mut pairs = vec![
            ("P-256", self.sign(&params(host), &made(&rcgen::PKCS_ECDSA_P256_SHA256))),
            ("P-384", self.sign(&params(host), &made(&rcgen::PKCS_ECDSA_P384_SHA384))),
            ("Ed25519", self.sign(&params(host), &made(&rcgen::PKCS_ED25519))),
            ("RSA", self.sign(&params(host), &rsa)),
        ];
        let sec1 = made(&rcgen::PKCS_ECDSA_P256_SHA256);
        for (name, key, header) in [("PKCS#1", &rsa, 26), ("SEC 1", &sec1, 29)] {
            // Both are what PKCS#8 wraps.
            let inner = key.serialize_der().split_off(header);
            let key_der =
                if name == "SEC 1" { PrivateKeyDer::Sec1(inner.into()) } else { PrivateKeyDer::Pkcs1(inner.into()) };
            pairs.push((name, Pair { key: key_der, ..self.sign(&params(host), key) }));
        }
        pairs
    }

    fn sign(&self, params: &CertificateParams, key: &KeyPair) -> Pair {
        let certificate = params.signed_by(key, &self.issuer).expect("a certificate");
        Pair { certificate: certificate.der().clone(), key: pkcs8(key) }
    }
}

/// Shows one certificate, whether the key is that of it or not.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesServerCert for Shows {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

type Shown = Arc<Mutex<Vec<Option<CertificateDer<'static>>>>>;

/// An HTTP/1.1 server over TLS on loopback.
pub(crate) struct Server {
    pub(crate) port: u16,
    shown: Shown,
}

impl Server {
    /// One that shows `own`, speaks these versions, and asks for client certificates of `clients`.
    pub(crate) async fn start(
        own: &Pair,
        versions: &[&'static SupportedProtocolVersion],
        clients: Option<&Authority>,
    ) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let signing = provider.key_provider.load_private_key(own.key.clone_key()).expect("a key");
        let certified = CertifiedKey::new(vec![own.certificate.clone()], signing);
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_protocol_versions(versions).expect("versions");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.certificate.clone()).expect("a root");
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        let config = builder.with_cert_resolver(Arc::new(Shows(Arc::new(certified))));
        Self::serve(TlsAcceptor::from(Arc::new(config))).await
    }

    async fn serve(acceptor: TlsAcceptor) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let port = listener.local_addr().expect("address").port();
        let shown = Shown::default();
        let kept = shown.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, shown) = (acceptor.clone(), kept.clone());
                tokio::spawn(async move {
                    let mut stream = match acceptor.accept(stream).into_fallible().await {
                        Ok(stream) => stream,
                        Err((_, mut refused)) => {
                            // Closing with unread bytes would reset the connection, and the alert with it.
                            let _ = refused.shutdown().await;
                            return refused.read_to_end(&mut Vec::new()).await.map(drop);
                        }
                    };
                    let peer = stream.get_ref().1.peer_certificates().and_then(|it| it.first().cloned());
                    shown.lock().expect("not poisoned").push(peer.map(CertificateDer::into_owned));
                    let mut heard = Vec::new();
                    while stream.read_buf(&mut heard).await? > 0 {
                        // Requests for tokens have a body, which is a form.
                        let wants_token = heard.starts_with(b"POST /token ");
                        let end: &[u8] = if wants_token { b"grant_type=client_credentials" } else { b"\r\n\r\n" };
                        if heard.ends_with(end) {
                            heard.clear();
                            let body = if wants_token { r#"{"access_token":"granted-1"}"# } else { "ok" };
                            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                            stream.write_all(answer.as_bytes()).await?;
                            stream.flush().await?;
                        }
                    }
                    Ok(())
                });
            }
        });
        Self { port, shown }
    }

    /// The client certificate of each connection whose handshake succeeded, in order.
    pub(crate) fn shown(&self) -> Vec<Option<CertificateDer<'static>>> {
        self.shown.lock().expect("not poisoned").clone()
    }
}
