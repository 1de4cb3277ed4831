//! Files of certificates and keys, opened on this machine: PKCS#12 (RFC 7292) and encrypted PKCS#8 (RFC 5958).

use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use p12_keystore::{KeyStore, KeyStoreEntry, Pkcs12ImportPolicy};
use pkcs8::EncryptedPrivateKeyInfoRef;
use secrecy::zeroize::Zeroizing;

use super::error::CliError;

/// The largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What the server takes.
pub(super) struct Pem {
    /// Certificates, PEM.
    pub(super) certificates: Option<String>,
    /// A private key, PEM, not encrypted.
    pub(super) key: Option<Zeroizing<String>>,
}

/// The bytes of a file.
///
/// # Errors
/// It cannot be read, or is too large to be what it should be.
pub(super) fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, CliError> {
    let shown = file.display();
    let length = file.metadata().map(|metadata| metadata.len());
    if length.is_ok_and(|length| length > FILE_BYTES_MAX) {
        return Err(CliError::usage(format!("`{shown}` is larger than 1 MiB, which no certificate or key is")));
    }
    let bytes = std::fs::read(file);
    bytes.map(Zeroizing::new).map_err(|error| CliError::usage(format!("`{shown}` cannot be read: {error}")))
}

/// The text of a PEM file.
///
/// # Errors
/// As [`read`]; or it is no text.
pub(super) fn read_text(file: &Path) -> Result<Zeroizing<String>, CliError> {
    let bytes = read(file)?;
    let text = std::str::from_utf8(&bytes).ok().filter(|text| text.contains("-----BEGIN "));
    text.map(|text| Zeroizing::new(text.to_owned())).ok_or_else(|| {
        CliError::usage(format!(
            "`{}` is no PEM file; convert DER with `openssl x509 -inform DER` or `openssl pkey -inform DER`, and name a PKCS#12 file with --pkcs12",
            file.display()
        ))
    })
}

/// The key of a PEM file, opened where it is encrypted.
///
/// # Errors
/// It is encrypted and there is no password, or a wrong one.
pub(super) fn key(
    text: Zeroizing<String>,
    password: Option<&Zeroizing<String>>,
) -> Result<Zeroizing<String>, CliError> {
    if !text.contains("BEGIN ENCRYPTED PRIVATE KEY") {
        return Ok(text);
    }
    let Some(password) = password else {
        let advice = "the key is encrypted; put its password into a variable and name that with --password-from-env";
        return Err(CliError::usage(advice));
    };
    let unreadable = || CliError::usage("the encrypted key cannot be read; is its file whole?");
    let der = encrypted(&text).ok_or_else(unreadable)?;
    let sealed = EncryptedPrivateKeyInfoRef::try_from(der.as_slice()).map_err(|_| unreadable())?;
    let opened = sealed.decrypt(password.as_bytes()).map_err(|_| {
        CliError::usage("the key does not open: the password is wrong, or its encryption is none that is known (PBES2)")
    })?;
    Ok(pem("PRIVATE KEY", opened.as_bytes()))
}

/// The DER of the first encrypted key.
fn encrypted(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (_, rest) = text.split_once("-----BEGIN ENCRYPTED PRIVATE KEY-----")?;
    let (body, _) = rest.split_once("-----END")?;
    let body: Zeroizing<String> = Zeroizing::new(body.split_whitespace().collect());
    BASE64_STANDARD.decode(body.as_bytes()).ok().map(Zeroizing::new)
}

/// Certificate, chain and key of a PKCS#12 file.
///
/// # Errors
/// The password is wrong, or there is not exactly one key with its certificate.
pub(super) fn pkcs12(bytes: &[u8], password: &str) -> Result<Pem, CliError> {
    let store = KeyStore::from_pkcs12(bytes, password, Pkcs12ImportPolicy::Strict).map_err(|error| {
        CliError::usage(format!("the PKCS#12 file does not open ({error}); is the password right, and the file whole?"))
    })?;
    let mut chains = store.entries().filter_map(|(_, entry)| match entry {
        KeyStoreEntry::PrivateKeyChain(chain) => Some(chain),
        _ => None,
    });
    match (chains.next(), chains.next()) {
        (Some(chain), None) => {
            let certificates =
                chain.certs().iter().map(|certificate| pem("CERTIFICATE", certificate.as_der()).to_string());
            Ok(Pem { certificates: Some(certificates.collect()), key: Some(pem("PRIVATE KEY", chain.key().as_der())) })
        }
        (None, _) => Err(CliError::usage("the PKCS#12 file holds no private key with its certificate")),
        _ => Err(CliError::usage(
            "the PKCS#12 file holds several private keys; export the one that is meant into a file of its own",
        )),
    }
}

/// DER as PEM (RFC 7468).
fn pem(label: &str, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(BASE64_STANDARD.encode(der));
    // Room for everything, so that no half-written copy is left behind by a growing buffer.
    let mut text = Zeroizing::new(String::with_capacity(body.len() + body.len() / 64 + 2 * label.len() + 64));
    text.push_str(&format!("-----BEGIN {label}-----\n"));
    for (index, character) in body.chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push_str(&format!("\n-----END {label}-----\n"));
    text
}

#[cfg(test)]
mod tests;
