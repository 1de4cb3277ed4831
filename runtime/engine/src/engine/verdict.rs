//! What an exchange in the background comes to: taken, refused, or to be sent again.

use std::time::Duration;

use crate::connector::Function;
use crate::ports::{ConnectorErrorKind as Kind, Exchange};
use crate::run::StepError;
use crate::step::step_error;

/// What an exchange comes to.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// The outside system took the call.
    Taken,
    /// It did not, and would not the next time either.
    Refused(StepError),
    /// Another time it may.
    Again,
}

/// Judges an exchange. A valid status is taken, and any other one that the function lets pass, but for those that say
/// "later": a call in the background is for systems that are down for a while.
pub(super) fn judge(function: &Function, exchange: &Exchange) -> Verdict {
    let settings = &function.response;
    match &exchange.outcome {
        Ok(response) if settings.valid_statuses.contains(response.status) => Verdict::Taken,
        Ok(response) if says_later(function, response.status) => Verdict::Again,
        Ok(_) if !settings.fail_on_invalid_status => Verdict::Taken,
        Ok(response) => {
            let message =
                format!("the outside system answered with the status {}, which is not a valid one", response.status);
            Verdict::Refused(step_error(Kind::InvalidStatus.code(), message))
        }
        Err(error) if may_pass(error.kind) => Verdict::Again,
        Err(error) => Verdict::Refused(error.clone().into()),
    }
}

fn says_later(function: &Function, status: u16) -> bool {
    // RFC 9110 section 15.5.9, RFC 8470, RFC 6585.
    matches!(status, 408 | 425 | 429 | 500..=599) || function.retry.statuses.contains(&status)
}

/// Whether the cause may be gone another time, by itself or because somebody mends it.
fn may_pass(kind: Kind) -> bool {
    match kind {
        Kind::Resolve
        | Kind::ConnectTimeout
        | Kind::Connect
        | Kind::RequestTimeout
        | Kind::Tls
        | Kind::Protocol
        | Kind::ConcurrencyLimit
        | Kind::CircuitOpen
        | Kind::Credential
        | Kind::Identity
        | Kind::Token => true,
        Kind::InvalidArgument
        | Kind::Interpolation
        | Kind::RequestNotPermitted
        | Kind::EgressDenied
        | Kind::Redirect
        | Kind::ResponseTooLarge
        | Kind::InvalidBody
        | Kind::InvalidStatus
        | Kind::ResponseSchema
        | Kind::Transformation => false,
    }
}

/// The seconds of a `Retry-After` (RFC 9110 section 10.2.3). A date is left to the attempts within a send.
pub(super) fn retry_after(exchange: &Exchange) -> Option<Duration> {
    let seconds = exchange.outcome.as_ref().ok()?.header("retry-after")?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
