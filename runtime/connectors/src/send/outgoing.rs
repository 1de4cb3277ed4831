//! The request as it goes out, with the host's own headers and before it is authenticated.

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use url::Url;
use weir_engine::message::Request;
use weir_engine::ports::{CallContext, ConnectorError, ConnectorErrorKind};

use crate::error::error;

const PRODUCT: &str = concat!("weir/", env!("CARGO_PKG_VERSION"));
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request that can be sent again and again. Holds no credential of the connector.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) url: Url,
    headers: HeaderMap,
    body: Option<Bytes>,
}

impl Outgoing {
    /// The request with `idempotency-key` and, unless it has one, `user-agent`.
    ///
    /// # Errors
    /// `request-not-permitted`.
    pub(super) fn new(context: &CallContext, request: &Request) -> Result<Self, ConnectorError> {
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
            headers.insert(IDEMPOTENCY_KEY, key);
        }
        let method = Method::from_bytes(request.method.as_str().as_bytes())
            .map_err(|_| error(ConnectorErrorKind::RequestNotPermitted, "the method cannot be sent"))?;
        let body = request.body.clone().map(weir_engine::message::Octets::into_bytes);
        Ok(Self { method, url: request.uri.clone(), headers, body })
    }

    /// As the HTTP client takes it, to be authenticated.
    pub(super) fn request(&self) -> reqwest::Request {
        let mut request = reqwest::Request::new(self.method.clone(), self.url.clone());
        request.headers_mut().clone_from(&self.headers);
        *request.body_mut() = self.body.clone().map(Into::into);
        // RFC 9110 section 8.6; some systems answer 411 without it. The client leaves it out where there is no body.
        if self.body.is_none() && [Method::POST, Method::PUT, Method::PATCH].contains(&self.method) {
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        request
    }

    /// The request after a redirect: 303, and 301 and 302 after POST, become GET without a body (Fetch, "HTTP-redirect
    /// fetch"). `abroad` is another origin than the connector's.
    pub(super) fn redirected(mut self, status: u16, to: Url, abroad: bool) -> Self {
        let becomes_get = match status {
            301 | 302 => self.method == Method::POST,
            303 => self.method != Method::GET && self.method != Method::HEAD,
            _ => false,
        };
        if becomes_get {
            self.method = Method::GET;
            self.body = None;
            self.retain_headers(|name| !name.starts_with("content-") && *name != IDEMPOTENCY_KEY);
        }
        if abroad {
            let acts = !self.method.is_safe();
            self.retain_headers(|name| ABROAD.contains(&name) || (acts && *name == IDEMPOTENCY_KEY));
        }
        self.url = to;
        self
    }

    fn retain_headers(&mut self, is_kept: impl Fn(&str) -> bool) {
        let dropped: Vec<HeaderName> = self.headers.keys().filter(|name| !is_kept(name.as_str())).cloned().collect();
        for name in dropped {
            self.headers.remove(name);
        }
    }
}

/// The headers that go to another origin. No others: documents and hooks write keys and signatures into headers of
/// any name. The idempotency key is no secret, and a system that acts on the request needs it.
const ABROAD: [&str; 10] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "content-encoding",
    "content-language",
    "content-type",
    "range",
    "user-agent",
];

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
