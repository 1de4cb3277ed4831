//! Whether a step runs at all: its `when`. An action asks its own.

use crate::run::StepRecord;
use crate::step::{Attempt, Done, Way};

/// What comes of a step whose `when` does not hold, or cannot be evaluated.
pub(crate) fn passed_over(attempt: &Attempt<'_>) -> Option<Done> {
    let when = attempt.step.common.when.as_ref()?;
    if attempt.run.has_begun_step() {
        return None;
    }
    let way = match when.evaluate_bool(&attempt.scope) {
        Ok(true) => return None,
        Ok(false) => Way::Branch(attempt.step.otherwise().clone()),
        Err(error) => Way::Error(error.into()),
    };
    let record = match way {
        Way::Branch(_) => StepRecord::Skipped { when: when.source().to_owned() },
        _ => StepRecord::NotRun,
    };
    Some(Done { record, way, changes: Vec::new() })
}
