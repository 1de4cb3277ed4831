//! A call authenticates itself (C-06), one attempt at a time, and the masker learns what must not come back.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use weir_engine::connector::{Authentication, ConnectorDocument};
use weir_engine::ids::CredentialName;
use weir_engine::ports::{CallContext, ConnectorError, ConnectorErrorKind};

use crate::credentials::{Credential, Credentials, StoredCredential};
use crate::error::error;
use crate::mask::Masker;
use crate::send::Wire;

/// Authenticates calls.
pub(crate) struct Authenticator {
    credentials: Arc<dyn Credentials>,
    #[expect(dead_code, reason = "token endpoints are asked over it")]
    wire: Arc<Wire>,
}

/// What an answer with the status 401 asks for.
#[derive(Debug, Clone)]
#[expect(dead_code, reason = "the schemes that are challenged make and read them")]
pub(crate) enum Challenge {
    /// Another token than the one that was sent.
    NewToken,
    /// The response to the challenge in this `www-authenticate` field (RFC 7616).
    Digest(String),
}

impl Authenticator {
    /// Stored credentials, and the wire to token endpoints.
    pub(crate) fn new(credentials: Arc<dyn Credentials>, wire: Arc<Wire>) -> Self {
        Self { credentials, wire }
    }

    /// Authenticates one attempt just before it is sent: sets headers, changes the query, signs. `challenge` is what
    /// the attempt before asked for.
    ///
    /// # Errors
    /// `credential`, `identity`, `token`; `request-not-permitted` where a hook or the document has set the header too.
    pub(crate) async fn authenticate(
        &self,
        context: &CallContext,
        document: &ConnectorDocument,
        outgoing: &mut reqwest::Request,
        _challenge: Option<&Challenge>,
        masker: &mut Masker,
    ) -> Result<(), ConnectorError> {
        let (name, wanted) = match &document.authentication {
            Authentication::None => return Ok(()),
            Authentication::Basic { credential } => (credential, "basic"),
            Authentication::Bearer { credential } => (credential, "bearer"),
            _ => return Err(error(ConnectorErrorKind::Credential, "this authentication is not there yet")),
        };
        if outgoing.headers().contains_key(AUTHORIZATION) {
            return Err(error(
                ConnectorErrorKind::RequestNotPermitted,
                "the request has an `authorization` header, but the connector's `authentication` sets it; leave one of the two out",
            ));
        }
        let stored = self.credentials.credential(&context.tenant, name).await;
        let stored = stored.map_err(|problem| faulty(name, format!("cannot be read: {problem}")))?;
        let Some(StoredCredential { credential, .. }) = stored else {
            return Err(faulty(name, format!("does not exist; store one of type `{wanted}` under this name")));
        };
        if credential.kind() != wanted {
            let kind = credential.kind();
            return Err(faulty(
                name,
                format!("is of type `{kind}`, but the connector's `authentication` needs `{wanted}`"),
            ));
        }
        let value = header(&credential, masker).map_err(|problem| faulty(name, problem.to_owned()))?;
        outgoing.headers_mut().insert(AUTHORIZATION, value);
        Ok(())
    }

    /// What an answer asks for, where the call is worth one more try; `None` makes the answer the response. `last` is
    /// what the try before asked for: there is one more try and no other.
    #[expect(clippy::unused_self, reason = "tokens that the answer refused are forgotten")]
    pub(crate) fn challenged(
        &self,
        _document: &ConnectorDocument,
        _status: u16,
        _headers: &HeaderMap,
        _last: Option<&Challenge>,
    ) -> Option<Challenge> {
        None
    }
}

fn faulty(name: &CredentialName, problem: String) -> ConnectorError {
    error(ConnectorErrorKind::Credential, format!("the credential `{name}` {problem}"))
}

fn header(credential: &Credential, masker: &mut Masker) -> Result<HeaderValue, &'static str> {
    let text = match credential {
        Credential::Basic { username, password } => basic(username, password, masker)?,
        Credential::Bearer { token } => bearer(token, masker)?,
        _ => return Err("is of no type that stands in this header"),
    };
    let mut value = HeaderValue::from_str(text.expose_secret())
        .map_err(|_| "cannot stand in a header; store it again without control characters")?;
    value.set_sensitive(true);
    Ok(value)
}

/// RFC 7617 section 2, with UTF-8.
fn basic(username: &str, password: &SecretString, masker: &mut Masker) -> Result<SecretString, &'static str> {
    let secret = password.expose_secret();
    if username.contains(':') {
        return Err("has a user name with `:`, which basic authentication cannot send");
    }
    if username.chars().chain(secret.chars()).any(char::is_control) {
        return Err("has a control character in its user name or password, which basic authentication cannot send");
    }
    let pair = SecretString::from(format!("{username}:{secret}"));
    let encoded = SecretString::from(BASE64_STANDARD.encode(pair.expose_secret()));
    masker.add(encoded.expose_secret().trim_end_matches('=').as_bytes());
    // Some systems take a key as user name, with an empty password.
    masker.add(if secret.is_empty() { username } else { secret }.as_bytes());
    Ok(SecretString::from(format!("Basic {}", encoded.expose_secret())))
}

/// RFC 6750 section 2.1, with every visible character that real tokens have.
fn bearer(token: &SecretString, masker: &mut Masker) -> Result<SecretString, &'static str> {
    let secret = token.expose_secret();
    if secret.is_empty() || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("has an empty token or one with spaces, control or non-ASCII characters; store the bare token");
    }
    masker.add(secret.as_bytes());
    Ok(SecretString::from(format!("Bearer {secret}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(credential: &Credential) -> Result<String, &'static str> {
        let value = header(credential, &mut Masker::default())?;
        assert!(!format!("{value:?}").contains("QWxhZGRpbjpvcGVuIHNlc2FtZQ"));
        Ok(value.to_str().expect("text").to_owned())
    }

    #[test]
    fn headers() {
        // covers C-06
        let basic = |user: &str, password: &str| Credential::Basic { username: user.into(), password: password.into() };
        let bearer = |token: &str| Credential::Bearer { token: token.into() };
        assert_eq!(value(&basic("Aladdin", "open sesame")).as_deref(), Ok("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        assert_eq!(value(&basic("test", "123£")).as_deref(), Ok("Basic dGVzdDoxMjPCow=="));
        assert_eq!(value(&bearer("abc.def_~+/=")).as_deref(), Ok("Bearer abc.def_~+/="));
        for faulty in
            [basic("a:b", "x"), basic("a", "x\n"), basic("a\0", "x"), bearer(""), bearer("a b"), bearer("a\r\nb")]
        {
            assert!(value(&faulty).is_err(), "{faulty:?}");
        }
    }

    #[test]
    fn an_empty_password_makes_the_user_name_the_secret() {
        // keeps K-02
        let mut masker = Masker::default();
        let credential = Credential::Basic { username: "sk_live_1".into(), password: "".into() };
        header(&credential, &mut masker).expect("a header");
        assert_eq!(masker.text("key sk_live_1"), "key ***");
    }
}
