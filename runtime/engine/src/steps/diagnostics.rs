//! Makes the diagnostic entries of a step (C-10, D-01, D-03): masked, cut, and counted before anybody sees them.

use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::action::Personal;
use crate::connector::{Connector, EventLevel, Function, PermittedRequest};
use crate::ids::{FunctionName, RequestId, StepId};
use crate::message::{Header, Octets, Response};
use crate::ports::{CallContext, Clock, ConnectorError, Exchange, HookReport, Invocation, LogLevel};
use crate::run::{ActionLog, DiagnosticEntry, DiagnosticEvent, DiagnosticSettings, ResultStatus, Run, StepError};
use crate::sensitive::SensitiveNames;
use crate::step::Attempt;

/// The longest body that is read for what must not be shown of it. Of a longer one an entry says how long it is: to cut
/// it first would part names from values.
const BODY_READ_MAX: usize = 64 << 10;

/// The entries of a step, or of a call that goes on without its step.
pub(crate) struct Diagnostics<'a> {
    run: &'a Run,
    step: &'a StepId,
    clock: &'a dyn Clock,
    settings: &'a DiagnosticSettings,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    entries: Vec<DiagnosticEntry>,
    dropped: u32,
    /// The call that was made last: what is found wrong with its response afterwards is told under its id.
    last_call: Option<RequestId>,
}

/// What differs from entry to entry.
pub(super) struct Draft {
    pub(super) level: LogLevel,
    pub(super) status: ResultStatus,
    pub(super) event: DiagnosticEvent,
    pub(super) request: RequestId,
    pub(super) component: String,
    pub(super) message: String,
    pub(super) configurations: Value,
    pub(super) input: Value,
}

impl<'a> Diagnostics<'a> {
    pub(crate) fn new(run: &'a Run, step: &'a StepId, clock: &'a dyn Clock, settings: &'a DiagnosticSettings) -> Self {
        Self { run, step, clock, settings, kept: Mutex::default() }
    }

    /// The entries in order, and how many more there were.
    pub(crate) fn take(&self) -> (Vec<DiagnosticEntry>, u32) {
        let kept = std::mem::take(&mut *self.lock());
        (kept.entries, kept.dropped)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn drop_one(&self) {
        let mut kept = self.lock();
        kept.dropped = kept.dropped.saturating_add(1);
    }

    /// At which level the entries of actions are kept.
    pub(super) fn action_log(&self) -> ActionLog {
        self.settings.actions
    }

    pub(super) fn push(&self, draft: Draft) {
        let mut kept = self.lock();
        if kept.entries.len() >= self.settings.step_entries_max {
            kept.dropped = kept.dropped.saturating_add(1);
            return;
        }
        let Draft { level, status, event, request, component, message, configurations, input } = draft;
        kept.entries.push(DiagnosticEntry {
            log_id: RequestId::generate().to_string(),
            recorded_at: self.clock.now(),
            request_id: request,
            level,
            result_status: status,
            result_message: self.cut(message),
            action_id: event,
            component_id: component,
            configurations: self.cut_json(configurations),
            input,
            tenant: self.run.tenant.clone(),
            flow: self.run.flow.clone(),
            flow_version: self.run.flow_version,
            run: self.run.id,
            step: self.step.clone(),
            trace_id: self.run.trace_id.clone(),
        });
    }

    /// A request that is about to go out.
    pub(crate) fn request(&self, names: &SensitiveNames, call: &CallContext, permitted: &PermittedRequest) {
        let Some(level) = permitted.function().log.request.level() else { return };
        let mut request = permitted.request().clone();
        request.body = request.body.map(|body| self.readable(&body));
        names.mask_request(&mut request);
        let message = format!("request {} {}", request.method.as_str(), without_query(&request.uri));
        let input = json!({
            "method": request.method,
            "uri": self.cut(request.uri.into()),
            "headers": self.headers(&request.headers),
            "body": request.body.as_ref().map(|body| self.body(body)),
        });
        self.push(Draft {
            level,
            status: ResultStatus::Success,
            event: DiagnosticEvent::ConnectorRequest,
            request: call.request_id.clone(),
            component: component_of(permitted.connector(), permitted.function()),
            message,
            configurations: configurations_of(permitted.connector(), Some(call)),
            input,
        });
    }

    /// What came of a call.
    pub(crate) fn exchange(
        &self,
        names: &SensitiveNames,
        call: &CallContext,
        permitted: &PermittedRequest,
        exchange: &Exchange,
    ) {
        let function = permitted.function();
        let took = exchange.elapsed_us;
        let (event, message, response) = match &exchange.outcome {
            Ok(response) if function.response.valid_statuses.contains(response.status) => {
                let message = format!("status {} after {took} µs", response.status);
                (DiagnosticEvent::ConnectorResponse, message, Some(response))
            }
            Ok(response) => {
                let message = format!("status {} after {took} µs, which the function calls invalid", response.status);
                (DiagnosticEvent::ConnectorFailure, message, Some(response))
            }
            Err(error) => (DiagnosticEvent::ConnectorFailure, format!("{}: {error}", error.kind.code()), None),
        };
        let (status, level) = match event {
            DiagnosticEvent::ConnectorResponse => (ResultStatus::Success, function.log.success),
            _ => (ResultStatus::Failed, function.log.failure),
        };
        let Some(level) = level.level() else { return };
        let mut input = response.map_or_else(|| json!({}), |response| self.response(names, None, response));
        if let Value::Object(input) = &mut input {
            input.insert("attempts".to_owned(), serde_json::to_value(&exchange.attempts).unwrap_or_default());
            input.insert("elapsedUs".to_owned(), took.into());
        }
        self.push(Draft {
            level,
            status,
            event,
            request: call.request_id.clone(),
            component: component_of(permitted.connector(), function),
            message,
            configurations: configurations_of(permitted.connector(), Some(call)),
            input,
        });
    }

    /// A call that was not made, or whose response cannot be used.
    fn failure(&self, connector: &Connector, function: &Function, request: RequestId, error: &StepError) {
        let Some(level) = function.log.failure.level() else { return };
        self.push(Draft {
            level,
            status: ResultStatus::Failed,
            event: DiagnosticEvent::ConnectorFailure,
            request,
            component: component_of(connector, function),
            message: format!("{}: {}", error.code, error.message),
            configurations: configurations_of(connector, None),
            input: Value::Null,
        });
    }

    /// What was left out of what an action of that type is asked, and why.
    pub(crate) fn left_out(&self, kind: &str, message: String) {
        self.push(Draft {
            level: LogLevel::Warning,
            status: ResultStatus::Success,
            event: DiagnosticEvent::ActionRequest,
            request: RequestId::generate(),
            component: kind.to_owned(),
            message,
            configurations: Value::Null,
            input: Value::Null,
        });
    }

    /// That somebody stepped into the run, and with what, masked already.
    pub(crate) fn intervened(&self, event: DiagnosticEvent, message: &str, request: RequestId, input: Value) {
        self.push(Draft {
            level: LogLevel::Info,
            status: ResultStatus::Success,
            event,
            request,
            component: self.run.flow.to_string(),
            message: message.to_owned(),
            configurations: Value::Null,
            input: self.cut_json(input),
        });
    }

    /// What a plugin logged. What it says in its own words is shown as it is; its fields are masked by their names.
    pub(crate) fn plugin_log<D>(&self, names: &SensitiveNames, invocation: &Invocation, report: &HookReport<D>) {
        let status = if report.outcome.is_ok() { ResultStatus::Success } else { ResultStatus::Failed };
        let component = format!("{}@{}", invocation.plugin.name, invocation.plugin.version);
        let mut configurations = invocation.config.clone();
        names.mask_json(&mut configurations);
        let draft = |level, event, message: String, input| Draft {
            level,
            status,
            event,
            request: invocation.request_id.clone(),
            component: component.clone(),
            message,
            configurations: configurations.clone(),
            input,
        };
        for line in &report.logs {
            let fields = line.fields.iter().map(|(name, value)| json!({ "name": name, "value": value }));
            let mut fields = Value::from_iter(fields);
            names.mask_json(&mut fields);
            let input = if line.fields.is_empty() { Value::Null } else { json!({ "fields": self.cut_json(fields) }) };
            self.push(draft(line.level, DiagnosticEvent::PluginLog, line.message.clone(), input));
        }
        if report.logs_dropped > 0 {
            let message = format!("{} more lines were over the limits of the invocation's log", report.logs_dropped);
            self.push(draft(LogLevel::Warning, DiagnosticEvent::PluginLogLimit, message, Value::Null));
        }
    }

    /// A response without what must not be shown: by its names, and by values where they are told.
    pub(super) fn response(&self, names: &SensitiveNames, values: Option<&Personal>, response: &Response) -> Value {
        let (headers, body) = (response.headers.clone(), self.readable(&response.body));
        let mut response = Response { status: response.status, headers, body, transformed_data: None };
        names.mask_response(&mut response);
        if let Some(values) = values {
            values.mask_response(&mut response);
        }
        json!({
            "status": response.status,
            "headers": self.headers(&response.headers),
            "body": self.body(&response.body),
        })
    }

    /// Headers up to the size of a body, then how many more there are.
    fn headers(&self, headers: &[Header]) -> Value {
        let mut left = self.settings.body_bytes_max;
        let mut shown = Vec::new();
        for (index, header) in headers.iter().enumerate() {
            let bytes = header.name.len() + header.value.len();
            if bytes > left {
                let more = format!("{} more", headers.len() - index);
                shown.push(json!({ "name": "…", "value": more }));
                break;
            }
            left -= bytes;
            shown.push(json!({ "name": header.name, "value": header.value }));
        }
        Value::Array(shown)
    }

    /// The body, or how long it is where it is too long to be masked.
    fn readable(&self, body: &Octets) -> Octets {
        if body.len() > BODY_READ_MAX.max(self.settings.body_bytes_max) {
            return format!("<{} bytes, too many to be shown>", body.len()).into();
        }
        body.clone()
    }

    fn body(&self, body: &Octets) -> Value {
        match body.as_text() {
            Some(text) => Value::String(self.cut(text.to_owned())),
            None => Value::String(format!("<{} bytes that are no text>", body.len())),
        }
    }

    pub(super) fn cut_json(&self, value: Value) -> Value {
        let text = value.to_string();
        if text.len() <= self.settings.body_bytes_max { value } else { Value::String(self.cut(text)) }
    }

    fn cut(&self, mut text: String) -> String {
        let (bytes, most) = (text.len(), self.settings.body_bytes_max);
        if bytes > most {
            text.truncate(text.floor_char_boundary(most));
            text.push_str(&format!("… ({} of {bytes} bytes cut)", bytes - text.len()));
        }
        text
    }
}

impl Attempt<'_> {
    /// The names that entries of this step mask. None where they cannot be had: the entry is dropped then.
    pub(super) async fn shown_names(&self) -> Option<SensitiveNames> {
        let marked = self.marked().await;
        if marked.is_err() {
            self.diagnostics.drop_one();
        }
        marked.ok().map(|names| names.clone().and_standard())
    }

    pub(crate) async fn log_request(&self, call: &CallContext, permitted: &PermittedRequest) {
        self.diagnostics.lock().last_call = Some(call.request_id.clone());
        if permitted.function().log.request.level().is_some()
            && let Some(names) = self.shown_names().await
        {
            self.diagnostics.request(&names, call, permitted);
        }
    }

    pub(crate) async fn log_exchange(&self, call: &CallContext, permitted: &PermittedRequest, exchange: &Exchange) {
        let log = permitted.function().log;
        if (log.success.level().is_some() || log.failure.level().is_some())
            && let Some(names) = self.shown_names().await
        {
            self.diagnostics.exchange(&names, call, permitted, exchange);
        }
    }

    /// The request could not be bound.
    pub(crate) fn log_unbound(&self, connector: &Connector, function: &FunctionName, error: &ConnectorError) {
        if let Some(function) = connector.document.function(function) {
            let error = StepError::from(error.clone());
            self.diagnostics.failure(connector, function, RequestId::generate(), &error);
        }
    }

    /// Members of an answer that the contract does not know.
    pub(crate) fn log_ignored(&self, permitted: &PermittedRequest, ignored: &[String]) {
        let request = self.diagnostics.lock().last_call.clone().unwrap_or_else(RequestId::generate);
        self.diagnostics.push(Draft {
            level: LogLevel::Warning,
            status: ResultStatus::Success,
            event: DiagnosticEvent::ConnectorResponse,
            request,
            component: component_of(permitted.connector(), permitted.function()),
            message: format!("the answer has members that the contract does not know: `{}`", ignored.join("`, `")),
            configurations: configurations_of(permitted.connector(), None),
            input: Value::Null,
        });
    }

    /// The response cannot be used.
    pub(crate) fn log_unusable(&self, permitted: &PermittedRequest, error: &StepError) {
        let request = self.diagnostics.lock().last_call.clone().unwrap_or_else(RequestId::generate);
        self.diagnostics.failure(permitted.connector(), permitted.function(), request, error);
    }

    pub(crate) async fn log_plugin<D>(&self, invocation: &Invocation, report: &HookReport<D>) {
        if (!report.logs.is_empty() || report.logs_dropped > 0)
            && let Some(names) = self.shown_names().await
        {
            self.diagnostics.plugin_log(&names, invocation, report);
        }
    }

    /// The entries for the commit. They take of the step's bytes what the step left: a log never fails its step.
    pub(crate) fn take_diagnostics(&self) -> (Vec<DiagnosticEntry>, u32) {
        let (mut entries, mut dropped) = self.diagnostics.take();
        entries.retain(|entry| {
            let fits = self.keep(entry.bytes()).is_ok();
            dropped = dropped.saturating_add(u32::from(!fits));
            fits
        });
        (entries, dropped)
    }
}

fn component_of(connector: &Connector, function: &Function) -> String {
    format!("{}.{}", connector.document.connector, function.name)
}

fn configurations_of(connector: &Connector, call: Option<&CallContext>) -> Value {
    let mut configurations = json!({ "connectorVersion": connector.version });
    if let (Value::Object(members), Some(call)) = (&mut configurations, call) {
        members.insert("idempotencyKey".to_owned(), Value::String(call.idempotency_key.clone()));
    }
    configurations
}

fn without_query(uri: &url::Url) -> String {
    let mut uri = uri.clone();
    uri.set_query(None);
    uri.set_fragment(None);
    uri.into()
}

impl EventLevel {
    /// The level of an entry; none where there is to be no entry.
    pub fn level(self) -> Option<LogLevel> {
        match self {
            Self::Disable => None,
            Self::Debug => Some(LogLevel::Debug),
            Self::Info => Some(LogLevel::Info),
            Self::Warning => Some(LogLevel::Warning),
            Self::Error => Some(LogLevel::Error),
        }
    }
}
