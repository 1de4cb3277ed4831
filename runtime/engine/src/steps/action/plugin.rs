//! Asks a plugin.

use super::super::hooks::prepare;
use super::Acting;
use crate::action::ActionAnswer;
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
    let prepared = prepare(attempt, hook, "action").await?;
    let report: HookReport<ActionDecision> =
        attempt.ports.plugins.action(&prepared.invocation, &record.event, &prepared.calls).await;
    attempt.log_plugin(&prepared.invocation, &report).await;
    let outcome = report.outcome.clone();
    let granted_calls = prepared.calls.into_made();
    record.hook = Some(HookRecord { invocation: prepared.invocation, report, granted_calls });
    Ok(outcome.map_err(StepError::from)?.into())
}
