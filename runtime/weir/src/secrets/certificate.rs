//! What may be told of a certificate (X.509, RFC 5280).

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use weir_engine::time::Timestamp;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{ASN1Time, FromDer as _, X509Certificate};

/// The most names that are told of one certificate.
const NAMES_MAX: usize = 50;

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct Certificate {
    /// Whose it is.
    pub(crate) subject: String,
    /// Who has signed it.
    pub(crate) issuer: String,
    /// The host names and addresses that it is for (subject alternative names); at most 50.
    pub(crate) names: Vec<String>,
    /// Whether it is one of a CA.
    pub(crate) is_ca: bool,
    /// SHA-256 of the whole certificate, as hexadecimal digits.
    pub(crate) fingerprint_sha256: String,
    /// When it begins to hold.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) not_before: Timestamp,
    /// When it ceases to hold.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) not_after: Timestamp,
}

impl Certificate {
    /// Of the certificate's DER; `None` where it is none.
    pub(super) fn of(der: &[u8]) -> Option<Self> {
        let (rest, parsed) = X509Certificate::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let names = parsed.subject_alternative_name().ok().flatten();
        let names = names.map(|names| names.value.general_names.iter().filter_map(name).take(NAMES_MAX).collect());
        Some(Self {
            subject: parsed.subject().to_string(),
            issuer: parsed.issuer().to_string(),
            names: names.unwrap_or_default(),
            is_ca: parsed.is_ca(),
            fingerprint_sha256: hex::encode(Sha256::digest(der)),
            not_before: instant(parsed.validity().not_before),
            not_after: instant(parsed.validity().not_after),
        })
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(text) | GeneralName::URI(text) | GeneralName::RFC822Name(text) => Some((*text).to_owned()),
        GeneralName::IPAddress(bytes) => <[u8; 4]>::try_from(*bytes)
            .map(IpAddr::from)
            .or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from))
            .ok()
            .map(|address| address.to_string()),
        _ => None,
    }
}

/// Instants before 1970 are told as 1970: nothing holds since then but for a mistake.
fn instant(time: ASN1Time) -> Timestamp {
    Timestamp::from_millis(u64::try_from(time.timestamp()).unwrap_or(0).saturating_mul(1000))
}
