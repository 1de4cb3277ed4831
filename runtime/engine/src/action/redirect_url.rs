//! URLs of redirects, of a run that is suspended and of an answer that is served.

use url::Url;

/// The longest URL that an end user is sent to, in bytes, with the parameters that are added to it.
pub(crate) const REDIRECT_BYTES_MAX: usize = 4096;

/// A URL that a browser may be sent to: absolute, of the web, without credentials, without anything that two readers
/// could read in two ways. The reason never repeats the URL, which may hold what is nobody's business.
pub(crate) fn check(text: &str) -> Result<(&str, Url), String> {
    let refused = |why: &str| Err(format!("the URL of the redirect is refused: {why}"));
    if text.len() > REDIRECT_BYTES_MAX {
        return refused(&format!("it has {} bytes; at most {REDIRECT_BYTES_MAX} are taken", text.len()));
    }
    if text.chars().any(|it| it.is_control() || it.is_whitespace() || it == '\\') {
        return refused("it has white space, control characters or backslashes; percent-encode them");
    }
    let is_web = ["http://", "https://"]
        .iter()
        .any(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    if !is_web {
        return refused("it must be absolute and begin with `https://` or `http://`");
    }
    // Browsers skip further slashes and take what follows for the host; others see no host at all.
    if text.contains(":///") {
        return refused("it names no host");
    }
    let Ok(url) = Url::parse(text) else { return refused("it is not a URL") };
    if !url.has_host() {
        return refused("it names no host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refused("it holds credentials");
    }
    Ok((text, url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_a_browser_may_be_sent_to() {
        //
        for good in
            ["https://a.test", "http://svc.test:3999/api/pin?flowId=f1", "HTTPS://[::1]/x#y", "https://a.test/é"]
        {
            assert_eq!(check(good).map(|(text, _)| text), Ok(good));
        }
        let long = format!("https://a.test/{}", "x".repeat(REDIRECT_BYTES_MAX));
        for bad in [
            "",
            "/relative",
            "//a.test",
            "https:a.test",
            "https://",
            "http:///x",
            "ftp://a.test",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://user@a.test",
            "https://user:secret@a.test",
            "https://:secret@a.test",
            "https://a.test/\n",
            "https://a.test/ b",
            "https://a.test\\@b.test",
            "https://a.test:99999",
            " https://a.test",
            "https://a.test/\u{85}",
            "é://a.test",
            &long,
        ] {
            let reason = check(bad).expect_err(bad);
            assert!(!reason.contains("secret"), "{reason}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "(https?:/{0,3})?[a-z:@/\\\\%\\[\\]?#é ]{0,20}") {
            let _ = check(&text);
        }
    }
}
