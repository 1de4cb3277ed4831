use std::sync::LazyLock;

use proptest::prelude::*;
use rsa::pkcs8::EncodePublicKey as _;

use super::*;

/// Made anew for each run of the tests.
static KEY: LazyLock<RsaPrivateKey> = LazyLock::new(|| generate(2048));

fn generate(bits: usize) -> RsaPrivateKey {
    RsaPrivateKey::new(&mut rand::rng(), bits).unwrap()
}

fn sealed(plaintext: &[u8]) -> String {
    encrypt(&KEY.to_public_key(), plaintext).unwrap()
}

/// A text of that header, whose key and content are good.
fn headed(header: &str) -> String {
    let content_key = [7; CONTENT_KEY_BYTES];
    let sealed_key = Oaep::<Sha256>::new().encrypt(&mut SysRng, &KEY.to_public_key(), &content_key).unwrap();
    let header = BASE64_URL_SAFE_NO_PAD.encode(header);
    let payload = Payload { msg: b"gold", aad: header.as_bytes() };
    let mut content = Aes256Gcm::new(&content_key.into()).encrypt(&Nonce::from([1; NONCE_BYTES]), payload).unwrap();
    let tag = content.split_off(4);
    let [key, nonce, content, tag] =
        [&sealed_key[..], &[1; NONCE_BYTES], &content, &tag].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
    format!("{header}.{key}.{nonce}.{content}.{tag}")
}

#[test]
fn what_is_encrypted_decrypts_and_says_how() {
    for plaintext in ["", "gold", "chess,tea", "{\"type\":\"PASSWORD\"}", "žluťoučký"] {
        let compact = sealed(plaintext.as_bytes());
        assert_eq!(compact.matches('.').count(), 4);
        assert_eq!(decrypt(&KEY, &compact).unwrap().as_slice(), plaintext.as_bytes());
        assert_ne!(compact, sealed(plaintext.as_bytes()), "two texts of one value tell nothing");
    }
    let header = BASE64_URL_SAFE_NO_PAD.decode(sealed(b"x").split('.').next().unwrap()).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(header, serde_json::json!({"alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "application/json"}));
}

#[test]
fn other_headers_are_refused_whatever_they_ask_for() {
    assert_eq!(
        decrypt(&KEY, &headed(r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"1"}"#)).unwrap().as_slice(),
        b"gold"
    );
    for header in [
        r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#,
        r#"{"alg":"RSA1_5","enc":"A256GCM"}"#,
        r#"{"alg":"dir","enc":"A256GCM"}"#,
        r#"{"alg":"none","enc":"A256GCM"}"#,
        r#"{"alg":"rsa-oaep-256","enc":"A256GCM"}"#,
        r#"{"alg":"RSA-OAEP-256","enc":"A128GCM"}"#,
        r#"{"alg":"RSA-OAEP-256","enc":"A256CBC-HS512"}"#,
        r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","zip":"DEF"}"#,
        r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","zip":null}"#,
        r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","crit":["exp"]}"#,
        r#"{"alg":"RSA-OAEP-256","alg":"RSA-OAEP-256","enc":"A256GCM"}"#,
        r#"{"alg":["RSA-OAEP-256"],"enc":"A256GCM"}"#,
        r#"{"enc":"A256GCM"}"#,
        r#"{"alg":"RSA-OAEP-256"}"#,
        "[]",
        "",
    ] {
        assert_eq!(decrypt(&KEY, &headed(header)).unwrap_err(), JweError::Header, "{header}");
    }
    let long = format!(r#"{{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"{}"}}"#, "x".repeat(HEADER_BYTES_MAX));
    assert_eq!(decrypt(&KEY, &headed(&long)).unwrap_err(), JweError::Header);
}

#[test]
fn nothing_says_what_was_wrong_with_key_or_content() {
    // no oracle: wrong key, changed key, nonce, content and tag are one error
    let compact = sealed(b"gold");
    assert_eq!(decrypt(&generate(2048), &compact).unwrap_err(), JweError::NotOpened);
    let parts: Vec<&str> = compact.split('.').collect();
    for index in 1..5 {
        let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(parts[index]).unwrap();
        bytes[0] ^= 1;
        for part in [BASE64_URL_SAFE_NO_PAD.encode(&bytes), BASE64_URL_SAFE_NO_PAD.encode(&bytes[1..]), "!".to_owned()]
        {
            let mut changed: Vec<&str> = parts.clone();
            changed[index] = &part;
            assert_eq!(decrypt(&KEY, &changed.join(".")).unwrap_err(), JweError::NotOpened, "{index}: {part}");
        }
    }
    // The header is authenticated with the content.
    let other = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"RSA-OAEP-256","enc":"A256GCM"}"#);
    assert_eq!(decrypt(&KEY, &format!("{other}.{}", parts[1..].join("."))).unwrap_err(), JweError::NotOpened);
}

#[test]
fn sizes_have_bounds() {
    assert!(sealed(&vec![b'x'; PLAINTEXT_BYTES_MAX]).len() <= COMPACT_BYTES_MAX);
    let long = vec![b'x'; PLAINTEXT_BYTES_MAX + 1];
    assert_eq!(encrypt(&KEY.to_public_key(), &long).unwrap_err(), JweError::TooLarge);
    assert_eq!(decrypt(&KEY, &"x".repeat(COMPACT_BYTES_MAX + 1)).unwrap_err(), JweError::TooLarge);
    let short = generate(1024).to_public_key().to_public_key_der().unwrap();
    assert_eq!(public_key(short.as_bytes()).unwrap_err(), JweError::Key);
    let good = KEY.to_public_key().to_public_key_der().unwrap();
    assert!(public_key(good.as_bytes()).is_ok());
}

proptest! {
    #[test]
    fn never_panics(text in "[A-Za-z0-9_.=-]{0,200}") {
        prop_assert!(decrypt(&KEY, &text).is_err());
    }

    #[test]
    fn a_cut_text_does_not_decrypt(cut in 0_usize..400) {
        let compact = sealed(b"gold");
        prop_assert!(decrypt(&KEY, &compact[..cut.min(compact.len() - 1)]).is_err());
    }
}
