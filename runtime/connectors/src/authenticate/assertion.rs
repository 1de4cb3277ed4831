//! JWTs that a stored identity signs (RFC 7519, RFC 7523 section 3), as compact JWS (RFC 7515).

use std::time::{SystemTime, UNIX_EPOCH};

use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::pki_types::PrivateKeyDer;
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use weir_engine::connector::Assertion;

use super::Problem;
use crate::jws::{self, JwsError};

/// The signed JWT. `audience` is the one where the document has none.
///
/// # Errors
/// What is wrong with the key, as the end of a sentence.
pub(super) fn signed(
    assertion: &Assertion,
    audience: &str,
    key: &PrivateKeyDer<'_>,
    now: SystemTime,
) -> Result<SecretString, Problem> {
    let mut header = Map::new();
    header.insert("alg".to_owned(), json!(assertion.algorithm));
    header.insert("typ".to_owned(), json!("JWT"));
    if let Some(key_id) = &assertion.key_id {
        header.insert("kid".to_owned(), json!(key_id));
    }
    let claims = claims(assertion, audience, now)?;
    Ok(jws::compact(header, claims, key, assertion.algorithm).map_err(problem)?.into())
}

fn problem(error: JwsError) -> Problem {
    match error {
        JwsError::UnusableKey => {
            "has a private key that cannot sign; RSA from 2048 bits, ECDSA on P-256 and Ed25519 can"
        }
        JwsError::KeyKind => {
            "has a private key of another kind than `assertion.algorithm` needs: RSA for RS256, P-256 for ES256, Ed25519 for EdDSA"
        }
        JwsError::Failed => "has a private key that failed to sign",
    }
}

fn claims(assertion: &Assertion, audience: &str, now: SystemTime) -> Result<Map<String, Value>, Problem> {
    let issued_at = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut claims: Map<String, Value> =
        assertion.claims.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    // Servers that remember assertions tell them apart by it.
    if !claims.contains_key("jti") {
        let mut unique = [0; 16];
        SystemRandom::new().fill(&mut unique).map_err(|_| "cannot sign: the machine gives no randomness")?;
        claims.insert("jti".to_owned(), json!(hex::encode(unique)));
    }
    claims.insert("iss".to_owned(), json!(assertion.issuer));
    claims.insert("sub".to_owned(), json!(assertion.subject.as_ref().unwrap_or(&assertion.issuer)));
    claims.insert("aud".to_owned(), json!(assertion.audience.as_deref().unwrap_or(audience)));
    claims.insert("iat".to_owned(), json!(issued_at));
    claims.insert("exp".to_owned(), json!(issued_at.saturating_add(assertion.lifetime.as_secs().max(1))));
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use ring::signature::{self, KeyPair as _, UnparsedPublicKey};
    use rustls::pki_types::PrivatePkcs8KeyDer;
    use secrecy::ExposeSecret as _;
    use std::time::Duration;
    use weir_engine::connector::SigningAlgorithm;

    /// Made for these tests with `openssl genpkey -algorithm RSA`; signs nothing else.
    const RSA: &[u8] = include_bytes!("testdata/rsa-2048.pkcs8.der");

    fn assertion(algorithm: SigningAlgorithm) -> Assertion {
        Assertion {
            algorithm,
            key_id: Some("k1".to_owned()),
            issuer: "weir".to_owned(),
            subject: None,
            audience: None,
            lifetime: Duration::from_secs(300),
            claims: [("scope".to_owned(), json!("a b"))].into(),
        }
    }

    fn decoded(part: &str) -> Value {
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("JSON")
    }

    #[track_caller]
    fn check(algorithm: SigningAlgorithm, key: &[u8], public: UnparsedPublicKey<Vec<u8>>) {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let jwt = signed(&assertion(algorithm), "https://idp.test/token", &key, now).expect("signs");
        let (message, signature) = jwt.expose_secret().rsplit_once('.').expect("a signature");
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).expect("base64");
        public.verify(message.as_bytes(), &signature).expect("the public key verifies");
        let (header, claims) = message.split_once('.').expect("two parts");
        assert_eq!(decoded(header), json!({"alg": algorithm, "typ": "JWT", "kid": "k1"}));
        let mut claims = decoded(claims);
        let unique = claims.as_object_mut().expect("an object").remove("jti").expect("unique");
        assert_eq!(unique.as_str().expect("text").len(), 32);
        let expected = json!({"iss": "weir", "sub": "weir", "aud": "https://idp.test/token", "iat": 1_700_000_000, "exp": 1_700_000_300, "scope": "a b"});
        assert_eq!(claims, expected);
        for other in [SigningAlgorithm::Rs256, SigningAlgorithm::Es256, SigningAlgorithm::EdDsa] {
            assert_eq!(signed(&assertion(other), "", &key, now).is_ok(), other == algorithm);
        }
    }

    #[test]
    fn the_public_key_verifies() {
        // covers C-06: RFC 7523 assertions with each algorithm
        let rsa = signature::RsaKeyPair::from_pkcs8(RSA).expect("a key");
        let public = rsa.public_key().as_ref().to_vec();
        check(SigningAlgorithm::Rs256, RSA, UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, public));
        let random = SystemRandom::new();
        let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        for _ in 0..20 {
            // Numbers with leading zeros come up now and then.
            let der = signature::EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
            let pair = signature::EcdsaKeyPair::from_pkcs8(algorithm, der.as_ref(), &random).expect("a key");
            let public = pair.public_key().as_ref().to_vec();
            let public = UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, public);
            check(SigningAlgorithm::Es256, der.as_ref(), public);
        }
        let der = signature::Ed25519KeyPair::generate_pkcs8(&random).expect("a key");
        let pair = signature::Ed25519KeyPair::from_pkcs8(der.as_ref()).expect("a key");
        let public = UnparsedPublicKey::new(&signature::ED25519, pair.public_key().as_ref().to_vec());
        check(SigningAlgorithm::EdDsa, der.as_ref(), public);
    }
}
