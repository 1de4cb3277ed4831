//! Changing a run from outside: going on with one that is suspended or paused, cancelling one.

use super::lease::{Lease, OwnerId};
use crate::run::{ContextChange, JournalEntry, Run, RunStateKind};
use crate::time::Timestamp;

/// Everything that an intervention makes durable, in one atomic write. It needs no lease: whoever works on the run has
/// a stale one afterwards, so that nothing of a step that was under way is committed.
#[derive(Debug, Clone)]
pub struct Intervention {
    /// The record afterwards, which is ready. The stored one is one revision behind it and in one of the states of
    /// `from`, else the intervention fails.
    pub run: Run,
    /// Context keys with their new values.
    pub changes: Vec<ContextChange>,
    /// What came from outside. Its sequence number is the run's revision.
    pub entry: JournalEntry,
    /// Two interventions in one run with the same key are one (F-13). Any text; only its digest is kept.
    pub client_key: Option<String>,
    /// The caller works on it at once, until then; `None` leaves it to whoever claims it.
    pub lease: Option<(OwnerId, Timestamp)>,
    /// The states in which it may be made.
    pub from: Vec<RunStateKind>,
}

/// What an intervention gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intervened {
    /// The run is ready. The lease, where one was asked for.
    Done(Option<Lease>),
    /// An earlier one with the same client key did it.
    Before,
}
