//! The graph of a flow's steps: every step reachable, no cycle without a bound (F-03).

use std::collections::{HashMap, HashSet};

use super::model::{Flow, Step, StepKind, Target};
use crate::document::{Document, Faults};
use crate::ids::StepId;

/// Adds a fault for every second step of one id, every unreachable step and every cycle.
pub(super) fn check(flow: &Flow, document: &Document, faults: &mut Faults) {
    let places = places(document);
    duplicates(document, faults);
    let reachable = reachable(flow);
    for step in flow.steps.iter().filter(|step| !reachable.contains(&step.id)) {
        let pointer = pointer_of(&places, &step.id);
        let fault =
            faults.error(document, &pointer, "flow.unreachable-step", format!("no step leads to `{}`", step.id));
        fault.help("name it in a `next`, or remove it");
    }
    if let Some(cycle) = cycle(flow) {
        let names: Vec<&str> = cycle.iter().map(StepId::as_str).collect();
        let pointer = cycle.last().map(|id| pointer_of(&places, id)).unwrap_or_default();
        let message = format!("the steps go round without an end: `{}`", names.join("` → `"));
        faults.error(document, &pointer, "flow.cycle", message).help("let one of them lead on, or to `end`");
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

fn places(document: &Document) -> HashMap<String, usize> {
    let steps = document.value.get("steps").and_then(|steps| steps.as_array());
    let mut places = HashMap::new();
    for (index, step) in steps.into_iter().flatten().enumerate() {
        if let Some(id) = step.get("id").and_then(|id| id.as_str()) {
            places.entry(id.to_owned()).or_insert(index);
        }
    }
    places
}

fn pointer_of(places: &HashMap<String, usize>, id: &StepId) -> String {
    places.get(id.as_str()).map_or_else(|| "/steps".to_owned(), |index| format!("/steps/{index}/id"))
}

fn duplicates(document: &Document, faults: &mut Faults) {
    let mut seen = HashSet::new();
    let steps = document.value.get("steps").and_then(|steps| steps.as_array());
    for (index, step) in steps.into_iter().flatten().enumerate() {
        if let Some(id) = step.get("id").and_then(|id| id.as_str())
            && !seen.insert(id)
        {
            let message = format!("there is a step `{id}` already");
            faults.error(document, &format!("/steps/{index}/id"), "flow.duplicate-step", message);
        }
    }
}

fn reachable(flow: &Flow) -> HashSet<StepId> {
    let mut seen = HashSet::new();
    let mut open = vec![&flow.first];
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
fn cycle(flow: &Flow) -> Option<Vec<StepId>> {
    let mut done = HashSet::new();
    for step in &flow.steps {
        // Depth first with an own stack: each entry is a step and how many of its targets have been followed.
        let mut path: Vec<(&StepId, usize)> = vec![(&step.id, 0)];
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
