//! Bearer tokens (RFC 6750), stored or granted.

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};

use super::{Problem, sensitive};
use crate::mask::Masker;

/// The `authorization` header (section 2.1), with every visible character that real tokens have.
///
/// # Errors
/// What is wrong with the token, as the end of a sentence.
pub(super) fn header(token: &SecretString, masker: &mut Masker) -> Result<HeaderValue, Problem> {
    let secret = token.expose_secret();
    if secret.is_empty() || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("has an empty token or one with spaces, control or non-ASCII characters; store the bare token");
    }
    masker.add(secret.as_bytes());
    sensitive(&SecretString::from(format!("Bearer {secret}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        // covers C-06
        let header = |token: &str| header(&token.into(), &mut Masker::default());
        let value = header("abc.def_~+/=").expect("a header");
        assert_eq!(value.to_str().expect("text"), "Bearer abc.def_~+/=");
        assert!(value.is_sensitive());
        for faulty in ["", "a b", "a\r\nb", "é"] {
            assert!(header(faulty).is_err(), "{faulty}");
        }
    }
}
