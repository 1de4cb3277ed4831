//! Which action a step means, and whether it runs. Whatever cannot be decided stops the run: an action that was
//! to check something must not be left out by an accident.

use std::sync::Arc;

use super::origin::Origin;
use crate::action::ActionType;
use crate::engine::Trouble;
use crate::flow::{ActionSetUp, ActionStatus, ActionStep, ActionUse, SavedAction, WhenUnavailable};
use crate::run::{ActionRecord, SavedActionRef, Skipped, StepError};
use crate::step::{Attempt, step_error};

/// What was found.
pub(super) enum Found {
    /// It runs, by these rules.
    Runs(Arc<ActionSetUp>),
    /// It need not run.
    Skipped(Skipped),
}

pub(super) async fn find(
    attempt: &Attempt<'_>,
    action: &ActionStep,
    record: &mut ActionRecord,
) -> Result<Found, Trouble> {
    let set_up = match &action.uses {
        ActionUse::Own(set_up) => Arc::clone(set_up),
        ActionUse::Saved(_) | ActionUse::OnlyOfType => {
            let Some(saved) = saved(attempt, action).await? else {
                return unavailable(action, Skipped::NoProvider);
            };
            record.saved = Some(SavedActionRef { name: saved.name.clone(), version: saved.version });
            if saved.status == ActionStatus::Inactive {
                return unavailable(action, Skipped::SwitchedOff);
            }
            Arc::clone(&saved.set_up)
        }
    };
    let runs = holds(attempt, &action.kind, &set_up)?;
    Ok(if runs { Found::Runs(set_up) } else { Found::Skipped(Skipped::ConditionNotMet) })
}

/// The saved action that the step means, as it is now.
async fn saved(attempt: &Attempt<'_>, action: &ActionStep) -> Result<Option<Arc<SavedAction>>, Trouble> {
    let (definitions, versions) = (&attempt.ports.definitions, attempt.outside.versions());
    let (tenant, kind) = (&attempt.run.tenant, action.kind.name.as_str());
    if let ActionUse::Saved(name) = &action.uses {
        return Ok(definitions.action(tenant, kind, name, versions).await?);
    }
    let mut all = definitions.saved_actions(tenant, kind, versions).await?;
    match all.len() {
        0 | 1 => Ok(all.pop()),
        several => {
            let names: Vec<&str> = all.iter().take(10).map(|action| action.name.as_str()).collect();
            let message = format!(
                "the step names no action, and there are {several} of type `{kind}`, such as `{}`; \
                 write `uses: NAME`, or remove all but one",
                names.join("`, `")
            );
            Err(step_error("action.ambiguous", message).into())
        }
    }
}

/// Passes over only what the step says may be passed over.
fn unavailable(action: &ActionStep, why: Skipped) -> Result<Found, Trouble> {
    if action.when_unavailable == WhenUnavailable::Skip {
        return Ok(Found::Skipped(why));
    }
    let kind = &action.kind.name;
    let which = match &action.uses {
        ActionUse::Saved(name) => format!("the saved action `{name}` of type `{kind}`"),
        ActionUse::Own(_) | ActionUse::OnlyOfType => format!("the saved action of type `{kind}`"),
    };
    let message = match why {
        Skipped::SwitchedOff => format!("{which} is switched off; switch it on with `weir action activate`"),
        Skipped::NoProvider | Skipped::ConditionNotMet => {
            format!("{which} does not exist; save one with `weir action apply FILE`")
        }
    };
    let message = format!("{message}, or let the step pass over it (`when-unavailable: skip`)");
    Err(step_error("action.unavailable", message).into())
}

/// Whether the rule and the condition hold.
fn holds(attempt: &Attempt<'_>, kind: &ActionType, set_up: &ActionSetUp) -> Result<bool, StepError> {
    if let Some(rule) = &set_up.rule {
        let origin = Origin::of(attempt);
        let holds = rule.holds(&kind.rule_fields, |field| origin.at(&field.from));
        if !holds.map_err(|error| step_error("action.condition", error))? {
            return Ok(false);
        }
    }
    match &set_up.when {
        None => Ok(true),
        Some(when) => when
            .evaluate_bool(&attempt.scope)
            .map_err(|error| step_error("action.condition", format!("`when` cannot be evaluated: {error}"))),
    }
}
