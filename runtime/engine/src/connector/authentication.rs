//! How the host authenticates (C-06). Secrets stand in stored credentials, never in a document.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::{CredentialName, IdentityName};

/// How the host authenticates.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Authentication {
    /// Not at all.
    #[default]
    None,
    /// RFC 7617, with a stored credential of type `basic`.
    Basic {
        /// The credential's name.
        credential: CredentialName,
    },
    /// RFC 6750, with a stored credential of type `bearer`.
    Bearer {
        /// The credential's name.
        credential: CredentialName,
    },
    /// RFC 7616: MD5, SHA-256 and SHA-512/256, each also `-sess`, with qop `auth` and `auth-int`; a credential of type `basic`.
    Digest {
        /// The credential's name.
        credential: CredentialName,
    },
    /// A key in a header or in the query, with a stored credential of type `api-key`.
    ApiKey {
        /// The credential's name.
        credential: CredentialName,
        /// Where the key goes.
        #[serde(rename = "in")]
        place: ApiKeyPlace,
        /// The header's or the query parameter's name.
        name: String,
    },
    /// RFC 6749 section 4.4, with a stored credential of type `oauth2-client`.
    Oauth2ClientCredentials {
        /// The client's credential.
        client: CredentialName,
        /// Where and how to ask for tokens.
        token: TokenRequest,
    },
    /// RFC 6749 section 4.3, for systems that know nothing better; a credential of type `basic`.
    Oauth2Password {
        /// The user's credential, of type `basic`.
        credential: CredentialName,
        /// The client's credential, of type `oauth2-client`, where the server wants one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<CredentialName>,
        /// Where and how to ask for tokens.
        token: TokenRequest,
    },
    /// RFC 7523 section 2.1: a token against a JWT that a stored identity signs.
    Oauth2JwtBearer {
        /// The identity whose private key signs.
        identity: IdentityName,
        /// What the JWT says.
        assertion: Assertion,
        /// Where and how to ask for tokens.
        token: TokenRequest,
    },
    /// AWS Signature Version 4, with a stored credential of type `aws`.
    AwsSigv4 {
        /// The credential's name.
        credential: CredentialName,
        /// The region, such as `eu-central-1`.
        region: String,
        /// The service's signing name, such as `execute-api`.
        service: String,
        /// The role whose temporary keys sign; without one the credential's own do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        assume_role: Option<AssumeRole>,
    },
    /// A keyed hash over a text of the request, with a stored credential of type `hmac-key`.
    Hmac {
        /// The credential's name.
        credential: CredentialName,
        /// The hash: `sha256` by default.
        #[serde(default)]
        hash: HmacHash,
        /// The header that takes the signature.
        header: String,
        /// How the signature is written: `hex` by default.
        #[serde(default)]
        encoding: HmacEncoding,
        /// What stands before the signature in the header, such as `sha256=`.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        prefix: String,
        /// What is signed: a template over `request.method`, `request.uri`, `request.path`, `request.query`,
        /// `request.headers`, `request.body` and `request.timestamp`. The body by default.
        #[serde(default = "body_alone")]
        signed: String,
        /// A header that takes the timestamp, in seconds since 1970.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timestamp_header: Option<String>,
    },
}

fn body_alone() -> String {
    "${request.body}".to_owned()
}

/// A role that is assumed with AWS STS, for an hour at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AssumeRole {
    /// The role's ARN.
    pub role_arn: String,
    /// What the role's trust policy may want besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The STS endpoint; the region's own by default. The egress policy holds for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<url::Url>,
}

/// Where an API key goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ApiKeyPlace {
    /// A header.
    Header,
    /// A query parameter.
    Query,
}

/// Where and how to ask for OAuth 2 tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TokenRequest {
    /// The token endpoint. The egress policy holds for it.
    pub url: url::Url,
    /// What is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Further parameters of the request, such as `audience`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// How the client authenticates at the token endpoint: `basic` by default.
    #[serde(default)]
    pub client_authentication: ClientAuthentication,
}

/// How a client authenticates at a token endpoint (RFC 6749 section 2.3.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClientAuthentication {
    /// HTTP basic authentication.
    #[default]
    Basic,
    /// `client_id` and `client_secret` in the body.
    Body,
}

/// What a JWT for a token request says (RFC 7523 section 3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Assertion {
    /// How it is signed.
    pub algorithm: SigningAlgorithm,
    /// The header's `kid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// `iss`.
    pub issuer: String,
    /// `sub`; the issuer by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// `aud`; the token endpoint by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// From `iat` to `exp`: `5m` by default.
    #[serde(default = "five_minutes", with = "crate::duration_text")]
    #[schemars(with = "String")]
    pub lifetime: Duration,
    /// Further claims.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, Value>,
}

fn five_minutes() -> Duration {
    Duration::from_secs(300)
}

/// The signatures of JWTs (RFC 7518, RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[expect(missing_docs, reason = "the names are the registry's")]
pub enum SigningAlgorithm {
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl SigningAlgorithm {
    /// The name as the registry has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// The hashes of [`Authentication::Hmac`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum HmacHash {
    Sha1,
    #[default]
    Sha256,
    Sha384,
    Sha512,
}

/// How [`Authentication::Hmac`] writes a signature.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HmacEncoding {
    /// Hexadecimal, lower case.
    #[default]
    Hex,
    /// RFC 4648 section 4, with padding.
    Base64,
    /// RFC 4648 section 5, without padding.
    Base64url,
}
