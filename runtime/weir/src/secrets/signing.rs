//! What claims are signed with: the private keys of a tenant's stored identities (F-08), and their public halves, as JWKs
//! (RFC 7517).

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rustls::pki_types::PrivateKeyDer;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use weir_connectors::jws::{self, JwsError};
use weir_engine::connector::SigningAlgorithm;
use weir_engine::ids::{IdentityName, TenantId};
use weir_engine::ports::{Signer, SigningError, TokenToSign};
use x509_parser::prelude::{FromDer as _, SubjectPublicKeyInfo};
use x509_parser::public_key::PublicKey;

use super::expiry::ExpiryLog;
use super::vault::{Vault, VaultError};

/// Signs with stored identities.
pub(crate) struct StoredSigner {
    vault: Arc<Vault>,
    uses: ExpiryLog,
}

impl StoredSigner {
    /// With the identities of that vault.
    pub(crate) fn new(vault: Arc<Vault>) -> Self {
        Self { vault, uses: ExpiryLog::default() }
    }
}

#[async_trait]
impl Signer for StoredSigner {
    async fn sign(
        &self,
        tenant: &TenantId,
        identity: &IdentityName,
        algorithm: SigningAlgorithm,
        token: TokenToSign,
    ) -> Result<String, SigningError> {
        let found = self.vault.open_identity(tenant, identity).await.map_err(|problem| {
            tracing::error!(error = &problem as &dyn std::error::Error, %tenant, name = %identity, "an identity could not be opened");
            unavailable(&problem)
        })?;
        let Some((key, expires_at)) = found.and_then(|found| Some((found.identity.key?, found.expires_at))) else {
            let message = format!(
                "there is no identity `{identity}` with a private key; store one with `weir identity set {identity} --key \
                 FILE`"
            );
            return Err(error("signing.no-private-key", message));
        };
        let now = self.vault.now();
        self.uses.used(tenant, identity, expires_at, now);
        if let Some(ended) = expires_at.filter(|ends| *ends <= now) {
            let message = format!(
                "identity `{identity}` has expired ({ended}); nothing is signed with it: store a renewed one with `weir \
                 identity set {identity}`"
            );
            return Err(error("signing.expired", message));
        }
        let work = move || {
            let mut header = token.header;
            let key_id = Jwk::of(&key).map(|jwk| jwk.key_id);
            header.extend(key_id.map(|key_id| ("kid".to_owned(), json!(key_id))));
            jws::compact(header, token.claims, &key, algorithm)
        };
        let done = tokio::task::spawn_blocking(work).await;
        let done = done.map_err(|_| error("signing.unavailable", "the server could not do the work".to_owned()))?;
        done.map_err(|problem| error(code_of(problem), format!("with identity `{identity}`: {problem}")))
    }
}

fn code_of(problem: JwsError) -> &'static str {
    match problem {
        JwsError::UnusableKey | JwsError::KeyKind => "signing.key-kind",
        JwsError::Failed => "signing.unavailable",
    }
}

fn error(code: &'static str, message: String) -> SigningError {
    SigningError { code, message }
}

fn unavailable(problem: &VaultError) -> SigningError {
    let what = match problem {
        VaultError::Store(error) => format!("the store failed ({})", error.code()),
        _ => "it cannot be opened with the server's master key; set it again, or ask the operator".to_owned(),
    };
    error("signing.unavailable", format!("the identity cannot be used now: {what}"))
}

/// The public half of a key that signs (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Jwk {
    /// `RSA`, `EC` or `OKP`.
    kty: &'static str,
    /// The curve, of the last two.
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<&'static str>,
    /// The modulus of an RSA key.
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    /// The exponent of an RSA key.
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<String>,
    /// The public point.
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    /// Its other coordinate, of an EC key.
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    /// What signs with it.
    #[schema(value_type = String)]
    alg: SigningAlgorithm,
    /// `sig`.
    #[serde(rename = "use")]
    usage: &'static str,
    /// Its thumbprint (RFC 7638); JWTs name it.
    #[serde(rename = "kid")]
    pub(crate) key_id: String,
}

/// Keys that verify (RFC 7517, section 5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct JwkSet {
    /// The present key first, then those of earlier versions of the identity.
    pub(crate) keys: Vec<Jwk>,
}

impl Jwk {
    /// The public half; `None` where nothing signs with the key.
    pub(super) fn of(key: &PrivateKeyDer<'_>) -> Option<Self> {
        let (alg, der) = jws::public_half(key).ok()?;
        let (_, parsed) = SubjectPublicKeyInfo::from_der(&der).ok()?;
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        // The numbers of RSA have no leading zeros in a JWK (RFC 7518, section 6.3.1).
        let number = |bytes: &[u8]| {
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            encode(bytes.get(zeros..).unwrap_or_default())
        };
        let empty =
            Self { kty: "", crv: None, n: None, e: None, x: None, y: None, alg, usage: "sig", key_id: String::new() };
        let mut jwk = match (alg, parsed.parsed()) {
            (SigningAlgorithm::Rs256, Ok(PublicKey::RSA(rsa))) => {
                Self { kty: "RSA", n: Some(number(rsa.modulus)), e: Some(number(rsa.exponent)), ..empty }
            }
            (SigningAlgorithm::Es256, Ok(PublicKey::EC(point))) => {
                // Uncompressed: 4, then both coordinates (SEC 1, section 2.3.3).
                let (x, y) = point.data().strip_prefix(&[4])?.split_at_checked(32).filter(|(_, y)| y.len() == 32)?;
                Self { kty: "EC", crv: Some("P-256"), x: Some(encode(x)), y: Some(encode(y)), ..empty }
            }
            (SigningAlgorithm::EdDsa, _) => {
                Self { kty: "OKP", crv: Some("Ed25519"), x: Some(encode(&parsed.subject_public_key.data)), ..empty }
            }
            _ => return None,
        };
        jwk.key_id = encode(&Sha256::digest(jwk.required().to_string()));
        Some(jwk)
    }

    /// The members that a thumbprint is of (RFC 7638, section 3.2), in the order of their names.
    fn required(&self) -> Value {
        match self.kty {
            "RSA" => json!({ "e": self.e, "kty": self.kty, "n": self.n }),
            "EC" => json!({ "crv": self.crv, "kty": self.kty, "x": self.x, "y": self.y }),
            _ => json!({ "crv": self.crv, "kty": self.kty, "x": self.x }),
        }
    }
}
