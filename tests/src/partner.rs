//! The other side of an action that encrypts: an RSA key with its certificate, and what it reads and writes with them.
//! Written from RFC 7516 by itself: it shares nothing with the product.

use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce};
use anyhow::{Context as _, ensure};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use rcgen::{CertificateParams, KeyPair};
use rsa::pkcs8::{EncodePrivateKey as _, LineEnding};
use rsa::{Oaep, RsaPrivateKey};
use serde_json::{Value, json};
use sha2::Sha256;

/// A partner.
pub struct Partner {
    key: RsaPrivateKey,
    certificate: String,
    key_pem: String,
}

impl Partner {
    /// One with a key of its own, whose certificate holds for a century.
    ///
    /// # Errors
    /// The key or the certificate could not be made.
    pub fn new() -> anyhow::Result<Self> {
        Self::with(|_| {})
    }

    /// One whose certificate says something else.
    ///
    /// # Errors
    /// The key or the certificate could not be made.
    pub fn with(change: impl FnOnce(&mut CertificateParams)) -> anyhow::Result<Self> {
        let key = RsaPrivateKey::new(&mut rand::rng(), 2048)?;
        let key_pem = key.to_pkcs8_pem(LineEnding::LF)?.to_string();
        let pair = KeyPair::try_from(key.to_pkcs8_der()?.as_bytes())?;
        let mut params = CertificateParams::new(vec!["partner.test".to_owned()])?;
        change(&mut params);
        let der = params.self_signed(&pair)?;
        let text = BASE64_STANDARD.encode(der.der());
        let certificate = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
        Ok(Self { key, certificate, key_pem })
    }

    /// The body that stores certificate and key as a TLS identity.
    pub fn identity(&self) -> Value {
        json!({ "certificates": self.certificate, "private_key": self.key_pem })
    }

    /// The body that stores the certificate alone.
    pub fn certificate(&self) -> Value {
        json!({ "certificates": self.certificate })
    }

    /// A compact JWE for the owner of the key.
    ///
    /// # Errors
    /// It could not be made.
    pub fn encrypt(&self, plaintext: &str) -> anyhow::Result<String> {
        let header = json!({ "alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "application/json" });
        let header = BASE64_URL_SAFE_NO_PAD.encode(header.to_string());
        let (content_key, nonce): ([u8; 32], [u8; 12]) = (rand::random(), rand::random());
        let key = self.key.to_public_key().encrypt(&mut rand::rng(), Oaep::<Sha256>::new(), &content_key)?;
        let payload = Payload { msg: plaintext.as_bytes(), aad: header.as_bytes() };
        let sealed = Aes256Gcm::new(&content_key.into()).encrypt(&Nonce::from(nonce), payload);
        let mut sealed = sealed.map_err(|_| anyhow::anyhow!("not encrypted"))?;
        let tag = sealed.split_off(plaintext.len());
        let [key, nonce, sealed, tag] =
            [&key[..], &nonce, &sealed, &tag].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
        Ok(format!("{header}.{key}.{nonce}.{sealed}.{tag}"))
    }

    /// The header and the plaintext of a compact JWE that was made for this partner.
    ///
    /// # Errors
    /// It is none, or was made for somebody else.
    pub fn decrypt(&self, compact: &str) -> anyhow::Result<(Value, String)> {
        let parts: Vec<&str> = compact.split('.').collect();
        ensure!(parts.len() == 5, "a compact JWE has five parts, this has {}: {compact}", parts.len());
        let part = |index: usize| -> anyhow::Result<Vec<u8>> {
            Ok(BASE64_URL_SAFE_NO_PAD.decode(parts.get(index).copied().unwrap_or_default())?)
        };
        let header: Value = serde_json::from_slice(&part(0)?)?;
        let content_key = self.key.decrypt(Oaep::<Sha256>::new(), &part(1)?)?;
        let nonce: [u8; 12] = part(2)?.try_into().ok().context("the nonce has not 12 bytes")?;
        let sealed = [part(3)?, part(4)?].concat();
        let payload = Payload { msg: &sealed, aad: parts.first().copied().unwrap_or_default().as_bytes() };
        let opened = Aes256Gcm::new_from_slice(&content_key)?.decrypt(&Nonce::from(nonce), payload);
        let opened = opened.map_err(|_| anyhow::anyhow!("the content does not open"))?;
        Ok((header, String::from_utf8(opened)?))
    }
}
