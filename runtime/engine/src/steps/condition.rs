//! A condition takes the first branch that holds.

use crate::flow::Branch;
use crate::run::{BranchRecord, StepRecord};
use crate::step::{Attempt, Done, Way};

pub(crate) fn run_condition(attempt: &Attempt<'_>, branches: &[Branch]) -> Done {
    let done = |branch, way| Done { record: StepRecord::Condition(BranchRecord { branch }), way, changes: Vec::new() };
    for (index, branch) in branches.iter().enumerate() {
        let holds = branch.when.as_ref().map_or(Ok(true), |when| when.evaluate_bool(&attempt.scope));
        match holds {
            Ok(true) => return done(Some(index), Way::Branch(branch.target.clone())),
            Ok(false) => {}
            Err(error) => return done(None, Way::Error(error.into())),
        }
    }
    // The check at save refuses a condition without `otherwise`; a stored one still ends in words.
    done(None, Way::Error(crate::step::step_error("flow.no-branch", "no branch of the condition holds")))
}
