//! Asks a plugin.

use super::super::hooks::prepare_over;
use super::Acting;
use crate::action::{ActionAnswer, check_answered_failure, hide};
use crate::engine::Trouble;
use crate::flow::HookUse;
use crate::ports::{ActionDecision, HookReport};
use crate::run::{ActionRecord, HookRecord, StepError};
use crate::step::step_error;

pub(super) async fn ask(
    acting: &Acting<'_>,
    hook: &HookUse,
    record: &mut ActionRecord,
) -> Result<ActionAnswer, Trouble> {
    let attempt = acting.attempt;
    let mut scope = attempt.hook_scope().await?.clone();
    if !acting.set_up.hidden.is_empty() {
        // What is hidden comes by no other way either.
        let event = hide(scope.get("event"), &acting.set_up.hidden);
        scope = scope.with("event", event);
    }
    let prepared = prepare_over(attempt, hook, "action", &scope).await?;
    let report: HookReport<ActionDecision> =
        attempt.ports.plugins.action(&prepared.invocation, &record.event, &prepared.calls).await;
    attempt.log_plugin(&prepared.invocation, &report).await;
    let outcome = report.outcome.clone();
    let granted_calls = prepared.calls.into_made();
    let plugin = format!("{}@{}", prepared.invocation.plugin.name, prepared.invocation.plugin.version);
    record.hook = Some(HookRecord { invocation: prepared.invocation, report, granted_calls });
    let answer = outcome.map_err(StepError::from)?.into();
    if let ActionAnswer::Failed(failure) = &answer {
        check_answered_failure(failure, acting.kind, &acting.set_up.profile)
            .map_err(|unusable| step_error(unusable.code, format!("`{plugin}` {unusable}")))?;
    }
    Ok(answer)
}
