//! Serves the action of a plugin to a system that calls external services. No run is behind it and nothing is
//! stored: what happened is told in the tenant's live view. The operations are checked by the same rules as a step's
//! against what the caller allows, and are applied by the caller.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout};

use super::scope::scope_of;
use super::served_answer::{self, Unfit};
use super::try_call::flow_of;
use super::{Engine, Trouble};
use crate::action::{
    ActionAnswer, ActionRequest, ActionType, AllowedOperation, AllowedPaths, Operation, OperationKind,
};
use crate::document::Document;
use crate::duration_text;
use crate::flow::{self, ActionStep, ActionUse, HookUse, PluginRequirement, Step, StepKind, WhenUnavailable};
use crate::ids::{FlowName, RequestId, StepId, TenantId};
use crate::outside::Outside;
use crate::ports::{ActionEvent, HookErrorKind};
use crate::run::{
    ActionRecord, ContextChange, ContextKey, HookRecord, OperationRecord, OperationResult, RunContext, StepError,
};
use crate::step::{Attempt, Way, step_error};
use crate::steps::{Diagnostics, Prepared, prepare, tell};

/// The code of a request that the plugin cannot be asked.
const INVALID: &str = "action.service-request";

// What callers are told of the tenant's own set-up, and no more: the cause is the error's detail, in the live view.
const FAULTY_SETTINGS: &str = "the `input` or the `config` in the URL has faults; the owner of the action sees them";
const FAULTY_INPUT: &str = "the `input` in the URL cannot be made of this event; the owner of the action sees why";
const NO_PLUGIN: &str = "there is no such plugin, or no enabled version of it in this range";
const NO_HOOK: &str = "the plugin has no hook `action`";

/// An action to serve.
#[derive(Debug, Clone)]
pub struct ServeAction {
    /// Whose plugin.
    pub tenant: TenantId,
    /// The plugin.
    pub plugin: PluginRequirement,
    /// What the plugin sees besides the event: templates over the caller's `event`. Null by default.
    pub input: Value,
    /// The plugin's settings. Null by default.
    pub config: Value,
    /// What is asked.
    pub request: ActionRequest,
    /// How long it may take, also while it waits for its turn.
    pub within: Duration,
    /// The id of the HTTP request.
    pub trace: Option<RequestId>,
}

/// Why there is no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ServeActionError {
    /// The request asks for what there is not: the type, the plugin, its hook, its input. Its message is for the caller,
    /// its detail is not.
    #[error("{0}")]
    Refused(StepError),
    /// The plugin could not do its work, or answered what its caller does not allow.
    #[error("{0}")]
    Failed(StepError),
}

impl ServeActionError {
    /// What happened, for logs.
    pub fn error(&self) -> &StepError {
        match self {
            Self::Refused(error) | Self::Failed(error) => error,
        }
    }
}

impl From<Trouble> for ServeActionError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Step(error) => match error.code.as_str() {
                "plugin.unknown" => told(NO_PLUGIN, error),
                // Nothing but the `input` is evaluated.
                "expression.evaluation" => told(FAULTY_INPUT, error),
                _ => Self::Failed(error),
            },
            Trouble::Store(error) => Self::Failed(step_error(error.code(), error)),
        }
    }
}

impl Engine {
    /// Asks the plugin. It sees the flow and the step `action-service`, and may call no connector.
    ///
    /// # Errors
    /// See [`ServeActionError`].
    pub async fn serve_action(&self, call: ServeAction) -> Result<ActionAnswer, ServeActionError> {
        let (step, fault) = self.served_step(&call)?;
        let flow = flow_of(Arc::clone(&step), call.within);
        let mut run = self.tried_run(call.tenant.clone(), call.within);
        (run.flow, run.trace_id) = (FlowName::served(), call.trace);
        let mut context = RunContext::default();
        context.apply(&ContextChange { key: ContextKey::event(), value: call.request.event.clone() });
        let this = Attempt {
            ports: &self.ports,
            outside: Outside::live(&*self.ports.clock),
            flow: &flow,
            step: &step,
            run: &run,
            context: &context,
            scope: scope_of(&run, &context),
            until: Instant::now() + call.within,
            bytes_left: AtomicUsize::new(self.settings.step_bytes_max),
            tried: None,
            diagnostics: Diagnostics::new(&run, &step.id, &*self.ports.clock, &self.settings.diagnostics),
            sensitive_names: &self.settings.diagnostics.sensitive_names,
            shown: OnceCell::new(),
            reminder: None,
            suspensions: self.settings.suspensions(),
            calls: self.settings.calls(),
        };
        let StepKind::Action(action) = &step.kind else { return Err(refused("there is no action")) };
        let Some(hook) = action.own().and_then(|set_up| set_up.provider.hook()) else {
            return Err(refused("there is no plugin"));
        };
        let ActionRequest { action_type, event: payload, allowed_operations, .. } = call.request;
        let event = ActionEvent { action_type, payload, allowed_operations };
        let mut record = record_of(event);
        let outcome = match fault {
            None => ask(&this, hook, call.within, &mut record).await,
            Some(fault) => Err(ServeActionError::Refused(fault)),
        };
        let outcome = outcome.and_then(|answer| held_to_type(answer, &action.kind, &mut record));
        let way = match &outcome {
            Ok(ActionAnswer::Failed(failure)) => Way::Failure(failure.clone()),
            Ok(_) => Way::Next,
            Err(error) => Way::Error(error.error().clone()),
        };
        tell(&this, action, &record, &way).await;
        let (entries, _) = this.take_diagnostics();
        self.feed.committed(&run.tenant, &entries);
        outcome
    }

    /// The step that a flow would have: read by the same code, so that the same things are faults. Where the settings
    /// of the URL have faults, the step without them, for what is told.
    fn served_step(&self, call: &ServeAction) -> Result<(Arc<Step>, Option<StepError>), ServeActionError> {
        let types = self.ports.definitions.action_types();
        let Some(kind) = types.get(&call.request.action_type) else {
            let known = types.names().join(", ");
            return Err(refused(format!("there is no such action type; known are {known}")));
        };
        let read = |input: &Value, config: &Value| {
            let document = json!({
                "action": StepId::served(), "type": kind.name, "plugin": call.plugin.to_string(),
                "input": input, "config": config,
            });
            flow::read_action(&Document::of_value(document), types)
        };
        let (saved, fault) = match read(&call.input, &call.config) {
            Ok(saved) => (saved, None),
            Err(faults) => {
                let cause = faults.0.first().map(|fault| fault.message.clone());
                let fault = StepError { detail: cause, ..step_error(INVALID, FAULTY_SETTINGS) };
                let bare = read(&Value::Null, &Value::Null);
                (bare.map_err(|_| ServeActionError::Refused(fault.clone()))?, Some(fault))
            }
        };
        let uses = ActionUse::Own(saved.set_up);
        let action = ActionStep { kind: Arc::clone(kind), uses, when_unavailable: WhenUnavailable::Stop };
        let kind = StepKind::Action(Box::new(action));
        Ok((Arc::new(Step::alone(StepId::served(), kind)), fault))
    }
}

/// A refusal in words that tell nothing of the tenant's set-up; what happened goes into the detail.
fn told(words: &str, cause: StepError) -> ServeActionError {
    let StepError { code, message, detail } = cause;
    let detail = detail.map_or(message.clone(), |detail| format!("{message}: {detail}"));
    ServeActionError::Refused(StepError { code, message: words.to_owned(), detail: Some(detail) })
}

fn refused(why: impl ToString) -> ServeActionError {
    ServeActionError::Refused(step_error(INVALID, why))
}

fn record_of(event: ActionEvent) -> ActionRecord {
    ActionRecord {
        event,
        saved: None,
        skipped: None,
        hook: None,
        service: None,
        answer: None,
        operations: Vec::new(),
        encrypted_names: Vec::new(),
    }
}

/// Invokes the hook, and holds its answer against what the caller allows.
async fn ask(
    attempt: &Attempt<'_>,
    hook: &HookUse,
    within: Duration,
    record: &mut ActionRecord,
) -> Result<ActionAnswer, ServeActionError> {
    let Prepared { mut invocation, calls } = prepare(attempt, hook, "action").await?;
    // A little less, so that a plugin that is too slow ends by its own limit and says where it was.
    let most = u64::try_from((within * 9 / 10).as_millis()).unwrap_or(u64::MAX);
    invocation.limits.time_ms = invocation.limits.time_ms.min(most);
    let asked = timeout(within, attempt.ports.plugins.action(&invocation, &record.event, &calls)).await;
    let report = asked.map_err(|_| {
        let most = duration_text::to_text(within);
        let message = format!("the action with its wait for a place took longer than {most}");
        ServeActionError::Failed(step_error("action.service-timeout", message))
    })?;
    attempt.log_plugin(&invocation, &report).await;
    let outcome = report.outcome.clone();
    record.hook = Some(HookRecord { invocation, report, granted_calls: calls.into_made() });
    let decision = outcome.map_err(|error| match error.kind {
        HookErrorKind::HookMissing => told(NO_HOOK, error.into()),
        _ => ServeActionError::Failed(error.into()),
    })?;
    let answer = ActionAnswer::from(decision);
    record.answer = Some(answer.clone());
    match permitted(&answer, &record.event.allowed_operations) {
        Ok(()) => Ok(answer),
        Err((index, reason)) => {
            record.operations = results_of(&answer, index, &reason);
            Err(ServeActionError::Failed(step_error("action.operation-not-allowed", reason)))
        }
    }
}

/// What the type allows goes out, and nothing else.
fn held_to_type(
    answer: ActionAnswer,
    kind: &ActionType,
    record: &mut ActionRecord,
) -> Result<ActionAnswer, ServeActionError> {
    match served_answer::fits(&answer, kind) {
        Ok(()) => Ok(answer),
        Err(Unfit { error, index }) => {
            record.operations = index.map(|index| results_of(&answer, index, &error.message)).unwrap_or_default();
            Err(ServeActionError::Failed(error))
        }
    }
}

/// Whether the caller allows all of it: which operation it does not, and why.
fn permitted(answer: &ActionAnswer, allowed: &[AllowedOperation]) -> Result<(), (usize, String)> {
    match answer {
        ActionAnswer::Success { operations, .. } => {
            let allowed = AllowedPaths::read(allowed);
            for (index, operation) in operations.iter().enumerate() {
                allowed.check(operation).map_err(|reason| (index, reason))?;
            }
            Ok(())
        }
        ActionAnswer::Incomplete { operations } => match operations.as_slice() {
            [Operation::Redirect { .. }] if allowed.iter().any(|entry| entry.op == OperationKind::Redirect) => Ok(()),
            [Operation::Redirect { .. }] => Err((0, "the caller does not allow `redirect`".to_owned())),
            _ => Err((0, "an incomplete answer has exactly one operation, a `redirect`".to_owned())),
        },
        ActionAnswer::Failed(_) | ActionAnswer::Error(_) => Ok(()),
    }
}

fn results_of(answer: &ActionAnswer, refused: usize, why: &str) -> Vec<OperationRecord> {
    let (ActionAnswer::Success { operations, .. } | ActionAnswer::Incomplete { operations }) = answer else {
        return Vec::new();
    };
    let record = |(index, operation): (usize, &Operation)| {
        let (result, reason) = if index == refused {
            (OperationResult::Rejected, why.to_owned())
        } else {
            (OperationResult::Dropped, "another operation is refused, and with it the answer".to_owned())
        };
        OperationRecord { operation: operation.clone(), result, code: None, reason: Some(reason) }
    };
    operations.iter().enumerate().map(record).collect()
}
