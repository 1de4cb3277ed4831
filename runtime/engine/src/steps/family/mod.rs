//! Steps with child runs (F-02): what they begin, and what they come to when their children are over.
//!
//! A branch, an item, a called flow, a compensation is a run of its own: it has a record, a context and a journal, it is
//! suspended, resumed and cancelled like any other, and it survives a crash by itself. The parent's commit begins its
//! children, the commit that ends a child wakes the parent, and between the two the parent is nobody's. When it is woken,
//! `engine/children.rs` looks at its children: more are begun, the rest is cancelled, or the step is joined here.

mod begin;
mod join;

use crate::flow::{CallFlowStep, ForEachStep, OnFailure, ParallelStep, StepKind};
use crate::run::Policy;

pub(crate) use self::begin::{Birth, at_once, run_call_flow, run_for_each, run_parallel};
pub(crate) use self::join::join;

/// How the child runs of a step make it succeed or fail; none where its kind has no children.
pub(crate) fn policy(kind: &StepKind, total: u32) -> Option<Policy> {
    match kind {
        StepKind::Parallel(step) => Some(of_parallel(step)),
        StepKind::ForEach(step) => Some(of_for_each(step, total)),
        StepKind::CallFlow(_) => Some(Policy { wait_for: 1, stop: true, concurrency: 1 }),
        _ => None,
    }
}

fn of_parallel(step: &ParallelStep) -> Policy {
    let concurrency = u32::try_from(step.branches.len()).unwrap_or(u32::MAX);
    Policy { wait_for: step.wait_for, stop: step.on_failure == OnFailure::Stop, concurrency }
}

fn of_for_each(step: &ForEachStep, total: u32) -> Policy {
    Policy { wait_for: total, stop: step.on_failure == OnFailure::Stop, concurrency: step.concurrency }
}

/// How a called flow is named to people.
fn named(step: &CallFlowStep) -> String {
    format!("flow `{}`", step.flow)
}
