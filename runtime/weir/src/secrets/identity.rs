//! A TLS identity as its owner sets it: certificates, a private key, or both, as PEM (RFC 7468).
//!
//! Nothing encrypted is taken: how long deriving a key from a password takes is written in the file, so whoever sends
//! one would decide how long the server works. The command line opens PKCS#12 files and encrypted keys before it sends.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::zeroize::{Zeroize as _, Zeroizing};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use x509_parser::prelude::{FromDer as _, SubjectPublicKeyInfo, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::certificate::Certificate;

/// The most certificates of one identity.
pub(crate) const CERTIFICATES_MAX: usize = 32;
/// The largest certificate, in bytes of DER.
pub(crate) const CERTIFICATE_BYTES_MAX: usize = 16 << 10;
/// The largest private key, in bytes of PEM.
pub(crate) const KEY_BYTES_MAX: usize = 16 << 10;

/// What an identity is made of. With both members it is shown to servers; certificates alone are trusted; a key alone
/// signs. Its `Debug` shows no secret.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewIdentity {
    /// PEM certificates. With a key: its own first, then each issuer of the one before. Up to 32.
    #[serde(default)]
    pub(crate) certificates: Option<String>,
    /// One PEM private key, not encrypted: PKCS#8, PKCS#1 or SEC 1; RSA from 2048 bits, P-256, P-384 or Ed25519.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password, write_only)]
    pub(crate) private_key: Option<SecretString>,
}

/// What an identity is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum IdentityKind {
    /// A certificate with its chain and its key: shown to servers; its key signs as well.
    CertificateAndKey,
    /// Certificates alone: trusted.
    Certificates,
    /// A key alone: signs.
    Key,
}

/// An identity that can be used.
pub(super) struct Checked {
    pub(super) kind: IdentityKind,
    /// In the order of the certificates.
    pub(super) facts: Vec<Certificate>,
    /// What may be told of the key.
    pub(super) key_facts: Option<String>,
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) key: Option<PrivateKeyDer<'static>>,
}

/// Why an identity cannot work. Never says what the key is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidIdentity {
    /// Neither member.
    #[error("there is neither `certificates` nor `private_key`; send PEM text in one of them or in both")]
    Empty,
    /// No certificate in the text, or text that is broken.
    #[error(
        "`certificates` holds no PEM certificate that can be read; write `-----BEGIN CERTIFICATE-----` blocks, such as `openssl x509 -in FILE` prints"
    )]
    Certificates,
    /// A key where certificates belong.
    #[error("`certificates` holds a private key; send it as `private_key`, and only there")]
    KeyAmongCertificates,
    /// Too many.
    #[error("`certificates` holds more than {CERTIFICATES_MAX} certificates; leave out those that nobody needs")]
    TooMany,
    /// One that is none, or too large.
    #[error("certificate {0} is no X.509 certificate of at most {CERTIFICATE_BYTES_MAX} bytes; have it made anew")]
    Certificate(usize),
    /// The chain is not in order.
    #[error(
        "certificate {0} was not issued by certificate {after}; write the identity's own certificate first, then its issuer, then the issuer of that one",
        after = .0 + 1
    )]
    Order(usize),
    /// An encrypted key.
    #[error(
        "`private_key` is encrypted; `weir identity set` opens it with --password-from-env, and so does `openssl pkcs8 -in FILE`"
    )]
    Encrypted,
    /// No key in the text, or several.
    #[error(
        "`private_key` must hold exactly one PEM private key of at most {KEY_BYTES_MAX} bytes (PKCS#8, PKCS#1 or SEC 1), and no certificates"
    )]
    Key,
    /// A key of a kind that is not used.
    #[error(
        "`private_key` is of a kind that is not used here; take RSA from 2048 bits, ECDSA on P-256 or P-384, or Ed25519"
    )]
    KeyKind,
    /// The key is of another certificate, or of none of these.
    #[error("`private_key` is not the key of the first certificate{}", other(.0))]
    Mismatch(Option<usize>),
}

fn other(index: &Option<usize>) -> String {
    match index {
        Some(number) => format!(", but of certificate {number}; write that one first"),
        None => "; take the key that its request was made with".to_owned(),
    }
}

impl NewIdentity {
    /// Reads and checks all of it. An identity that has expired is taken: its owner is told.
    ///
    /// # Errors
    /// See [`InvalidIdentity`].
    pub(super) fn check(&self) -> Result<Checked, InvalidIdentity> {
        let certificates = self.certificates.as_deref().map(read_certificates).transpose()?.unwrap_or_default();
        let facts = facts(&certificates)?;
        let key = self.private_key.as_ref().map(|key| read_key(key.expose_secret())).transpose()?;
        let key_facts = key.as_ref().map(|key| check_key(key, &certificates)).transpose()?;
        let kind = match (certificates.is_empty(), key.is_some()) {
            (true, false) => return Err(InvalidIdentity::Empty),
            (false, true) => IdentityKind::CertificateAndKey,
            (false, false) => IdentityKind::Certificates,
            (true, true) => IdentityKind::Key,
        };
        if kind == IdentityKind::CertificateAndKey {
            check_order(&certificates)?;
        }
        Ok(Checked { kind, facts, key_facts, certificates, key })
    }
}

fn read_certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, InvalidIdentity> {
    if text.contains("PRIVATE KEY-----") {
        return Err(InvalidIdentity::KeyAmongCertificates);
    }
    let mut certificates = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
        if certificates.len() == CERTIFICATES_MAX {
            return Err(InvalidIdentity::TooMany);
        }
        certificates.push(certificate.map_err(|_| InvalidIdentity::Certificates)?);
    }
    if certificates.is_empty() { Err(InvalidIdentity::Certificates) } else { Ok(certificates) }
}

fn facts(certificates: &[CertificateDer<'static>]) -> Result<Vec<Certificate>, InvalidIdentity> {
    let fact = |(index, der): (usize, &CertificateDer<'static>)| {
        let facts = if der.len() <= CERTIFICATE_BYTES_MAX { Certificate::of(der) } else { None };
        facts.ok_or(InvalidIdentity::Certificate(index + 1))
    };
    certificates.iter().enumerate().map(fact).collect()
}

fn read_key(text: &str) -> Result<PrivateKeyDer<'static>, InvalidIdentity> {
    if text.len() > KEY_BYTES_MAX || text.contains("BEGIN CERTIFICATE-----") {
        return Err(InvalidIdentity::Key);
    }
    // PKCS#8's own encryption, and that of RFC 1421 which older tools write.
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(InvalidIdentity::Encrypted);
    }
    let mut keys = PrivateKeyDer::pem_slice_iter(text.as_bytes());
    match (keys.next(), keys.next()) {
        (Some(Ok(key)), None) => Ok(key),
        _ => Err(InvalidIdentity::Key),
    }
}

/// Whether the key can be used, and is that of the first certificate. What may be told of it.
fn check_key(
    key: &PrivateKeyDer<'static>,
    certificates: &[CertificateDer<'static>],
) -> Result<String, InvalidIdentity> {
    let key = any_supported_type(key).map_err(|_| InvalidIdentity::KeyKind)?;
    let public = key.public_key().ok_or(InvalidIdentity::KeyKind)?;
    let is_of = |certificate: &CertificateDer<'static>| {
        X509Certificate::from_der(certificate).is_ok_and(|(_, parsed)| parsed.public_key().raw == public.as_ref())
    };
    if certificates.first().is_some_and(|own| !is_of(own)) {
        return Err(InvalidIdentity::Mismatch(certificates.iter().position(is_of).map(|index| index + 1)));
    }
    let parsed = SubjectPublicKeyInfo::from_der(public.as_ref()).map(|(_, parsed)| parsed);
    let parsed = parsed.map_err(|_| InvalidIdentity::KeyKind)?;
    Ok(match parsed.parsed() {
        Ok(PublicKey::RSA(rsa)) => format!("RSA, {} bits", rsa.key_size()),
        Ok(PublicKey::EC(point)) => format!("ECDSA, {} bits", point.key_size()),
        _ => "Ed25519".to_owned(),
    })
}

fn check_order(certificates: &[CertificateDer<'static>]) -> Result<(), InvalidIdentity> {
    let mut issuer: Option<Vec<u8>> = None;
    for (index, certificate) in certificates.iter().enumerate() {
        let parsed = X509Certificate::from_der(certificate).map_err(|_| InvalidIdentity::Certificate(index + 1))?.1;
        if issuer.is_some_and(|issuer| issuer != parsed.subject().as_raw()) {
            return Err(InvalidIdentity::Order(index));
        }
        issuer = Some(parsed.issuer().as_raw().to_vec());
    }
    Ok(())
}

/// What is sealed. The certificates are no secret, but who may be trusted is nobody else's to change.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain {
    certificates: Vec<String>,
    key: Option<(Form, String)>,
}

impl Drop for Plain {
    fn drop(&mut self) {
        if let Some((_, text)) = &mut self.key {
            text.zeroize();
        }
    }
}

/// What a private key's DER is.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    Pkcs8,
    Pkcs1,
    Sec1,
}

/// An identity as it comes out of the seal.
pub(super) type Unsealed = (Vec<CertificateDer<'static>>, Option<PrivateKeyDer<'static>>);

impl Checked {
    /// The bytes that are sealed. `None` where the key is of no form that is known.
    pub(super) fn to_plain(&self) -> Option<Zeroizing<Vec<u8>>> {
        let key = match &self.key {
            None => None,
            Some(key) => {
                let form = match key {
                    PrivateKeyDer::Pkcs8(_) => Form::Pkcs8,
                    PrivateKeyDer::Pkcs1(_) => Form::Pkcs1,
                    PrivateKeyDer::Sec1(_) => Form::Sec1,
                    _ => return None,
                };
                Some((form, BASE64_STANDARD.encode(key.secret_der())))
            }
        };
        let certificates: Vec<String> = self.certificates.iter().map(|der| BASE64_STANDARD.encode(der)).collect();
        // Room for everything, so that no half-written copy is left behind by a growing buffer.
        let room = certificates.iter().map(|text| text.len() + 3).sum::<usize>() + KEY_BYTES_MAX * 2;
        let mut plain = Zeroizing::new(Vec::with_capacity(room));
        serde_json::to_writer(&mut *plain, &Plain { certificates, key }).ok()?;
        Some(plain)
    }
}

/// From the bytes that were sealed.
pub(super) fn from_plain(plain: &[u8]) -> Option<Unsealed> {
    let plain: Plain = serde_json::from_slice(plain).ok()?;
    let decode = |text: &String| BASE64_STANDARD.decode(text).ok();
    let certificates = plain.certificates.iter().map(|text| decode(text).map(CertificateDer::from));
    let key = match &plain.key {
        None => None,
        Some((form, text)) => {
            let der = decode(text)?;
            Some(match form {
                Form::Pkcs8 => PrivateKeyDer::Pkcs8(der.into()),
                Form::Pkcs1 => PrivateKeyDer::Pkcs1(der.into()),
                Form::Sec1 => PrivateKeyDer::Sec1(der.into()),
            })
        }
    };
    Some((certificates.collect::<Option<_>>()?, key))
}
