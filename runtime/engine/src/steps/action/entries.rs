//! What people are told of an action (D-01): why it failed, at once; that it was asked and went well, where the
//! operator wants it. The only place where a provider's own `errorMessage` and `errorDescription` are shown,
//! without the values of the event that they repeat.

use std::cell::OnceCell;

use serde_json::{Map, Value, json};

use super::super::diagnostics::Draft;
use crate::action::{ActionAnswer, OperationKind, Personal};
use crate::connector::EventLevel;
use crate::flow::{ActionProvider, ActionStep};
use crate::ids::RequestId;
use crate::message::Response;
use crate::run::{ActionRecord, ContextKey, DiagnosticEvent, OperationRecord, OperationResult, ResultStatus, Skipped};
use crate::step::{Attempt, Way};

/// Most operations that an entry lists; of further ones it says how many there are.
const OPERATIONS_SHOWN_MAX: usize = 50;

/// Makes the entries of an action that is over. Nothing is told of one that is done again.
pub(crate) async fn tell(attempt: &Attempt<'_>, action: &ActionStep, record: &ActionRecord, way: &Way) {
    let log = attempt.diagnostics.action_log();
    let levels = [log.request, log.success, log.failure];
    if matches!(way, Way::Later(_)) || levels.iter().all(|level| level.level().is_none()) {
        return;
    }
    let Some(names) = attempt.shown_names().await else { return };
    let mut shown = record.clone();
    shown.mask(&names);
    let told = Told {
        attempt,
        request: request_of(record),
        component: component_of(action, record),
        configurations: configurations_of(action, &shown),
        record: &shown,
        personal: OnceCell::new(),
    };
    if let Some(skipped) = shown.skipped {
        return told.skipped(skipped);
    }
    told.asked();
    told.answered(way, &names);
    told.operations();
}

/// What the entries of one action have in common.
struct Told<'a> {
    attempt: &'a Attempt<'a>,
    request: RequestId,
    component: String,
    configurations: Value,
    /// Masked.
    record: &'a ActionRecord,
    /// What finds the values of the event in what others said of it.
    personal: OnceCell<Personal>,
}

impl Told<'_> {
    fn entry(
        &self,
        wanted: EventLevel,
        status: ResultStatus,
        event: DiagnosticEvent,
        (message, input): (String, Value),
    ) {
        let Some(level) = wanted.level() else { return };
        let (request, component) = (self.request.clone(), self.component.clone());
        let configurations = self.configurations.clone();
        self.attempt.diagnostics.push(Draft {
            level,
            status,
            event,
            request,
            component,
            message,
            configurations,
            input: self.attempt.diagnostics.cut_json(input),
        });
    }

    /// For the run's event before the action.
    fn personal(&self) -> &Personal {
        let event = || self.attempt.context.get(&ContextKey::event()).unwrap_or(&Value::Null);
        self.personal.get_or_init(|| Personal::of(event()))
    }

    /// What others said, and what more they said, without values of the event.
    fn said(&self, words: &str, more: Option<&String>) -> String {
        let mut said = more.map_or_else(|| words.to_owned(), |more| format!("{words}: {more}"));
        self.personal().mask(&mut said);
        said
    }

    fn skipped(&self, why: Skipped) {
        let log = self.attempt.diagnostics.action_log();
        let (wanted, why) = match why {
            Skipped::ConditionNotMet => (log.success, "its condition does not hold"),
            Skipped::SwitchedOff => (log.failure, "it is switched off, and the step lets it be passed over"),
            Skipped::NoProvider => (log.failure, "nobody serves it, and the step lets it be passed over"),
        };
        let said = (format!("the action was passed over: {why}"), Value::Null);
        self.entry(wanted, ResultStatus::Success, DiagnosticEvent::ActionSkipped, said);
    }

    fn asked(&self) {
        let event = &self.record.event;
        if event.payload.is_null() {
            return;
        }
        let input = json!({ "event": event.payload, "allowedOperations": event.allowed_operations });
        let said = (format!("`{}` is asked", event.action_type), input);
        let wanted = self.attempt.diagnostics.action_log().request;
        self.entry(wanted, ResultStatus::Success, DiagnosticEvent::ActionRequest, said);
    }

    fn answered(&self, way: &Way, names: &crate::sensitive::SensitiveNames) {
        let log = self.attempt.diagnostics.action_log();
        let failed = (log.failure, ResultStatus::Failed, DiagnosticEvent::ActionFailure);
        let (kind, message) = match (way, &self.record.answer) {
            (Way::Error(_), Some(ActionAnswer::Error(error))) => {
                (failed, format!("ERROR: {}", self.said(&error.message, error.description.as_ref())))
            }
            (Way::Error(error), _) => {
                (failed, format!("{}: {}", error.code, self.said(&error.message, error.detail.as_ref())))
            }
            (Way::Failure(failure), _) => {
                (failed, format!("FAILED: {}", self.said(&failure.reason, failure.description.as_ref())))
            }
            (Way::Next | Way::Branch(_) | Way::Suspend { .. } | Way::Wait { .. } | Way::Later(_), _) => {
                let count = match &self.record.answer {
                    Some(ActionAnswer::Success { operations, .. }) => operations.len(),
                    _ => 0,
                };
                let message = match way {
                    Way::Suspend { until, .. } => format!("INCOMPLETE: the run waits for its end user until {until}"),
                    _ => format!("SUCCESS with {count} operation(s)"),
                };
                ((log.success, ResultStatus::Success, DiagnosticEvent::ActionResponse), message)
            }
        };
        let (wanted, status, event) = kind;
        if wanted.level().is_some() {
            self.entry(wanted, status, event, (message, self.came_back(names)));
        }
    }

    /// What came back, from whom it did: a plugin's decision, or a service's attempts and its last response.
    fn came_back(&self, names: &crate::sensitive::SensitiveNames) -> Value {
        let mut input = Map::new();
        if let Some(hook) = &self.record.hook {
            input.insert("fuel".to_owned(), hook.report.fuel.into());
            input.insert("elapsedUs".to_owned(), hook.report.elapsed_us.into());
            let mut answer = serde_json::to_value(&self.record.answer).unwrap_or_default();
            self.personal().mask_json(&mut answer);
            input.insert("answer".to_owned(), answer);
        }
        if let Some(service) = &self.record.service {
            let attempts = service.exchanges.iter().flat_map(|exchange| &exchange.attempts);
            let attempts = attempts.map(|attempt| {
                let mut attempt = serde_json::to_value(attempt).unwrap_or_default();
                let said = attempt.as_object_mut().into_iter().flatten();
                let said = said.filter(|(name, _)| matches!(name.as_str(), "error" | "hops"));
                said.for_each(|(_, value)| self.personal().mask_json(value));
                attempt
            });
            input.insert("attempts".to_owned(), attempts.collect());
            let took = service.exchanges.iter().map(|exchange| exchange.elapsed_us).sum::<u64>();
            input.insert("elapsedUs".to_owned(), took.into());
            let last: Option<&Response> = service.exchanges.last().and_then(|it| it.outcome.as_ref().ok());
            if let Some(response) = last {
                let response = self.attempt.diagnostics.response(names, Some(self.personal()), response);
                input.insert("response".to_owned(), response);
            }
        }
        Value::Object(input)
    }

    /// One entry with what became of each operation.
    fn operations(&self) {
        let all = &self.record.operations;
        if all.is_empty() {
            return;
        }
        let count = |result| all.iter().filter(|it| it.result == result).count();
        let [applied, dropped, rejected] =
            [OperationResult::Applied, OperationResult::Dropped, OperationResult::Rejected].map(count);
        let first = all.iter().find(|it| it.result == OperationResult::Rejected);
        let first = first.or_else(|| all.iter().find(|it| it.result == OperationResult::Dropped));
        let why = first
            .and_then(|it| it.reason.as_ref())
            .map(|reason| format!(": {}", self.said(reason, None)))
            .unwrap_or_default();
        let message = format!("operations: {applied} applied, {dropped} dropped, {rejected} rejected{why}");
        let mut shown: Vec<Value> = all.iter().take(OPERATIONS_SHOWN_MAX).map(|it| self.view(it)).collect();
        if all.len() > OPERATIONS_SHOWN_MAX {
            shown.push(json!({ "more": all.len() - OPERATIONS_SHOWN_MAX }));
        }
        let log = self.attempt.diagnostics.action_log();
        let wanted = if dropped + rejected == 0 { log.success } else { log.failure };
        let status = if rejected == 0 { ResultStatus::Success } else { ResultStatus::Failed };
        let said = (message, json!({ "operations": shown }));
        self.entry(wanted, status, DiagnosticEvent::ActionOperations, said);
    }

    fn view(&self, record: &OperationRecord) -> Value {
        let mut view = serde_json::to_value(&record.operation).unwrap_or_default();
        if let Value::Object(members) = &mut view {
            members.values_mut().for_each(|member| self.personal().mask_json(member));
            members.insert("result".to_owned(), serde_json::to_value(record.result).unwrap_or_default());
            let reason = record.reason.as_ref().map(|reason| self.said(reason, None));
            members.extend(reason.map(|reason| ("reason".to_owned(), json!(reason))));
        }
        view
    }
}

/// The id that the provider was told: the invocation's, or the envelope's `requestId`.
fn request_of(record: &ActionRecord) -> RequestId {
    if let Some(hook) = &record.hook {
        return hook.invocation.request_id.clone();
    }
    let body = record.service.as_ref().and_then(|service| service.sent_request.as_ref()?.body.as_ref());
    let envelope = body.and_then(|body| serde_json::from_slice::<Value>(body.as_slice()).ok());
    let told = envelope.and_then(|envelope| serde_json::from_value(envelope.get("requestId")?.clone()).ok());
    told.unwrap_or_else(RequestId::generate)
}

/// `plugin@version`, or `connector.function`; what the step says of them where they could not be had.
fn component_of(action: &ActionStep, record: &ActionRecord) -> String {
    if let Some(hook) = &record.hook {
        return format!("{}@{}", hook.invocation.plugin.name, hook.invocation.plugin.version);
    }
    if let Some(service) = &record.service {
        return format!("{}.{}", service.connector, service.function);
    }
    match (action.own().map(|set_up| &set_up.provider), &record.saved) {
        (Some(ActionProvider::Plugin(hook)), _) => hook.plugin.to_string(),
        (Some(ActionProvider::Service(function)), _) => function.to_string(),
        (None, Some(saved)) => format!("{}/{}", action.kind.name, saved.name),
        (None, None) => action.kind.name.clone(),
    }
}

fn configurations_of(action: &ActionStep, record: &ActionRecord) -> Value {
    let allowed = record.event.allowed_operations.iter().map(|entry| match entry.op {
        OperationKind::Redirect => json!(entry.op),
        _ => json!({ "op": entry.op, "paths": entry.paths }),
    });
    let mut told = json!({ "actionType": action.kind.name, "allowedOperations": Vec::from_iter(allowed) });
    let Value::Object(members) = &mut told else { return told };
    if let Some(set_up) = action.own() {
        members.insert("profile".to_owned(), json!(set_up.profile));
    }
    if let Some(saved) = &record.saved {
        members.insert("saved".to_owned(), json!(saved));
    }
    if let Some(hook) = &record.hook {
        members.insert("config".to_owned(), hook.invocation.config.clone());
    }
    if let Some(service) = &record.service {
        members.insert("connectorVersion".to_owned(), json!(service.connector_version));
        members.insert("idempotencyKey".to_owned(), json!(service.idempotency_key));
    }
    told
}
