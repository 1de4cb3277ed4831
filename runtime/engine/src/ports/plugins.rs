//! The port to untrusted code.
//!
//! An invocation and its report are plain, serialisable data, so that hooks can move into worker processes.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::action::{AllowedOperation, Operation};
use crate::digest::Digest;
use crate::ids::{ConnectorName, FlowName, FunctionName, PluginName, RequestId, RunId, StepId, TenantId};
use crate::message::{Failure, Request, Response};
use crate::time::Timestamp;

/// One version of a plugin: what a flow names, resolved to bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginRef {
    /// Its name.
    pub name: PluginName,
    /// Its version.
    pub version: semver::Version,
    /// The component's content address.
    pub digest: Digest,
}

/// Which invocation this is, and what the flow's author hands to the hook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Invocation {
    /// The plugin to invoke.
    pub plugin: PluginRef,
    /// Whose run it is.
    pub tenant: TenantId,
    /// The run's flow.
    pub flow: FlowName,
    /// The version that the run is pinned to.
    pub flow_version: u32,
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepId,
    /// Unique for each invocation.
    pub request_id: RequestId,
    /// The only instant that the guest can read.
    pub started_at: Timestamp,
    /// Seeds the guest's randomness.
    pub seed: u64,
    /// The part of the context that the step selects.
    pub input: Value,
    /// The plugin's settings in this step.
    pub config: Value,
    /// What the invocation may use up.
    pub limits: InvocationLimits,
}

/// What one invocation may use up (P-05). Every limit ends the invocation with its own [`HookErrorKind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct InvocationLimits {
    /// Wall time from the first guest instruction, in milliseconds.
    pub time_ms: u64,
    /// Fuel: about one unit for each Wasm instruction. The same invocation always uses the same amount.
    pub fuel: u64,
    /// Linear memory of all of the component's instances together, in bytes.
    pub memory_bytes: u64,
    /// Entries of all of its tables together.
    pub table_elements: u64,
    /// What the hook may return, and what it may hand to the host in one call, in bytes.
    pub output_bytes: u64,
    /// Log text kept, in bytes; the rest is dropped and counted.
    pub log_bytes: u64,
    /// Log lines kept; the rest are dropped and counted.
    pub log_lines: u32,
    /// Calls of granted connector functions.
    pub connector_calls: u32,
}

impl Default for InvocationLimits {
    /// Room for an interpreter with a body of a few megabytes.
    fn default() -> Self {
        Self {
            time_ms: 1_000,
            fuel: 2_000_000_000,
            memory_bytes: 64 << 20,
            table_elements: 100_000,
            output_bytes: 8 << 20,
            log_bytes: 64 << 10,
            log_lines: 256,
            connector_calls: 8,
        }
    }
}

impl InvocationLimits {
    /// Wall time.
    pub fn time(&self) -> Duration {
        Duration::from_millis(self.time_ms)
    }

    /// Each limit at most as large as in `ceiling`.
    pub fn at_most(self, ceiling: &Self) -> Self {
        Self {
            time_ms: self.time_ms.min(ceiling.time_ms),
            fuel: self.fuel.min(ceiling.fuel),
            memory_bytes: self.memory_bytes.min(ceiling.memory_bytes),
            table_elements: self.table_elements.min(ceiling.table_elements),
            output_bytes: self.output_bytes.min(ceiling.output_bytes),
            log_bytes: self.log_bytes.min(ceiling.log_bytes),
            log_lines: self.log_lines.min(ceiling.log_lines),
            connector_calls: self.connector_calls.min(ceiling.connector_calls),
        }
    }
}

/// What a pre-call hook decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PreCallDecision {
    /// Make this call.
    Call(Request),
    /// Make none; go on as if this had been the response.
    Respond(Response),
    /// The step fails for a business reason.
    Fail(Failure),
}

/// What a post-response hook decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PostResponseDecision {
    /// Keep this response.
    Keep(Response),
    /// The step fails for a business reason.
    Fail(Failure),
}

/// What an action hook is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionEvent {
    /// Where in a flow the action acts, such as `FLOW_EXTENSION`.
    pub action_type: String,
    /// The event; its shape depends on the type.
    pub payload: Value,
    /// What the step allows.
    pub allowed_operations: Vec<AllowedOperation>,
}

/// What an action hook decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionDecision {
    /// Apply these operations, all or none.
    Success(Vec<Operation>),
    /// Suspend the run with one redirect.
    Incomplete(Vec<Operation>),
    /// The flow stops for a business reason.
    Failed(Failure),
}

/// How loud a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the field's")]
pub enum LogLevel {
    Debug,
    Info,
    Warning,
    Error,
}

/// One line that a plugin logged, control characters removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// How loud.
    pub level: LogLevel,
    /// What the plugin said.
    pub message: String,
    /// Names and values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<(String, String)>,
}

/// How an invocation went: what it decided, or why it could not, and what it used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HookReport<D> {
    /// The decision, or the error that ended the invocation.
    pub outcome: Result<D, HookError>,
    /// Log lines, in order.
    pub logs: Vec<LogLine>,
    /// Lines over the limit.
    pub logs_dropped: u32,
    /// Fuel used up.
    pub fuel: u64,
    /// Wall time, in microseconds, from the first guest instruction.
    pub elapsed_us: u64,
}

/// Why an invocation gave no decision. It ends its own step only (P-05).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct HookError {
    /// What kind, for programs.
    pub kind: HookErrorKind,
    /// What happened and how to mend it, for people.
    pub message: String,
    /// The fault's description, or the guest's function names of a trap, innermost first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// The kinds of [`HookError`], each with a stable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookErrorKind {
    /// The hook returned a `fault`.
    Fault,
    /// The guest trapped: a panic, an unreachable, an access out of bounds, a division by zero.
    Trap,
    /// The guest's stack overflowed.
    StackOverflow,
    /// Wall time ran out.
    TimeExhausted,
    /// Fuel ran out.
    FuelExhausted,
    /// Memory would have grown over the limit.
    MemoryExhausted,
    /// A table would have grown over the limit.
    TableExhausted,
    /// The hook returned more than it may.
    OutputTooLarge,
    /// What the hook returned breaks the contract: bad JSON, a bad URI, an unknown method, a changed host.
    InvalidOutput,
    /// The plugin does not export this hook.
    HookMissing,
    /// The component's bytes or its compiled form could not be loaded.
    Unloadable,
    /// All invocation slots stayed taken for the whole queueing time.
    Busy,
    /// The host itself failed; the invocation is lost, nothing else.
    Host,
}

impl HookErrorKind {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Fault => "plugin.fault",
            Self::Trap => "plugin.trap",
            Self::StackOverflow => "plugin.stack-overflow",
            Self::TimeExhausted => "plugin.time-exhausted",
            Self::FuelExhausted => "plugin.fuel-exhausted",
            Self::MemoryExhausted => "plugin.memory-exhausted",
            Self::TableExhausted => "plugin.table-exhausted",
            Self::OutputTooLarge => "plugin.output-too-large",
            Self::InvalidOutput => "plugin.invalid-output",
            Self::HookMissing => "plugin.hook-missing",
            Self::Unloadable => "plugin.unloadable",
            Self::Busy => "plugin.busy",
            Self::Host => "plugin.host-error",
        }
    }
}

/// Runs hooks of plugins in sandboxes of their own. Never panics for what a guest does.
#[async_trait]
pub trait Plugins: Send + Sync {
    /// Runs `pre-call`.
    async fn pre_call(
        &self,
        invocation: &Invocation,
        request: &Request,
        calls: &dyn GrantedCalls,
    ) -> HookReport<PreCallDecision>;

    /// Runs `post-response`.
    async fn post_response(
        &self,
        invocation: &Invocation,
        request: &Request,
        response: &Response,
        calls: &dyn GrantedCalls,
    ) -> HookReport<PostResponseDecision>;

    /// Runs `action`.
    async fn action(
        &self,
        invocation: &Invocation,
        event: &ActionEvent,
        calls: &dyn GrantedCalls,
    ) -> HookReport<ActionDecision>;
}

/// Why a granted call gave no response; the contract's `call-error`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct CallError {
    /// What kind.
    pub kind: CallErrorKind,
    /// What happened; holds no secret.
    pub message: String,
}

/// The kinds of [`CallError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallErrorKind {
    /// The step does not grant this function.
    NotGranted,
    /// The arguments do not fit.
    InvalidArguments,
    /// A time-out passed.
    Timeout,
    /// Nobody answered.
    Unreachable,
    /// The host refused.
    Refused,
}

/// What the import `connectors` reaches: the functions that the step grants, and no others (P-06).
#[async_trait]
pub trait GrantedCalls: Send + Sync {
    /// Makes one call.
    async fn call(
        &self,
        connector: &ConnectorName,
        function: &FunctionName,
        arguments: Value,
    ) -> Result<Response, CallError>;
}

/// Grants nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoGrantedCalls;

#[async_trait]
impl GrantedCalls for NoGrantedCalls {
    async fn call(&self, connector: &ConnectorName, function: &FunctionName, _: Value) -> Result<Response, CallError> {
        Err(CallError {
            kind: CallErrorKind::NotGranted,
            message: format!("the step grants no call of `{connector}.{function}`; add it to the step's `grants`"),
        })
    }
}
