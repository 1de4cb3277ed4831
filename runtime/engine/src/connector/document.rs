//! What a tenant writes to configure a connector (C-01 to C-21).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::authentication::Authentication;
use super::delivery::{CallLog, CircuitBreaker, Redirects, ResponseMode, Retry};
use super::response::ResponseSettings;
use super::tls::Tls;
use crate::ids::{ConnectorName, FunctionName};
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
    /// Which certificates are shown and trusted.
    #[serde(default)]
    pub tls: Tls,
    /// Sent with every function, before the function's own headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderTemplate>,
    /// Names of headers, query parameters and members whose values are shown to nobody (D-04): not in the log, the
    /// journal or a test's result, and not in the input of a plugin, in every flow that uses the connector. Compared
    /// without regard to case and to anything but letters and digits. At most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sensitive: Vec<String>,
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
    /// The deepest JSON or XML nesting of a response: 64 by default.
    pub json_depth_max: u16,
    /// Most calls of the connector at a time on one host: 64 by default. More wait up to `request-timeout`.
    pub concurrency_max: u16,
    /// When calls stop for a while.
    pub circuit_breaker: CircuitBreaker,
}

impl Default for Connection {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
            response_bytes_max: 4 << 20,
            header_bytes_max: 64 << 10,
            json_depth_max: 64,
            concurrency_max: 64,
            circuit_breaker: CircuitBreaker::default(),
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
    /// Whether the step waits for the response.
    #[serde(default)]
    pub mode: ResponseMode,
    /// Whether redirects are followed.
    #[serde(default)]
    pub redirects: Redirects,
    /// When the call is made again.
    #[serde(default)]
    pub retry: Retry,
    /// At which level the events of a call are logged.
    #[serde(default)]
    pub log: CallLog,
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
