//! The port to time.

use crate::time::Timestamp;

/// Tells the time of day. Durations are measured with tokio's clock, which tests can pause.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;
}
