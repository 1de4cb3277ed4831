//! TLS of a connector (C-07).

use serde::{Deserialize, Serialize};

use crate::ids::IdentityName;

/// Which certificates are shown and trusted (C-07).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Tls {
    /// The stored identity that the host shows: a certificate chain with its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityName>,
    /// Stored identities (CA or leaf certificates) that alone are trusted; the public roots where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trusted: Vec<IdentityName>,
    /// `1.2` by default.
    pub version_min: TlsVersion,
}

/// A version of TLS; later ones are greater.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
pub enum TlsVersion {
    /// RFC 5246.
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    /// RFC 8446.
    #[serde(rename = "1.3")]
    V1_3,
}
