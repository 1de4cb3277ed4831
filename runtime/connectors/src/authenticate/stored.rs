//! Stored credentials of the type that a scheme needs.

use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use weir_engine::ids::{CredentialName, IdentityName, TenantId};
use weir_engine::ports::{ConnectorError, ConnectorErrorKind};

use super::Problem;
use crate::credentials::{Credential, Credentials, StoredCredential};
use crate::error::error;

/// The stored credentials of a tenant.
pub(super) struct Stored<'a> {
    pub(super) credentials: &'a dyn Credentials,
    pub(super) tenant: &'a TenantId,
}

/// What is used, and from which version of the credential it is.
pub(super) struct Versioned<T> {
    pub(super) version: u32,
    pub(super) it: T,
}

/// A credential of type `basic`.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) username: String,
    pub(super) password: SecretString,
}

/// A credential of type `oauth2-client`.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) id: String,
    /// Empty for a public client.
    pub(super) secret: SecretString,
}

/// A credential of type `aws`.
#[derive(Clone)]
pub(super) struct AwsKeys {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: SecretString,
    pub(super) session_token: Option<SecretString>,
}

impl Pair {
    /// What no scheme with user name and password can send.
    ///
    /// # Errors
    /// As the end of a sentence.
    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.username.contains(':') {
            return Err("has a user name with `:`, which this authentication cannot send");
        }
        if self.username.chars().chain(self.password.expose_secret().chars()).any(char::is_control) {
            return Err("has a control character in its user name or password, which this authentication cannot send");
        }
        Ok(())
    }
}

impl Stored<'_> {
    pub(super) async fn basic(&self, name: &CredentialName) -> Result<Versioned<Pair>, ConnectorError> {
        self.open(name, "basic", |credential| match credential {
            Credential::Basic { username, password } => Some(Pair { username, password }),
            _ => None,
        })
        .await
    }

    pub(super) async fn bearer(&self, name: &CredentialName) -> Result<Versioned<SecretString>, ConnectorError> {
        self.open(name, "bearer", |credential| match credential {
            Credential::Bearer { token } => Some(token),
            _ => None,
        })
        .await
    }

    pub(super) async fn api_key(&self, name: &CredentialName) -> Result<Versioned<SecretString>, ConnectorError> {
        self.open(name, "api-key", |credential| match credential {
            Credential::ApiKey { key } => Some(key),
            _ => None,
        })
        .await
    }

    pub(super) async fn client(&self, name: &CredentialName) -> Result<Versioned<Client>, ConnectorError> {
        self.open(name, "oauth2-client", |credential| match credential {
            Credential::Oauth2Client { client_id, client_secret } => {
                Some(Client { id: client_id, secret: client_secret })
            }
            _ => None,
        })
        .await
    }

    pub(super) async fn aws(&self, name: &CredentialName) -> Result<Versioned<AwsKeys>, ConnectorError> {
        self.open(name, "aws", |credential| match credential {
            Credential::Aws { access_key_id, secret_access_key, session_token } => {
                Some(AwsKeys { access_key_id, secret_access_key, session_token })
            }
            _ => None,
        })
        .await
    }

    pub(super) async fn hmac_key(&self, name: &CredentialName) -> Result<Versioned<SecretSlice<u8>>, ConnectorError> {
        self.open(name, "hmac-key", |credential| match credential {
            Credential::HmacKey { key } => Some(key),
            _ => None,
        })
        .await
    }

    /// The private key of an identity.
    ///
    /// # Errors
    /// `identity`.
    pub(super) async fn private_key(
        &self,
        name: &IdentityName,
    ) -> Result<Versioned<Arc<PrivateKeyDer<'static>>>, ConnectorError> {
        let found = self.credentials.identity(self.tenant, name).await;
        let found = found.map_err(|problem| faulty_identity(name, &format!("cannot be read: {problem}")))?;
        let Some(identity) = found else {
            return Err(faulty_identity(name, "does not exist; store one with a private key under this name"));
        };
        match identity.key {
            Some(it) => Ok(Versioned { version: identity.version, it }),
            None => Err(faulty_identity(name, "has no private key to sign with; store it again with its key")),
        }
    }

    async fn open<T>(
        &self,
        name: &CredentialName,
        wanted: &str,
        take: impl FnOnce(Credential) -> Option<T>,
    ) -> Result<Versioned<T>, ConnectorError> {
        let found = self.credentials.credential(self.tenant, name).await;
        let found = found.map_err(|problem| faulty(name, &format!("cannot be read: {problem}")))?;
        let Some(StoredCredential { version, credential }) = found else {
            return Err(faulty(name, &format!("does not exist; store one of type `{wanted}` under this name")));
        };
        let kind = credential.kind();
        let problem = format!("is of type `{kind}`, but the connector's `authentication` needs `{wanted}`");
        take(credential).map(|it| Versioned { version, it }).ok_or_else(|| faulty(name, &problem))
    }
}

/// The error for a credential that cannot be used.
pub(super) fn faulty(name: &CredentialName, problem: &str) -> ConnectorError {
    error(ConnectorErrorKind::Credential, format!("the credential `{name}` {problem}"))
}

/// The error for an identity that cannot be used.
pub(super) fn faulty_identity(name: &IdentityName, problem: &str) -> ConnectorError {
    error(ConnectorErrorKind::Identity, format!("the identity `{name}` {problem}"))
}
