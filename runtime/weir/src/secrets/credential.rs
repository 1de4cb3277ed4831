//! A credential as its owner sets it.

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

/// Longest user name, in bytes.
pub(crate) const USERNAME_BYTES_MAX: usize = 256;
/// Longest password or token, in bytes.
pub(crate) const SECRET_BYTES_MAX: usize = 8 << 10;

/// What a credential is made of. Its `Debug` shows no secret.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum CredentialSecret {
    /// For HTTP basic authentication (RFC 7617).
    Basic {
        /// Without `:` and control characters; up to 256 bytes.
        username: String,
        /// Without control characters; up to 8 KiB.
        #[schema(value_type = String, format = Password, write_only)]
        password: SecretString,
    },
    /// For bearer tokens (RFC 6750).
    Bearer {
        /// Visible ASCII characters; up to 8 KiB.
        #[schema(value_type = String, format = Password, write_only)]
        token: SecretString,
    },
}

/// Why a credential cannot work. Never says what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidCredential {
    /// The user name.
    #[error("`username` must be 1 to {USERNAME_BYTES_MAX} bytes without `:` and control characters (RFC 7617)")]
    Username,
    /// The password.
    #[error("`password` must be 1 to {SECRET_BYTES_MAX} bytes without control characters (RFC 7617)")]
    Password,
    /// The token.
    #[error("`token` must be 1 to {SECRET_BYTES_MAX} visible ASCII characters (RFC 6750)")]
    Token,
}

impl CredentialSecret {
    /// The name of the type.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Basic { .. } => "basic",
            Self::Bearer { .. } => "bearer",
        }
    }

    /// Whether it can be sent at all.
    ///
    /// # Errors
    /// See [`InvalidCredential`].
    pub(crate) fn check(&self) -> Result<(), InvalidCredential> {
        let fits = |text: &str, most: usize| (1..=most).contains(&text.len()) && !text.contains(char::is_control);
        match self {
            Self::Basic { username, .. } if !fits(username, USERNAME_BYTES_MAX) || username.contains(':') => {
                Err(InvalidCredential::Username)
            }
            Self::Basic { password, .. } if !fits(password.expose_secret(), SECRET_BYTES_MAX) => {
                Err(InvalidCredential::Password)
            }
            Self::Bearer { token } if !is_token(token.expose_secret()) => Err(InvalidCredential::Token),
            Self::Basic { .. } | Self::Bearer { .. } => Ok(()),
        }
    }

    /// The bytes that are sealed.
    pub(super) fn to_plain(&self) -> Result<Zeroizing<Vec<u8>>, serde_json::Error> {
        // Room for everything, so that no half-written copy is left behind by a growing buffer.
        let mut plain = Zeroizing::new(Vec::with_capacity(6 * (USERNAME_BYTES_MAX + SECRET_BYTES_MAX) + 64));
        serde_json::to_writer(&mut *plain, &Plain::of(self))?;
        Ok(plain)
    }

    /// From the bytes that were sealed.
    pub(super) fn from_plain(plain: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(plain)
    }
}

fn is_token(text: &str) -> bool {
    (1..=SECRET_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Plain<'a> {
    Basic { username: &'a str, password: &'a str },
    Bearer { token: &'a str },
}

impl<'a> Plain<'a> {
    fn of(secret: &'a CredentialSecret) -> Self {
        match secret {
            CredentialSecret::Basic { username, password } => {
                Self::Basic { username, password: password.expose_secret() }
            }
            CredentialSecret::Bearer { token } => Self::Bearer { token: token.expose_secret() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(token: String) -> CredentialSecret {
        CredentialSecret::Bearer { token: token.into() }
    }

    fn basic(username: &str, password: &str) -> CredentialSecret {
        CredentialSecret::Basic { username: username.to_owned(), password: password.into() }
    }

    #[test]
    fn each_part_has_its_rule() {
        // keeps A4
        assert_eq!(bearer("x".repeat(SECRET_BYTES_MAX)).check(), Ok(()));
        assert_eq!(bearer("x".repeat(SECRET_BYTES_MAX + 1)).check(), Err(InvalidCredential::Token));
        for bad in ["", "a b", "a\n", "é"] {
            assert_eq!(bearer(bad.to_owned()).check(), Err(InvalidCredential::Token));
        }
        assert_eq!(basic(&"u".repeat(USERNAME_BYTES_MAX), "p w é").check(), Ok(()));
        assert_eq!(basic(&"u".repeat(USERNAME_BYTES_MAX + 1), "p").check(), Err(InvalidCredential::Username));
        assert_eq!(basic("a:b", "p").check(), Err(InvalidCredential::Username));
        assert_eq!(basic("a", &"p".repeat(SECRET_BYTES_MAX)).check(), Ok(()));
        assert_eq!(basic("a", &"p".repeat(SECRET_BYTES_MAX + 1)).check(), Err(InvalidCredential::Password));
        assert_eq!(basic("a", "p\r\nX: 1").check(), Err(InvalidCredential::Password));
    }

    #[test]
    fn it_survives_sealing_and_hides_itself() {
        // keeps K-01
        for secret in [basic("ann", "pa\"ss"), bearer("t0ken".to_owned())] {
            let plain = secret.to_plain().unwrap();
            let again = CredentialSecret::from_plain(&plain).unwrap();
            assert_eq!(again.to_plain().unwrap(), plain);
            let debug = format!("{secret:?}");
            assert!(!debug.contains("pa\"ss") && !debug.contains("t0ken"), "{debug}");
        }
    }

    #[test]
    fn unknown_members_are_refused() {
        // keeps A3
        for json in [
            r#"{"type":"bearer","token":"x","tenant":"other"}"#,
            r#"{"type":"basic","username":"u","password":"p","x":1}"#,
            r#"{"type":"none"}"#,
            r#"{"token":"x"}"#,
        ] {
            assert!(serde_json::from_str::<CredentialSecret>(json).is_err(), "{json}");
        }
    }
}
