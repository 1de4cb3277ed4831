//! What operators see of all calls (C-21). Labels never hold names: tenants choose those, and their number is not
//! bounded. The log has them where it matters.

use std::time::Duration;

use metrics::{counter, gauge, histogram};
use weir_engine::ports::Exchange;

/// A call is over.
pub(super) fn call(exchange: &Exchange) {
    let outcome = exchange.outcome.as_ref().err().map_or("ok", |error| error.kind.code());
    let seconds = Duration::from_micros(exchange.elapsed_us).as_secs_f64();
    histogram!("weir_connector_seconds", "outcome" => outcome).record(seconds);
    counter!("weir_connector_attempts_total").increment(exchange.attempts.len() as u64);
    let hops: usize = exchange.attempts.iter().map(|attempt| attempt.hops.len()).sum();
    if hops > 0 {
        counter!("weir_connector_redirects_total").increment(hops as u64);
    }
}

/// There is another attempt, after a `status`, a failed `connection` or a `timeout`.
pub(super) fn retry(reason: &'static str) {
    counter!("weir_connector_retries_total", "reason" => reason).increment(1);
}

/// A circuit breaker is `open`, `half-open` or `closed` now.
pub(super) fn circuit(state: &'static str) {
    counter!("weir_connector_circuit_changes_total", "to" => state).increment(1);
}

/// More or fewer circuit breakers are open.
pub(super) fn circuits_open(more: f64) {
    gauge!("weir_connector_circuits_open").increment(more);
}

/// A call that a gauge counts, for as long as this is kept.
pub(super) struct Counted(&'static str);

impl Counted {
    /// It has a place.
    pub(super) fn in_flight() -> Self {
        Self::new("weir_connector_calls_in_flight")
    }

    /// It waits for one.
    pub(super) fn waiting() -> Self {
        Self::new("weir_connector_calls_waiting")
    }

    fn new(name: &'static str) -> Self {
        gauge!(name).increment(1.0);
        Self(name)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        gauge!(self.0).decrement(1.0);
    }
}
