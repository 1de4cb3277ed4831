//! Steps that go round (F-03): allowed where every way round has a bound, or waits for somebody or something.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::block::Block;
use super::graph;
use super::model::{Flow, Step, StepKind, Target};
use crate::ids::StepId;

/// One cycle without a bound, where there is one: the steps in order, the first one again at the end.
pub(super) fn cycle(flow: &Flow, block: &Block) -> Option<Vec<StepId>> {
    let mut done = HashSet::new();
    for step in &block.steps {
        // Depth first with an own stack: each entry is a step and how many of its targets have been followed.
        let mut path: Vec<(&StepId, usize)> = vec![(step, 0)];
        while let Some((id, followed)) = path.last_mut() {
            let next = flow.step(id).and_then(|step| unbounded_targets(step).get(*followed).copied());
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

/// Every step that comes after a way back to an earlier step of the document, or to the same one: no way round is without
/// one, so that these are all to which a run may come again.
pub(super) fn repeated(steps: &[Arc<Step>]) -> HashSet<StepId> {
    let places: HashMap<&StepId, usize> = steps.iter().enumerate().map(|(place, step)| (&step.id, place)).collect();
    let led_to = |step: &Step| graph::targets(step).into_iter().filter_map(|id| places.get(id).copied()).collect();
    let ways: Vec<Vec<usize>> = steps.iter().map(|step| led_to(step)).collect();
    let back = ways.iter().enumerate().flat_map(|(place, ways)| ways.iter().copied().filter(move |to| *to <= place));
    let mut open: Vec<usize> = back.collect();
    let mut repeated = HashSet::new();
    while let Some(place) = open.pop() {
        if let Some(step) = steps.get(place)
            && repeated.insert(step.id.clone())
        {
            open.extend(ways.get(place).into_iter().flatten());
        }
    }
    repeated
}

/// Every step that a step may lead to as often as it likes, and without a wait.
fn unbounded_targets(step: &Step) -> Vec<&StepId> {
    if step.common.visits_max.is_some() {
        return Vec::new();
    }
    if !waits(&step.kind) {
        return graph::targets(step);
    }
    // Only what comes after the wait has waited: a step that is passed over has not, nor one that failed to begin.
    let passed_over = step.common.when.is_some().then(|| step.otherwise());
    let caught = [&step.transitions.on_failure, &step.transitions.on_error].into_iter().flatten();
    let targets: Vec<&Target> = passed_over.into_iter().chain(caught).collect();
    graph::ids(targets)
}

/// Whether the step is done only after the run has rested.
fn waits(kind: &StepKind) -> bool {
    matches!(kind, StepKind::Wait(_) | StepKind::Redirect(_) | StepKind::Prompt(_))
}
