//! The journal: what each step of a run did, in order.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::action::{ActionAnswer, Operation};
use crate::connector::ResponseMode;
use crate::ids::{ActionName, ConnectorName, FunctionName, RunId, StepId};
use crate::message::{Failure, Request, Response};
use crate::ports::{
    ActionDecision, ActionEvent, CallError, Exchange, HookReport, Invocation, PostResponseDecision, PreCallDecision,
};
use crate::run::context::ContextChange;
use crate::run::diagnostic::DiagnosticEntry;
use crate::run::record::Run;
use crate::run::recorded::Recorded;
use crate::run::state::{Ending, RunStateKind, Waits};
use crate::run::step_records::{
    BranchRecord, ChildrenRecord, ClaimRecord, RedirectRecord, ReminderRecord, TransformRecord, WaitRecord,
};
use crate::run::suspension::{Awaits, Reminder};
use crate::time::Timestamp;

/// What one step did, committed together with the context that it changed (F-06).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// The revision of the run that this entry made: 1 for the first step.
    pub sequence: u64,
    /// The step.
    pub step: StepId,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took without the commit, in microseconds.
    pub elapsed_us: u64,
    /// What it did, by its kind.
    pub record: StepRecord,
    /// Where it led.
    pub outcome: StepOutcome,
    /// What it changed in the context.
    pub changes: Vec<ContextChange>,
    /// What is told of it to people (D-01).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<DiagnosticEntry>,
    /// Diagnostic entries over the limits of a step.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub diagnostics_dropped: u32,
    /// What its step was given besides, for a replay.
    #[serde(default, skip_serializing_if = "Recorded::is_empty")]
    pub recorded: Recorded,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl JournalEntry {
    /// What the engine or somebody from outside did to a run, at the instant at which it made the run what it is now:
    /// no step took time, and nothing of the context has changed.
    pub(crate) fn of_run(run: &Run, step: &StepId, record: StepRecord, outcome: StepOutcome) -> Self {
        Self {
            sequence: run.revision,
            step: step.clone(),
            started_at: run.updated_at,
            elapsed_us: 0,
            record,
            outcome,
            changes: Vec::new(),
            diagnostics: Vec::new(),
            diagnostics_dropped: 0,
            recorded: Recorded::default(),
        }
    }
}

/// Where a step led.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepOutcome {
    /// On to this step.
    Next {
        /// The step.
        step: StepId,
        /// The failure that was caught by `on-failure`, where one was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caught_failure: Option<Failure>,
        /// The error that was caught by `on-error`, where one was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caught_error: Option<StepError>,
    },
    /// The run waits for somebody.
    Suspended {
        /// For what.
        #[serde(flatten)]
        awaits: Awaits,
        /// The next call that reminds somebody, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remind: Option<Reminder>,
        /// When the run ends as an error if nobody resumes it.
        until: Timestamp,
    },
    /// The step waits for something else.
    Waiting {
        /// For what.
        on: Waits,
        /// When somebody looks at the run at the latest.
        until: Timestamp,
        /// The error that the next attempt is to mend, where it waits for one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<StepError>,
    },
    /// The run waits until somebody lets it go on.
    Paused {
        /// Why.
        error: StepError,
        /// When the run ends as an error if nobody does.
        until: Timestamp,
    },
    /// The run is over.
    End(Ending),
}

impl StepOutcome {
    /// On to a step, with nothing caught.
    pub(crate) fn next(step: StepId) -> Self {
        Self::Next { step, caught_failure: None, caught_error: None }
    }
}

/// A technical error of a step (F-10). Holds no secret; is never shown to an end user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct StepError {
    /// The stable code, such as `plugin.fuel-exhausted`.
    pub code: String,
    /// What happened, where, and how to mend it.
    pub message: String,
    /// More of it: a trap's frames, a fault's description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What a step did, by its kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum StepRecord {
    /// A connector call with its hooks.
    Call(Box<CallRecord>),
    /// A condition.
    Condition(BranchRecord),
    /// An action.
    Action(Box<ActionRecord>),
    /// Claims.
    Claims(ClaimRecord),
    /// Values of the context were assigned.
    Set,
    /// A plugin made a value of others.
    Transform(Box<TransformRecord>),
    /// The run rests, or has rested.
    Wait(WaitRecord),
    /// The end user is sent elsewhere, or has come back.
    Redirect(RedirectRecord),
    /// The step was passed over: its `when` does not hold.
    Skipped {
        /// The expression.
        when: String,
    },
    /// A `fail` step.
    Fail,
    /// An `end` step.
    End,
    /// The run was resumed: what came back. The step that suspended it is next.
    Resumed {
        /// What came back.
        input: Value,
    },
    /// A `prompt` step: it asked, or has its answer.
    Prompt {
        /// Whether the answer is there.
        answered: bool,
    },
    /// A call that reminded somebody of a suspended run.
    Reminder(Box<ReminderRecord>),
    /// Somebody let a paused run go on.
    Continued {
        /// The version of the flow that it goes on with, where that is another one than before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        flow_version: Option<u32>,
    },
    /// Child runs of a step: some were begun, the rest is cancelled, or the step came to its end with them.
    Children(ChildrenRecord),
    /// Somebody cancelled the run.
    Cancelled {
        /// Why, in the words of who did it.
        reason: String,
        /// Who: the id of the key; none where the run was a part of one that needed it no more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// A run takes back what a step did, or has: `state` says how that ended.
    Compensation {
        /// The step that was done.
        of: StepId,
        /// The run that takes it back; none where it could not be begun.
        run: Option<RunId>,
        /// How it ended; none where it was begun now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<RunStateKind>,
    },
    /// The step was not run: the run could not go on.
    NotRun,
}

/// A connector call with its hooks (F-05, F-09).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// The connector.
    pub connector: ConnectorName,
    /// Its version at the time.
    pub connector_version: u32,
    /// The function.
    pub function: FunctionName,
    /// Whether the step waited for the response, or handed the call over (C-11): then `sent_request` is what is sent
    /// after the commit, and the run's background calls say what became of it.
    #[serde(default, skip_serializing_if = "ResponseMode::is_wait")]
    pub mode: ResponseMode,
    /// The bound arguments.
    pub arguments: Value,
    /// The request before the first pre-call hook; none where binding failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_request: Option<Request>,
    /// The pre-call hooks, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pre_call: Vec<HookRecord<PreCallDecision>>,
    /// The request that the last hook left; none where no call was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_request: Option<Request>,
    /// The key that went with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// What came back; none where no call was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<Exchange>,
    /// The post-response hooks, in order: the plugin that the function transforms its response with, where it does,
    /// then the step's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub post_response: Vec<HookRecord<PostResponseDecision>>,
    /// The response that the last hook left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_response: Option<Response>,
}

/// The hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookKind {
    /// Before a call is made.
    PreCall,
    /// After a response has come.
    PostResponse,
    /// Handles an event of a flow.
    Action,
}

impl HookKind {
    /// The name as WIT, documents and logs write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreCall => "pre-call",
            Self::PostResponse => "post-response",
            Self::Action => "action",
        }
    }
}

impl std::fmt::Display for HookKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// One invocation of a hook: what went in, what came out, what it used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HookRecord<D> {
    /// What went in, besides the request, response or event.
    pub invocation: Invocation,
    /// What came out.
    pub report: HookReport<D>,
    /// The granted calls that it made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub granted_calls: Vec<GrantedCallRecord>,
}

/// One call that a hook made through the import `connectors`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GrantedCallRecord {
    /// The connector.
    pub connector: ConnectorName,
    /// The function.
    pub function: FunctionName,
    /// What the hook gave.
    pub arguments: Value,
    /// Its version at the time; 0 where it was not looked up.
    #[serde(default)]
    pub connector_version: u32,
    /// What was sent; none where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_request: Option<Request>,
    /// The key that went with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// What came back to the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<Exchange>,
    /// What the hook got.
    pub outcome: Result<Response, CallError>,
}

/// An action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionRecord {
    /// What it was asked.
    pub event: ActionEvent,
    /// The saved action that served, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved: Option<SavedActionRef>,
    /// Why it did not run, where it did not have to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<Skipped>,
    /// The invocation of the plugin that served; none where an external service did, or where the plugin or its input
    /// could not be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<HookRecord<ActionDecision>>,
    /// The calls of the external service that served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceRecord>,
    /// What it answered, as it came; none where there was no usable answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<ActionAnswer>,
    /// What became of each operation, in order.
    pub operations: Vec<OperationRecord>,
    /// The names of what it encrypted: they stay sensitive, whatever becomes of the action's document (D-04).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub encrypted_names: Vec<String>,
}

/// A version of a saved action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedActionRef {
    /// Its name.
    pub name: ActionName,
    /// Its version.
    pub version: u32,
}

/// Why an action did not have to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Skipped {
    /// Its rule or its condition does not hold.
    ConditionNotMet,
    /// It is switched off, and the step says that it may be passed over then.
    SwitchedOff,
    /// Nobody serves it, and the step says that it may be passed over then.
    NoProvider,
}

/// The calls of an external service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceRecord {
    /// The connector.
    pub connector: ConnectorName,
    /// Its version at the time.
    pub connector_version: u32,
    /// The function.
    pub function: FunctionName,
    /// What was sent; none where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_request: Option<Request>,
    /// The key that went with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// What each attempt gave, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exchanges: Vec<Exchange>,
}

/// What became of one operation, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperationRecord {
    /// The operation.
    pub operation: Operation,
    /// What became of it.
    pub result: OperationResult,
    /// The stable code of why it was not applied; none where another one was refused, and with it the whole answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Why, where it was not applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What became of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OperationResult {
    /// The event has it now.
    Applied,
    /// Left out; the others hold.
    Dropped,
    /// Refused, and with it the whole response.
    Rejected,
}
