//! A run: its record, its context and its journal. Pure data.

mod background;
mod context;
mod diagnostic; // log entries for people
mod journal;
mod masking; // what a journal shows
mod record;

pub use self::background::{BackgroundCall, BackgroundProgress, BackgroundState, OutboxEntry};
pub use self::context::{ContextChange, ContextKey, InvalidContext, InvalidContextKey, RunContext};
pub use self::diagnostic::{
    ActionLog, DiagnosticEntry, DiagnosticEvent, DiagnosticFilter, DiagnosticSettings, ResultStatus,
};
pub use self::journal::{
    ActionRecord, BranchRecord, CallRecord, ClaimRecord, GrantedCallRecord, HookKind, HookRecord, JournalEntry,
    OperationRecord, OperationResult, SavedActionRef, ServiceRecord, Skipped, StepError, StepOutcome, StepRecord,
};
pub use self::record::{Claim, ClaimType, Ending, Event, Run, RunState, RunStateKind};
