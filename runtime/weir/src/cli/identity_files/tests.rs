//! Files as OpenSSL writes them. All hold the same key, which was made for these tests and is used nowhere else.

use super::*;

const PASSWORD: &str = "correct-horse";
const PLAIN: &str = include_str!("plain-key.pem");
const CERTIFICATE: &str = include_str!("certificate.pem");

fn text(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}

#[test]
fn pkcs12_files_open() {
    // covers C-07: today's encryption and that of older tools
    for (name, bytes) in [
        ("partner.p12", include_bytes!("partner.p12").as_slice()),
        ("legacy.p12", include_bytes!("legacy.p12").as_slice()),
    ] {
        let opened = pkcs12(bytes, PASSWORD).map_err(|error| error.message).expect(name);
        assert_eq!(opened.key.as_deref().map(String::as_str), Some(PLAIN), "{name}");
        let certificates = opened.certificates.expect(name);
        assert!(certificates.starts_with(CERTIFICATE), "{name}: {certificates}");
        assert_eq!(certificates.matches("BEGIN CERTIFICATE").count(), 2, "{name}: with its issuer");
        let refused = pkcs12(bytes, "wrong").err().expect(name).message;
        assert!(refused.contains("is the password right"), "{refused}");
        assert!(pkcs12(&bytes[..bytes.len() / 2], PASSWORD).is_err(), "{name}");
    }
}

#[test]
fn encrypted_keys_open() {
    // covers C-07: PBKDF2 and scrypt
    for encrypted in [include_str!("encrypted-key.pem"), include_str!("scrypt-key.pem")] {
        let opened = key(text(encrypted), Some(&text(PASSWORD))).map_err(|error| error.message);
        assert_eq!(opened.as_deref().map(String::as_str), Ok(PLAIN));
        let wrong = key(text(encrypted), Some(&text("wrong"))).err().map(|error| error.message);
        assert!(wrong.is_some_and(|wrong| wrong.contains("the password is wrong")));
        let none = key(text(encrypted), None).err().map(|error| error.message);
        assert!(none.is_some_and(|none| none.contains("--password-from-env")));
        assert!(key(text(&encrypted[..100]), Some(&text(PASSWORD))).is_err());
    }
}

#[test]
fn other_keys_go_as_they_are() {
    assert_eq!(key(text(PLAIN), None).ok().as_deref().map(String::as_str), Some(PLAIN));
}

#[test]
fn files_that_are_no_pem_are_refused_with_advice() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x");
    for bytes in [b"\x30\x82\xff".as_slice(), b"hello"] {
        std::fs::write(&file, bytes).unwrap();
        let message = read_text(&file).err().unwrap().message;
        assert!(message.contains("--pkcs12"), "{message}");
    }
    std::fs::write(&file, vec![b'-'; (FILE_BYTES_MAX + 1) as usize]).unwrap();
    assert!(read(&file).err().unwrap().message.contains("larger than 1 MiB"));
    assert!(read(&dir.path().join("missing")).is_err());
}
