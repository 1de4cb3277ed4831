//! Lists of steps: that of a flow, and those that stand inside a step.

use std::sync::Arc;

use serde_json::Value;

use super::compile::Compiler;
use super::document::STEPS_MAX;
use super::model::{Step, Target};
use crate::document::list_names;
use crate::ids::StepId;

/// How deep lists of steps may stand in one another: the flow's own is the first.
pub(super) const LEVELS_MAX: usize = 6;

/// A list of steps, which lead to one another and to no others. Its `end` is the end of the run that runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The step that it begins with.
    pub first: StepId,
    /// In the document's order.
    pub steps: Vec<StepId>,
}

/// What a compiler knows of the lists that it reads.
#[derive(Default)]
pub(super) struct Blocks {
    /// Every step that was read, those inside a step behind it.
    read: Vec<Arc<Step>>,
    /// How many there are to read.
    found: usize,
    /// The pointers of the lists that are open, the innermost last.
    open: Vec<String>,
}

impl Compiler<'_> {
    /// Reads the list of steps at `pointer`; `None` where none of them could be read.
    pub(super) fn block(&mut self, pointer: &str) -> Option<Block> {
        let length = self.document.value.pointer(pointer).and_then(Value::as_array).map_or(0, Vec::len);
        self.blocks.found += length;
        if length == 0 || self.blocks.found > STEPS_MAX {
            let message = match length {
                0 => "there must be at least one step here".to_owned(),
                _ => format!("a flow has 1 to {STEPS_MAX} steps, this one has more: {}", self.blocks.found),
            };
            self.error(pointer, "flow.step-count", message);
            return None;
        }
        if self.blocks.open.len() == LEVELS_MAX {
            let message = format!("steps stand more than {LEVELS_MAX} lists deep; call a flow of its own instead");
            self.error(pointer, "flow.step-levels", message);
            return None;
        }
        self.blocks.open.push(pointer.to_owned());
        let names: Vec<Option<StepId>> = self.open_steps().iter().map(step_id).collect();
        let mut steps = Vec::new();
        for index in 0..length {
            let following = names.get(index + 1).and_then(Clone::clone).map_or(Target::End, Target::Step);
            let place = self.blocks.read.len();
            if let Some(step) = self.step(&format!("{pointer}/{index}"), following) {
                steps.push(step.id.clone());
                self.blocks.read.insert(place, Arc::new(step));
            }
        }
        self.blocks.open.pop();
        Some(Block { first: steps.first()?.clone(), steps })
    }

    /// Whether every step could be read.
    pub(super) fn is_whole(&self) -> bool {
        self.blocks.read.len() == self.blocks.found
    }

    /// Every step that was read.
    pub(super) fn into_steps(self) -> Vec<Arc<Step>> {
        self.blocks.read
    }

    /// The steps of the innermost list.
    fn open_steps(&self) -> &[Value] {
        let list = self.blocks.open.last().and_then(|pointer| self.document.value.pointer(pointer));
        list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// The step of that name in the innermost list, or its end.
    pub(super) fn target(&mut self, pointer: &str, text: &str) -> Option<Target> {
        if text == "end" {
            return Some(Target::End);
        }
        if let Some(id) = self.open_steps().iter().filter_map(step_id).find(|id| id.as_str() == text) {
            return Some(Target::Step(id));
        }
        let names: Vec<StepId> = self.open_steps().iter().filter_map(step_id).take(50).collect();
        let names = list_names(names.iter().map(StepId::as_str));
        let message = match self.blocks.open.len() {
            1 => format!("there is no step `{text}`"),
            _ => format!("there is no step `{text}` in this list; a step leads only to steps of its own list"),
        };
        let fault = self.faults.error(self.document, pointer, "flow.unknown-step", message);
        fault.help(format!("write one of {names}, or `end`"));
        None
    }
}

fn step_id(step: &Value) -> Option<StepId> {
    step.get("id")?.as_str()?.parse().ok()
}
