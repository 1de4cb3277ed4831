//! A call authenticates itself (C-06), one attempt at a time, and the masker learns what must not come back.

mod api_key;
mod assertion;
mod aws_sigv4;
mod basic;
mod bearer;
mod digest;
mod hmac;
mod oauth2;
mod owned;
mod stored;
mod sts;
mod token_cache;
mod www_authenticate;

use std::sync::Arc;
use std::time::SystemTime;

use moka::future::Cache;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use weir_engine::connector::{Authentication, ConnectorDocument};
use weir_engine::expression::Template;
use weir_engine::ids::CredentialName;
use weir_engine::ports::{CallContext, ConnectorError, ConnectorErrorKind};

pub(crate) use self::hmac::parse_signed;
use self::oauth2::{Grant, TokenAsk};
pub(crate) use self::owned::sets_header;
use self::stored::{AwsKeys, Stored, Versioned, faulty};
use self::sts::RoleAsk;
use self::token_cache::{CacheKey, TokenCache};
use crate::credentials::Credentials;
use crate::error::{error, interpolation};
use crate::mask::Masker;
use crate::send::{Terms, Wire};

/// What is wrong with a credential, as the end of a sentence. Never holds a part of it.
type Problem = &'static str;

/// Authenticates calls.
pub(crate) struct Authenticator {
    credentials: Arc<dyn Credentials>,
    wire: Arc<Wire>,
    tokens: TokenCache<SecretString>,
    /// The keys of roles.
    roles: TokenCache<AwsKeys>,
    nonces: digest::Nonces,
    /// Parsed texts to sign, by their source.
    signed: Cache<String, Template>,
}

/// Parsed texts that are kept.
const SIGNED_MAX: u64 = 1024;

/// What an answer with the status 401 asks for.
#[derive(Debug, Clone)]
pub(crate) enum Challenge {
    /// Another token than the one that was sent.
    NewToken,
    /// The response to this challenge, the strongest of the answer (RFC 7616).
    Digest(String),
}

/// One attempt that is about to be authenticated.
struct Attempt<'a> {
    context: &'a CallContext,
    document: &'a ConnectorDocument,
    challenge: Option<&'a Challenge>,
    outgoing: &'a mut reqwest::Request,
    masker: &'a mut Masker,
}

impl Authenticator {
    /// Stored credentials, and the wire to token endpoints.
    pub(crate) fn new(credentials: Arc<dyn Credentials>, wire: Arc<Wire>) -> Self {
        let (tokens, nonces) = (TokenCache::default(), digest::Nonces::default());
        Self { credentials, wire, tokens, roles: TokenCache::default(), nonces, signed: Cache::new(SIGNED_MAX) }
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
        challenge: Option<&Challenge>,
        masker: &mut Masker,
    ) -> Result<(), ConnectorError> {
        owned::check(&document.authentication, outgoing)?;
        let attempt = Attempt { context, document, challenge, outgoing, masker };
        let stored = Stored { credentials: &*self.credentials, tenant: &context.tenant };
        match &document.authentication {
            Authentication::None => Ok(()),
            Authentication::Basic { credential } => {
                let pair = stored.basic(credential).await?.it;
                attempt.authorization(credential, |masker| basic::header(&pair, masker))
            }
            Authentication::Bearer { credential } => {
                let token = stored.bearer(credential).await?.it;
                attempt.authorization(credential, |masker| bearer::header(&token, masker))
            }
            Authentication::ApiKey { credential, place, name } => {
                let key = stored.api_key(credential).await?.it;
                let applied = api_key::apply(&key, *place, name, attempt.outgoing, attempt.masker);
                applied.map_err(|problem| faulty(credential, problem))
            }
            Authentication::Digest { credential } => self.digest(attempt, credential, &stored).await,
            Authentication::Oauth2ClientCredentials { .. }
            | Authentication::Oauth2Password { .. }
            | Authentication::Oauth2JwtBearer { .. } => self.granted(attempt, &stored).await,
            Authentication::AwsSigv4 { .. } => self.aws(attempt, &stored).await,
            Authentication::Hmac { .. } => self.hmac(attempt, &stored).await,
        }
    }

    /// What an answer asks for, where the call is worth one more try; `None` makes the answer the response. `last` is
    /// what the try before asked for: there is one more try and no other.
    #[expect(clippy::unused_self, reason = "which answers are worth it is the authenticator's to say")]
    pub(crate) fn challenged(
        &self,
        document: &ConnectorDocument,
        status: u16,
        headers: &HeaderMap,
        last: Option<&Challenge>,
    ) -> Option<Challenge> {
        if status != 401 || last.is_some() {
            return None;
        }
        match &document.authentication {
            Authentication::Digest { .. } => digest::choose(headers).map(Challenge::Digest),
            Authentication::Oauth2ClientCredentials { .. }
            | Authentication::Oauth2Password { .. }
            | Authentication::Oauth2JwtBearer { .. } => Some(Challenge::NewToken),
            _ => None,
        }
    }

    async fn digest(
        &self,
        attempt: Attempt<'_>,
        credential: &CredentialName,
        stored: &Stored<'_>,
    ) -> Result<(), ConnectorError> {
        let Versioned { version, it: pair } = stored.basic(credential).await?;
        let key = attempt.key(attempt.outgoing.url().origin().ascii_serialization(), vec![version])?;
        let challenge = match attempt.challenge {
            Some(Challenge::Digest(challenge)) => Some(challenge.as_str()),
            _ => None,
        };
        let applied = self.nonces.apply(key, challenge, &pair, attempt.outgoing, attempt.masker).await;
        applied.map_err(|problem| faulty(credential, problem))
    }

    /// Signs with the stored keys, or with those of the role that they may assume.
    async fn aws(&self, attempt: Attempt<'_>, stored: &Stored<'_>) -> Result<(), ConnectorError> {
        let Authentication::AwsSigv4 { credential, region, service, assume_role } = &attempt.document.authentication
        else {
            return Ok(());
        };
        let Versioned { version, it: mut keys } = stored.aws(credential).await?;
        if let Some(role) = assume_role {
            attempt.masker.add(keys.secret_access_key.expose_secret().as_bytes());
            let key = attempt.key(String::new(), vec![version])?;
            let ask = RoleAsk { role: role.clone(), region: region.clone(), keys };
            let (wire, tenant) = (self.wire.clone(), attempt.context.tenant.clone());
            let terms = Terms::of(attempt.document);
            let load = async move { ask.ask(&wire, &tenant, &terms).await };
            keys = self.roles.get(key, |_| false, load).await?;
        }
        let scope = aws_sigv4::Scope { region, service };
        aws_sigv4::apply(&keys, scope, SystemTime::now(), attempt.outgoing, attempt.masker)
    }

    async fn hmac(&self, attempt: Attempt<'_>, stored: &Stored<'_>) -> Result<(), ConnectorError> {
        let Authentication::Hmac { credential, hash, header, encoding, prefix, signed, timestamp_header } =
            &attempt.document.authentication
        else {
            return Ok(());
        };
        let key = stored.hmac_key(credential).await?.it;
        let signed = match self.signed.get(signed).await {
            Some(known) => known,
            None => {
                let parsed = parse_signed(signed).map_err(|fault| interpolation("`authentication.signed`", fault))?;
                self.signed.insert(signed.clone(), parsed.clone()).await;
                parsed
            }
        };
        let timestamp_header = timestamp_header.as_deref();
        let signing = hmac::Signing { hash: *hash, encoding: *encoding, header, prefix, timestamp_header };
        signing.apply(&key, &signed, SystemTime::now(), attempt.outgoing, attempt.masker)
    }

    /// Sends a granted token, got before or now.
    async fn granted(&self, attempt: Attempt<'_>, stored: &Stored<'_>) -> Result<(), ConnectorError> {
        let (ask, versions) = token_ask(&attempt.document.authentication, stored).await?;
        ask.add_secrets(attempt.masker);
        let key = attempt.key(String::new(), versions)?;
        let replace = matches!(attempt.challenge, Some(Challenge::NewToken));
        let masker = &*attempt.masker;
        // Of the tokens that this call has sent, the masker knows every one.
        let is_refused = |token: &SecretString| replace && masker.knows(token.expose_secret().as_bytes());
        let (wire, tenant) = (self.wire.clone(), attempt.context.tenant.clone());
        let terms = Terms::of(attempt.document);
        let load = async move { ask.ask(&wire, &tenant, &terms).await };
        let token = self.tokens.get(key, is_refused, load).await?;
        let header = bearer::header(&token, attempt.masker);
        let header =
            header.map_err(|problem| error(ConnectorErrorKind::Token, format!("the granted token {problem}")))?;
        attempt.outgoing.headers_mut().insert(AUTHORIZATION, header);
        Ok(())
    }
}

/// The token request of an OAuth 2 authentication, and the versions of what it is made with.
async fn token_ask(
    authentication: &Authentication,
    stored: &Stored<'_>,
) -> Result<(TokenAsk, Vec<u32>), ConnectorError> {
    match authentication {
        Authentication::Oauth2ClientCredentials { client, token } => {
            let client = stored.client(client).await?;
            let ask = TokenAsk { settings: token.clone(), client: Some(client.it), grant: Grant::ClientCredentials };
            Ok((ask, vec![client.version]))
        }
        Authentication::Oauth2Password { credential, client, token } => {
            let pair = stored.basic(credential).await?;
            let mut versions = vec![pair.version];
            let client = match client {
                Some(name) => {
                    let client = stored.client(name).await?;
                    versions.push(client.version);
                    Some(client.it)
                }
                None => None,
            };
            Ok((TokenAsk { settings: token.clone(), client, grant: Grant::Password(pair.it) }, versions))
        }
        Authentication::Oauth2JwtBearer { identity, assertion, token } => {
            let Versioned { version, it: key } = stored.private_key(identity).await?;
            let grant = Grant::JwtBearer { name: identity.clone(), key, assertion: assertion.clone() };
            Ok((TokenAsk { settings: token.clone(), client: None, grant }, vec![version]))
        }
        _ => Err(error(ConnectorErrorKind::Token, "this authentication asks for no tokens")),
    }
}

impl Attempt<'_> {
    /// Sets `authorization`.
    fn authorization(
        self,
        credential: &CredentialName,
        header: impl FnOnce(&mut Masker) -> Result<HeaderValue, Problem>,
    ) -> Result<(), ConnectorError> {
        let header = header(self.masker).map_err(|problem| faulty(credential, problem))?;
        self.outgoing.headers_mut().insert(AUTHORIZATION, header);
        Ok(())
    }

    /// What is got for this call and for others like it.
    fn key(&self, besides: String, versions: Vec<u32>) -> Result<CacheKey, ConnectorError> {
        let settings = serde_json::to_vec(&(&self.document.authentication, besides)).ok();
        let hashed = settings.and_then(|it| ring::digest::digest(&ring::digest::SHA256, &it).as_ref().try_into().ok());
        let settings =
            hashed.ok_or_else(|| error(ConnectorErrorKind::Token, "the connector's `authentication` is not JSON"))?;
        let connector = self.document.connector.to_string();
        Ok(CacheKey { tenant: self.context.tenant.clone(), connector, settings, versions })
    }
}

/// Text that an outside system wrote, for a message. Masked before it is cut: half a secret is not found any more.
fn one_line(text: &str, masker: &Masker) -> String {
    masker.text(text).chars().take(200).map(|it| if it.is_control() { ' ' } else { it }).collect()
}

/// A header value that no `Debug` shows.
fn sensitive(text: &SecretString) -> Result<HeaderValue, Problem> {
    sensitive_bytes(text.expose_secret().as_bytes())
}

fn sensitive_bytes(bytes: &[u8]) -> Result<HeaderValue, Problem> {
    let mut value = HeaderValue::from_bytes(bytes)
        .map_err(|_| "cannot stand in a header; store it again without control characters")?;
    value.set_sensitive(true);
    Ok(value)
}
