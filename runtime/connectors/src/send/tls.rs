//! TLS of a call (C-07): which identity is shown, which certificates are trusted, which versions are spoken.
//!
//! Trusted identities replace the public roots, they do not add to them. Of what they hold, CA certificates are
//! anchors of chains (RFC 5280 section 6), and each certificate is accepted as the server's own when the server shows
//! exactly it, for the right name and within its time. Who checks is in [`Trust`].

use std::sync::Arc;
use std::time::SystemTime;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, InconsistentKeys, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
};
use weir_engine::connector::{ConnectorDocument, Tls, TlsVersion};
use weir_engine::ids::{IdentityName, TenantId};
use weir_engine::ports::{ConnectorError, ConnectorErrorKind};
use x509_parser::prelude::{ASN1Time, FromDer as _, X509Certificate};

use super::timings::Sessions;
use super::transport::Target;
use super::wire::Wire;
use crate::credentials::Identity;
use crate::egress::Scheme;
use crate::error::error;

/// TLS sessions that a client can take up again.
const SESSIONS_MAX: usize = 8;

/// What tells the TLS settings of one client from those of another. Within a tenant, a name and a version stand for
/// one content, also after a removal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct TlsKey {
    identity: Option<(IdentityName, u32)>,
    trusted: Vec<(IdentityName, u32)>,
    version_min: TlsVersion,
}

impl TlsKey {
    /// Whether `newer` has another version of an identity of this one.
    pub(super) fn is_superseded_by(&self, newer: &Self) -> bool {
        let other_version = |(name, version): &(IdentityName, u32)| {
            newer.stored().any(|(newer_name, newer_version)| newer_name == name && newer_version != version)
        };
        self.stored().any(other_version)
    }

    fn stored(&self) -> impl Iterator<Item = &(IdentityName, u32)> {
        self.identity.iter().chain(&self.trusted)
    }
}

/// The TLS settings of one call with the identities that they name, opened. The default trusts the public roots and
/// shows no identity.
#[derive(Debug, Default)]
pub(super) struct CallTls {
    key: TlsKey,
    identity: Option<Identity>,
    trusted: Vec<CertificateDer<'static>>,
}

impl CallTls {
    /// The public roots, no identity, and nothing older than that version.
    pub(super) fn of_version(version_min: TlsVersion) -> Self {
        Self { key: TlsKey { version_min, ..TlsKey::default() }, ..Self::default() }
    }

    /// What tells it from others.
    pub(super) fn key(&self) -> &TlsKey {
        &self.key
    }
}

impl Wire {
    /// The TLS settings of a connector for a call of `target`. The identity is shown to the connector's own origin
    /// and to no other, and not even there once a redirect has led `abroad`.
    ///
    /// # Errors
    /// `identity`: missing, of another kind, expired, or not to be opened.
    pub(super) async fn tls_of(
        &self,
        tenant: &TenantId,
        document: &ConnectorDocument,
        target: &Target,
        abroad: bool,
    ) -> Result<CallTls, ConnectorError> {
        let at_home = !abroad && *target == Target::of(&document.base_url);
        self.tls_with(tenant, &document.tls, target, at_home).await
    }

    /// The same; `at_home` is where the identity is shown.
    ///
    /// # Errors
    /// Those of [`Self::tls_of`].
    pub(super) async fn tls_with(
        &self,
        tenant: &TenantId,
        settings: &Tls,
        target: &Target,
        at_home: bool,
    ) -> Result<CallTls, ConnectorError> {
        if target.scheme == Scheme::Http {
            return Ok(CallTls::default());
        }
        let mut tls = CallTls::of_version(settings.version_min);
        if let Some(name) = settings.identity.as_ref().filter(|_| at_home) {
            let identity = self.opened(tenant, name).await?;
            check_shown(&identity).map_err(|problem| faulty(name, &problem))?;
            tls.key.identity = Some((name.clone(), identity.version));
            tls.identity = Some(identity);
        }
        for name in &settings.trusted {
            let identity = self.opened(tenant, name).await?;
            if identity.certificates.is_empty() {
                return Err(faulty(name, "holds no certificate, so nothing can be trusted by it; store certificates"));
            }
            tls.key.trusted.push((name.clone(), identity.version));
            tls.trusted.extend(identity.certificates);
        }
        Ok(tls)
    }

    async fn opened(&self, tenant: &TenantId, name: &IdentityName) -> Result<Identity, ConnectorError> {
        let opened = self.credentials.identity(tenant, name).await;
        let opened = opened.map_err(|problem| faulty(name, &format!("cannot be read: {problem}")))?;
        opened.ok_or_else(|| faulty(name, "does not exist; store one under this name with `weir identity set`"))
    }
}

/// Whether an identity can be shown to a server now.
fn check_shown(identity: &Identity) -> Result<(), String> {
    if identity.key.is_none() {
        return Err("holds no private key, so the host cannot show it; store it with its key".to_owned());
    }
    let Some(own) = identity.certificates.first() else {
        return Err("holds a key alone, which signs but cannot be shown; store it with its certificates".to_owned());
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    match time_of(own, UnixTime::since_unix_epoch(now)) {
        Ok(()) => Ok(()),
        Err(CertificateError::Expired) => {
            Err("has expired, so no server would take it; store a renewed certificate".to_owned())
        }
        Err(CertificateError::NotValidYet) => {
            Err("is not valid yet; store one that is, or mend the clock of this machine".to_owned())
        }
        Err(_) => Err("holds a certificate that cannot be read; store it again".to_owned()),
    }
}

fn faulty(name: &IdentityName, problem: &str) -> ConnectorError {
    error(ConnectorErrorKind::Identity, format!("the TLS identity `{name}` {problem}"))
}

/// What all clients have in common.
pub(super) struct TlsBase {
    provider: Arc<CryptoProvider>,
    public: Arc<Trust>,
    version_min: TlsVersion,
}

impl TlsBase {
    /// With these as the public roots, and nothing older than `version_min` for anybody.
    ///
    /// # Errors
    /// rustls's.
    pub(super) fn new(roots: RootCertStore, version_min: TlsVersion) -> Result<Self, rustls::Error> {
        // Ring, named here: whatever default another part of the process installs has no say.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let public = Arc::new(Trust::new(Vec::new(), roots, &provider)?);
        Ok(Self { provider, public, version_min })
    }

    /// The configuration of a client, with sessions of its own.
    ///
    /// # Errors
    /// `identity`.
    pub(super) fn config(&self, tls: &CallTls) -> Result<ClientConfig, ConnectorError> {
        let versions: &[&SupportedProtocolVersion] = match tls.key.version_min.max(self.version_min) {
            TlsVersion::V1_2 => &[&TLS13, &TLS12],
            TlsVersion::V1_3 => &[&TLS13],
        };
        let faulty_setup = |problem: rustls::Error| {
            error(ConnectorErrorKind::Identity, format!("the stored TLS identities cannot be used: {problem}"))
        };
        let trust = match tls.key.trusted.is_empty() {
            true => Arc::clone(&self.public),
            false => Arc::new(Trust::only(&tls.trusted, &self.provider).map_err(faulty_setup)?),
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(versions)
            .map_err(faulty_setup)?
            .dangerous()
            .with_custom_certificate_verifier(trust);
        let mut config = match tls.identity.as_ref() {
            Some(identity) => {
                let shown = self.shown(identity).map_err(faulty_setup)?;
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown)))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.resumption = Resumption::store(Arc::new(Sessions::new(SESSIONS_MAX)));
        Ok(config)
    }

    /// An identity as rustls takes it. Certificates of X.509 version 1, which rustls itself cannot read, are shown all
    /// the same: whether they will do is the server's to say.
    fn shown(&self, identity: &Identity) -> Result<CertifiedKey, rustls::Error> {
        let key = identity.key.as_ref().ok_or(rustls::Error::NoCertificatesPresented)?;
        let key = self.provider.key_provider.load_private_key(key.clone_key())?;
        let shown = CertifiedKey::new(identity.certificates.clone(), key);
        match shown.keys_match() {
            Err(mismatch @ rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(mismatch),
            _ => Ok(shown),
        }
    }
}

/// Which servers are believed.
#[derive(Debug)]
struct Trust {
    /// Each is accepted as the server's own certificate, byte for byte.
    exactly: Vec<CertificateDer<'static>>,
    /// Chains that end at one of these are accepted; nothing is where there is none.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Trust {
    fn new(
        exactly: Vec<CertificateDer<'static>>,
        roots: RootCertStore,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, rustls::Error> {
        let authorities = match roots.is_empty() {
            true => None,
            false => {
                let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
                Some(verifier.build().map_err(|problem| rustls::Error::General(problem.to_string()))?)
            }
        };
        Ok(Self { exactly, authorities, algorithms: provider.signature_verification_algorithms })
    }

    /// These certificates and no others. CA certificates are in both roles: what many tools make as a self-signed
    /// server certificate says that it is a CA.
    fn only(certificates: &[CertificateDer<'static>], provider: &Arc<CryptoProvider>) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates.iter().filter(|certificate| is_ca(certificate)) {
            roots.add(certificate.clone())?;
        }
        Self::new(certificates.to_vec(), roots, provider)
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.exactly.iter().any(|trusted| trusted.as_ref() == own.as_ref()) {
            time_of(own, now)?;
            verify_server_name(&ParsedCertificate::try_from(own)?, name)?;
            return Ok(ServerCertVerified::assertion());
        }
        match &self.authorities {
            Some(authorities) => authorities.verify_server_cert(own, intermediates, name, ocsp, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Whether a certificate is one of a CA (RFC 5280 section 4.2.1.9).
fn is_ca(certificate: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(certificate).is_ok_and(|(_, parsed)| parsed.is_ca())
}

/// Whether `now` is within the time of a certificate.
fn time_of(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), CertificateError> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let now = i64::try_from(now.as_secs()).ok().and_then(|now| ASN1Time::from_timestamp(now).ok());
    let now = now.ok_or(CertificateError::BadEncoding)?;
    if now > parsed.validity().not_after {
        Err(CertificateError::Expired)
    } else if now < parsed.validity().not_before {
        Err(CertificateError::NotValidYet)
    } else {
        Ok(())
    }
}
