//! Compact JWS (RFC 7515) with the keys of stored identities.
//!
//! `rustls` reads and uses the keys, with `ring`, as it does for TLS: every form of key that an identity may have works
//! here too. A JWT library would add a process-wide provider of cryptography to choose and a second reader of keys.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rustls::SignatureScheme;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Map, Value, json};
use weir_engine::connector::SigningAlgorithm;

/// Why nothing was signed. Never says what the key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// A key that nothing here can use.
    #[error("the private key cannot sign; RSA from 2048 bits, ECDSA on P-256 and Ed25519 can")]
    UnusableKey,
    /// A key of another kind.
    #[error(
        "the private key is of another kind than the algorithm needs: RSA for RS256, P-256 for ES256, Ed25519 for EdDSA"
    )]
    KeyKind,
    /// The signature itself failed.
    #[error("the private key failed to sign")]
    Failed,
}

/// Signs: the header gets its `alg` here.
///
/// # Errors
/// See [`JwsError`].
pub fn compact(
    mut header: Map<String, Value>,
    payload: Map<String, Value>,
    key: &PrivateKeyDer<'_>,
    algorithm: SigningAlgorithm,
) -> Result<String, JwsError> {
    header.insert("alg".to_owned(), json!(algorithm));
    let encode = |part: Map<String, Value>| BASE64_URL_SAFE_NO_PAD.encode(Value::Object(part).to_string());
    let message = format!("{}.{}", encode(header), encode(payload));
    let signature = sign(key, algorithm, message.as_bytes())?;
    Ok(format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
}

/// The algorithm of a key, and its public half as the DER of its SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7).
///
/// # Errors
/// [`JwsError::UnusableKey`]: no algorithm goes with it.
pub fn public_half(key: &PrivateKeyDer<'_>) -> Result<(SigningAlgorithm, Vec<u8>), JwsError> {
    let key = any_supported_type(key).map_err(|_| JwsError::UnusableKey)?;
    let algorithms = [SigningAlgorithm::Rs256, SigningAlgorithm::Es256, SigningAlgorithm::EdDsa];
    let fits = algorithms.into_iter().find(|algorithm| key.choose_scheme(&[scheme(*algorithm)]).is_some());
    let public = key.public_key().ok_or(JwsError::UnusableKey)?;
    Ok((fits.ok_or(JwsError::UnusableKey)?, public.as_ref().to_vec()))
}

fn scheme(algorithm: SigningAlgorithm) -> SignatureScheme {
    match algorithm {
        SigningAlgorithm::Rs256 => SignatureScheme::RSA_PKCS1_SHA256,
        SigningAlgorithm::Es256 => SignatureScheme::ECDSA_NISTP256_SHA256,
        SigningAlgorithm::EdDsa => SignatureScheme::ED25519,
    }
}

fn sign(key: &PrivateKeyDer<'_>, algorithm: SigningAlgorithm, message: &[u8]) -> Result<Vec<u8>, JwsError> {
    let key = any_supported_type(key).map_err(|_| JwsError::UnusableKey)?;
    let signer = key.choose_scheme(&[scheme(algorithm)]).ok_or(JwsError::KeyKind)?;
    let signature = signer.sign(message).map_err(|_| JwsError::Failed)?;
    match algorithm {
        SigningAlgorithm::Es256 => fixed(&signature).ok_or(JwsError::Failed),
        SigningAlgorithm::Rs256 | SigningAlgorithm::EdDsa => Ok(signature),
    }
}

/// TLS has ECDSA signatures as ASN.1 (RFC 3279 section 2.2.3); JWS has the two numbers, 32 bytes each (RFC 7518
/// section 3.4).
fn fixed(asn1: &[u8]) -> Option<Vec<u8>> {
    let (numbers, _) = element(asn1, 0x30)?;
    let (r, rest) = element(numbers, 0x02)?;
    let (s, _) = element(rest, 0x02)?;
    let mut signature = Vec::with_capacity(64);
    for number in [r, s] {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let digits = number.get(zeros..)?;
        signature.resize(signature.len() + 32_usize.checked_sub(digits.len())?, 0);
        signature.extend_from_slice(digits);
    }
    Some(signature)
}

/// A DER element of that tag, and what comes after it. Its length is under 128 in signatures on P-256.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    (*found == tag && *length < 0x80).then(|| rest.split_at_checked((*length).into())).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::PrivatePkcs8KeyDer;

    #[test]
    fn the_published_ed25519_signature() {
        // covers C-06: RFC 8037 appendix A.4
        let secret = BASE64_URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").expect("base64");
        let mut pkcs8 = hex::decode("302e020100300506032b657004220420").expect("hex");
        pkcs8.extend_from_slice(&secret);
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8));
        let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature = sign(&key, SigningAlgorithm::EdDsa, message).expect("signs");
        let expected = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        assert_eq!(BASE64_URL_SAFE_NO_PAD.encode(signature), expected);
    }

    #[test]
    fn numbers_are_padded_to_their_length() {
        let short = [&[0x30, 0x08, 0x02, 0x01, 0x05, 0x02, 0x03, 0x00, 0xff, 0x01][..], &[]].concat();
        let signature = fixed(&short).expect("a signature");
        assert_eq!((signature.len(), signature[31], &signature[62..]), (64, 5, &[0xff, 0x01][..]));
        for broken in [&[][..], &[0x30], &[0x30, 0x02, 0x02, 0x05], &[0x31, 0x00], &[0x30, 0x82, 0x00]] {
            assert_eq!(fixed(broken), None);
        }
    }
}
