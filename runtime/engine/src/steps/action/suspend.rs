//! Suspends the run with a redirect, where the action's type allows it.

use super::Acting;
use crate::action::Operation;
use crate::engine::Trouble;
use crate::run::ActionRecord;
use crate::step::{Way, step_error};

impl Acting<'_> {
    /// One redirect suspends the run.
    pub(super) fn suspend(&self, _: Vec<Operation>, _: &mut ActionRecord) -> Result<Way, Trouble> {
        let message = format!("a `{}` action cannot suspend the run; answer `success` or `failed`", self.kind.name);
        Ok(Way::Error(step_error("action.incomplete-not-allowed", message)))
    }
}
