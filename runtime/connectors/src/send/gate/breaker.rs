//! When calls stop for a while (C-21).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use weir_engine::connector::CircuitBreaker;
use weir_engine::ports::{ConnectorError, ConnectorErrorKind};
use weir_engine::time::Timestamp;

use super::Key;
use crate::error::error;
use crate::send::metrics;

/// The circuit breaker of a connector. Its settings come with each attempt: those of a version that was saved later
/// hold from the next attempt on.
pub(in crate::send) struct Breaker {
    key: Key,
    state: Mutex<State>,
}

#[derive(Clone, Copy)]
enum State {
    /// Attempts go out.
    Closed {
        /// In a row.
        failures: u16,
    },
    /// None go out, or one.
    Open {
        /// From when on one goes out.
        until: Instant,
        /// It is out.
        probing: bool,
    },
}

/// What an attempt says of the outside system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::send) enum Verdict {
    /// It answers.
    Well,
    /// It gave no whole answer, or one of 500 or more.
    Unwell,
    /// Nothing: the attempt ended before it could.
    Unknown,
}

/// Leave to make one attempt. Dropped without a verdict, it says nothing of the outside system.
pub(in crate::send) struct Pass<'a> {
    breaker: &'a Breaker,
    settings: CircuitBreaker,
    probing: bool,
}

impl Breaker {
    pub(super) fn new(key: Key) -> Self {
        Self { key, state: Mutex::new(State::Closed { failures: 0 }) }
    }

    /// Whether it would be of use to wait for a place.
    ///
    /// # Errors
    /// `circuit-open`.
    pub(in crate::send) fn check(&self, settings: CircuitBreaker) -> Result<(), ConnectorError> {
        match *self.state() {
            State::Open { until, probing } if settings.failures_max > 0 && (probing || Instant::now() < until) => {
                Err(self.open(until, probing))
            }
            _ => Ok(()),
        }
    }

    /// Leave to make an attempt: to all while it is closed, to one once it has been open for long enough.
    ///
    /// # Errors
    /// `circuit-open`.
    pub(in crate::send) fn pass(&self, settings: CircuitBreaker) -> Result<Pass<'_>, ConnectorError> {
        let mut state = self.state();
        let mut pass = Pass { breaker: self, settings, probing: false };
        match *state {
            _ if settings.failures_max == 0 => {}
            State::Closed { .. } => {}
            State::Open { until, probing } if probing || Instant::now() < until => {
                return Err(self.open(until, probing));
            }
            State::Open { until, .. } => {
                *state = State::Open { until, probing: true };
                pass.probing = true;
                metrics::circuit("half-open");
            }
        }
        Ok(pass)
    }

    fn open(&self, until: Instant, probing: bool) -> ConnectorError {
        let name = &self.key.connector;
        let when = if probing {
            "one call finds out now whether it answers again".to_owned()
        } else {
            let left = until.saturating_duration_since(Instant::now());
            format!("one call finds out at {} whether it answers again", later(left))
        };
        let message = format!(
            "the circuit breaker of `{name}` is open, because its outside system gave no good answer many times in a row; {when}. Check the outside system, or change the connector's `circuit-breaker`"
        );
        error(ConnectorErrorKind::CircuitOpen, message)
    }

    fn judge(&self, verdict: Verdict, pass: &Pass<'_>) {
        let mut state = self.state();
        let settings = pass.settings;
        let opened = State::Open { until: Instant::now() + settings.open_for, probing: false };
        let next = match (*state, verdict) {
            // An attempt from before it opened says nothing new.
            (State::Open { .. }, _) if !pass.probing => return,
            (State::Open { until, .. }, Verdict::Unknown) => State::Open { until, probing: false },
            (State::Closed { .. }, Verdict::Unknown) => return,
            (_, Verdict::Well) => State::Closed { failures: 0 },
            (State::Open { .. }, Verdict::Unwell) => opened,
            (State::Closed { failures }, Verdict::Unwell) => {
                let failures = failures.saturating_add(1);
                if settings.failures_max > 0 && failures >= settings.failures_max {
                    opened
                } else {
                    State::Closed { failures }
                }
            }
        };
        let before = std::mem::replace(&mut *state, next);
        drop(state);
        self.tell(before, next, settings.open_for);
    }

    /// Metrics have no names of tenants and connectors, so that their number stays bounded; the log has them.
    fn tell(&self, before: State, now: State, open_for: Duration) {
        let Key { tenant, connector, .. } = &self.key;
        match (before, now) {
            (State::Closed { .. }, State::Open { .. }) => {
                metrics::circuit("open");
                metrics::circuits_open(1.0);
                let open_for = weir_engine::duration_text::to_text(open_for);
                tracing::warn!(%tenant, %connector, open_for, "circuit breaker opens");
            }
            (State::Open { .. }, State::Closed { .. }) => {
                metrics::circuit("closed");
                metrics::circuits_open(-1.0);
                tracing::info!(%tenant, %connector, "circuit breaker closes");
            }
            (State::Open { probing: true, .. }, State::Open { probing: false, .. }) => metrics::circuit("open"),
            _ => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Breaker {
    fn drop(&mut self) {
        if matches!(*self.state(), State::Open { .. }) {
            metrics::circuits_open(-1.0);
        }
    }
}

impl Pass<'_> {
    /// Says what the attempt showed.
    pub(in crate::send) fn judge(mut self, verdict: Verdict) {
        self.breaker.judge(verdict, &self);
        self.probing = false;
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.probing {
            self.breaker.judge(Verdict::Unknown, self);
        }
    }
}

/// The time of day after a while.
fn later(left: Duration) -> Timestamp {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from((now + left).as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: CircuitBreaker = CircuitBreaker { failures_max: 3, open_for: Duration::from_secs(10) };

    fn breaker() -> Breaker {
        let key =
            Key { tenant: "acme".parse().expect("a tenant"), connector: "api".parse().expect("a name"), saved: true };
        Breaker::new(key)
    }

    fn judge(breaker: &Breaker, verdicts: &[Verdict]) {
        for verdict in verdicts {
            breaker.pass(SETTINGS).expect("closed").judge(*verdict);
        }
    }

    fn is_open(breaker: &Breaker) -> bool {
        breaker.check(SETTINGS).is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_open_it_and_one_good_answer_closes_it() {
        // covers C-21
        use Verdict::{Unknown, Unwell, Well};
        let breaker = breaker();
        judge(&breaker, &[Unwell, Unwell, Well, Unwell, Unknown, Unwell]);
        assert!(!is_open(&breaker));
        judge(&breaker, &[Unwell]);
        let error = breaker.pass(SETTINGS).map(|_| ()).expect_err("open");
        assert_eq!(error.kind, ConnectorErrorKind::CircuitOpen);
        assert!(error.message.contains("`api` is open") && error.message.contains("finds out at 20"), "{error}");
        tokio::time::advance(Duration::from_millis(9_999)).await;
        assert!(is_open(&breaker));
        tokio::time::advance(Duration::from_millis(1)).await;
        let probe = breaker.pass(SETTINGS).expect("one tries");
        let second = breaker.pass(SETTINGS).map(|_| ()).expect_err("one only");
        assert!(second.message.contains("finds out now") && is_open(&breaker), "{second}");
        probe.judge(Unwell);
        assert!(is_open(&breaker));
        tokio::time::advance(Duration::from_secs(10)).await;
        // Given up: the next call tries.
        drop(breaker.pass(SETTINGS).expect("one tries"));
        breaker.pass(SETTINGS).expect("one tries").judge(Unknown);
        breaker.pass(SETTINGS).expect("one tries").judge(Well);
        judge(&breaker, &[Unwell, Unwell, Well]);
        assert!(!is_open(&breaker));
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_from_before_it_opened_change_nothing() {
        let breaker = breaker();
        let early = [(); 5].map(|()| breaker.pass(SETTINGS).expect("closed"));
        let verdicts = [Verdict::Unwell, Verdict::Unwell, Verdict::Unwell, Verdict::Well, Verdict::Unwell];
        early.into_iter().zip(verdicts).for_each(|(pass, verdict)| pass.judge(verdict));
        assert!(is_open(&breaker));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(!is_open(&breaker));
    }

    #[tokio::test(start_paused = true)]
    async fn later_settings_hold_at_once() {
        // covers C-21
        let breaker = breaker();
        judge(&breaker, &[Verdict::Unwell; 3]);
        let never = CircuitBreaker { failures_max: 0, ..SETTINGS };
        assert!(breaker.check(never).is_ok());
        for _ in 0..100 {
            breaker.pass(never).expect("never open").judge(Verdict::Unwell);
        }
        assert!(is_open(&breaker));
    }
}
