//! The deadline of a step's attempt (F-12): what a call or a hook may take is cut to it, and what takes longer all the
//! same is given up.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::duration_text;
use crate::run::{StepError, StepRecord};
use crate::step::{Done, Way, step_error};

/// How long an attempt may still take to say how far it came.
const GRACE: Duration = Duration::from_millis(250);

/// Runs an attempt that may take so long.
pub(crate) async fn within(deadline: Duration, attempt: impl Future<Output = Done>) -> Done {
    let until = Instant::now() + deadline;
    match timeout(deadline.saturating_add(GRACE), attempt).await {
        // What was cut short tells of its own time; what cut it is the deadline.
        Ok(Done { record, way: Way::Error(_), .. }) if Instant::now() >= until => {
            Done { record, way: Way::Error(over(deadline)), changes: Vec::new() }
        }
        Ok(done) => done,
        Err(_) => Done { record: StepRecord::NotRun, way: Way::Error(over(deadline)), changes: Vec::new() },
    }
}

fn over(deadline: Duration) -> StepError {
    let message = format!(
        "the attempt took longer than {}, the step's `deadline`; what it had called was given up",
        duration_text::to_text(deadline)
    );
    step_error("step.deadline", message)
}
