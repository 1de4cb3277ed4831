//! The graph of a flow's steps: every step reachable, no cycle without a bound (F-03).

use std::collections::HashSet;

use super::block::Block;
use super::cycle::cycle;
use super::model::{Flow, Step, StepKind, Target};
use crate::document::{Document, Faults};
use crate::ids::StepId;

/// Adds a fault for every second step of one id, every unreachable step and every list that goes round without a bound.
pub(super) fn check(flow: &Flow, document: &Document, faults: &mut Faults) {
    duplicates(flow, document, faults);
    for block in flow.blocks() {
        let reachable = reachable(flow, block);
        for step in block.steps.iter().filter(|id| !reachable.contains(*id)).filter_map(|id| flow.step(id)) {
            let message = format!("no step leads to `{}`", step.id);
            let fault = faults.error(document, &format!("{}/id", step.pointer), "flow.unreachable-step", message);
            fault.help("name it in a `next`, or remove it");
        }
        if let Some(cycle) = cycle(flow, block) {
            let names: Vec<&str> = cycle.iter().map(StepId::as_str).collect();
            let last = cycle.last().and_then(|id| flow.step(id));
            let pointer = last.map(|step| format!("{}/id", step.pointer)).unwrap_or_default();
            let message = format!("the steps go round without a wait or a bound: `{}`", names.join("` → `"));
            let help =
                "let one of them lead on, or to `end`; or give one a `visits-max`, or let the run wait on the way";
            faults.error(document, &pointer, "flow.cycle", message).help(help);
        }
    }
}

/// Every step that a step may lead to.
pub(super) fn targets(step: &Step) -> Vec<&StepId> {
    let mut targets: Vec<&Target> = match &step.kind {
        StepKind::Condition(branches) => branches.iter().map(|branch| &branch.target).collect(),
        StepKind::Fail { .. } | StepKind::End => Vec::new(),
        StepKind::Call(_)
        | StepKind::Action(_)
        | StepKind::Claims(_)
        | StepKind::Set(_)
        | StepKind::Transform(_)
        | StepKind::Wait(_)
        | StepKind::Redirect(_)
        | StepKind::Prompt(_)
        | StepKind::Parallel(_)
        | StepKind::ForEach(_)
        | StepKind::CallFlow(_) => vec![&step.transitions.next],
    };
    if step.common.when.is_some() {
        targets.push(step.otherwise());
    }
    targets.extend(&step.common.otherwise);
    targets.extend(&step.transitions.on_failure);
    targets.extend(&step.transitions.on_error);
    targets.extend(&step.transitions.on_expiry);
    ids(targets)
}

/// The steps among these targets.
pub(super) fn ids(targets: Vec<&Target>) -> Vec<&StepId> {
    targets.into_iter().filter_map(Target::step).collect()
}

fn duplicates(flow: &Flow, document: &Document, faults: &mut Faults) {
    let mut seen = HashSet::new();
    for step in &flow.steps {
        if !seen.insert(&step.id) {
            let message = format!("there is a step `{}` already", step.id);
            faults.error(document, &format!("{}/id", step.pointer), "flow.duplicate-step", message);
        }
    }
}

fn reachable(flow: &Flow, block: &Block) -> HashSet<StepId> {
    let mut seen = HashSet::new();
    let mut open = vec![&block.first];
    while let Some(id) = open.pop() {
        if seen.insert(id.clone())
            && let Some(step) = flow.step(id)
        {
            open.extend(targets(step));
        }
    }
    seen
}
