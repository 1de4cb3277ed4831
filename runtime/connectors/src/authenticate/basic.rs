//! HTTP basic authentication (RFC 7617).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};

use super::stored::Pair;
use super::{Problem, sensitive};
use crate::mask::Masker;

/// The `authorization` header, with UTF-8.
///
/// # Errors
/// What is wrong with the credential, as the end of a sentence.
pub(super) fn header(pair: &Pair, masker: &mut Masker) -> Result<HeaderValue, Problem> {
    pair.check()?;
    let secret = pair.password.expose_secret();
    let joined = SecretString::from(format!("{}:{secret}", pair.username));
    // Some systems take a key as user name, with an empty password.
    masker.add(if secret.is_empty() { &pair.username } else { secret }.as_bytes());
    encoded(&joined, masker)
}

/// `Basic` with a pair that is joined already.
///
/// # Errors
/// None: base64 stands in every header.
pub(super) fn encoded(joined: &SecretString, masker: &mut Masker) -> Result<HeaderValue, Problem> {
    let encoded = SecretString::from(BASE64_STANDARD.encode(joined.expose_secret()));
    masker.add(encoded.expose_secret().trim_end_matches('=').as_bytes());
    sensitive(&SecretString::from(format!("Basic {}", encoded.expose_secret())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(username: &str, password: &str) -> Result<String, Problem> {
        let pair = Pair { username: username.into(), password: password.into() };
        let value = header(&pair, &mut Masker::default())?;
        assert!(!format!("{value:?}").contains("QWxhZGRpbjpvcGVuIHNlc2FtZQ"));
        Ok(value.to_str().expect("text").to_owned())
    }

    #[test]
    fn headers() {
        // covers C-06: the examples of RFC 7617
        assert_eq!(value("Aladdin", "open sesame").as_deref(), Ok("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        assert_eq!(value("test", "123£").as_deref(), Ok("Basic dGVzdDoxMjPCow=="));
        for (username, password) in [("a:b", "x"), ("a", "x\n"), ("a\0", "x")] {
            assert!(value(username, password).is_err(), "{username}");
        }
    }

    #[test]
    fn an_empty_password_makes_the_user_name_the_secret() {
        // keeps K-02
        let mut masker = Masker::default();
        header(&Pair { username: "sk_live_1".into(), password: "".into() }, &mut masker).expect("a header");
        assert_eq!(masker.text("key sk_live_1"), "key ***");
    }
}
