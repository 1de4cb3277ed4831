//! The request as the HTTP client takes it, with the host's own headers.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use weir_engine::message::Request;
use weir_engine::ports::{CallContext, ConnectorError, ConnectorErrorKind};

use crate::error::error;

const PRODUCT: &str = concat!("weir/", env!("CARGO_PKG_VERSION"));

/// The request with `idempotency-key` and, unless it has one, `user-agent`. Not authenticated yet.
///
/// # Errors
/// `request-not-permitted`.
pub(super) fn build(context: &CallContext, request: &Request) -> Result<reqwest::Request, ConnectorError> {
    let mut headers = HeaderMap::with_capacity(request.headers.len() + 3);
    for header in &request.headers {
        let refused =
            || error(ConnectorErrorKind::RequestNotPermitted, format!("header `{}` cannot be sent", header.name));
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| refused())?;
        let value = HeaderValue::from_bytes(header.value.as_slice()).map_err(|_| refused())?;
        headers.try_append(name, value).map_err(|_| refused())?;
    }
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(PRODUCT));
    if let Ok(key) = HeaderValue::from_str(&structured_string(&context.idempotency_key)) {
        headers.insert(HeaderName::from_static("idempotency-key"), key);
    }
    let method = reqwest::Method::from_bytes(request.method.as_str().as_bytes())
        .map_err(|_| error(ConnectorErrorKind::RequestNotPermitted, "the method cannot be sent"))?;
    let mut outgoing = reqwest::Request::new(method, request.uri.clone());
    *outgoing.headers_mut() = headers;
    *outgoing.body_mut() = request.body.clone().map(|body| body.into_bytes().into());
    Ok(outgoing)
}

/// A string of RFC 9651 section 3.3.3, as draft-ietf-httpapi-idempotency-key-header has the key: in double quotes.
/// To a system that takes the field as it is, the quotes are two more characters of an opaque key. Characters that
/// such a string does not have are percent-encoded.
fn structured_string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            ' '..='~' => quoted.push(character),
            other => quoted.extend(percent_encoding::utf8_percent_encode(
                other.encode_utf8(&mut [0; 4]),
                percent_encoding::NON_ALPHANUMERIC,
            )),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_structured_strings() {
        assert_eq!(structured_string("run-1/step:0"), "\"run-1/step:0\"");
        assert_eq!(structured_string("a\"b\\c\r\né"), "\"a\\\"b\\\\c%0D%0A%C3%A9\"");
    }
}
