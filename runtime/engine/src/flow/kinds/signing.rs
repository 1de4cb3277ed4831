//! How a claims step signs (F-08): a JWT (RFC 7519) as compact JWS (RFC 7515).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::connector::SigningAlgorithm;
use crate::document::{Document, Faults};
use crate::expression::{Expression, Template, ValueTemplate};
use crate::flow::compile::{Compiler, SHAPE};
use crate::flow::model::{Flow, StepKind};
use crate::ids::IdentityName;

/// The longest time that a JWT may hold.
const EXPIRES_IN_MAX: Duration = Duration::from_secs(366 * 86_400);

/// The most header members of an author's own.
const HEADER_MAX: usize = 20;

/// Header members that the signature itself is about (RFC 7515, section 4.1): none of them is an author's.
const HEADER_RESERVED: [&str; 12] =
    ["alg", "jku", "jwk", "kid", "x5u", "x5c", "x5t", "x5t#S256", "typ", "crit", "b64", "enc"];

/// Signs all claims of the run until then (F-08).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::flow) struct SignDocument {
    /// The stored identity whose private key signs.
    pub key: IdentityName,
    /// The signature; it must fit the key.
    pub algorithm: SigningAlgorithm,
    /// `iss`: a template.
    #[serde(default)]
    pub issuer: Option<String>,
    /// `sub`: a template.
    #[serde(default)]
    pub subject: Option<String>,
    /// `aud`: a template, or a list of them.
    #[serde(default)]
    pub audience: Option<Value>,
    /// How long the JWT holds: `5m` by default, 1 s to 366 days.
    #[serde(default = "expires_in", with = "crate::duration_text")]
    #[schemars(with = "String")]
    pub expires_in: Duration,
    /// `typ` of the header: `JWT` by default.
    #[serde(default = "jwt", rename = "type")]
    pub kind: String,
    /// Further members of the header; templates.
    #[serde(default)]
    pub header: BTreeMap<String, Value>,
    /// The registered claims that the run's own claims of the same key may set: without it, those are left out.
    #[serde(default)]
    pub registered_from_claims: BTreeSet<RegisteredClaim>,
}

fn expires_in() -> Duration {
    Duration::from_secs(300)
}

fn jwt() -> String {
    "JWT".to_owned()
}

/// The claims that RFC 7519 gives a meaning (section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the RFC's")]
pub enum RegisteredClaim {
    Iss,
    Sub,
    Aud,
    Exp,
    Nbf,
    Iat,
    Jti,
}

impl RegisteredClaim {
    /// The one of that key.
    pub fn of(key: &str) -> Option<Self> {
        Some(match key {
            "iss" => Self::Iss,
            "sub" => Self::Sub,
            "aud" => Self::Aud,
            "exp" => Self::Exp,
            "nbf" => Self::Nbf,
            "iat" => Self::Iat,
            "jti" => Self::Jti,
            _ => return None,
        })
    }

    /// Whether a value is what the RFC wants of it: seconds, text, or for `aud` text or a list of texts.
    pub fn accepts(self, value: &Value) -> bool {
        match self {
            Self::Exp | Self::Nbf | Self::Iat => value.is_number(),
            Self::Iss | Self::Sub | Self::Jti => value.is_string(),
            Self::Aud => match value {
                Value::Array(items) => !items.is_empty() && items.iter().all(Value::is_string),
                other => other.is_string(),
            },
        }
    }
}

/// How claims are signed, compiled.
#[derive(Debug)]
pub struct Signing {
    /// The identity.
    pub key: IdentityName,
    /// The signature.
    pub algorithm: SigningAlgorithm,
    /// `iss`.
    pub issuer: Option<Template>,
    /// `sub`.
    pub subject: Option<Template>,
    /// `aud`.
    pub audience: Option<ValueTemplate>,
    /// How long the JWT holds.
    pub expires_in: Duration,
    /// `typ`.
    pub kind: String,
    /// Further members of the header; an object of templates.
    pub header: ValueTemplate,
    /// What the run's own claims may set.
    pub registered_from_claims: BTreeSet<RegisteredClaim>,
}

impl Signing {
    /// The expressions in it, each with the JSON pointer of its string below `pointer`.
    pub(in crate::flow) fn expressions_at(&self, pointer: &str) -> Vec<(String, &Expression)> {
        let texts = [("issuer", &self.issuer), ("subject", &self.subject)];
        let texts = texts.into_iter().filter_map(|(name, text)| Some((format!("{pointer}/{name}"), text.as_ref()?)));
        let texts = texts.flat_map(|(at, text)| text.expressions().map(move |it| (at.clone(), it)));
        let audience = self.audience.iter().flat_map(|it| it.expressions_at(&format!("{pointer}/audience")));
        texts.chain(audience).chain(self.header.expressions_at(&format!("{pointer}/header"))).collect()
    }
}

impl Compiler<'_> {
    pub(super) fn signing(&mut self, pointer: &str, it: SignDocument) -> Option<Signing> {
        if !(Duration::from_secs(1)..=EXPIRES_IN_MAX).contains(&it.expires_in) {
            let message = "a JWT holds from 1 second to 366 days";
            self.error(&format!("{pointer}/expires-in"), "flow.signing", message);
        }
        if !(1..=128).contains(&it.kind.len()) || !it.kind.bytes().all(|byte| byte.is_ascii_graphic()) {
            let message = "the type of a JWT has 1 to 128 visible ASCII characters, such as `at+jwt`";
            self.error(&format!("{pointer}/type"), "flow.signing", message);
        }
        if it.header.len() > HEADER_MAX {
            let message = format!("a header has at most {HEADER_MAX} members of one's own, not {}", it.header.len());
            self.error(&format!("{pointer}/header"), SHAPE, message);
        }
        for name in it.header.keys().filter(|name| HEADER_RESERVED.contains(&name.as_str())) {
            let message = format!("`{name}` is what the server says of the signature; leave it out");
            self.error(&format!("{pointer}/header/{name}"), "flow.signing", message);
        }
        let text = |this: &mut Self, name: &str, text: Option<String>| match text {
            Some(text) => this.template(&format!("{pointer}/{name}"), &text).map(Some),
            None => Some(None),
        };
        let (issuer, subject) = (text(self, "issuer", it.issuer), text(self, "subject", it.subject));
        let audience = match it.audience {
            Some(audience) => self.values(&format!("{pointer}/audience"), &audience).map(Some),
            None => Some(None),
        };
        let header = self.values(&format!("{pointer}/header"), &Value::Object(it.header.into_iter().collect()));
        Some(Signing {
            key: it.key,
            algorithm: it.algorithm,
            issuer: issuer?,
            subject: subject?,
            audience: audience?,
            expires_in: it.expires_in,
            kind: it.kind,
            header: header?,
            registered_from_claims: it.registered_from_claims,
        })
    }
}

/// Adds a warning for each claim that a signature of the flow leaves out.
pub(in crate::flow) fn check(flow: &Flow, document: &Document, faults: &mut Faults) {
    let allowed: Vec<_> = flow.signings().map(|(_, signing)| &signing.registered_from_claims).collect();
    if allowed.is_empty() {
        return;
    }
    for step in &flow.steps {
        let StepKind::Claims(claims) = &step.kind else { continue };
        for (index, claim) in claims.claims.iter().enumerate() {
            let Some(registered) = RegisteredClaim::of(&claim.key) else { continue };
            if allowed.iter().any(|allowed| !allowed.contains(&registered)) {
                let message =
                    format!("`{}` is a claim that the signature sets itself; this one is left out", claim.key);
                let pointer = format!("{}/claims/{index}/key", step.pointer);
                let fault = faults.warning(document, &pointer, "flow.registered-claim", message);
                fault.help(format!("name it in `registered-from-claims: [{}]` of `sign`", claim.key));
            }
        }
    }
}
