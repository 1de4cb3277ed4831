//! API keys: `weir_TENANT_ID_SECRET`. The id is 16 and the secret 64 hexadecimal digits; tenants are told apart from
//! them by counting from the right. Only the SHA-256 of the secret is stored: the secret has 256 random bits, so that
//! there is nothing to guess and nothing to salt.

use std::fmt;
use std::str::FromStr;

use rand::TryRng;
use secrecy::zeroize::Zeroizing;
use subtle::ConstantTimeEq;
use weir_engine::digest::Digest;
use weir_engine::ids::TenantId;

const PREFIX: &str = "weir_";
const ID_DIGITS: usize = 16;
const SECRET_DIGITS: usize = 64;

/// The public part of a key: what lists and logs may show.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct KeyId(String);

impl KeyId {
    /// The 16 digits.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for KeyId {
    type Err = InvalidKey;
    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        if is_hex(text, ID_DIGITS) { Ok(Self(text.to_owned())) } else { Err(InvalidKey) }
    }
}

/// A key in full. Its `Debug` hides the secret.
pub(crate) struct ApiKey {
    /// Whose it is, by its own word; the stored hash decides.
    pub(crate) tenant: TenantId,
    /// Which key of that tenant.
    pub(crate) id: KeyId,
    secret: Zeroizing<String>,
}

/// A text that is no API key. Says nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an API key; one looks like `weir_TENANT_ID_SECRET`")]
pub(crate) struct InvalidKey;

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub(crate) struct NoRandomness;

impl ApiKey {
    /// A new random key.
    ///
    /// # Errors
    /// No randomness.
    pub(crate) fn generate(tenant: TenantId) -> Result<Self, NoRandomness> {
        let mut bytes = Zeroizing::new([0_u8; (ID_DIGITS + SECRET_DIGITS) / 2]);
        fill_random(bytes.as_mut())?;
        let (id, secret) = bytes.split_at(ID_DIGITS / 2);
        Ok(Self { tenant, id: KeyId(hex::encode(id)), secret: Zeroizing::new(hex::encode(secret)) })
    }

    /// What the store keeps.
    pub(crate) fn hash(&self) -> Digest {
        Digest::of(self.secret.as_bytes())
    }

    /// Whether the stored hash is this key's, in a time that does not depend on where they differ.
    pub(crate) fn matches(&self, stored: &Digest) -> bool {
        self.hash().as_bytes().ct_eq(stored.as_bytes()).into()
    }

    /// The key as its holder writes it. Shown once.
    pub(crate) fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{PREFIX}{}_{}_{}", self.tenant, self.id, *self.secret))
    }
}

impl FromStr for ApiKey {
    type Err = InvalidKey;
    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let rest = text.strip_prefix(PREFIX).ok_or(InvalidKey)?;
        let (rest, secret) = rest.rsplit_once('_').ok_or(InvalidKey)?;
        let (tenant, id) = rest.rsplit_once('_').ok_or(InvalidKey)?;
        if !is_hex(secret, SECRET_DIGITS) {
            return Err(InvalidKey);
        }
        let tenant = tenant.parse().map_err(|_| InvalidKey)?;
        Ok(Self { tenant, id: id.parse()?, secret: Zeroizing::new(secret.to_owned()) })
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{PREFIX}{}_{}_…", self.tenant, self.id)
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Random bytes of the operating system.
///
/// # Errors
/// There are none.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), NoRandomness> {
    rand::rngs::SysRng.try_fill_bytes(bytes).map_err(|_| NoRandomness)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_reads_back_and_hides_itself() {
        // keeps K-01
        for tenant in ["acme", "a_b_c", "x-1_"] {
            let key = ApiKey::generate(tenant.parse().unwrap()).unwrap();
            let text = key.reveal();
            let again: ApiKey = text.parse().unwrap();
            assert_eq!((again.tenant.as_str(), &again.id), (tenant, &key.id));
            assert!(again.matches(&key.hash()));
            let secret = text.rsplit('_').next().unwrap();
            assert!(!format!("{key:?}").contains(secret));
        }
    }

    #[test]
    fn another_secret_does_not_match() {
        let one = ApiKey::generate("acme".parse().unwrap()).unwrap();
        let other = ApiKey::generate("acme".parse().unwrap()).unwrap();
        assert!(!one.matches(&other.hash()));
    }

    #[test]
    fn truncated_and_changed_keys_are_none() {
        let text = ApiKey::generate("acme".parse().unwrap()).unwrap().reveal();
        for end in 0..text.len() {
            assert!(text[..end].parse::<ApiKey>().is_err(), "{end}");
        }
        assert!(text.to_uppercase().parse::<ApiKey>().is_err());
        assert!(format!("{}0", *text).parse::<ApiKey>().is_err());
        assert!(format!(" {}", *text).parse::<ApiKey>().is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_a_key_or_none(text in "(weir_)?[a-z0-9_\\-é]{0,120}") {
            let _ = text.parse::<ApiKey>();
        }
    }
}
