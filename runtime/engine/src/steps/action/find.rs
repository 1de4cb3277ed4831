//! Which action a step means, and whether it runs.

use std::sync::Arc;

use crate::engine::Trouble;
use crate::flow::{ActionSetUp, ActionStep, ActionUse};
use crate::run::{ActionRecord, Skipped};
use crate::step::{Attempt, step_error};

/// What was found.
pub(super) enum Found {
    /// It runs, by these rules.
    Runs(Arc<ActionSetUp>),
    /// It need not run.
    Skipped(Skipped),
}

pub(super) async fn find(_: &Attempt<'_>, action: &ActionStep, _: &mut ActionRecord) -> Result<Found, Trouble> {
    match &action.uses {
        ActionUse::Own(set_up) => Ok(Found::Runs(Arc::clone(set_up))),
        ActionUse::Saved(_) | ActionUse::OnlyOfType => Err(step_error("action.unknown", "no action is saved").into()),
    }
}
