//! Diagnostic log entries (D-01): what calls and plugins did, for people, at the level that their owners ask for.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::connector::EventLevel;
use crate::ids::{FlowName, RequestId, RunId, StepId, TenantId};
use crate::ports::LogLevel;
use crate::time::Timestamp;

/// One entry (D-01). The names of its JSON members are the ones of the requirement. It holds no secret: values under
/// sensitive names are masked, and what is long is cut, before an entry is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiagnosticEntry {
    /// Unique. Version 7 of RFC 9562: ids sort by time.
    pub log_id: String,
    /// When it happened.
    pub recorded_at: Timestamp,
    /// The call or the invocation that it belongs to.
    pub request_id: RequestId,
    /// How loud.
    pub level: LogLevel,
    /// Whether what happened went well.
    pub result_status: ResultStatus,
    /// What happened, in a sentence.
    pub result_message: String,
    /// What kind of thing happened.
    pub action_id: DiagnosticEvent,
    /// Who did it: `connector.function`, or `plugin@version`.
    pub component_id: String,
    /// With which settings.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub configurations: Value,
    /// What went in or came back: request, response, fields of a log line.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub input: Value,
    /// Whose run.
    pub tenant: TenantId,
    /// Its flow.
    pub flow: FlowName,
    /// The version that it is pinned to.
    pub flow_version: u32,
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepId,
    /// The id of the request that started the run (its `x-request-id`), where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<RequestId>,
}

impl DiagnosticEntry {
    /// Its size as JSON.
    pub(crate) fn bytes(&self) -> usize {
        serde_json::to_vec(self).map_or(usize::MAX, |json| json.len())
    }
}

/// Whether what an entry tells of went well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are D-01's")]
pub enum ResultStatus {
    Success,
    Failed,
}

/// What kind of thing an entry tells of: its `actionId`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiagnosticEvent {
    /// A request is about to go out (C-10).
    ConnectorRequest,
    /// A response with a valid status has come (C-10).
    ConnectorResponse,
    /// A response with an invalid status, one that cannot be used, or none (C-10).
    ConnectorFailure,
    /// An action is about to be asked.
    ActionRequest,
    /// An action answered, and its answer holds.
    ActionResponse,
    /// An action failed, told of an error of its own, or gave no answer that holds.
    ActionFailure,
    /// What became of the operations of an action, and why.
    ActionOperations,
    /// An action was passed over, and why.
    ActionSkipped,
    /// A suspended run was resumed (F-07).
    RunResumed,
    /// A paused run goes on (F-10).
    RunContinued,
    /// A plugin logged a line (D-03).
    PluginLog,
    /// A plugin logged more than it may; the rest is dropped (D-03).
    PluginLogLimit,
}

impl DiagnosticEvent {
    /// The name as JSON has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConnectorRequest => "connector-request",
            Self::ConnectorResponse => "connector-response",
            Self::ConnectorFailure => "connector-failure",
            Self::ActionRequest => "action-request",
            Self::ActionResponse => "action-response",
            Self::ActionFailure => "action-failure",
            Self::ActionOperations => "action-operations",
            Self::ActionSkipped => "action-skipped",
            Self::RunResumed => "run-resumed",
            Self::RunContinued => "run-continued",
            Self::PluginLog => "plugin-log",
            Self::PluginLogLimit => "plugin-log-limit",
        }
    }
}

/// Which entries are wanted (D-02): those that fulfil everything that is set.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DiagnosticFilter {
    /// The one of this id.
    pub log: Option<String>,
    /// At least so loud.
    pub level: Option<LogLevel>,
    /// Of this flow.
    pub flow: Option<FlowName>,
    /// Of this version of flows.
    pub flow_version: Option<u32>,
    /// Of this run.
    pub run: Option<RunId>,
    /// Of this step.
    pub step: Option<StepId>,
    /// Of this component: all of it (`risk.score`, `sign@1.0.0`), or the connector or plugin alone (`risk`, `sign`).
    pub component: Option<String>,
    /// Of this kind.
    pub event: Option<DiagnosticEvent>,
    /// With this result.
    pub result_status: Option<ResultStatus>,
    /// Of this call or invocation.
    pub request: Option<RequestId>,
    /// Of runs that this request started.
    pub trace: Option<RequestId>,
    /// With this text in the message.
    pub text: Option<String>,
    /// With this text in the settings, as JSON writes it without spaces.
    pub configurations: Option<String>,
    /// With this text in what went in or came back, as JSON writes it without spaces.
    pub input: Option<String>,
    /// Recorded at this instant or later.
    pub since: Option<Timestamp>,
    /// Recorded before this instant.
    pub until: Option<Timestamp>,
}

impl DiagnosticFilter {
    /// Whether an entry is wanted.
    pub fn takes(&self, entry: &DiagnosticEntry) -> bool {
        fn is<T: PartialEq>(wanted: Option<&T>, found: &T) -> bool {
            wanted.is_none_or(|wanted| wanted == found)
        }
        fn holds(wanted: Option<&String>, found: &Value) -> bool {
            wanted.is_none_or(|wanted| !found.is_null() && found.to_string().contains(wanted.as_str()))
        }
        self.level.is_none_or(|level| entry.level >= level)
            && is(self.log.as_ref(), &entry.log_id)
            && is(self.flow_version.as_ref(), &entry.flow_version)
            && holds(self.configurations.as_ref(), &entry.configurations)
            && holds(self.input.as_ref(), &entry.input)
            && is(self.flow.as_ref(), &entry.flow)
            && is(self.run.as_ref(), &entry.run)
            && is(self.step.as_ref(), &entry.step)
            && is(self.event.as_ref(), &entry.action_id)
            && is(self.result_status.as_ref(), &entry.result_status)
            && is(self.request.as_ref(), &entry.request_id)
            && self.trace.as_ref().is_none_or(|trace| entry.trace_id.as_ref() == Some(trace))
            && self.component.as_ref().is_none_or(|wanted| is_component(wanted, &entry.component_id))
            && self.text.as_ref().is_none_or(|text| entry.result_message.contains(text.as_str()))
            && self.since.is_none_or(|since| entry.recorded_at >= since)
            && self.until.is_none_or(|until| entry.recorded_at < until)
    }
}

fn is_component(wanted: &str, found: &str) -> bool {
    let owner = found.split(['.', '@']).next().unwrap_or(found);
    wanted == found || wanted == owner
}

/// What an operator may set of diagnostics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct DiagnosticSettings {
    /// The longest body, and the longest of every other text, that an entry holds, in bytes; the rest is cut, with a
    /// mark that says how much. 8 KiB by default.
    pub body_bytes_max: usize,
    /// Most entries that one step keeps; further ones are dropped and counted. 200 by default.
    pub step_entries_max: usize,
    /// Most entries that wait for one reader of the live view; further ones are missed and counted. 256 by default.
    pub reader_entries_max: usize,
    /// Most bytes of them, together. 1 MiB by default.
    pub reader_bytes_max: usize,
    /// Names of headers, query parameters and members whose values are never shown, besides those that are sensitive
    /// by themselves and those that connectors mark. None by default.
    pub sensitive_names: Vec<String>,
    /// At which level the entries of actions are kept.
    pub actions: ActionLog,
}

/// At which level the events of an action are kept, whoever serves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ActionLog {
    /// What an action is asked: `disable` by default, because the journal has it.
    pub request: EventLevel,
    /// An answer that holds, operations that were all applied, an action whose condition does not hold: `debug` by
    /// default.
    pub success: EventLevel,
    /// Everything else, such as FAILED, ERROR, an answer that is refused, an operation that is left out: `warning` by
    /// default, so that an owner sees at once why an action failed.
    pub failure: EventLevel,
}

impl Default for ActionLog {
    fn default() -> Self {
        Self { request: EventLevel::Disable, success: EventLevel::Debug, failure: EventLevel::Warning }
    }
}

impl Default for DiagnosticSettings {
    fn default() -> Self {
        Self {
            body_bytes_max: 8 << 10,
            step_entries_max: 200,
            reader_entries_max: 256,
            reader_bytes_max: 1 << 20,
            sensitive_names: Vec::new(),
            actions: ActionLog::default(),
        }
    }
}

impl DiagnosticSettings {
    /// Every setting that could not work, by its name, with what it must be.
    pub fn faults(&self) -> Vec<(&'static str, &'static str)> {
        let names = &self.sensitive_names;
        let names_fit =
            names.len() <= crate::sensitive::NAMES_MAX && names.iter().all(|it| crate::sensitive::is_name(it));
        let checks = [
            ("body-bytes-max", "from 64 to 1048576", (64..=1 << 20).contains(&self.body_bytes_max)),
            ("step-entries-max", "from 1 to 10000", (1..=10_000).contains(&self.step_entries_max)),
            ("reader-entries-max", "from 1 to 100000", (1..=100_000).contains(&self.reader_entries_max)),
            ("reader-bytes-max", "from 65536 to 1073741824", (64 << 10..=1 << 30).contains(&self.reader_bytes_max)),
            ("sensitive-names", "at most 100 names with a letter or digit in each", names_fit),
        ];
        checks.into_iter().filter(|(_, _, good)| !good).map(|(name, wanted, _)| (name, wanted)).collect()
    }
}
