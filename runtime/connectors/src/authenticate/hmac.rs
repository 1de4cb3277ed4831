//! A keyed hash (RFC 2104) over a text of the request. `ring` hashes.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use reqwest::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use serde_json::{Map, Value, json};
use weir_engine::connector::{HmacEncoding, HmacHash};
use weir_engine::expression::{Part, REQUEST_ROOT, Scope, Template, TemplateFault, to_text};
use weir_engine::ports::{ConnectorError, ConnectorErrorKind};

use super::sensitive;
use crate::error::{error, interpolation};
use crate::mask::Masker;

/// How a connector signs.
pub(super) struct Signing<'a> {
    pub(super) hash: HmacHash,
    pub(super) encoding: HmacEncoding,
    pub(super) header: &'a str,
    pub(super) prefix: &'a str,
    pub(super) timestamp_header: Option<&'a str>,
}

/// The text that is signed.
///
/// # Errors
/// What does not parse, or reads something else than the request.
pub(crate) fn parse_signed(source: &str) -> Result<Template, TemplateFault> {
    Template::parse_over(&[REQUEST_ROOT], source)
}

impl Signing<'_> {
    /// Sets the timestamp's header and the signature's.
    ///
    /// # Errors
    /// `interpolation`; `credential` where the prefix does not stand in a header.
    pub(super) fn apply(
        &self,
        key: &SecretSlice<u8>,
        signed: &Template,
        now: SystemTime,
        outgoing: &mut reqwest::Request,
        masker: &mut Masker,
    ) -> Result<(), ConnectorError> {
        let timestamp = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if let Some(name) = self.timestamp_header {
            outgoing.headers_mut().insert(header_name(name)?, HeaderValue::from(timestamp));
        }
        let text = signed_bytes(signed, outgoing, timestamp)?;
        let signature = SecretString::from(self.signature(key.expose_secret(), &text));
        masker.add(key.expose_secret());
        masker.add(signature.expose_secret().trim_end_matches('=').as_bytes());
        let value = SecretString::from(format!("{}{}", self.prefix, signature.expose_secret()));
        let value = sensitive(&value)
            .map_err(|problem| error(ConnectorErrorKind::Credential, format!("the HMAC signature {problem}")))?;
        outgoing.headers_mut().insert(header_name(self.header)?, value);
        Ok(())
    }

    fn signature(&self, key: &[u8], text: &[u8]) -> String {
        let algorithm = match self.hash {
            HmacHash::Sha1 => ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            HmacHash::Sha256 => ring::hmac::HMAC_SHA256,
            HmacHash::Sha384 => ring::hmac::HMAC_SHA384,
            HmacHash::Sha512 => ring::hmac::HMAC_SHA512,
        };
        let tag = ring::hmac::sign(&ring::hmac::Key::new(algorithm, key), text);
        match self.encoding {
            HmacEncoding::Hex => hex::encode(tag),
            HmacEncoding::Base64 => BASE64_STANDARD.encode(tag),
            HmacEncoding::Base64url => BASE64_URL_SAFE_NO_PAD.encode(tag),
        }
    }
}

fn header_name(name: &str) -> Result<HeaderName, ConnectorError> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
        let message = format!("`{name}` in the connector's `authentication` is not a header name");
        error(ConnectorErrorKind::RequestNotPermitted, message)
    })
}

/// A lone `${request.body}` stands for the bytes of the body, whatever they are; in an expression the body is text.
fn signed_bytes(signed: &Template, outgoing: &reqwest::Request, timestamp: u64) -> Result<Vec<u8>, ConnectorError> {
    let body = outgoing.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
    let is_body = |source: &str| source.trim().strip_prefix("request.") == Some("body");
    let needs_scope = signed.expressions().any(|expression| !is_body(expression.source()));
    let scope = if needs_scope { scope(outgoing, body, timestamp) } else { Scope::default() };
    let mut bytes = Vec::new();
    for part in signed.parts() {
        match part {
            Part::Text(text) => bytes.extend_from_slice(text.as_bytes()),
            Part::Expression(expression) if is_body(expression.source()) => bytes.extend_from_slice(body),
            Part::Expression(expression) => {
                let value = expression.evaluate(&scope);
                let value = value.map_err(|problem| interpolation("`authentication.signed`", problem))?;
                bytes.extend_from_slice(to_text(&value).as_bytes());
            }
        }
        if bytes.len() > SIGNED_BYTES_MAX {
            let problem = format!("the signed text is longer than {SIGNED_BYTES_MAX} bytes");
            return Err(interpolation("`authentication.signed`", problem));
        }
    }
    Ok(bytes)
}

/// The longest text that is signed.
const SIGNED_BYTES_MAX: usize = 16 << 20;

/// What the signed text sees: `request`.
fn scope(outgoing: &reqwest::Request, body: &[u8], timestamp: u64) -> Scope {
    let mut headers: Map<String, Value> = Map::new();
    for (name, value) in outgoing.headers() {
        let Ok(value) = value.to_str() else { continue };
        match headers.get_mut(name.as_str()) {
            // RFC 9110 section 5.3: the same as one field with all values.
            Some(Value::String(known)) => known.extend([", ", value]),
            _ => {
                headers.insert(name.as_str().to_owned(), value.into());
            }
        }
    }
    let url = outgoing.url();
    let request = json!({
        "method": outgoing.method().as_str(),
        "uri": url.as_str(),
        "path": url.path(),
        "query": url.query().unwrap_or_default(),
        "headers": headers,
        "body": std::str::from_utf8(body).ok(),
        "timestamp": timestamp,
    });
    Scope::new([(REQUEST_ROOT, request)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn signing(hash: HmacHash, encoding: HmacEncoding) -> Signing<'static> {
        Signing { hash, encoding, header: "x-signature", prefix: "", timestamp_header: None }
    }

    #[test]
    fn published_vectors() {
        // covers C-06: RFC 4231 test case 1, RFC 2202 test case 1
        for (hash, expected) in [
            (HmacHash::Sha1, "b617318655057264e28bc0b6fb378c8ef146be00"),
            (HmacHash::Sha256, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                HmacHash::Sha384,
                "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
            ),
            (
                HmacHash::Sha512,
                "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
            ),
        ] {
            assert_eq!(signing(hash, HmacEncoding::Hex).signature(&[0x0b; 20], b"Hi There"), expected);
        }
        // The same of SHA-256 in the other encodings.
        let sign = |encoding| signing(HmacHash::Sha256, encoding).signature(&[0x0b; 20], b"Hi There");
        assert_eq!(sign(HmacEncoding::Base64), "sDRMYdjbOFNcqK/OrwvxK4gdwgDJgz2nJuk3bC4yz/c=");
        assert_eq!(sign(HmacEncoding::Base64url), "sDRMYdjbOFNcqK_OrwvxK4gdwgDJgz2nJuk3bC4yz_c");
    }

    #[test]
    fn the_signed_text_reads_the_request() {
        // covers C-06
        let mut outgoing =
            reqwest::Request::new(reqwest::Method::POST, "http://x.test/a%20b?c=d".parse().expect("a URL"));
        *outgoing.body_mut() = Some(b"raw \xff body".to_vec().into());
        outgoing.headers_mut().insert("x-one", HeaderValue::from_static("1"));
        outgoing.headers_mut().append("x-one", HeaderValue::from_static("2"));
        let text = "${request.method} ${request.path}?${request.query} ${request.uri} ${request.headers['x-one']} ${request.timestamp}.${request.body}";
        let signed = parse_signed(text).expect("a template");
        let bytes = signed_bytes(&signed, &outgoing, 17).expect("bytes");
        let expected = b"POST /a%20b?c=d http://x.test/a%20b?c=d 1, 2 17.raw \xff body";
        assert_eq!(bytes, expected);
        assert!(parse_signed("${event.user}").is_err() && parse_signed("${args.x}").is_err());
        let missing = parse_signed("${request.headers['x-two']}").expect("a template");
        assert_eq!(
            signed_bytes(&missing, &outgoing, 0).expect_err("not there").kind,
            ConnectorErrorKind::Interpolation
        );
    }

    #[test]
    fn the_headers_are_set() {
        // covers C-06, keeps K-02
        let mut outgoing = reqwest::Request::new(reqwest::Method::POST, "http://x.test/".parse().expect("a URL"));
        let signing =
            Signing { prefix: "v0=", timestamp_header: Some("X-Time"), ..signing(HmacHash::Sha256, HmacEncoding::Hex) };
        let signed = parse_signed("v0:${request.timestamp}:${request.body}").expect("a template");
        let mut masker = Masker::default();
        let now = UNIX_EPOCH + Duration::from_secs(1_531_420_618);
        signing.apply(&b"8f742231".to_vec().into(), &signed, now, &mut outgoing, &mut masker).expect("signs");
        assert_eq!(outgoing.headers()["x-time"], "1531420618");
        let value = outgoing.headers()["x-signature"].to_str().expect("text");
        assert!(value.starts_with("v0=") && value.len() == 67, "{value}");
        assert_eq!(masker.text(&format!("8f742231 {value}")), "*** v0=***");
    }
}
