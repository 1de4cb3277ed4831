//! What is checked of steps with child runs at save: that the branches of a `parallel` do not write the same key, that
//! `item` is read where there is one, and that called flows are there.

use std::collections::{HashMap, HashSet};

use super::block::Block;
use super::context_check::expressions_of;
use super::family::{CallFlowStep, ParallelStep};
use super::model::{Flow, Step, StepKind};
use crate::catalogue::Catalogue;
use crate::document::{Document, Faults, list_names};
use crate::ids::StepId;
use crate::run::ContextKey;

/// Adds the faults.
pub(super) fn check(flow: &Flow, document: &Document, catalogue: &Catalogue, faults: &mut Faults) {
    for step in &flow.steps {
        match &step.kind {
            StepKind::Parallel(parallel) => conflicts(flow, step, parallel, document, faults),
            StepKind::CallFlow(call) => called(flow, step, call, document, catalogue, faults),
            _ => {}
        }
    }
    items(flow, document, faults);
}

/// What two branches write ends up as what the later one wrote: that is never what an author means.
fn conflicts(flow: &Flow, step: &Step, parallel: &ParallelStep, document: &Document, faults: &mut Faults) {
    let mut writers: HashMap<&ContextKey, usize> = HashMap::new();
    for (index, branch) in parallel.branches.iter().enumerate() {
        for key in written(flow, &branch.block) {
            let first = *writers.entry(key).or_insert(index);
            if let Some(other) = parallel.branches.get(first).filter(|_| first != index) {
                let message = format!("the branches `{}` and `{}` both write `{key}`", other.name, branch.name);
                let at = format!("{}/parallel/branches/{index}", step.pointer);
                let fault = faults.error(document, &at, "flow.branch-conflict", message);
                fault.help("give the steps different keys, or set it behind the parallel step");
            }
        }
    }
}

/// The keys that the steps of a block leave behind for those that come after it.
fn written<'a>(flow: &'a Flow, block: &Block) -> HashSet<&'a ContextKey> {
    let mut keys = HashSet::new();
    for step in block.steps.iter().filter_map(|id| flow.step(id)) {
        match &step.kind {
            StepKind::Call(call) => {
                keys.insert(&call.context_key);
            }
            StepKind::Claims(claims) => keys.extend(claims.claims.iter().map(|claim| &claim.context_key)),
            StepKind::Parallel(parallel) => {
                parallel.branches.iter().for_each(|branch| keys.extend(written(flow, &branch.block)));
            }
            _ => {}
        }
    }
    keys
}

fn called(
    flow: &Flow,
    step: &Step,
    call: &CallFlowStep,
    document: &Document,
    catalogue: &Catalogue,
    faults: &mut Faults,
) {
    let at = format!("{}/call-flow/flow", step.pointer);
    if call.flow == flow.name {
        let message = format!("flow `{}` calls itself; `engine.call-depth-max` bounds how deep", flow.name);
        faults.warning(document, &at, "flow.recursion", message).help("see to it that it comes to an end");
    } else if !catalogue.has_flow(&call.flow) {
        let known = catalogue.flow_names();
        let message = format!("there is no flow `{}`", call.flow);
        let fault = faults.error(document, &at, "flow.unknown-flow", message);
        fault.help(if known.is_empty() {
            "there is none yet; save it first with `weir flow apply FILE`".to_owned()
        } else {
            format!("there are {}; save it first with `weir flow apply FILE`", list_names(known))
        });
    }
}

/// Refuses `item` where no `for-each` stands around it.
fn items(flow: &Flow, document: &Document, faults: &mut Faults) {
    let mut within: HashSet<&StepId> = HashSet::new();
    for step in &flow.steps {
        if let StepKind::ForEach(each) = &step.kind {
            inside(flow, &each.block, &mut within);
        }
    }
    for step in flow.steps.iter().filter(|step| !within.contains(&step.id)) {
        let own_result = format!("{}/for-each/result", step.pointer);
        let outside = |pointer: &str| !(matches!(step.kind, StepKind::ForEach(_)) && pointer.starts_with(&own_result));
        let mut told = HashSet::new();
        for (pointer, expression) in expressions_of(&step.kind, &step.pointer) {
            let reads_item = expression.reads().iter().any(|read| read.root == "item");
            if reads_item && outside(&pointer) && told.insert(pointer.clone()) {
                let message = "`item` is the item of a `for-each`; no `for-each` stands around this step";
                faults.error(document, &pointer, "flow.item-outside", message);
            }
        }
    }
}

/// Adds every step of a block, and those inside them.
fn inside<'a>(flow: &'a Flow, block: &'a Block, within: &mut HashSet<&'a StepId>) {
    for step in block.steps.iter().filter_map(|id| flow.step(id)) {
        if within.insert(&step.id) {
            step.blocks().into_iter().for_each(|block| inside(flow, block, within));
        }
    }
}
