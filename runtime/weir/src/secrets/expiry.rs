//! Identities that have expired or soon will: what is said of them, and how often.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use weir_engine::ids::{IdentityName, TenantId};
use weir_engine::time::Timestamp;

use super::certificate::Certificate;

/// How long before its end an identity is warned of.
const SOON: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long one identity is not logged again.
const SILENCE: Duration = Duration::from_secs(3600);
/// How many identities are remembered as logged.
const REMEMBERED_MAX: usize = 10_000;

/// Where an identity stands in its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It holds, for 30 days and more or for ever.
    Valid,
    /// It ceases to hold within 30 days.
    Expiring,
    /// It holds no more.
    Expired,
}

impl State {
    /// Every state.
    pub(crate) const ALL: [Self; 3] = [Self::Valid, Self::Expiring, Self::Expired];

    pub(super) fn at(expires_at: Option<Timestamp>, now: Timestamp) -> Self {
        match expires_at {
            Some(end) if end <= now => Self::Expired,
            Some(end) if end.since(now) < SOON => Self::Expiring,
            _ => Self::Valid,
        }
    }

    /// The label in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Expiring => "expiring",
            Self::Expired => "expired",
        }
    }
}

/// What to tell of a certificate; nothing while it holds for long.
pub(super) fn warning(certificate: &Certificate, now: Timestamp) -> Option<String> {
    let Certificate { subject, not_before, not_after, .. } = certificate;
    match State::at(Some(*not_after), now) {
        State::Expired => Some(format!("the certificate of `{subject}` expired at {not_after}; store a renewed one")),
        State::Expiring => {
            let days = not_after.since(now).as_secs() / (24 * 3600);
            Some(format!("the certificate of `{subject}` expires in {days} days, at {not_after}; renew it"))
        }
        State::Valid if *not_before > now => {
            Some(format!("the certificate of `{subject}` does not hold before {not_before}"))
        }
        State::Valid => None,
    }
}

/// Says once an hour for each identity that it was used although it has expired or soon will.
#[derive(Debug, Default)]
pub(crate) struct ExpiryLog(Mutex<HashMap<(TenantId, IdentityName), Timestamp>>);

impl ExpiryLog {
    /// Logs a use, unless the identity is valid or was logged within the hour.
    pub(crate) fn used(&self, tenant: &TenantId, name: &IdentityName, expires_at: Option<Timestamp>, now: Timestamp) {
        let (Some(expires_at), state) = (expires_at, State::at(expires_at, now)) else { return };
        if state != State::Valid && self.is_due(tenant, name, now) {
            tracing::warn!(
                %tenant, identity = %name, state = state.as_str(), %expires_at,
                "a TLS identity was used that has expired or will within 30 days; its tenant must store a renewed one"
            );
        }
    }

    fn is_due(&self, tenant: &TenantId, name: &IdentityName, now: Timestamp) -> bool {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = (tenant.clone(), name.clone());
        if logged.get(&slot).is_some_and(|last| now.since(*last) < SILENCE) {
            return false;
        }
        if logged.len() >= REMEMBERED_MAX {
            logged.retain(|_, last| now.since(*last) < SILENCE);
        }
        // Full of those of this hour: better to say nothing of one more than to say it at each call.
        let is_due = logged.len() < REMEMBERED_MAX;
        if is_due {
            logged.insert(slot, now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn states() {
        // covers C-07: at 30 days and one millisecond less, at the end and one millisecond before
        let now = Timestamp::from_millis(1_800_000_000_000);
        let at = |end: Timestamp| State::at(Some(end), now);
        assert_eq!(at(now.after(DAY * 30)), State::Valid);
        assert_eq!(at(Timestamp::from_millis(now.after(DAY * 30).as_millis() - 1)), State::Expiring);
        assert_eq!(at(Timestamp::from_millis(now.as_millis() + 1)), State::Expiring);
        assert_eq!(at(now), State::Expired);
        assert_eq!(State::at(None, now), State::Valid);
    }

    #[test]
    fn a_use_is_logged_once_an_hour_and_the_memory_is_bounded() {
        let log = ExpiryLog::default();
        let now = Timestamp::from_millis(1_800_000_000_000);
        let acme: TenantId = "acme".parse().unwrap();
        let name = |number: usize| format!("partner-{number}").parse::<IdentityName>().unwrap();
        assert!(log.is_due(&acme, &name(0), now));
        assert!(!log.is_due(&acme, &name(0), now.after(Duration::from_secs(3599))));
        assert!(log.is_due(&"other".parse().unwrap(), &name(0), now));
        for number in 1..REMEMBERED_MAX - 1 {
            assert!(log.is_due(&acme, &name(number), now));
        }
        assert!(!log.is_due(&acme, &name(REMEMBERED_MAX), now));
        assert!(log.is_due(&acme, &name(REMEMBERED_MAX), now.after(Duration::from_secs(3600))));
        assert_eq!(log.0.lock().unwrap().len(), 1);
    }
}
