//! JSON Web Encryption in its compact form (RFC 7516), with the one pair of algorithms that actions use: RSA-OAEP-256
//! for the key and A256GCM for the content (RFC 7518 sections 4.3 and 5.3).
//!
//! Nobody learns from an error why a text does not decrypt: a wrong key, a broken padding and a changed character give
//! the same one. Where the key does not open, a random one takes its place and the content fails instead (RFC 7516
//! section 11.5), so that both ways do the same work. The private key is used with blinding, on constant-time integers
//! (`rsa` 0.10 over crypto-bigint). What remains: the check of the padding is constant in its comparisons, but nobody
//! has measured it on this machine (RUSTSEC-2023-0071 tells of the 0.9 line); an attacker would need to time millions of
//! runs of an action that they answer themselves.

use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use rand::rngs::SysRng;
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _};
use rsa::traits::{PaddingScheme as _, PublicKeyParts as _};
use rsa::{Oaep, RsaPrivateKey, RsaPublicKey};
use rustls::pki_types::PrivateKeyDer;
use secrecy::zeroize::Zeroizing;
use serde::Deserialize;
use sha2::Sha256;

use crate::auth::{NoRandomness, fill_random};

/// The longest compact text, in bytes. One value of an operation or of an event, not a document.
pub(super) const COMPACT_BYTES_MAX: usize = 1 << 20;
/// The longest plaintext, in bytes: its compact text stays below [`COMPACT_BYTES_MAX`].
pub(super) const PLAINTEXT_BYTES_MAX: usize = 512 << 10;
/// The shortest RSA key that is taken, in bits.
pub(super) const KEY_BITS_MIN: u32 = 2048;
/// The longest, in bits, which bounds the work of one value: it grows with the third power of the length.
pub(super) const KEY_BITS_MAX: u32 = 4096;

/// What every text here is headed with.
const HEADER: &str = r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","cty":"application/json"}"#;
/// The longest header that is read, in bytes.
const HEADER_BYTES_MAX: usize = 4096;
const CONTENT_KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// Why a text could not be made or opened. Holds no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum JweError {
    /// Too long to make, or to read.
    #[error("the value is too long; up to {PLAINTEXT_BYTES_MAX} bytes are encrypted, up to {COMPACT_BYTES_MAX} read")]
    TooLarge,
    /// The key is none of RSA, or of a length that is not taken.
    #[error("its key is not RSA with {KEY_BITS_MIN} to {KEY_BITS_MAX} bits; RSA-OAEP-256 needs such a key")]
    Key,
    /// The header asks for something else. It is no secret: it travels in the clear.
    #[error("its header is not that of RSA-OAEP-256 with A256GCM, or has `crit` or `zip`")]
    Header,
    /// Everything else.
    #[error("it was not made for this key, or was changed on its way")]
    NotOpened,
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    NoRandomness,
}

impl From<NoRandomness> for JweError {
    fn from(_: NoRandomness) -> Self {
        Self::NoRandomness
    }
}

/// The members of a header that decide anything. Others, such as `kid` and `typ`, are hints and change nothing.
#[derive(Deserialize)]
struct Header {
    alg: String,
    enc: String,
    // Any value at all: what must be understood is not, and what was packed is not unpacked.
    #[serde(default, deserialize_with = "present")]
    crit: bool,
    #[serde(default, deserialize_with = "present")]
    zip: bool,
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// Reads an RSA public key from the DER of its SubjectPublicKeyInfo.
///
/// # Errors
/// [`JweError::Key`].
pub(super) fn public_key(spki: &[u8]) -> Result<RsaPublicKey, JweError> {
    let key = RsaPublicKey::from_public_key_der(spki).map_err(|_| JweError::Key)?;
    check(key.n().bits()).map(|()| key)
}

/// Reads an RSA private key.
///
/// # Errors
/// [`JweError::Key`].
pub(super) fn private_key(key: &PrivateKeyDer<'_>) -> Result<RsaPrivateKey, JweError> {
    let read = match key {
        PrivateKeyDer::Pkcs8(der) => RsaPrivateKey::from_pkcs8_der(der.secret_pkcs8_der()).ok(),
        PrivateKeyDer::Pkcs1(der) => RsaPrivateKey::from_pkcs1_der(der.secret_pkcs1_der()).ok(),
        _ => None,
    };
    let key = read.ok_or(JweError::Key)?;
    check(key.n().bits()).map(|()| key)
}

fn check(bits: u32) -> Result<(), JweError> {
    if (KEY_BITS_MIN..=KEY_BITS_MAX).contains(&bits) { Ok(()) } else { Err(JweError::Key) }
}

/// Encrypts to a public key.
///
/// # Errors
/// [`JweError::TooLarge`], [`JweError::Key`], [`JweError::NoRandomness`].
pub(super) fn encrypt(key: &RsaPublicKey, plaintext: &[u8]) -> Result<String, JweError> {
    if plaintext.len() > PLAINTEXT_BYTES_MAX {
        return Err(JweError::TooLarge);
    }
    let (mut content_key, mut nonce) = (Zeroizing::new([0; CONTENT_KEY_BYTES]), [0; NONCE_BYTES]);
    fill_random(content_key.as_mut())?;
    fill_random(&mut nonce)?;
    let sealed_key = Oaep::<Sha256>::new().encrypt(&mut SysRng, key, content_key.as_ref());
    let sealed_key = sealed_key.map_err(|_| JweError::Key)?;
    let header = BASE64_URL_SAFE_NO_PAD.encode(HEADER);
    let cipher = Aes256Gcm::new((&*content_key).into());
    let payload = Payload { msg: plaintext, aad: header.as_bytes() };
    let mut sealed = cipher.encrypt(&Nonce::from(nonce), payload).map_err(|_| JweError::TooLarge)?;
    let tag = sealed.split_off(sealed.len().saturating_sub(TAG_BYTES));
    let [sealed_key, nonce, sealed, tag] =
        [&sealed_key[..], &nonce, &sealed, &tag].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
    Ok(format!("{header}.{sealed_key}.{nonce}.{sealed}.{tag}"))
}

/// Decrypts with a private key.
///
/// # Errors
/// See [`JweError`]: one for everything that has to do with the key or the content.
pub(super) fn decrypt(key: &RsaPrivateKey, compact: &str) -> Result<Zeroizing<Vec<u8>>, JweError> {
    if compact.len() > COMPACT_BYTES_MAX {
        return Err(JweError::TooLarge);
    }
    let mut parts = compact.split('.');
    let (Some(header), Some(sealed_key), Some(nonce), Some(sealed), Some(tag), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(JweError::Header);
    };
    check_header(header)?;
    let read = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| JweError::NotOpened);
    let nonce: [u8; NONCE_BYTES] = read(nonce)?.try_into().map_err(|_| JweError::NotOpened)?;
    let (sealed_key, mut sealed, tag) = (read(sealed_key)?, read(sealed)?, read(tag)?);
    if tag.len() != TAG_BYTES {
        return Err(JweError::NotOpened);
    }
    sealed.extend(tag);
    // Drawn before anything can fail, so that a key that does not open takes the way of one that does.
    let mut content_key = Zeroizing::new([0; CONTENT_KEY_BYTES]);
    fill_random(content_key.as_mut())?;
    let opened = Oaep::<Sha256>::new().decrypt(Some(&mut SysRng), key, &sealed_key).map(Zeroizing::new);
    if let Some(opened) = opened.ok().filter(|opened| opened.len() == CONTENT_KEY_BYTES) {
        content_key.copy_from_slice(&opened);
    }
    let cipher = Aes256Gcm::new((&*content_key).into());
    let payload = Payload { msg: &sealed, aad: header.as_bytes() };
    cipher.decrypt(&Nonce::from(nonce), payload).map(Zeroizing::new).map_err(|_| JweError::NotOpened)
}

fn check_header(text: &str) -> Result<(), JweError> {
    if text.len() > HEADER_BYTES_MAX {
        return Err(JweError::Header);
    }
    let json = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| JweError::Header)?;
    // A member that comes twice is an error of the reader: nobody reads another header than we do.
    let header: Header = serde_json::from_slice(&json).map_err(|_| JweError::Header)?;
    let is_ours = header.alg == "RSA-OAEP-256" && header.enc == "A256GCM" && !header.crit && !header.zip;
    if is_ours { Ok(()) } else { Err(JweError::Header) }
}

#[cfg(test)]
mod tests;
