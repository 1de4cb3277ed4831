//! What the journal keeps of calls, hooks and actions.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::action::{ActionAnswer, Operation};
use crate::connector::ResponseMode;
use crate::ids::{ActionName, ConnectorName, FunctionName};
use crate::message::{Request, Response};
use crate::ports::{
    ActionDecision, ActionEvent, CallError, Exchange, HookReport, Invocation, PostResponseDecision, PreCallDecision,
};

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
