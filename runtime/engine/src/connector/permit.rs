//! The proof that a request may be sent: only [`BoundRequest::permit`] makes a [`PermittedRequest`], and only a
//! [`PermittedRequest`] can be sent. So no hook can widen what its flow may do.

use std::sync::Arc;

use serde_json::Value;

use crate::connector::document::{ConnectorDocument, Function};
use crate::message::{Header, Request};

/// One saved version of a connector.
#[derive(Debug, Clone, PartialEq)]
pub struct Connector {
    /// The version of the save.
    pub version: u32,
    /// What it says.
    pub document: ConnectorDocument,
}

/// A request that a function bound, before any hook.
#[derive(Debug, Clone)]
pub struct BoundRequest {
    connector: Arc<Connector>,
    function: Arc<Function>,
    arguments: Arc<Value>,
    request: Request,
}

/// A request that may be sent: it goes where its connector says, and carries no header of the connection.
#[derive(Debug, Clone)]
pub struct PermittedRequest {
    connector: Arc<Connector>,
    function: Arc<Function>,
    arguments: Arc<Value>,
    request: Request,
}

/// Why a request may not be sent (E-04).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPermitted {
    /// Another scheme, host or port.
    #[error(
        "the request goes to `{asked}`, but the connector's base URL is at `{allowed}`; a hook may change path and query only"
    )]
    Elsewhere {
        /// The origin of the request.
        asked: String,
        /// The origin of the connector.
        allowed: String,
    },
    /// User info in the URI.
    #[error("the URI holds a user name or a password; credentials belong to the connector's `authentication`")]
    UserInfo,
    /// Something that is no header name.
    #[error("`{0}` is not a header name (RFC 9110 token)")]
    HeaderName(String),
    /// A value that would break out of its line.
    #[error("the value of header `{0}` holds a control character")]
    HeaderValue(String),
    /// A header that the host sets itself.
    #[error("header `{0}` belongs to the connection or to the host and cannot be set")]
    ReservedHeader(String),
    /// Too many headers.
    #[error("the request has {0} headers; at most {HEADERS_MAX} are sent")]
    TooManyHeaders(usize),
    /// A body with a method that takes none.
    #[error("a {0} request has no body; a body goes with POST, PUT and PATCH")]
    BodyNotTaken(&'static str),
}

/// Most headers that a request may have.
pub const HEADERS_MAX: usize = 100;

/// Fields that the connection owns (RFC 9110 section 7.6.1, RFC 9112) or that the host sets itself.
const RESERVED_HEADERS: [&str; 14] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-authorization",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "idempotency-key",
    "http2-settings",
];

impl BoundRequest {
    /// Binds a request to the function that made it.
    pub fn new(connector: Arc<Connector>, function: Arc<Function>, request: Request) -> Self {
        Self { connector, function, arguments: Arc::default(), request }
    }

    /// The same with the arguments that it was bound from, defaults among them.
    #[must_use]
    pub fn with_arguments(self, arguments: Value) -> Self {
        Self { arguments: Arc::new(arguments), ..self }
    }

    /// The request as bound.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Checks what the hooks left of the request.
    ///
    /// # Errors
    /// See [`NotPermitted`].
    pub fn permit(self, changed: Request) -> Result<PermittedRequest, NotPermitted> {
        let base = &self.connector.document.base_url;
        if changed.uri.origin() != base.origin() {
            return Err(NotPermitted::Elsewhere {
                asked: changed.uri.origin().ascii_serialization(),
                allowed: base.origin().ascii_serialization(),
            });
        }
        if !changed.uri.username().is_empty() || changed.uri.password().is_some() {
            return Err(NotPermitted::UserInfo);
        }
        if changed.headers.len() > HEADERS_MAX {
            return Err(NotPermitted::TooManyHeaders(changed.headers.len()));
        }
        changed.headers.iter().try_for_each(check_header)?;
        if changed.body.is_some() && !changed.method.takes_body() {
            return Err(NotPermitted::BodyNotTaken(changed.method.as_str()));
        }
        let Self { connector, function, arguments, .. } = self;
        Ok(PermittedRequest { connector, function, arguments, request: changed })
    }
}

/// Whether a header may be set by a document or a hook.
///
/// # Errors
/// See [`NotPermitted`].
pub fn check_header(header: &Header) -> Result<(), NotPermitted> {
    let name = header.name.to_ascii_lowercase();
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(NotPermitted::HeaderName(name.chars().take(80).collect()));
    }
    if RESERVED_HEADERS.contains(&name.as_str()) {
        return Err(NotPermitted::ReservedHeader(name));
    }
    // RFC 9110 section 5.5: visible characters, spaces, tabs and obs-text.
    if header.value.as_slice().iter().any(|&byte| (byte < 0x20 && byte != b'\t') || byte == 0x7f) {
        return Err(NotPermitted::HeaderValue(name));
    }
    Ok(())
}

impl PermittedRequest {
    /// The connector that it goes to.
    pub fn connector(&self) -> &Arc<Connector> {
        &self.connector
    }

    /// The function that made it.
    pub fn function(&self) -> &Function {
        &self.function
    }

    /// The arguments that the function was called with: `args` of its expressions.
    pub fn arguments(&self) -> &Value {
        &self.arguments
    }

    /// What is sent, without credentials.
    pub fn request(&self) -> &Request {
        &self.request
    }
}
