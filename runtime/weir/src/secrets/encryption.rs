//! What actions encrypt and decrypt with: the stored TLS identities of a tenant. A certificate encrypts, a private key
//! decrypts.

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::zeroize::Zeroizing;
use weir_engine::ids::{IdentityName, TenantId};
use weir_engine::ports::{Encryption, EncryptionError};
use x509_parser::prelude::{ASN1Time, FromDer as _, X509Certificate};

use super::expiry::ExpiryLog;
use super::identity_store::OpenedIdentity;
use super::jwe::{self, JweError};
use super::vault::{Vault, VaultError};

/// Encrypts and decrypts for actions.
pub(crate) struct StoredEncryption {
    vault: Arc<Vault>,
    uses: ExpiryLog,
}

impl StoredEncryption {
    /// With the identities of that vault.
    pub(crate) fn new(vault: Arc<Vault>) -> Self {
        Self { vault, uses: ExpiryLog::default() }
    }

    /// The identity; `None` where there is none.
    async fn open(&self, tenant: &TenantId, name: &IdentityName) -> Result<Option<OpenedIdentity>, EncryptionError> {
        let found = self.vault.open_identity(tenant, name).await.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, %tenant, %name, "an identity could not be opened");
            unavailable(&error)
        })?;
        if let Some(found) = &found {
            self.uses.used(tenant, name, found.expires_at, self.vault.now());
        }
        Ok(found)
    }

    /// The certificate's public key, where it holds now.
    fn public_key(&self, name: &IdentityName, certificate: &[u8]) -> Result<rsa::RsaPublicKey, EncryptionError> {
        let unreadable = || error("action.encryption-key", format!("the certificate of identity `{name}` is broken"));
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| unreadable())?;
        let seconds = i64::try_from(self.vault.now().as_millis() / 1000).unwrap_or(i64::MAX);
        let now = ASN1Time::from_timestamp(seconds).map_err(|_| unreadable())?;
        if !parsed.validity().is_valid_at(now) {
            let ends = parsed.validity().not_after;
            let message = format!(
                "the certificate of identity `{name}` does not hold now (it ends at {ends}); nothing is encrypted to it: \
                 store a renewed one with `weir identity set {name}`"
            );
            return Err(error("action.certificate-expired", message));
        }
        jwe::public_key(parsed.public_key().raw).map_err(|problem| of_jwe(name, problem))
    }
}

#[async_trait]
impl Encryption for StoredEncryption {
    async fn encrypt(
        &self,
        tenant: &TenantId,
        identity: &IdentityName,
        plaintext: &[u8],
    ) -> Result<String, EncryptionError> {
        let found = self.open(tenant, identity).await?.and_then(|found| found.identity.certificates.into_iter().next());
        let Some(certificate) = found else {
            let message = format!(
                "there is no identity `{identity}` with a certificate; store one with `weir identity set {identity} \
                 --trust FILE`"
            );
            return Err(error("action.no-certificate", message));
        };
        let key = self.public_key(identity, &certificate)?;
        let plaintext = Zeroizing::new(plaintext.to_vec());
        let done = tokio::task::spawn_blocking(move || jwe::encrypt(&key, &plaintext)).await;
        finished(identity, done)
    }

    async fn decrypt(
        &self,
        tenant: &TenantId,
        identity: &IdentityName,
        compact: &str,
    ) -> Result<Vec<u8>, EncryptionError> {
        let Some(key) = self.open(tenant, identity).await?.and_then(|found| found.identity.key) else {
            let message = format!(
                "there is no identity `{identity}` with a private key; store one with `weir identity set {identity} \
                 --key FILE`"
            );
            return Err(error("action.no-private-key", message));
        };
        let compact = compact.to_owned();
        let work = move || jwe::decrypt(&jwe::private_key(&key)?, &compact);
        let opened = finished(identity, tokio::task::spawn_blocking(work).await)?;
        Ok(opened.to_vec())
    }
}

fn error(code: &'static str, message: String) -> EncryptionError {
    EncryptionError { code, message }
}

fn finished<T>(
    name: &IdentityName,
    done: Result<Result<T, JweError>, tokio::task::JoinError>,
) -> Result<T, EncryptionError> {
    let done =
        done.map_err(|_| error("action.encryption-unavailable", "the server could not do the work".to_owned()))?;
    done.map_err(|problem| of_jwe(name, problem))
}

fn of_jwe(name: &IdentityName, problem: JweError) -> EncryptionError {
    let (code, what) = match problem {
        JweError::TooLarge => ("action.encrypted-value-too-large", String::new()),
        JweError::Key => ("action.encryption-key", format!("identity `{name}`: ")),
        JweError::Header | JweError::NotOpened => ("action.not-decrypted", format!("with identity `{name}`: ")),
        JweError::NoRandomness => ("action.encryption-unavailable", String::new()),
    };
    error(code, format!("{what}{problem}"))
}

fn unavailable(problem: &VaultError) -> EncryptionError {
    let what = match problem {
        VaultError::Store(error) => format!("the store failed ({})", error.code()),
        _ => "it cannot be opened with the server's master key; set it again, or ask the operator".to_owned(),
    };
    error("action.encryption-unavailable", format!("the identity cannot be used now: {what}"))
}
