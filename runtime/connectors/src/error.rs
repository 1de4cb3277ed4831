//! Making the port's errors. What a message says: what happened, where, and how to mend it; never a secret.

use weir_engine::ports::{ConnectorError, ConnectorErrorKind};

/// An error of that kind.
pub(crate) fn error(kind: ConnectorErrorKind, message: impl Into<String>) -> ConnectorError {
    ConnectorError { kind, message: message.into() }
}

/// A template whose value does not fit its place.
pub(crate) fn interpolation(place: &str, problem: impl std::fmt::Display) -> ConnectorError {
    error(ConnectorErrorKind::Interpolation, format!("{place}: {problem}"))
}

/// Puts the function before the message: `connector.function: …`.
pub(crate) fn of_function<'a>(connector: &'a str, function: &'a str) -> impl Fn(ConnectorError) -> ConnectorError + 'a {
    move |it| ConnectorError { message: format!("`{connector}.{function}`: {}", it.message), ..it }
}
