//! Going on with a suspended run.

use super::lease::{Lease, OwnerId};
use crate::run::{ContextChange, JournalEntry, Run};
use crate::time::Timestamp;

/// Everything that a resume makes durable, in one atomic write.
#[derive(Debug, Clone)]
pub struct ResumeRun {
    /// The record afterwards. The stored one is suspended and one revision behind it, else the resume fails.
    pub run: Run,
    /// Context keys with their new values.
    pub changes: Vec<ContextChange>,
    /// What came back. Its sequence number is the run's revision.
    pub entry: JournalEntry,
    /// Two resumes of one run with the same key are one (F-13). Any text; only its digest is kept.
    pub client_key: Option<String>,
    /// The caller works on it at once, until then; `None` leaves it to whoever claims it.
    pub lease: Option<(OwnerId, Timestamp)>,
}

/// What a resume gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resumed {
    /// The run goes on. The lease, where one was asked for.
    New(Option<Lease>),
    /// An earlier resume with the same client key did it.
    Before,
}
