//! An action: an event goes to a plugin or an external service, the operations that come back are applied (A-02 to
//! One way for both kinds of provider, from the answer on.

mod entries; // what people are told of it
mod find; // which action, and whether it runs
mod operations; // from an answer to changes of the event
mod origin; // what types take from
mod plugin;
mod request; // what it is asked
mod seal; // what of it travels encrypted
mod service;
mod suspend;
mod unseal; // operations that came encrypted

pub(crate) use self::entries::tell;

use std::collections::BTreeSet;

use serde_json::Value;

use self::find::Found;
use crate::action::{ActionAnswer, ActionType, Personal, ProviderError};
use crate::engine::Trouble;
use crate::flow::{ActionProvider, ActionSetUp, ActionStep};
use crate::ports::{ActionEvent, HookErrorKind};
use crate::run::{ActionRecord, ContextChange, ContextKey, Run, Skipped, StepError, StepRecord};
use crate::step::{Attempt, Done, Way, step_error};

/// One action of a step, while it runs.
pub(super) struct Acting<'a> {
    attempt: &'a Attempt<'a>,
    kind: &'a ActionType,
    set_up: &'a ActionSetUp,
    /// The run's event before the action.
    before: &'a Value,
}

pub(crate) async fn run_action(attempt: &Attempt<'_>, action: &ActionStep) -> Done {
    let mut record = ActionRecord {
        event: ActionEvent {
            action_type: action.kind.name.clone(),
            payload: Value::Null,
            allowed_operations: Vec::new(),
        },
        saved: None,
        skipped: None,
        hook: None,
        service: None,
        answer: None,
        operations: Vec::new(),
        encrypted_names: Vec::new(),
    };
    let mut changes = Vec::new();
    let way = act(attempt, action, &mut record, &mut changes).await.unwrap_or_else(Way::from);
    tell(attempt, action, &record, &way).await;
    Done { record: StepRecord::Action(Box::new(record)), way, changes }
}

async fn act(
    attempt: &Attempt<'_>,
    action: &ActionStep,
    record: &mut ActionRecord,
    changes: &mut Vec<ContextChange>,
) -> Result<Way, Trouble> {
    let set_up = match find::find(attempt, action, record).await? {
        Found::Runs(set_up) => set_up,
        Found::Skipped(why) => {
            record.skipped = Some(why);
            let leads = match why {
                Skipped::ConditionNotMet => Way::Branch(attempt.step.otherwise().clone()),
                Skipped::SwitchedOff | Skipped::NoProvider => Way::Next,
            };
            return Ok(leads);
        }
    };
    record.encrypted_names = encrypted_names(attempt.run, &set_up)?;
    let before = attempt.context.get(&ContextKey::event()).unwrap_or(&Value::Null);
    let acting = Acting { attempt, kind: &action.kind, set_up: &set_up, before };
    record.event = request::event(&acting).await?;
    let answer = match &set_up.provider {
        ActionProvider::Plugin(hook) => {
            plugin::ask(&acting, hook, record).await.or_else(|trouble| own_fault(record).ok_or(trouble))?
        }
        ActionProvider::Service(function) => service::ask(&acting, function, record).await?,
    };
    record.answer = Some(answer.clone());
    let way = acting.take(answer, record, changes).await;
    unseal::hide(&acting, record);
    way
}

/// The names of what is encrypted, which the run keeps.
fn encrypted_names(run: &Run, set_up: &ActionSetUp) -> Result<Vec<String>, StepError> {
    let names: BTreeSet<&str> = set_up.encryption.iter().flat_map(|rules| rules.sensitive_names()).collect();
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let new = names.iter().filter(|name| !run.sensitive.contains(name)).count();
    if run.sensitive.len() + new > Run::SENSITIVE_MAX {
        let most = Run::SENSITIVE_MAX;
        let message =
            format!("the actions of the run encrypt more than {most} names; encrypt what holds several at once");
        return Err(step_error("action.encrypted-names", message));
    }
    Ok(names)
}

impl Acting<'_> {
    /// What an answer comes to.
    async fn take(
        &self,
        answer: ActionAnswer,
        record: &mut ActionRecord,
        changes: &mut Vec<ContextChange>,
    ) -> Result<Way, Trouble> {
        match answer {
            ActionAnswer::Success { operations, data } => self.apply(operations, data, record, changes).await,
            ActionAnswer::Incomplete { operations } => self.suspend(operations, record),
            ActionAnswer::Failed(failure) => Ok(Way::Failure(failure)),
            ActionAnswer::Error(error) => Ok(Way::Error(said_itself(error, self.before))),
        }
    }
}

/// A plugin's fault is what ERROR is of an external service: a flow cannot tell them apart.
fn own_fault(record: &ActionRecord) -> Option<ActionAnswer> {
    let error = record.hook.as_ref()?.report.outcome.as_ref().err()?;
    let error = (error.kind == HookErrorKind::Fault).then(|| error.clone())?;
    Some(ActionAnswer::Error(ProviderError { message: error.message, description: error.detail }))
}

/// The error that a provider told of itself. Its own words stay out of the message, which later steps may read and hand
/// on to end users; they go to logs, so what they repeat of the event is masked.
fn said_itself(error: ProviderError, event: &Value) -> StepError {
    let ProviderError { message, description } = error;
    let mut words = description.map_or_else(|| message.clone(), |description| format!("{message}: {description}"));
    Personal::of(event).mask(&mut words);
    let message = "the provider answered with an ERROR of its own; the detail in the journal has its words";
    StepError { detail: Some(words), ..step_error("action.provider-error", message) }
}
