//! What of a call step does not go with a function in the background (C-11).

use std::collections::HashSet;

use super::context_check::expressions_of;
use super::model::{CallStep, Flow, StepKind};
use crate::catalogue::Catalogue;
use crate::connector::ResponseMode;
use crate::document::{Document, Faults};

/// Adds a fault for every hook that never runs, and for every read of a response that nobody waited for.
pub(super) fn check(flow: &Flow, document: &Document, catalogue: &Catalogue, faults: &mut Faults) {
    let in_background = |call: &CallStep| {
        let function = catalogue.connector(&call.function.connector)?.document.function(&call.function.function)?;
        Some(function.mode == ResponseMode::Background)
    };
    let (mut waited, mut not_waited) = (HashSet::new(), HashSet::new());
    for step in &flow.steps {
        let StepKind::Call(call) = &step.kind else { continue };
        let name = call.context_key.parts().1.unwrap_or_default().to_owned();
        if in_background(call) != Some(true) {
            waited.insert(name);
            continue;
        }
        not_waited.insert(name);
        if !call.post_response.is_empty() {
            let message = format!("`{}` is called in the background: no hook sees its response", call.function);
            let pointer = format!("{}/post-response", step.pointer);
            faults
                .error(document, &pointer, "flow.background-hook", message)
                .help("remove the hooks, or let the function wait (`mode: wait`)".to_owned());
        }
    }
    for step in &flow.steps {
        for (pointer, expression) in expressions_of(&step.kind, &step.pointer) {
            for path in expression.paths() {
                let [root, name, member, ..] = path.as_slice() else { continue };
                if root == "connectors" && not_waited.contains(name) && !waited.contains(name) {
                    let message =
                        format!("`connectors.{name}.{member}` is always empty: the call is made in the background");
                    faults.warning(document, &pointer, "flow.background-read", message);
                }
            }
        }
    }
}
