//! One fault of a connector document.

/// What is wrong with a document, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// JSON pointer (RFC 6901) of the faulty value.
    pub pointer: String,
    /// Stable, for programs: `connector.document.…`.
    pub code: &'static str,
    /// What is wrong and how to mend it.
    pub message: String,
}

impl Fault {
    /// A fault at a pointer.
    pub(crate) fn new(pointer: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code, message: message.into() }
    }
}

/// The codes of [`Fault`].
pub mod codes {
    /// The base URL is not one (C-01).
    pub const BASE_URL: &str = "connector.document.base-url";
    /// Two functions or arguments share a name.
    pub const DUPLICATE: &str = "connector.document.duplicate";
    /// An argument's name cannot stand in an expression.
    pub const ARGUMENT_NAME: &str = "connector.document.argument-name";
    /// A template reads an argument that its function does not declare.
    pub const UNKNOWN_ARGUMENT: &str = "connector.document.unknown-argument";
    /// A default is not of its argument's type (C-02).
    pub const DEFAULT_TYPE: &str = "connector.document.default-type";
    /// A required argument has a default.
    pub const REQUIRED_DEFAULT: &str = "connector.document.required-default";
    /// An endpoint's literal text could lead elsewhere (C-03).
    pub const ENDPOINT: &str = "connector.document.endpoint";
    /// A template does not parse (C-03).
    pub const TEMPLATE: &str = "connector.document.template";
    /// A body where none goes, or one that is not JSON (C-04).
    pub const BODY: &str = "connector.document.body";
    /// A header that cannot be set (C-05).
    pub const HEADER: &str = "connector.document.header";
    /// A time-out of 0 or over its ceiling (C-09).
    pub const TIMEOUT: &str = "connector.document.timeout";
    /// A limit of 0 or over its ceiling (C-20).
    pub const LIMIT: &str = "connector.document.limit";
    /// A schema of a response cannot be used (C-14).
    pub const RESPONSE_SCHEMA: &str = "connector.document.response-schema";
    /// A transformation is not one expression or one plugin, or its expression does not parse (C-15).
    pub const TRANSFORMATION: &str = "connector.document.transformation";
    /// A retry policy that cannot be followed (C-18).
    pub const RETRY: &str = "connector.document.retry";
    /// TLS settings that would never be used (C-07).
    pub const TLS: &str = "connector.document.tls";
    /// A name of `sensitive` that nothing can have (D-04).
    pub const SENSITIVE: &str = "connector.document.sensitive";
    /// There is no function (C-01).
    pub const NO_FUNCTIONS: &str = "connector.document.no-functions";
    /// More functions, headers or arguments than there may be (E-03).
    pub const COUNT: &str = "connector.document.count";

    /// The authentication cannot work (C-06).
    pub const AUTHENTICATION: &str = "connector.document.authentication";

    /// Every code.
    pub const ALL: [&str; 20] = [
        BASE_URL,
        AUTHENTICATION,
        DUPLICATE,
        ARGUMENT_NAME,
        UNKNOWN_ARGUMENT,
        DEFAULT_TYPE,
        REQUIRED_DEFAULT,
        ENDPOINT,
        TEMPLATE,
        BODY,
        HEADER,
        TIMEOUT,
        LIMIT,
        RESPONSE_SCHEMA,
        TRANSFORMATION,
        RETRY,
        TLS,
        SENSITIVE,
        NO_FUNCTIONS,
        COUNT,
    ];
}
