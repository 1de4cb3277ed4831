//! The port to stored credentials. The service implements it; nobody else sees what comes through it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{SecretSlice, SecretString};
use weir_engine::ids::{CredentialName, IdentityName, TenantId};

/// A stored credential, opened for one call. Its `Debug` shows the type alone: a user name may be a key or a person.
#[derive(Clone)]
pub enum Credential {
    /// For HTTP basic authentication (RFC 7617).
    Basic {
        /// Without `:` and control characters.
        username: String,
        /// Without control characters.
        password: SecretString,
    },
    /// For bearer tokens (RFC 6750).
    Bearer {
        /// Visible ASCII characters.
        token: SecretString,
    },
    /// A key that stands in a header or in the query.
    ApiKey {
        /// Visible ASCII characters.
        key: SecretString,
    },
    /// An OAuth 2 client (RFC 6749 section 2.3.1).
    Oauth2Client {
        /// The client's id; no secret.
        client_id: String,
        /// Its secret; empty for a public client.
        client_secret: SecretString,
    },
    /// AWS access keys.
    Aws {
        /// The key's id.
        access_key_id: String,
        /// The key.
        secret_access_key: SecretString,
        /// Where the keys are temporary.
        session_token: Option<SecretString>,
    },
    /// A key for keyed hashes.
    HmacKey {
        /// The bytes of the key.
        key: SecretSlice<u8>,
    },
}

/// A stored TLS identity, opened: certificates, a private key, or both.
#[derive(Clone)]
pub struct Identity {
    /// The stored version: another one has another content.
    pub version: u32,
    /// Its own certificate first, then its chain; or certificates to trust. DER.
    pub certificates: Vec<CertificateDer<'static>>,
    /// The private key, where it has one.
    pub key: Option<Arc<PrivateKeyDer<'static>>>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Identity(version {}, {} certificates)", self.version, self.certificates.len())
    }
}

/// A stored credential with its version: what was made from another version is out of date.
#[derive(Debug, Clone)]
pub struct StoredCredential {
    /// Grows with each save.
    pub version: u32,
    /// What was saved.
    pub credential: Credential,
}

impl Credential {
    /// The name of the type in documents.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Basic { .. } => "basic",
            Self::Bearer { .. } => "bearer",
            Self::ApiKey { .. } => "api-key",
            Self::Oauth2Client { .. } => "oauth2-client",
            Self::Aws { .. } => "aws",
            Self::HmacKey { .. } => "hmac-key",
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Credential({})", self.kind())
    }
}

/// Why the store of credentials gave no answer. The text must hold no secret: authors read it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CredentialError(pub String);

/// Opens stored credentials.
#[async_trait]
pub trait Credentials: Send + Sync {
    /// The tenant's credential of that name; `None` where there is none.
    ///
    /// # Errors
    /// The store cannot be read, or the credential cannot be decrypted.
    async fn credential(
        &self,
        tenant: &TenantId,
        name: &CredentialName,
    ) -> Result<Option<StoredCredential>, CredentialError>;

    /// The tenant's TLS identity of that name; `None` where there is none.
    ///
    /// # Errors
    /// The store cannot be read, or the key cannot be decrypted.
    async fn identity(&self, tenant: &TenantId, name: &IdentityName) -> Result<Option<Identity>, CredentialError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        // keeps K-01
        let basic = Credential::Basic { username: "sk_s3cret".into(), password: "s3cret".into() };
        let bearer = Credential::Bearer { token: "s3cret".into() };
        for credential in [basic, bearer] {
            assert!(!format!("{credential:?} {credential:#?}").contains("s3cret"));
        }
    }
}
