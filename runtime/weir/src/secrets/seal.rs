//! Sealing: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha) with a random nonce of 192 bits for each seal.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Serialize};

use super::binding::Binding;
use crate::auth::{NoRandomness, fill_random};

const NONCE_BYTES: usize = 24;
/// The length of a key.
pub(super) const KEY_BYTES: usize = 32;

/// Sealed bytes as they are stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sealed {
    nonce: String,
    ciphertext: String,
}

/// A key that seals and opens. Wiped when it is dropped; has no `Debug`.
pub(super) struct SealKey(XChaCha20Poly1305);

/// The bytes were changed, moved, or sealed with another key. Nobody learns which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the record does not open: it was changed, moved, or sealed with another key")]
pub(super) struct NotOpened;

impl SealKey {
    /// From its bytes.
    pub(super) fn new(bytes: &[u8; KEY_BYTES]) -> Self {
        Self(XChaCha20Poly1305::new(&(*bytes).into()))
    }

    /// Seals bytes for the record of that binding.
    ///
    /// # Errors
    /// No randomness for the nonce.
    pub(super) fn seal(&self, binding: &Binding<'_>, plain: &[u8]) -> Result<Sealed, NoRandomness> {
        let mut nonce = [0; NONCE_BYTES];
        fill_random(&mut nonce)?;
        let payload = Payload { msg: plain, aad: &binding.associated_data() };
        // Fails for messages of 256 GiB only; credentials have a limit of kilobytes.
        let ciphertext = self.0.encrypt(&XNonce::from(nonce), payload).map_err(|_| NoRandomness)?;
        Ok(Sealed { nonce: BASE64_STANDARD.encode(nonce), ciphertext: BASE64_STANDARD.encode(ciphertext) })
    }

    /// Opens what was sealed for the record of that binding.
    ///
    /// # Errors
    /// See [`NotOpened`].
    pub(super) fn open(&self, binding: &Binding<'_>, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
        let nonce: [u8; NONCE_BYTES] =
            BASE64_STANDARD.decode(&sealed.nonce).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(NotOpened)?;
        let ciphertext = BASE64_STANDARD.decode(&sealed.ciphertext).map_err(|_| NotOpened)?;
        let payload = Payload { msg: &ciphertext, aad: &binding.associated_data() };
        self.0.decrypt(&XNonce::from(nonce), payload).map(Zeroizing::new).map_err(|_| NotOpened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use weir_engine::ids::TenantId;

    fn tenant(name: &str) -> TenantId {
        name.parse().unwrap()
    }

    #[test]
    fn a_moved_record_does_not_open() {
        // keeps K-03
        let key = SealKey::new(&[7; KEY_BYTES]);
        let (acme, other) = (tenant("acme"), tenant("other"));
        let binding = Binding { tenant: &acme, kind: "credential", name: "upstream", version: 2 };
        let sealed = key.seal(&binding, b"secret").unwrap();
        assert_eq!(key.open(&binding, &sealed).unwrap().as_slice(), b"secret");
        for moved in [
            Binding { tenant: &other, ..binding },
            Binding { kind: "data-key", ..binding },
            Binding { name: "upstrea", ..binding },
            Binding { version: 1, ..binding },
        ] {
            assert_eq!(key.open(&moved, &sealed), Err(NotOpened), "{moved:?}");
        }
        assert_eq!(SealKey::new(&[8; KEY_BYTES]).open(&binding, &sealed), Err(NotOpened));
    }

    #[test]
    fn the_same_secret_is_never_sealed_to_the_same_bytes() {
        let key = SealKey::new(&[7; KEY_BYTES]);
        let acme = tenant("acme");
        let binding = Binding { tenant: &acme, kind: "credential", name: "a", version: 1 };
        assert_ne!(key.seal(&binding, b"secret").unwrap(), key.seal(&binding, b"secret").unwrap());
    }

    proptest! {
        #[test]
        fn one_flipped_bit_does_not_open(plain in proptest::collection::vec(any::<u8>(), 0..64), at in any::<usize>()) {
            // keeps K-03
            let key = SealKey::new(&[7; KEY_BYTES]);
            let acme = tenant("acme");
            let binding = Binding { tenant: &acme, kind: "credential", name: "a", version: 1 };
            let sealed = key.seal(&binding, &plain).unwrap();
            let flip = |text: &str, at: usize| {
                let mut bytes = BASE64_STANDARD.decode(text).unwrap();
                let bit = at % (bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
                BASE64_STANDARD.encode(bytes)
            };
            let nonce = Sealed { nonce: flip(&sealed.nonce, at), ..sealed.clone() };
            let ciphertext = Sealed { ciphertext: flip(&sealed.ciphertext, at), ..sealed.clone() };
            prop_assert_eq!(key.open(&binding, &nonce), Err(NotOpened));
            prop_assert_eq!(key.open(&binding, &ciphertext), Err(NotOpened));
        }

        #[test]
        fn any_text_opens_or_does_not(nonce in ".{0,48}", ciphertext in ".{0,48}") {
            let acme = tenant("acme");
            let binding = Binding { tenant: &acme, kind: "credential", name: "a", version: 1 };
            let opened = SealKey::new(&[7; KEY_BYTES]).open(&binding, &Sealed { nonce, ciphertext });
            prop_assert!(opened.is_err());
        }
    }
}
