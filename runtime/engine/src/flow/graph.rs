//! The graph of a flow's steps: every step reachable, no cycle without a bound (F-03).

use std::collections::HashSet;

use super::block::Block;
use super::model::{Flow, Step, StepKind, Target};
use crate::document::{Document, Faults};
use crate::ids::StepId;

/// Adds a fault for every second step of one id, every unreachable step and every cycle.
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
            let message = format!("the steps go round without an end: `{}`", names.join("` → `"));
            faults.error(document, &pointer, "flow.cycle", message).help("let one of them lead on, or to `end`");
        }
    }
}

/// Every step that a step may lead to.
pub(super) fn targets(step: &Step) -> Vec<&StepId> {
    let mut targets: Vec<&Target> = match &step.kind {
        StepKind::Condition(branches) => branches.iter().map(|branch| &branch.target).collect(),
        StepKind::Fail { .. } | StepKind::End => Vec::new(),
        StepKind::Call(_) | StepKind::Action(_) | StepKind::Claims(_) => vec![&step.transitions.next],
    };
    targets.extend(&step.transitions.on_failure);
    targets.extend(&step.transitions.on_error);
    targets
        .into_iter()
        .filter_map(|target| match target {
            Target::Step(id) => Some(id),
            Target::End => None,
        })
        .collect()
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

/// One cycle, where there is one: the steps in order, the first one again at the end.
fn cycle(flow: &Flow, block: &Block) -> Option<Vec<StepId>> {
    let mut done = HashSet::new();
    for step in &block.steps {
        // Depth first with an own stack: each entry is a step and how many of its targets have been followed.
        let mut path: Vec<(&StepId, usize)> = vec![(step, 0)];
        while let Some((id, followed)) = path.last_mut() {
            let next = flow.step(id).and_then(|step| targets(step).get(*followed).copied());
            *followed += 1;
            match next {
                None => {
                    if let Some((id, _)) = path.pop() {
                        done.insert(id);
                    }
                }
                Some(next) => {
                    if let Some(start) = path.iter().position(|(id, _)| *id == next) {
                        let names = path.iter().skip(start).map(|(id, _)| (*id).clone());
                        return Some(names.chain([next.clone()]).collect());
                    }
                    if !done.contains(next) {
                        path.push((next, 0));
                    }
                }
            }
        }
    }
    None
}
