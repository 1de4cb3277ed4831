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
