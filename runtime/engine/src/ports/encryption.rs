//! The port to what is encrypted for, and by, the other side of an action: JWE in its compact form (RFC 7516), with
//! RSA-OAEP-256 and A256GCM.

use async_trait::async_trait;

use crate::ids::{IdentityName, TenantId};

/// Why something could not be encrypted or decrypted. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EncryptionError {
    /// The stable code.
    pub code: &'static str,
    /// What happened, and how to mend it.
    pub message: String,
}

impl crate::outside::Refusal for EncryptionError {
    fn parts(self) -> (&'static str, String) {
        (self.code, self.message)
    }

    fn again(code: &str, message: String) -> Self {
        Self { code: Self::CODES.into_iter().find(|known| *known == code).unwrap_or(Self::UNAVAILABLE), message }
    }
}

impl EncryptionError {
    /// The code of what cannot be read now.
    const UNAVAILABLE: &str = "action.encryption-unavailable";

    const CODES: [&str; 10] = [
        Self::UNAVAILABLE,
        "action.no-certificate",
        "action.certificate-expired",
        "action.encryption-key",
        "action.encrypted-value-too-large",
        "action.no-private-key",
        "action.not-decrypted",
        "action.not-encrypted",
        "run.deadline",
        "action.encrypted-values",
    ];
}

/// Encrypts to certificates and decrypts with private keys, both stored as TLS identities.
#[async_trait]
pub trait Encryption: Send + Sync {
    /// Encrypts to the certificate of an identity.
    ///
    /// # Errors
    /// `action.no-certificate`: there is no such identity, or it has none. `action.certificate-expired`: it does not hold
    /// now. `action.encryption-key`: its key is not RSA, or too short. `action.encrypted-value-too-large`.
    /// `action.encryption-unavailable`: the identity cannot be read now.
    async fn encrypt(
        &self,
        tenant: &TenantId,
        identity: &IdentityName,
        plaintext: &[u8],
    ) -> Result<String, EncryptionError>;

    /// Decrypts with the private key of an identity.
    ///
    /// # Errors
    /// `action.no-private-key`: there is no such identity, or it has none. `action.not-decrypted`: the text is no JWE of
    /// these algorithms, or was not made for this key; nothing says which. Otherwise as for `encrypt`.
    async fn decrypt(
        &self,
        tenant: &TenantId,
        identity: &IdentityName,
        compact: &str,
    ) -> Result<Vec<u8>, EncryptionError>;
}

/// For engines without identities: everything is refused.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEncryption;

fn none() -> EncryptionError {
    let message = "this engine has no identities to encrypt or decrypt with; serve the flow with `weir serve`, and store \
                   one with `weir identity set`";
    EncryptionError { code: "action.encryption-unavailable", message: message.to_owned() }
}

#[async_trait]
impl Encryption for NoEncryption {
    async fn encrypt(&self, _: &TenantId, _: &IdentityName, _: &[u8]) -> Result<String, EncryptionError> {
        Err(none())
    }

    async fn decrypt(&self, _: &TenantId, _: &IdentityName, _: &str) -> Result<Vec<u8>, EncryptionError> {
        Err(none())
    }
}
