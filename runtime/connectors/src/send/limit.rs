//! When something must be over, and which setting says so (C-09, E-05).

use std::time::Duration;

use tokio::time::Instant;
use weir_engine::duration_text;
use weir_engine::ports::{ConnectorError, ConnectorErrorKind};

use super::transport::Target;
use crate::error::error;

/// When a call must be over, and which setting says so.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    pub(super) at: Instant,
    pub(super) length: Duration,
    advice: &'static str,
}

/// An instant that no call reaches, for budgets that tokio's clock cannot hold.
const FAR: Duration = Duration::from_secs(86_400 * 365);

impl Limit {
    fn after(length: Duration, advice: &'static str) -> Self {
        let length = length.min(FAR);
        Self { at: Instant::now() + length, length, advice }
    }

    /// Of a whole call.
    pub(super) fn budget(length: Duration) -> Self {
        Self::after(length, "that is what was left of the time budget of the step or run")
    }

    /// Of one attempt.
    pub(super) fn request_timeout(length: Duration) -> Self {
        Self::after(length, "raise the connector's `request-timeout` if the outside system needs longer")
    }

    /// Of one attempt, where the caller allows it less time than the connector.
    pub(super) fn of_caller(length: Duration) -> Self {
        Self::after(
            length,
            "the caller allows no more for one attempt; for an external action, its `settings.request-timeout` does",
        )
    }

    /// The one that comes first.
    pub(super) fn earlier(self, other: Self) -> Self {
        if other.at < self.at { other } else { self }
    }

    /// It is over.
    pub(super) fn passed(&self, target: &Target) -> ConnectorError {
        let (length, advice) = (duration_text::to_text(self.length), self.advice);
        error(ConnectorErrorKind::RequestTimeout, format!("`{target}` gave no full response within {length}; {advice}"))
    }
}
