//! Where a redirect leads (C-08; RFC 9110 section 15.4).

use reqwest::header::{HeaderMap, LOCATION};
use url::Url;
use weir_engine::connector::{ApiKeyPlace, Authentication, Redirects};
use weir_engine::ports::{ConnectorError, ConnectorErrorKind, Hop};

use crate::error::error;
use crate::mask::Masker;

/// The longest `location` that is read, in bytes.
const LOCATION_BYTES_MAX: usize = 8 << 10;

/// Whether an answer is a redirect that the function follows.
pub(super) fn follows(redirects: &Redirects, status: u16) -> bool {
    redirects.follow && matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Where it leads; the fragment is left out, for it is never sent.
///
/// # Errors
/// `redirect`: no `location`, or one that cannot be followed.
pub(super) fn next(from: &Url, status: u16, headers: &HeaderMap) -> Result<Url, ConnectorError> {
    let origin = from.origin().ascii_serialization();
    let refused = |problem: String| {
        let message = format!(
            "`{origin}` answered with the status {status}, {problem}; mend the outside system, or turn the function's `redirects` off and take the {status} as the response"
        );
        error(ConnectorErrorKind::Redirect, message)
    };
    let mut locations = headers.get_all(LOCATION).iter();
    let (Some(location), None) = (locations.next(), locations.next()) else {
        let count = headers.get_all(LOCATION).iter().count();
        return Err(refused(format!("but with {count} `location` headers instead of one")));
    };
    if location.len() > LOCATION_BYTES_MAX {
        return Err(refused(format!("but its `location` has more than {LOCATION_BYTES_MAX} bytes")));
    }
    let location = std::str::from_utf8(location.as_bytes()).ok().and_then(|text| from.join(text).ok());
    let Some(mut to) = location else {
        return Err(refused("but its `location` is not a URL".to_owned()));
    };
    match (from.scheme(), to.scheme()) {
        (_, "https") | ("http", "http") => {}
        ("https", "http") => return Err(refused("and leads from `https` to `http`, where all can read it".to_owned())),
        (_, other) => return Err(refused(format!("and leads to a `{}` URL", shortened(other)))),
    }
    if !to.username().is_empty() || to.password().is_some() {
        return Err(refused("and leads to a URL with a user name or a password in it".to_owned()));
    }
    to.set_fragment(None);
    Ok(to)
}

/// One redirect more than the function follows.
pub(super) fn too_many(from: &Url, most: u8) -> ConnectorError {
    let origin = from.origin().ascii_serialization();
    let message = format!(
        "`{origin}` redirects once more, after {most} redirects; check that it does not lead in a circle, or raise the function's `hops-max`"
    );
    error(ConnectorErrorKind::Redirect, message)
}

/// Checks that a redirect to another origin carries no secret of the call: an outside system may put what it was
/// sent, such as the key in a query, in its `location`.
///
/// # Errors
/// `redirect`.
pub(super) fn carries_no_secret(to: &Url, masker: &Masker) -> Result<(), ConnectorError> {
    if masker.text(to.as_str()) == to.as_str() {
        return Ok(());
    }
    let origin = masker.text(&to.origin().ascii_serialization());
    let message = format!(
        "the redirect to `{origin}` holds a secret of the connector's `authentication`, which goes to no other origin; mend the outside system, or turn the function's `redirects` off"
    );
    Err(error(ConnectorErrorKind::Redirect, message))
}

/// Takes a key out of the query that an outside system has copied there from the request: authentication adds it anew.
pub(super) fn without_key(to: &mut Url, authentication: &Authentication) {
    let Authentication::ApiKey { place: ApiKeyPlace::Query, name: key, .. } = authentication else { return };
    let Some(query) = to.query() else { return };
    let is_key = |pair: &str| url::form_urlencoded::parse(pair.as_bytes()).any(|(name, _)| name == *key);
    if query.split('&').any(is_key) {
        let kept = query.split('&').filter(|pair| !is_key(pair)).collect::<Vec<_>>().join("&");
        to.set_query(Some(kept.as_str()).filter(|kept| !kept.is_empty()));
    }
}

/// The redirect as the journal keeps it.
pub(super) fn hop(status: u16, to: &Url, masker: &Masker) -> Hop {
    let mut shown = to.clone();
    shown.set_query(None);
    // Masked before it is cut: a part of a secret would not be found.
    Hop { status, to: masker.text(shown.as_str()).chars().take(SHOWN_MAX).collect() }
}

/// The most characters of a hop in the journal.
const SHOWN_MAX: usize = 500;

fn shortened(text: &str) -> String {
    text.chars().take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(from: &str, locations: &[&str]) -> Result<String, String> {
        let mut headers = HeaderMap::new();
        for location in locations {
            headers.append(LOCATION, location.parse().expect("a value"));
        }
        next(&from.parse().expect("a URL"), 302, &headers).map(String::from).map_err(|it| it.message)
    }

    #[test]
    fn locations() {
        // covers C-08
        for (location, expected) in [
            ("/b", "https://a.com/b"),
            ("c?d=e#f", "https://a.com/x/c?d=e"),
            ("?q", "https://a.com/x/y?q"),
            ("//b.com:8443/z", "https://b.com:8443/z"),
            ("HTTPS://B.com", "https://b.com/"),
            ("", "https://a.com/x/y?z"),
        ] {
            assert_eq!(to("https://a.com/x/y?z", &[location]).as_deref(), Ok(expected), "{location}");
        }
        for (locations, says) in [
            (&[][..], "0 `location` headers"),
            (&["/a", "/b"], "2 `location` headers"),
            (&["https://"], "is not a URL"),
            (&["https://a b/"], "is not a URL"),
            (&["http://a.com/"], "from `https` to `http`"),
            (&["ftp://a.com/"], "to a `ftp` URL"),
            (&["javascript:alert(1)"], "to a `javascript` URL"),
            (&["file:///etc/passwd"], "to a `file` URL"),
            (&["https://a.com@b.com/"], "with a user name"),
            (&["https://:p@b.com/"], "with a user name or a password"),
        ] {
            let refused = to("https://a.com/x/y?z", locations).expect_err("refused");
            assert!(refused.contains(says) && refused.starts_with("`https://a.com` answered"), "{refused}");
        }
        assert!(to("http://a.com", &[&format!("/{}", "a".repeat(LOCATION_BYTES_MAX))]).is_err());
        assert_eq!(to("http://a.com", &["https://a.com/"]).as_deref(), Ok("https://a.com/"));
    }

    #[test]
    fn a_secret_across_the_end_of_what_is_shown_is_masked() {
        // keeps K-02
        let mut masker = Masker::default();
        masker.add(b"s3cret-token");
        let before = "a".repeat(SHOWN_MAX - "https://a.com/".len() - 6);
        let url = format!("https://a.com/{before}s3cret-token/{before}?q").parse().expect("a URL");
        let shown = hop(302, &url, &masker).to;
        assert!(shown.ends_with("a***/aa") && shown.len() == SHOWN_MAX, "{shown}");
    }

    #[test]
    fn a_key_in_the_query_is_taken_out() {
        let authentication =
            serde_json::json!({"type": "api-key", "credential": "k", "in": "query", "name": "api key"});
        let authentication = serde_json::from_value(authentication).expect("an authentication");
        for (before, after) in [
            ("https://a.com/?api%20key=1&b=2", "https://a.com/?b=2"),
            ("https://a.com/?b=%41&api+key=1&api%20key", "https://a.com/?b=%41"),
            ("https://a.com/?api+key=1", "https://a.com/"),
            ("https://a.com/?b=+%20", "https://a.com/?b=+%20"),
        ] {
            let mut url = before.parse().expect("a URL");
            without_key(&mut url, &authentication);
            assert_eq!(url.as_str(), after);
        }
    }
}
