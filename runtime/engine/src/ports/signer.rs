//! The port to what signs: JWTs (RFC 7519) as compact JWS (RFC 7515). The engine holds no keys.

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::connector::SigningAlgorithm;
use crate::ids::{IdentityName, TenantId};

/// A JWT that is to be signed.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenToSign {
    /// The members of its header, but for `alg` and `kid`: whoever signs adds those.
    pub header: Map<String, Value>,
    /// Its claims.
    pub claims: Map<String, Value>,
}

/// Why something could not be signed. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SigningError {
    /// The stable code.
    pub code: &'static str,
    /// What happened, and how to mend it.
    pub message: String,
}

impl crate::outside::Refusal for SigningError {
    fn parts(self) -> (&'static str, String) {
        (self.code, self.message)
    }

    fn again(code: &str, message: String) -> Self {
        let codes = ["signing.no-private-key", "signing.expired", "signing.key-kind"];
        Self { code: codes.into_iter().find(|known| *known == code).unwrap_or("signing.unavailable"), message }
    }
}

/// Signs with the private keys of stored identities.
#[async_trait]
pub trait Signer: Send + Sync {
    /// Signs with the private key of an identity; compact JWS.
    ///
    /// # Errors
    /// `signing.no-private-key`: there is no such identity, or it has none. `signing.expired`: its certificate does not
    /// hold any more. `signing.key-kind`: the key is of another kind than the algorithm needs. `signing.unavailable`:
    /// the identity cannot be read now.
    async fn sign(
        &self,
        tenant: &TenantId,
        identity: &IdentityName,
        algorithm: SigningAlgorithm,
        token: TokenToSign,
    ) -> Result<String, SigningError>;
}

/// For engines without identities: everything is refused.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSigner;

#[async_trait]
impl Signer for NoSigner {
    async fn sign(
        &self,
        _: &TenantId,
        _: &IdentityName,
        _: SigningAlgorithm,
        _: TokenToSign,
    ) -> Result<String, SigningError> {
        let message = "this engine has no identities to sign with; serve the flow with `weir serve`, and store one with \
                       `weir identity set`";
        Err(SigningError { code: "signing.unavailable", message: message.to_owned() })
    }
}
