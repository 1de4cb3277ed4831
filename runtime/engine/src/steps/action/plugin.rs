//! Asks a plugin.

use super::super::hooks::prepare_over;
use super::Acting;
use crate::action::{ActionAnswer, hide};
use crate::engine::Trouble;
use crate::flow::HookUse;
use crate::ports::{ActionDecision, HookReport};
use crate::run::{ActionRecord, HookRecord, StepError};

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
    record.hook = Some(HookRecord { invocation: prepared.invocation, report, granted_calls });
    Ok(outcome.map_err(StepError::from)?.into())
}
