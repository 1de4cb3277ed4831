//! How large a request may become, checked while it is made: a template may write the same large value many times.

use std::io;

use weir_engine::expression::{Part, Scope};
use weir_engine::ports::ConnectorError;

use serde_json::Value;

use crate::error::interpolation;

/// The bytes that a request has left for URI, headers and body together.
#[derive(Debug)]
pub(super) struct Allowance {
    most: u64,
    left: u64,
}

impl Allowance {
    pub(super) fn new(most: u64) -> Self {
        Self { most, left: most }
    }

    /// Refuses more than is left.
    ///
    /// # Errors
    /// `interpolation`.
    pub(super) fn check(&self, place: &str, bytes: usize) -> Result<(), ConnectorError> {
        if bytes as u64 <= self.left { Ok(()) } else { Err(self.over(place)) }
    }

    /// Uses some of what is left.
    ///
    /// # Errors
    /// `interpolation`.
    pub(super) fn take(&mut self, place: &str, bytes: usize) -> Result<(), ConnectorError> {
        self.check(place, bytes)?;
        self.left = self.left.saturating_sub(bytes as u64);
        Ok(())
    }

    /// The text of parts, each value encoded by `encode`. Uses nothing up, but stops at what is left.
    ///
    /// # Errors
    /// `interpolation`.
    pub(super) fn text(
        &self,
        place: &str,
        parts: &[Part],
        scope: &Scope,
        encode: impl Fn(&Value) -> String,
    ) -> Result<String, ConnectorError> {
        let mut text = String::new();
        for part in parts {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Expression(expression) => {
                    let value = expression.evaluate(scope).map_err(|error| interpolation(place, error))?;
                    text.push_str(&encode(&value));
                }
            }
            self.check(place, text.len())?;
        }
        Ok(text)
    }

    /// Writes a value as JSON, and uses up what it writes.
    ///
    /// # Errors
    /// `interpolation`.
    pub(super) fn json(&mut self, place: &str, value: &Value, to: &mut Vec<u8>) -> Result<(), ConnectorError> {
        let (before, most) = (to.len(), self.left);
        serde_json::to_writer(Bounded { to, left: most }, value).map_err(|_| self.over(place))?;
        self.take(place, to.len() - before)
    }

    fn over(&self, place: &str) -> ConnectorError {
        let most = self.most;
        interpolation(
            place,
            format!(
                "the request is over {most} bytes with its URI, headers and body; hand over less; the operator's `request-bytes-max` decides how many there may be"
            ),
        )
    }
}

/// Writing fails where nothing is left; JSON has no other way to fail for a value.
struct Bounded<'a> {
    to: &'a mut Vec<u8>,
    left: u64,
}

impl io::Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        self.to.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
