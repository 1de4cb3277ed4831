//! A run: its record, its context and its journal. Pure data.

mod background;
mod call_records; // what the journal keeps of calls, hooks, actions
mod context;
mod diagnostic; // log entries for people
mod family; // child runs
mod journal;
mod merge; // of branches
mod masking; // what a journal shows
mod record;
mod recorded; // what a replay needs besides
mod rounds; // how often a run comes to a step
mod state;
mod step_records; // what the journal keeps of simple steps
mod suspension; // what suspended runs wait for

pub use self::background::{BackgroundCall, BackgroundProgress, BackgroundState, OutboxEntry};
pub use self::call_records::{
    ActionRecord, CallRecord, GrantedCallRecord, HookKind, HookRecord, OperationRecord, OperationResult,
    SavedActionRef, ServiceRecord, Skipped,
};
pub use self::context::{ContextChange, ContextKey, InvalidContext, InvalidContextKey, RunContext};
pub use self::diagnostic::{
    ActionLog, DiagnosticEntry, DiagnosticEvent, DiagnosticFilter, DiagnosticSettings, ResultStatus,
};
pub use self::family::{Care, Children, Compensated, Compensation, DoneChildren, Parent, Part, Policy};
pub use self::journal::{JournalEntry, StepError, StepOutcome, StepRecord};
pub use self::record::{Claim, ClaimType, Run};
pub(crate) use self::recorded::DONE;
pub use self::recorded::{Given, Recorded};
pub use self::state::{Ending, Event, RunState, RunStateKind, Waits};
pub use self::step_records::{
    BranchRecord, ChildrenRecord, ClaimRecord, RedirectRecord, ReminderRecord, SignedRecord, TransformRecord,
    WaitRecord,
};
pub use self::suspension::{Awaits, Prompt, Reminder, Suspension};
