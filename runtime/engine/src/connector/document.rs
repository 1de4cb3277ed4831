//! What a tenant writes to configure a connector (C-01 to C-13).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::{ConnectorName, CredentialName, FunctionName};
use crate::message::Method;

/// A configured outside system with its typed functions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ConnectorDocument {
    /// Its name within the tenant.
    pub connector: ConnectorName,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Absolute `http` or `https` URL without query, fragment and user info. A flow cannot change it.
    pub base_url: url::Url,
    /// How the host authenticates; credentials by name.
    #[serde(default)]
    pub authentication: Authentication,
    /// Sent with every function, before the function's own headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderTemplate>,
    /// Time-outs and limits.
    #[serde(default)]
    pub connection: Connection,
    /// At least one.
    pub functions: Vec<Function>,
}

impl ConnectorDocument {
    /// The function of that name.
    pub fn function(&self, name: &FunctionName) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == *name)
    }
}

/// How the host authenticates (C-06). Secrets stand in stored credentials, never here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
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
}

/// A header whose value is a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderTemplate {
    /// A field name (RFC 9110). Names of the connection such as `host` are refused.
    pub name: String,
    /// Interpolated; a value can never add another header.
    pub value: String,
}

/// Time-outs (C-09) and limits (C-20).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Connection {
    /// For one attempt, from resolving to the last byte of the body: `5s` by default.
    #[serde(with = "crate::duration_text")]
    #[schemars(with = "String")]
    pub request_timeout: Duration,
    /// For connecting and TLS: `2s` by default.
    #[serde(with = "crate::duration_text")]
    #[schemars(with = "String")]
    pub connect_timeout: Duration,
    /// The largest response body after decompression, in bytes: 4 MiB by default.
    pub response_bytes_max: u64,
    /// The largest sum of response header names and values, in bytes: 64 KiB by default.
    pub header_bytes_max: u64,
    /// The deepest JSON nesting of a response: 64 by default.
    pub json_depth_max: u16,
}

impl Default for Connection {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
            response_bytes_max: 4 << 20,
            header_bytes_max: 64 << 10,
            json_depth_max: 64,
        }
    }
}

/// One typed HTTP call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Function {
    /// Its name within the connector.
    pub name: FunctionName,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What a caller hands over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<Argument>,
    /// `GET` by default.
    #[serde(default = "get")]
    pub method: Method,
    /// Path and query below the base URL, beginning with `/` or `?`; values of `${…}` are percent-encoded.
    #[serde(default)]
    pub endpoint: String,
    /// Sent after the connector's own headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderTemplate>,
    /// With POST, PUT, PATCH only. An object or a list is sent as JSON, each `${…}` in it with the type of its
    /// value; a text is sent as it is, with JSON-encoded values where the content type is JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// What to make of the response.
    #[serde(default)]
    pub response: ResponseSettings,
}

fn get() -> Method {
    Method::Get
}

/// One declared argument (C-02).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Argument {
    /// The name in expressions: `args.NAME`.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: ArgumentType,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether a call without it is an error. `false` by default.
    #[serde(default)]
    pub required: bool,
    /// The value where the caller gives none; of the argument's type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// The types of arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are JSON Schema's")]
pub enum ArgumentType {
    String,
    Number,
    Integer,
    Boolean,
    Array,
    Object,
}

/// What to make of a response (C-12, C-13).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ResponseSettings {
    /// `json-object` by default.
    pub format: ResponseFormat,
    /// Whether a status under 200 or over 299 makes the step fail. `true` by default.
    pub fail_on_invalid_status: bool,
}

impl Default for ResponseSettings {
    fn default() -> Self {
        Self { format: ResponseFormat::JsonObject, fail_on_invalid_status: true }
    }
}

/// The formats of response bodies (C-13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ResponseFormat {
    /// The body is not read into the context.
    None,
    /// UTF-8 text.
    String,
    /// A JSON object.
    JsonObject,
    /// A JSON array.
    JsonArray,
}

impl ArgumentType {
    /// Whether a value is of this type. A number without a fraction is an integer.
    pub fn accepts(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Number => value.is_number(),
            Self::Integer => {
                value.as_i64().is_some()
                    || value.as_u64().is_some()
                    || value.as_f64().is_some_and(|it| it.fract() == 0.0)
            }
            Self::Boolean => value.is_boolean(),
            Self::Array => value.is_array(),
            Self::Object => value.is_object(),
        }
    }

    /// The type's name in a sentence.
    pub fn with_article(self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Number => "a number",
            Self::Integer => "an integer",
            Self::Boolean => "a boolean",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}
