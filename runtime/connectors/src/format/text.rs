//! Text bodies. UTF-8 only: it is what the context and the hooks hold, and to guess at other charsets would be to be
//! wrong in silence.

use weir_engine::message::Response;

/// The body as text.
///
/// # Errors
/// Another charset than UTF-8, or the first byte that is not.
pub(super) fn parse(response: &Response) -> Result<String, String> {
    check_charset(response)?;
    utf8(response.body.as_slice()).map(str::to_owned)
}

/// Whether the response says that it is UTF-8, of which ASCII is a part; `None` where it does not say.
///
/// # Errors
/// Another charset.
pub(super) fn check_charset(response: &Response) -> Result<Option<()>, String> {
    let charset = response.header("content-type").and_then(charset);
    if let Some(charset) = charset
        && !["utf-8", "utf8", "us-ascii"].iter().any(|known| known.eq_ignore_ascii_case(charset))
    {
        let charset: String = charset.chars().take(40).collect();
        return Err(format!(
            "the body's charset is `{charset}`; only `utf-8` is read; use the response format `none` for others"
        ));
    }
    Ok(charset.map(|_| ()))
}

/// The bytes as text.
///
/// # Errors
/// The first byte that is not UTF-8.
pub(super) fn utf8(body: &[u8]) -> Result<&str, String> {
    match std::str::from_utf8(body) {
        Ok(text) => Ok(text),
        Err(error) => Err(format!(
            "the body is not UTF-8 text: byte {} is not part of a character; use the response format `none` for binary bodies",
            error.valid_up_to()
        )),
    }
}

/// The `charset` parameter of a content type (RFC 9110 section 8.3.2).
fn charset(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charsets() {
        assert_eq!(charset("text/plain; charset=\"UTF-8\""), Some("UTF-8"));
        assert_eq!(charset("text/plain;a=b; Charset=latin1"), Some("latin1"));
        assert_eq!(charset("text/plain"), None);
    }
}
