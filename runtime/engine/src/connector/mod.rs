//! Connectors: the documents that configure them, and the proof that a request may be sent.

mod document;
mod permit;

pub use self::document::{
    Argument, ArgumentType, Authentication, Connection, ConnectorDocument, Function, HeaderTemplate, ResponseFormat,
    ResponseSettings,
};
pub use self::permit::{BoundRequest, Connector, HEADERS_MAX, NotPermitted, PermittedRequest, check_header};
