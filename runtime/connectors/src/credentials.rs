//! The port to stored credentials. The service implements it; nobody else sees what comes through it.

use std::fmt;

use async_trait::async_trait;
use secrecy::SecretString;
use weir_engine::ids::{CredentialName, TenantId};

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
}

impl Credential {
    /// The name of the type in documents.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Basic { .. } => "basic",
            Self::Bearer { .. } => "bearer",
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
    async fn credential(&self, tenant: &TenantId, name: &CredentialName)
    -> Result<Option<Credential>, CredentialError>;
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
