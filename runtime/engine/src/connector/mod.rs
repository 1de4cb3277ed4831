//! Connectors: the documents that configure them, and the proof that a request may be sent.

mod document;
mod authentication; // how the host authenticates
mod delivery; // redirects, attempts, background, log
mod response; // what to make of a response
mod tls;
mod permit;

pub use self::authentication::{
    ApiKeyPlace, Assertion, AssumeRole, Authentication, ClientAuthentication, HmacEncoding, HmacHash, SigningAlgorithm,
    TokenRequest,
};
pub use self::delivery::{CallLog, CircuitBreaker, EventLevel, Redirects, ResponseMode, Retry};
pub use self::document::{Argument, ArgumentType, Connection, ConnectorDocument, Function, HeaderTemplate};
pub use self::permit::{BoundRequest, Connector, HEADERS_MAX, NotPermitted, PermittedRequest, check_header};
pub use self::response::{InvalidStatusRanges, ResponseFormat, ResponseSettings, StatusRanges, Transformation};
pub use self::tls::{Tls, TlsVersion};
