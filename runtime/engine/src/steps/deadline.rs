//! The deadlines of a step's attempt and of its run (F-12): what a call or a hook may take is cut to them. What takes
//! longer than the step's all the same is given up.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::duration_text;
use crate::run::{StepError, StepRecord};
use crate::step::{Attempt, Done, RUN_DEADLINE, STEP_DEADLINE, Way, step_error};

/// How long an attempt may still take to say how far it came.
const GRACE: Duration = Duration::from_millis(250);

/// How much too early a call or a hook may give up: their budgets are whole milliseconds.
const ROUNDED: Duration = Duration::from_millis(2);

/// An error at the deadline of the run is the deadline's, whatever was cut short by it.
pub(crate) fn unless_run_is_over(attempt: &Attempt<'_>, done: Done) -> Done {
    let Done { way: Way::Error(cut), .. } = &done else { return done };
    let now = attempt.outside.now("given up");
    let deadline = attempt.run.deadline_at(now);
    if now.after(ROUNDED) < deadline {
        return done;
    }
    let message =
        format!("the run was not done by its deadline, {deadline}; it was at a step that ended with `{}`", cut.code);
    Done { way: Way::Error(step_error(RUN_DEADLINE, message)), changes: Vec::new(), ..done }
}

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
    step_error(STEP_DEADLINE, message)
}
