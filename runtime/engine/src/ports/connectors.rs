//! The port to outside systems.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::connector::{BoundRequest, Connector, PermittedRequest};
use crate::expression::Scope;
use crate::ids::{FunctionName, RequestId, TenantId};
use crate::message::Response;
use std::sync::Arc;

/// Who calls, and how long the call may take in all.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// Whose connector, credentials and egress rules.
    pub tenant: TenantId,
    /// Ties log lines together.
    pub request_id: RequestId,
    /// Sent as `Idempotency-Key`: the same on every attempt of the same call, also after a crash (F-06).
    pub idempotency_key: String,
    /// What is left for queueing, resolving, connecting, sending, reading and retries together (E-05).
    pub budget: Duration,
    /// Who decides how often the call is tried.
    pub attempts: Attempts,
}

/// Who decides how often a call is tried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Attempts {
    /// The function: its retry policy, its redirects, its time-out.
    #[default]
    OfFunction,
    /// The caller, who looks at the answer first: one attempt, no redirect is followed, and it takes at most
    /// so long where the function would let it take longer.
    One {
        /// For the whole attempt.
        timeout: Duration,
    },
}

/// What a call of a connector function gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// The response, or why there is none.
    pub outcome: Result<Response, ConnectorError>,
    /// Every attempt, in order.
    pub attempts: Vec<Attempt>,
    /// Wall time of all attempts together, in microseconds.
    pub elapsed_us: u64,
}

/// What a response holds, as its function reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadResponse {
    /// The body as the function's format has it (C-13).
    pub body: Value,
    /// What the function's transformation expression made of the response (C-15).
    pub transformed_data: Option<Value>,
}

/// One attempt of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// The wait before it, in microseconds: backoff, or what `Retry-After` asked for.
    #[serde(default, skip_serializing_if = "crate::left_out::is_zero")]
    pub waited_us: u64,
    /// The status, where an answer began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The redirects that were followed, in order (C-08).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hops: Vec<Hop>,
    /// Why it gave no response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ConnectorError>,
    /// Where the time went.
    pub timings: Timings,
}

/// A redirect that was followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// The status that redirected.
    pub status: u16,
    /// Where to, without query and fragment.
    pub to: String,
}

/// Where the time of an attempt went, in microseconds. The first three are missing where a connection was reused, the
/// first also where the host is an address, the third where there is no TLS. After redirects they are sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timings {
    /// Resolving the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_us: Option<u64>,
    /// Connecting, after resolving.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_us: Option<u64>,
    /// The TLS handshake, after connecting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_us: Option<u64>,
    /// From the start until the status line and the headers were there.
    pub first_byte_us: u64,
    /// From the start until the body was read.
    pub total_us: u64,
}

/// Why a call gave no usable response. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ConnectorError {
    /// What kind, for programs.
    pub kind: ConnectorErrorKind,
    /// What happened, where, and how to mend it.
    pub message: String,
}

/// The kinds of [`ConnectorError`], each with a stable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectorErrorKind {
    /// An argument is missing or of another type than declared (C-02).
    InvalidArgument,
    /// An expression of the function failed, or its result does not fit its place (C-03).
    Interpolation,
    /// What the hooks left is not a request that may be sent (E-04).
    RequestNotPermitted,
    /// The stored credential is missing or of another kind (C-06).
    Credential,
    /// The stored TLS identity is missing, of another kind, or expired (C-07).
    Identity,
    /// The token endpoint gave no token (C-06).
    Token,
    /// The connector has as many calls in flight as it may have (C-21).
    ConcurrencyLimit,
    /// The circuit breaker is open (C-21).
    CircuitOpen,
    /// The egress policy denies the address (C-19).
    EgressDenied,
    /// The name does not resolve.
    Resolve,
    /// No connection within the connection time-out (C-09).
    ConnectTimeout,
    /// No connection.
    Connect,
    /// No full response within the request time-out (C-09).
    RequestTimeout,
    /// TLS failed.
    Tls,
    /// The connection broke, or the answer was not HTTP.
    Protocol,
    /// A redirect leads nowhere, or there are more than the function follows (C-08).
    Redirect,
    /// The response's headers or body are over a limit (C-20).
    ResponseTooLarge,
    /// The body does not parse as its format (C-13).
    InvalidBody,
    /// The status is not a valid one, and the function says that this is a failure (C-12).
    InvalidStatus,
    /// The body or the transformed data does not fulfil its schema (C-14, C-15).
    ResponseSchema,
    /// The function's transformation failed (C-15).
    Transformation,
}

impl ConnectorErrorKind {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidArgument => "connector.invalid-argument",
            Self::Interpolation => "connector.interpolation",
            Self::RequestNotPermitted => "connector.request-not-permitted",
            Self::Credential => "connector.credential",
            Self::Identity => "connector.identity",
            Self::Token => "connector.token",
            Self::ConcurrencyLimit => "connector.concurrency-limit",
            Self::CircuitOpen => "connector.circuit-open",
            Self::EgressDenied => "connector.egress-denied",
            Self::Resolve => "connector.resolve",
            Self::ConnectTimeout => "connector.connect-timeout",
            Self::Connect => "connector.connect",
            Self::RequestTimeout => "connector.request-timeout",
            Self::Tls => "connector.tls",
            Self::Protocol => "connector.protocol",
            Self::Redirect => "connector.redirect",
            Self::ResponseTooLarge => "connector.response-too-large",
            Self::InvalidBody => "connector.invalid-body",
            Self::InvalidStatus => "connector.invalid-status",
            Self::ResponseSchema => "connector.response-schema",
            Self::Transformation => "connector.transformation",
        }
    }
}

/// Calls functions of connectors.
#[async_trait]
pub trait Connectors: Send + Sync {
    /// Binds arguments to a function and interpolates its templates. Sends nothing, adds no credential.
    ///
    /// # Errors
    /// `invalid-argument`, `interpolation`.
    fn bind(
        &self,
        connector: &Arc<Connector>,
        function: &FunctionName,
        arguments: &Map<String, Value>,
        scope: &Scope,
    ) -> Result<BoundRequest, ConnectorError>;

    /// Adds credentials, checks the egress policy, sends, reads the response within the limits, masks secrets.
    /// Any status is a response.
    async fn send(&self, context: &CallContext, request: &PermittedRequest) -> Exchange;

    /// Reads a response as its function says: the body as its format has it (C-13), held against the schema (C-14),
    /// and what the expression makes of it (C-15), which stands aside for `transformed_data` that is there already.
    ///
    /// Schema and expression are for responses with a valid status. The body of another one, which is often no
    /// document of the format, is text then.
    ///
    /// # Errors
    /// `invalid-body`, `response-schema`, `transformation`, with the place.
    async fn read_response(
        &self,
        request: &PermittedRequest,
        response: &Response,
        elapsed_us: u64,
    ) -> Result<ReadResponse, ConnectorError>;

    /// The last look at a response, after all hooks: its body as the format has it, and `transformed_data` held
    /// against its own schema where the status is valid (C-15). `body` is what [`Connectors::read_response`] gave,
    /// where no hook has changed the response's body since.
    ///
    /// # Errors
    /// `invalid-body`, `response-schema`, with the place.
    async fn conclude_response(
        &self,
        request: &PermittedRequest,
        response: &Response,
        body: Option<Value>,
    ) -> Result<Value, ConnectorError>;
}
