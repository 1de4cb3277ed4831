//! API keys in a header or in the query.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::HeaderName;
use secrecy::{ExposeSecret as _, SecretString};
use weir_engine::connector::ApiKeyPlace;
use weir_engine::ports::{ConnectorError, ConnectorErrorKind};

use super::{Problem, sensitive};
use crate::error::error;
use crate::mask::Masker;

/// Whether the query has a parameter of that name already: two would let the outside system choose one.
///
/// # Errors
/// `request-not-permitted`.
pub(super) fn check_query(name: &str, outgoing: &reqwest::Request) -> Result<(), ConnectorError> {
    if outgoing.url().query_pairs().any(|(given, _)| given == name) {
        let message = format!(
            "the query has a parameter `{name}`, but the connector's `authentication` sets it; leave one of the two out"
        );
        return Err(error(ConnectorErrorKind::RequestNotPermitted, message));
    }
    Ok(())
}

/// Puts the key in its place.
///
/// # Errors
/// What is wrong with the key, as the end of a sentence.
pub(super) fn apply(
    key: &SecretString,
    place: ApiKeyPlace,
    name: &str,
    outgoing: &mut reqwest::Request,
    masker: &mut Masker,
) -> Result<(), Problem> {
    masker.add(key.expose_secret().as_bytes());
    match place {
        ApiKeyPlace::Header => {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| "cannot be sent: `authentication.name` is not a header name")?;
            outgoing.headers_mut().insert(name, sensitive(key)?);
        }
        ApiKeyPlace::Query => {
            let encode = |text| utf8_percent_encode(text, UNRESERVED);
            let encoded = SecretString::from(encode(key.expose_secret()).to_string());
            // As it stands on the wire: an echo in base64 is one of this, not of the key.
            masker.add(encoded.expose_secret().as_bytes());
            let pair = format!("{}={}", encode(name), encoded.expose_secret());
            let query = match outgoing.url().query() {
                None | Some("") => pair,
                Some(query) => format!("{query}&{pair}"),
            };
            // Not as `query_pairs_mut`, which would write the other parameters anew.
            outgoing.url_mut().set_query(Some(&query));
        }
    }
    Ok(())
}

/// All but the unreserved characters of RFC 3986 section 2.3.
const UNRESERVED: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    fn request(url: &str) -> reqwest::Request {
        reqwest::Request::new(reqwest::Method::GET, url.parse().expect("a URL"))
    }

    #[test]
    fn keys_stand_in_headers_and_queries() {
        // covers C-06
        let key = SecretString::from("a+b/c=&d");
        let mut outgoing = request("http://x.test/p?a=%41+b");
        apply(&key, ApiKeyPlace::Header, "X-Api-Key", &mut outgoing, &mut Masker::default()).expect("applies");
        assert_eq!(outgoing.headers()["x-api-key"], "a+b/c=&d");
        for (before, after) in [
            ("http://x.test/p?a=%41+b", "http://x.test/p?a=%41+b&api%20key=a%2Bb%2Fc%3D%26d"),
            ("http://x.test/p?", "http://x.test/p?api%20key=a%2Bb%2Fc%3D%26d"),
            ("http://x.test/p", "http://x.test/p?api%20key=a%2Bb%2Fc%3D%26d"),
        ] {
            let mut outgoing = request(before);
            apply(&key, ApiKeyPlace::Query, "api key", &mut outgoing, &mut Masker::default()).expect("applies");
            assert_eq!(outgoing.url().as_str(), after);
            assert!(check_query("api key", &outgoing).is_err());
        }
        assert!(check_query("key", &request("http://x.test/?%6bey=1")).is_err());
        assert!(check_query("key", &request("http://x.test/?keys=1")).is_ok());
    }
}
