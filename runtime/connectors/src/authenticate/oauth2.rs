//! OAuth 2 token requests (RFC 6749 sections 4.3 and 4.4, RFC 7523 section 2.1) and what comes back.
//!
//! Written down here for all three grants: the `oauth2` crate knows two of them, takes no answer but a 200 with a life
//! in digits, and what is left for it to do is the encoding of a form, which `url` does.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use rustls::pki_types::PrivateKeyDer;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::time::Instant;
use url::form_urlencoded::{Serializer, byte_serialize};
use weir_engine::connector::{Assertion, ClientAuthentication, TokenRequest};
use weir_engine::ids::{IdentityName, TenantId};
use weir_engine::ports::{ConnectorError, ConnectorErrorKind};

use super::stored::{Client, Pair, faulty_identity};
use super::token_cache::{DEFAULT_LIFE, Granted, use_until};
use super::{assertion, basic, one_line};
use crate::error::error;
use crate::mask::Masker;
use crate::send::{Terms, Wire};

/// What a token is asked for with.
#[derive(Clone)]
pub(super) enum Grant {
    ClientCredentials,
    Password(Pair),
    JwtBearer { name: IdentityName, key: Arc<PrivateKeyDer<'static>>, assertion: Assertion },
}

/// A token request, not made yet.
#[derive(Clone)]
pub(super) struct TokenAsk {
    pub(super) settings: TokenRequest,
    pub(super) client: Option<Client>,
    pub(super) grant: Grant,
}

/// The form of a request, wiped when it is dropped.
type Form = Zeroizing<String>;

impl TokenAsk {
    /// Tells a masker the secrets that stand in the request.
    pub(super) fn add_secrets(&self, masker: &mut Masker) {
        if let Some(client) = &self.client {
            masker.add(client.secret.expose_secret().as_bytes());
        }
        if let Grant::Password(pair) = &self.grant {
            masker.add(pair.password.expose_secret().as_bytes());
        }
    }

    /// Asks the token endpoint: under the tenant's egress policy, without redirects, once.
    ///
    /// # Errors
    /// `token`; `identity`; those of the wire.
    pub(super) async fn ask(
        &self,
        wire: &Wire,
        tenant: &TenantId,
        terms: &Terms,
    ) -> Result<Granted<SecretString>, ConnectorError> {
        let asked_at = Instant::now();
        let mut masker = Masker::default();
        let outgoing = self.request(SystemTime::now(), &mut masker)?;
        let place = |it: ConnectorError| {
            let message = format!("the token endpoint: {}", masker.text(&it.message));
            ConnectorError { message, ..it }
        };
        let reply = wire.fetch(tenant, outgoing, terms).await.map_err(place)?;
        granted(reply.status, &Zeroizing::new(reply.body), asked_at, &masker)
            .map_err(|it| ConnectorError { message: masker.text(&it.message), ..it })
    }

    fn request(&self, now: SystemTime, masker: &mut Masker) -> Result<reqwest::Request, ConnectorError> {
        self.add_secrets(masker);
        let mut outgoing = reqwest::Request::new(reqwest::Method::POST, self.settings.url.clone());
        let form = self.form(now, masker)?;
        let headers = outgoing.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(client) = self.client.as_ref().filter(|client| self.is_basic(client)) {
            // Section 2.3.1: both parts are form-encoded first.
            let [id, secret] = [client.id.as_str(), client.secret.expose_secret()]
                .map(|part| Zeroizing::new(byte_serialize(part.as_bytes()).collect::<String>()));
            let joined = SecretString::from(format!("{}:{}", *id, *secret));
            let header = basic::encoded(&joined, masker);
            let header = header.map_err(|problem| failed(format!("the client's credential {problem}")))?;
            headers.insert(AUTHORIZATION, header);
        }
        *outgoing.body_mut() = Some(form.as_bytes().to_vec().into());
        Ok(outgoing)
    }

    /// A public client has no secret to authenticate with, and names itself in the body.
    fn is_basic(&self, client: &Client) -> bool {
        self.settings.client_authentication == ClientAuthentication::Basic && !client.secret.expose_secret().is_empty()
    }

    fn form(&self, now: SystemTime, masker: &mut Masker) -> Result<Form, ConnectorError> {
        let mut form = Serializer::new(String::with_capacity(FORM_BYTES));
        match &self.grant {
            Grant::ClientCredentials => {
                form.append_pair("grant_type", "client_credentials");
            }
            Grant::Password(pair) => {
                form.append_pair("grant_type", "password");
                form.append_pair("username", &pair.username);
                form.append_pair("password", pair.password.expose_secret());
            }
            Grant::JwtBearer { name, key, assertion } => {
                let signed = assertion::signed(assertion, self.settings.url.as_str(), key, now);
                let signed = signed.map_err(|problem| faulty_identity(name, problem))?;
                masker.add(signed.expose_secret().as_bytes());
                form.append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
                form.append_pair("assertion", signed.expose_secret());
            }
        }
        if let Some(client) = self.client.as_ref().filter(|client| !self.is_basic(client)) {
            form.append_pair("client_id", &client.id);
            if !client.secret.expose_secret().is_empty() {
                form.append_pair("client_secret", client.secret.expose_secret());
            }
        }
        if !self.settings.scopes.is_empty() {
            form.append_pair("scope", &self.settings.scopes.join(" "));
        }
        form.extend_pairs(&self.settings.parameters);
        Ok(Zeroizing::new(form.finish()))
    }
}

/// Room for a form, so that no half-written copy is left behind by a growing buffer.
const FORM_BYTES: usize = 32 << 10;

/// Section 5.1.
#[derive(Deserialize)]
struct Grantee {
    access_token: SecretString,
    #[serde(default)]
    token_type: Option<String>,
    #[serde(default)]
    expires_in: Option<Scalar>,
}

/// Section 5.2.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    error: Option<Scalar>,
    error_description: Option<Scalar>,
}

/// A member that some endpoints write in a way of their own. Of other types nothing is kept.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Number(f64),
    Text(String),
    Other(IgnoredAny),
}

fn granted(
    status: u16,
    body: &[u8],
    asked_at: Instant,
    masker: &Masker,
) -> Result<Granted<SecretString>, ConnectorError> {
    if !(200..300).contains(&status) {
        return Err(refused(status, body, masker));
    }
    let Ok(granted) = serde_json::from_slice::<Grantee>(body) else {
        return Err(match serde_json::from_slice::<Refusal>(body) {
            // Some answer 200 to everything.
            Ok(Refusal { error: Some(_), .. }) => refused(status, body, masker),
            _ => failed(format!("the token endpoint answered {status} without a JSON object with an `access_token`")),
        });
    };
    if let Some(kind) = granted.token_type.filter(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        let kind = one_line(&kind, masker);
        return Err(failed(format!(
            "the token endpoint gave a token of type `{kind}`; only `Bearer` tokens can be sent"
        )));
    }
    let token = granted.access_token.expose_secret();
    if token.is_empty() || token.len() > TOKEN_BYTES_MAX || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(failed(format!(
            "the token endpoint gave an `access_token` that cannot stand in a header: 1 to {TOKEN_BYTES_MAX} visible ASCII characters can"
        )));
    }
    Ok(Granted { use_until: use_until(asked_at, life(granted.expires_in.as_ref())), it: granted.access_token })
}

/// The longest token.
const TOKEN_BYTES_MAX: usize = 16 << 10;

/// Seconds, in digits or, as some send them, in a string of digits.
fn life(expires_in: Option<&Scalar>) -> Duration {
    let seconds = match expires_in {
        Some(Scalar::Number(number)) => Some(*number),
        Some(Scalar::Text(text)) => text.trim().parse().ok(),
        Some(Scalar::Other(_)) | None => None,
    };
    seconds.map_or(DEFAULT_LIFE, |seconds: f64| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX))
}

fn refused(status: u16, body: &[u8], masker: &Masker) -> ConnectorError {
    if (300..400).contains(&status) {
        let message = format!(
            "the token endpoint answered with a redirect ({status}), which is not followed; put its final address in `token.url`"
        );
        return failed(message);
    }
    let refusal: Refusal = serde_json::from_slice(body).unwrap_or_default();
    let part = |value: Option<Scalar>| match value {
        Some(Scalar::Text(text)) => Some(one_line(&text, masker)),
        _ => None,
    };
    let why = match (part(refusal.error), part(refusal.error_description)) {
        (Some(code), Some(description)) => format!("`{code}` ({description})"),
        (Some(code), None) => format!("`{code}`"),
        (None, _) => "no `error` (RFC 6749 section 5.2)".to_owned(),
    };
    failed(format!(
        "the token endpoint answered {status} with {why}; check the credential, the scopes and the URL in `authentication`"
    ))
}

fn failed(message: String) -> ConnectorError {
    error(ConnectorErrorKind::Token, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(status: u16, body: &str) -> Result<Duration, String> {
        let asked_at = Instant::now();
        let granted =
            super::granted(status, body.as_bytes(), asked_at, &Masker::default()).map_err(|error| error.message)?;
        Ok(granted.use_until - asked_at)
    }

    #[test]
    fn lives() {
        // covers C-06
        let life = |member: &str| {
            granted(200, &format!(r#"{{"access_token":"t","token_type":"bearer"{member}}}"#))
                .expect("a token")
                .as_secs()
        };
        assert_eq!(life(r#","expires_in":3600"#), 3570);
        assert_eq!(life(r#","expires_in":"100""#), 90);
        assert_eq!(life(r#","expires_in":0"#), 0);
        assert_eq!(life(r#","expires_in":-5"#), 0);
        assert_eq!(life(r#","expires_in":1e300"#), 86_370);
        for member in ["", r#","expires_in":null"#, r#","expires_in":"soon""#, r#","expires_in":[{"a":1}]"#] {
            assert_eq!(life(member), 270, "{member}");
        }
        assert!(granted(201, r#"{"access_token":"t"}"#).is_ok());
    }

    #[test]
    fn refusals_say_why() {
        // covers C-06
        for (status, body, says) in [
            (
                401,
                r#"{"error":"invalid_client","error_description":"Who\nis this?"}"#,
                "401 with `invalid_client` (Who is this?)",
            ),
            (400, r#"{"error":"invalid_scope"}"#, "400 with `invalid_scope`;"),
            (200, r#"{"error":"bad_verification_code"}"#, "200 with `bad_verification_code`"),
            (500, "<html>", "500 with no `error`"),
            (400, r#"{"error":{"a":[1]},"error_description":"x"}"#, "400 with no `error`"),
            (302, "", "a redirect (302)"),
            (200, "{}", "200 without"),
            (200, r#"{"access_token":["s3cret"]}"#, "200 without"),
            (200, r#"{"access_token":"a b"}"#, "cannot stand in a header"),
            (200, r#"{"access_token":""}"#, "cannot stand in a header"),
            (200, r#"{"access_token":"s3cret","token_type":"DPoP"}"#, "of type `DPoP`"),
        ] {
            let message = granted(status, body).expect_err(body);
            assert!(message.contains(says) && !message.contains("s3cret"), "{message}");
        }
        let long = format!(r#"{{"error":"{}"}}"#, "x".repeat(5000));
        assert!(granted(400, &long).expect_err("refused").len() < 500);
    }
}
