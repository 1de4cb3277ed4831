//! A credential as its owner sets it.

use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde::{Deserialize, Serialize};

/// Longest user name or id, in bytes.
pub(crate) const USERNAME_BYTES_MAX: usize = 256;
/// Longest password, token or key, in bytes.
pub(crate) const SECRET_BYTES_MAX: usize = 8 << 10;

/// What a credential is made of. Its `Debug` shows no secret.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum CredentialSecret {
    /// For HTTP basic (RFC 7617) and digest authentication (RFC 7616), and for OAuth 2 passwords.
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
    /// For a key in a header or in the query.
    ApiKey {
        /// Visible ASCII characters; up to 8 KiB.
        #[schema(value_type = String, format = Password, write_only)]
        key: SecretString,
    },
    /// For an OAuth 2 client (RFC 6749 section 2.3.1).
    Oauth2Client {
        /// ASCII without control characters; up to 256 bytes.
        client_id: String,
        /// ASCII without control characters; up to 8 KiB. A public client has none.
        #[serde(default = "nothing")]
        #[schema(value_type = Option<String>, format = Password, write_only)]
        client_secret: SecretString,
    },
    /// For AWS Signature Version 4.
    Aws {
        /// Visible ASCII characters, without those that separate the parts of a signature; up to 256 bytes.
        access_key_id: String,
        /// Visible ASCII characters; up to 8 KiB.
        #[schema(value_type = String, format = Password, write_only)]
        secret_access_key: SecretString,
        /// Visible ASCII characters; up to 8 KiB. Temporary keys have one.
        #[serde(default)]
        #[schema(value_type = Option<String>, format = Password, write_only)]
        session_token: Option<SecretString>,
    },
    /// For keyed hashes over requests.
    HmacKey {
        /// Up to 8 KiB.
        #[schema(value_type = String, format = Password, write_only)]
        key: SecretString,
        /// How the key is written.
        #[serde(default)]
        encoding: KeyEncoding,
    },
}

/// How the bytes of a key are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum KeyEncoding {
    /// The bytes of the text, in UTF-8.
    #[default]
    Text,
    /// Hexadecimal, of either case.
    Hex,
    /// RFC 4648 section 4 or 5, with or without padding.
    Base64,
}

fn nothing() -> SecretString {
    SecretString::default()
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
    /// The API key.
    #[error("`key` must be 1 to {SECRET_BYTES_MAX} visible ASCII characters")]
    ApiKey,
    /// The client's id.
    #[error("`client_id` must be 1 to {USERNAME_BYTES_MAX} ASCII characters, none a control character (RFC 6749)")]
    ClientId,
    /// The client's secret.
    #[error("`client_secret` must be at most {SECRET_BYTES_MAX} ASCII characters, none a control character (RFC 6749)")]
    ClientSecret,
    /// The id of the access key.
    #[error(
        "`access_key_id` must be 1 to {USERNAME_BYTES_MAX} visible ASCII characters without `/`, `,`, `=` and `\"`"
    )]
    AccessKeyId,
    /// The access key.
    #[error("`secret_access_key` must be 1 to {SECRET_BYTES_MAX} visible ASCII characters")]
    SecretAccessKey,
    /// The session token.
    #[error("`session_token` must be 1 to {SECRET_BYTES_MAX} visible ASCII characters")]
    SessionToken,
    /// The key of a keyed hash.
    #[error("`key` must be 1 to {SECRET_BYTES_MAX} bytes, written as its `encoding` says: `text`, `hex` or `base64`")]
    HmacKey,
}

impl CredentialSecret {
    /// The name of the type.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Basic { .. } => "basic",
            Self::Bearer { .. } => "bearer",
            Self::ApiKey { .. } => "api-key",
            Self::Oauth2Client { .. } => "oauth2-client",
            Self::Aws { .. } => "aws",
            Self::HmacKey { .. } => "hmac-key",
        }
    }

    /// Whether it can be sent at all.
    ///
    /// # Errors
    /// See [`InvalidCredential`].
    pub(crate) fn check(&self) -> Result<(), InvalidCredential> {
        use InvalidCredential as Invalid;
        let holds = |rule: bool, otherwise| if rule { Ok(()) } else { Err(otherwise) };
        match self {
            Self::Basic { username, password } => {
                let named = fits(username, USERNAME_BYTES_MAX, |it| it != ':' && !it.is_control());
                holds(named, Invalid::Username)?;
                holds(fits(password.expose_secret(), SECRET_BYTES_MAX, |it| !it.is_control()), Invalid::Password)
            }
            Self::Bearer { token } => holds(is_visible(token), Invalid::Token),
            Self::ApiKey { key } => holds(is_visible(key), Invalid::ApiKey),
            Self::Oauth2Client { client_id, client_secret } => {
                holds(fits(client_id, USERNAME_BYTES_MAX, is_vschar), Invalid::ClientId)?;
                let secret = client_secret.expose_secret();
                holds(secret.is_empty() || fits(secret, SECRET_BYTES_MAX, is_vschar), Invalid::ClientSecret)
            }
            Self::Aws { access_key_id, secret_access_key, session_token } => {
                let plain = |it: char| it.is_ascii_graphic() && !"/,=\"".contains(it);
                holds(fits(access_key_id, USERNAME_BYTES_MAX, plain), Invalid::AccessKeyId)?;
                holds(is_visible(secret_access_key), Invalid::SecretAccessKey)?;
                holds(session_token.as_ref().is_none_or(is_visible), Invalid::SessionToken)
            }
            Self::HmacKey { key, encoding } => {
                let bounded = fits(key.expose_secret(), SECRET_BYTES_MAX, |_| true);
                holds(bounded && encoding.decode(key).is_some(), Invalid::HmacKey)
            }
        }
    }

    /// The bytes that are sealed.
    pub(super) fn to_plain(&self) -> Result<Zeroizing<Vec<u8>>, serde_json::Error> {
        // Room for everything, so that no half-written copy is left behind by a growing buffer.
        let mut plain = Zeroizing::new(Vec::with_capacity(6 * (USERNAME_BYTES_MAX + 2 * SECRET_BYTES_MAX) + 128));
        serde_json::to_writer(&mut *plain, &Plain::of(self))?;
        Ok(plain)
    }

    /// From the bytes that were sealed.
    pub(super) fn from_plain(plain: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(plain)
    }
}

impl KeyEncoding {
    /// The bytes of a key; `None` where it is not written like this, or empty.
    pub(crate) fn decode(self, key: &SecretString) -> Option<SecretSlice<u8>> {
        let text = key.expose_secret();
        let bytes = match self {
            Self::Text => text.as_bytes().to_vec(),
            Self::Hex => hex::decode(text).ok()?,
            Self::Base64 => {
                let unpadded = text.trim_end_matches('=');
                BASE64_STANDARD_NO_PAD.decode(unpadded).or_else(|_| BASE64_URL_SAFE_NO_PAD.decode(unpadded)).ok()?
            }
        };
        (!bytes.is_empty()).then(|| bytes.into())
    }
}

fn fits(text: &str, most: usize, rule: impl Fn(char) -> bool) -> bool {
    (1..=most).contains(&text.len()) && text.chars().all(rule)
}

fn is_visible(secret: &SecretString) -> bool {
    fits(secret.expose_secret(), SECRET_BYTES_MAX, |it| it.is_ascii_graphic())
}

/// `VSCHAR` of RFC 6749 appendix A.
fn is_vschar(character: char) -> bool {
    (' '..='~').contains(&character)
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Plain<'a> {
    Basic { username: &'a str, password: &'a str },
    Bearer { token: &'a str },
    ApiKey { key: &'a str },
    Oauth2Client { client_id: &'a str, client_secret: &'a str },
    Aws { access_key_id: &'a str, secret_access_key: &'a str, session_token: Option<&'a str> },
    HmacKey { key: &'a str, encoding: KeyEncoding },
}

impl<'a> Plain<'a> {
    fn of(secret: &'a CredentialSecret) -> Self {
        match secret {
            CredentialSecret::Basic { username, password } => {
                Self::Basic { username, password: password.expose_secret() }
            }
            CredentialSecret::Bearer { token } => Self::Bearer { token: token.expose_secret() },
            CredentialSecret::ApiKey { key } => Self::ApiKey { key: key.expose_secret() },
            CredentialSecret::Oauth2Client { client_id, client_secret } => {
                Self::Oauth2Client { client_id, client_secret: client_secret.expose_secret() }
            }
            CredentialSecret::Aws { access_key_id, secret_access_key, session_token } => Self::Aws {
                access_key_id,
                secret_access_key: secret_access_key.expose_secret(),
                session_token: session_token.as_ref().map(ExposeSecret::expose_secret),
            },
            CredentialSecret::HmacKey { key, encoding } => {
                Self::HmacKey { key: key.expose_secret(), encoding: *encoding }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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

    fn parsed(json: serde_json::Value) -> CredentialSecret {
        serde_json::from_value(json).expect("a credential")
    }

    #[test]
    fn each_part_of_the_other_types_has_its_rule() {
        // covers C-06, keeps A4
        use InvalidCredential as Invalid;
        let [full, over] = [SECRET_BYTES_MAX, SECRET_BYTES_MAX + 1].map(|length| "x".repeat(length));
        let client = |id: &str, secret: &str| {
            parsed(json!({"type": "oauth2-client", "client_id": id, "client_secret": secret})).check()
        };
        let aws = |id: &str, secret: &str, token: Option<&str>| {
            let keys = json!({"access_key_id": id, "secret_access_key": secret, "session_token": token, "type": "aws"});
            parsed(keys).check()
        };
        let hmac =
            |key: &str, encoding: &str| parsed(json!({"type": "hmac-key", "key": key, "encoding": encoding})).check();
        assert_eq!(parsed(json!({"type": "api-key", "key": full})).check(), Ok(()));
        assert_eq!(parsed(json!({"type": "api-key", "key": over})).check(), Err(Invalid::ApiKey));
        assert_eq!(parsed(json!({"type": "api-key", "key": "a b"})).check(), Err(Invalid::ApiKey));
        assert_eq!(parsed(json!({"type": "oauth2-client", "client_id": "public"})).check(), Ok(()));
        assert_eq!(client("a client", &full), Ok(()));
        assert_eq!(client("", "x"), Err(Invalid::ClientId));
        assert_eq!(client("é", "x"), Err(Invalid::ClientId));
        assert_eq!(client("a", &over), Err(Invalid::ClientSecret));
        assert_eq!(client("a", "x\n"), Err(Invalid::ClientSecret));
        assert_eq!(aws("AKIDEXAMPLE", "wJalr/+=", None), Ok(()));
        assert_eq!(aws("AKID/EXAMPLE", "x", None), Err(Invalid::AccessKeyId));
        assert_eq!(aws("AKID", "", None), Err(Invalid::SecretAccessKey));
        assert_eq!(aws("AKID", "x", Some("")), Err(Invalid::SessionToken));
        assert_eq!(aws("AKID", &full, Some(&over)), Err(Invalid::SessionToken));
        assert_eq!(hmac("clé\n", "text"), Ok(()));
        assert_eq!(hmac(&over, "text"), Err(Invalid::HmacKey));
        assert_eq!(hmac("0aF", "hex"), Err(Invalid::HmacKey));
        assert_eq!(hmac("==", "base64"), Err(Invalid::HmacKey));
    }

    #[test]
    fn keys_have_the_bytes_that_they_are_written_for() {
        // covers C-06
        for (text, encoding) in [
            ("k\u{fb}\u{ff}", KeyEncoding::Text),
            ("6bC3bbc3bf", KeyEncoding::Hex),
            ("a8O7w78=", KeyEncoding::Base64),
            ("a8O7w78", KeyEncoding::Base64),
        ] {
            let bytes = encoding.decode(&text.into());
            let bytes = bytes.as_ref().map(ExposeSecret::expose_secret);
            assert_eq!(bytes, Some("k\u{fb}\u{ff}".as_bytes()), "{text}");
        }
        assert!(KeyEncoding::Base64.decode(&"-_8=".into()).is_some());
    }

    #[test]
    fn it_survives_sealing_and_hides_itself() {
        // keeps K-01
        let client = json!({"type": "oauth2-client", "client_id": "c", "client_secret": "s3cret-1"});
        let aws =
            json!({"type": "aws", "access_key_id": "A", "secret_access_key": "s3cret-2", "session_token": "s3cret-3"});
        let hmac = json!({"type": "hmac-key", "key": "s3cret-4", "encoding": "text"});
        let key = json!({"type": "api-key", "key": "s3cret-5"});
        let others = [client, aws, hmac, key].map(parsed);
        for secret in [basic("ann", "pa\"s3cret"), bearer("s3cret".to_owned())].into_iter().chain(others) {
            let plain = secret.to_plain().unwrap();
            let again = CredentialSecret::from_plain(&plain).unwrap();
            assert_eq!(again.to_plain().unwrap(), plain);
            assert_eq!(again.kind(), secret.kind());
            let debug = format!("{secret:?}");
            assert!(!debug.contains("s3cret"), "{debug}");
        }
    }

    #[test]
    fn unknown_members_are_refused() {
        // keeps A3
        for json in [
            r#"{"type":"bearer","token":"x","tenant":"other"}"#,
            r#"{"type":"basic","username":"u","password":"p","x":1}"#,
            r#"{"type":"aws","access_key_id":"u","secret_access_key":"p","region":"x"}"#,
            r#"{"type":"hmac-key","key":"p","encoding":"binary"}"#,
            r#"{"type":"none"}"#,
            r#"{"token":"x"}"#,
        ] {
            assert!(serde_json::from_str::<CredentialSecret>(json).is_err(), "{json}");
        }
    }
}
