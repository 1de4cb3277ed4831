//! The bound of steps that go round (F-03).

use crate::flow::Step;
use crate::run::{Run, StepError};
use crate::step::step_error;

/// Whether the run may come to the step once more. No `on-error` catches it: what leads round could go round by that.
pub(super) fn within_visits(run: &Run, step: &Step) -> Result<(), StepError> {
    let Some(most) = step.common.visits_max else { return Ok(()) };
    if run.visits_before(&step.id) < most {
        return Ok(());
    }
    let message = format!("the run has come to step `{}` {most} times, as often as its `visits-max` lets it", step.id);
    Err(step_error("flow.visits", message))
}
