//! AWS Signature Version 4, by Amazon's own crate.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use reqwest::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use weir_engine::ports::{ConnectorError, ConnectorErrorKind};

use super::stored::AwsKeys;
use crate::error::error;
use crate::mask::Masker;

/// Where a request is signed for.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

/// Signs the request as it stands: method, path, query, headers and the whole body.
///
/// # Errors
/// `credential`, `request-not-permitted`.
pub(super) fn apply(
    keys: &AwsKeys,
    scope: Scope<'_>,
    now: SystemTime,
    outgoing: &mut reqwest::Request,
    masker: &mut Masker,
) -> Result<(), ConnectorError> {
    let secret = keys.secret_access_key.expose_secret();
    let session_token = keys.session_token.as_ref().map(|token| token.expose_secret());
    for secret in [Some(secret), session_token].into_iter().flatten() {
        masker.add(secret.as_bytes());
    }
    let identity = Credentials::new(&keys.access_key_id, secret, session_token.map(str::to_owned), None, "weir").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(scope.region)
        .name(scope.service)
        .time(now)
        .settings(settings(scope.service))
        .build()
        .map_err(|_| unsigned("region, service and keys are needed"))?
        .into();
    let (instructions, signature) = {
        let headers = outgoing.headers().iter().map(|(name, value)| {
            let value = value.to_str().map_err(|_| unsigned(&format!("the header `{name}` is not ASCII text")))?;
            Ok((name.as_str(), value))
        });
        let headers = headers.collect::<Result<Vec<_>, ConnectorError>>()?;
        let body = SignableBody::Bytes(outgoing.body().and_then(reqwest::Body::as_bytes).unwrap_or_default());
        let request =
            SignableRequest::new(outgoing.method().as_str(), outgoing.url().as_str(), headers.into_iter(), body);
        // What the signer says may hold header values: it is not repeated.
        let request = request.map_err(|_| unsigned("its URI is not one that can be signed"))?;
        sign(request, &params).map_err(|_| unsigned("one of its headers cannot be signed"))?.into_parts()
    };
    masker.add(signature.as_bytes());
    let (headers, _) = instructions.into_parts();
    for header in headers {
        let mut value = HeaderValue::from_str(SecretString::from(header.value()).expose_secret())
            .map_err(|_| unsigned("its keys cannot stand in a header"))?;
        value.set_sensitive(true);
        outgoing.headers_mut().insert(HeaderName::from_static(header.name()), value);
    }
    Ok(())
}

/// Amazon S3 and its relatives sign the path as it is and name the body's hash in a header; all others encode the path
/// once more.
fn settings(service: &str) -> SigningSettings {
    let mut settings = SigningSettings::default();
    if service.starts_with("s3") {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    settings
}

fn unsigned(why: &str) -> ConnectorError {
    let message = format!("the request cannot be signed for AWS: {why}");
    error(ConnectorErrorKind::RequestNotPermitted, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    /// 2015-08-30T12:36:00Z.
    const TIME: u64 = 1_440_938_160;

    fn signed(method: &str, url: &str, service: &str, token: Option<&str>, body: Option<&str>) -> reqwest::Request {
        let keys = AwsKeys {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            session_token: token.map(Into::into),
        };
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let mut outgoing = reqwest::Request::new(method, url.parse().expect("a URL"));
        if let Some(body) = body {
            *outgoing.body_mut() = Some(body.to_owned().into());
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            outgoing.headers_mut().insert("content-type", form);
        }
        let (scope, mut masker) = (Scope { region: "us-east-1", service }, Masker::default());
        apply(&keys, scope, UNIX_EPOCH + Duration::from_secs(TIME), &mut outgoing, &mut masker).expect("signs");
        let authorization = outgoing.headers()["authorization"].to_str().expect("text");
        assert!(!masker.text(authorization).contains(authorization.rsplit('=').next().expect("a signature")));
        outgoing
    }

    #[track_caller]
    fn check(outgoing: &reqwest::Request, headers: &str, signature: &str) {
        let service = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request";
        assert_eq!(
            outgoing.headers()["authorization"].to_str().expect("text"),
            format!("AWS4-HMAC-SHA256 Credential={service}, SignedHeaders={headers}, Signature={signature}")
        );
        assert_eq!(outgoing.headers()["x-amz-date"], "20150830T123600Z");
    }

    #[test]
    fn published_vectors() {
        // covers C-06: AWS's SigV4 test suite, with the names of the cases
        let plain = "host;x-amz-date";
        let url = |path: &str| format!("https://example.amazonaws.com{path}");
        for (method, path, signature) in [
            // get-vanilla
            ("GET", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            // post-vanilla
            ("POST", "/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            // get-vanilla-query-order-key-case
            (
                "GET",
                "/?Param2=value2&Param1=value1",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
        ] {
            check(&signed(method, &url(path), "service", None, None), plain, signature);
        }
        // post-x-www-form-urlencoded
        let form = signed("POST", &url("/"), "service", None, Some("Param1=value1"));
        let signature = "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a";
        check(&form, "content-type;host;x-amz-date", signature);
    }

    #[test]
    fn temporary_keys_send_their_token_signed() {
        // covers C-06
        let outgoing = signed("GET", "https://example.amazonaws.com/", "service", Some("session/token=="), None);
        assert_eq!(outgoing.headers()["x-amz-security-token"], "session/token==");
        assert!(outgoing.headers()["x-amz-security-token"].is_sensitive());
        let authorization = outgoing.headers()["authorization"].to_str().expect("text");
        assert!(authorization.contains("SignedHeaders=host;x-amz-date;x-amz-security-token,"), "{authorization}");
    }

    #[test]
    fn s3_names_the_hash_of_the_body() {
        // covers C-06
        let outgoing = signed("PUT", "https://bucket.test/a%20b/../c", "s3", None, Some("x"));
        let hash = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
        assert_eq!(outgoing.headers()["x-amz-content-sha256"], hash);
        assert!(
            !signed("GET", "https://example.test/", "service", None, None)
                .headers()
                .contains_key("x-amz-content-sha256")
        );
    }
}
