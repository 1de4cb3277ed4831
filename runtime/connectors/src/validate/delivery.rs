//! The faults of how calls are delivered: redirects, attempts, calls at a time (C-08, C-18, C-21).

use std::time::Duration;

use weir_engine::connector::{Connection, Function, Redirects, Retry};
use weir_engine::duration_text::to_text;

use crate::fault::{Fault, codes};
use crate::settings::Ceilings;

/// Most redirects of an attempt.
const HOPS_MAX: u8 = 10;
/// Less would be no pause.
const OPEN_FOR_MIN: Duration = Duration::from_millis(100);
/// Less would be no wait.
const BACKOFF_MIN: Duration = Duration::from_millis(1);
/// Statuses that can follow a request; interim ones are never a response.
const STATUSES: std::ops::RangeInclusive<u16> = 200..=599;
/// Most statuses of a retry policy.
const STATUSES_MAX: usize = 100;

/// The faults of what all functions of a connector share. A setting at its default may be one that the document
/// leaves out: calls hold it to the ceiling.
pub(super) fn of_connection(connection: &Connection, ceilings: &Ceilings) -> Vec<Fault> {
    let mut faults = Vec::new();
    let (places, most) = (connection.concurrency_max, ceilings.concurrency_max);
    if places == 0 || (places > most && places != Connection::default().concurrency_max) {
        let message = format!("`concurrency-max` is {places}; the operator lets it be from 1 to {most}");
        faults.push(Fault::new("/connection/concurrency-max", codes::LIMIT, message));
    }
    let (open_for, most) = (connection.circuit_breaker.open_for, ceilings.timeout_max);
    if open_for < OPEN_FOR_MIN || (open_for > most && open_for != Connection::default().circuit_breaker.open_for) {
        let [least, most] = [OPEN_FOR_MIN, most].map(to_text);
        let message = format!("`open-for` must be at least {least} and at most {most}");
        faults.push(Fault::new("/connection/circuit-breaker/open-for", codes::LIMIT, message));
    }
    faults
}

/// The faults of how a function is delivered; `at` is the function's pointer.
pub(super) fn of_function(function: &Function, at: &str, ceilings: &Ceilings) -> Vec<Fault> {
    let mut faults: Vec<Fault> = redirects(function.redirects, at).into_iter().collect();
    faults.extend(retry(&function.retry, &format!("{at}/retry"), ceilings));
    faults
}

fn redirects(Redirects { hops_max, .. }: Redirects, at: &str) -> Option<Fault> {
    let message = || format!("`hops-max` is {hops_max}; it can be from 1 to {HOPS_MAX}");
    let pointer = format!("{at}/redirects/hops-max");
    (!(1..=HOPS_MAX).contains(&hops_max)).then(|| Fault::new(pointer, codes::LIMIT, message()))
}

fn retry(retry: &Retry, at: &str, ceilings: &Ceilings) -> Vec<Fault> {
    let default = Retry::default();
    let mut faults = Vec::new();
    let (attempts, most) = (retry.attempts_max, ceilings.attempts_max);
    if attempts == 0 || (attempts > most && attempts != default.attempts_max) {
        let message = format!("`attempts-max` is {attempts}; the operator lets it be from 1 to {most}");
        faults.push(Fault::new(format!("{at}/attempts-max"), codes::LIMIT, message));
    }
    if retry.statuses.len() > STATUSES_MAX {
        let message = format!("there are {} statuses; at most {STATUSES_MAX} are taken", retry.statuses.len());
        faults.push(Fault::new(format!("{at}/statuses"), codes::COUNT, message));
    }
    let impossible = |(_, status): &(usize, &u16)| !STATUSES.contains(status);
    for (index, status) in retry.statuses.iter().enumerate().filter(impossible).take(STATUSES_MAX) {
        let [first, last] = [STATUSES.start(), STATUSES.end()];
        let message = format!("{status} is not the status of a response; those go from {first} to {last}");
        faults.push(Fault::new(format!("{at}/statuses/{index}"), codes::RETRY, message));
    }
    if retry.backoff < BACKOFF_MIN || retry.backoff > retry.backoff_max {
        let [least, most] = [BACKOFF_MIN, retry.backoff_max].map(to_text);
        let message = format!("`backoff` must be at least {least}, and at most `backoff-max`, which is {most}");
        faults.push(Fault::new(format!("{at}/backoff"), codes::RETRY, message));
    }
    if retry.backoff_max > ceilings.timeout_max && retry.backoff_max != default.backoff_max {
        let message = format!("`backoff-max` must be at most {}", to_text(ceilings.timeout_max));
        faults.push(Fault::new(format!("{at}/backoff-max"), codes::RETRY, message));
    }
    faults
}
