//! Child runs, compensation and cancelling, for people.

use serde_json::Value;
use weir_engine::run::{ChildrenRecord, StepRecord};

use super::Page;
use crate::output::Style;
use crate::table;

impl Page {
    /// What a run did besides its steps.
    pub(super) fn family(&mut self, record: &StepRecord) {
        match record {
            StepRecord::Children(children) => self.children(children),
            StepRecord::Cancelled { reason, by } => {
                let by = by.as_ref().map(|by| format!(" by key {by}")).unwrap_or_default();
                let why = if reason.is_empty() { "no reason was given" } else { reason.as_str() };
                self.put(1, Some(Style::Warning), &format!("cancelled{by}: {why}"));
            }
            StepRecord::Compensation { of, run, state } => {
                let run = run.map(|run| format!(" (run {run})")).unwrap_or_default();
                let text = match state {
                    None => format!("what `{of}` did is taken back{run}"),
                    Some(state) => format!("taking back what `{of}` did: {}{run}", state.as_str()),
                };
                self.put(1, None, &text);
            }
            _ => {}
        }
    }

    fn children(&mut self, children: &ChildrenRecord) {
        let ChildrenRecord { total, begun, completed, not_completed, cancelling, .. } = children;
        let others = if *not_completed > 0 { format!(", {not_completed} ended otherwise") } else { String::new() };
        let cancelled = if *cancelling { "; the others are cancelled" } else { "" };
        self.put(1, None, &format!("{begun} of {total} begun, {completed} completed{others}{cancelled}"));
    }

    /// The family of a run.
    pub(super) fn relatives(&mut self, run: &Value) {
        if let Some(parent) = run.get("parent") {
            let [of, step, part] = ["run", "step", "part"].map(|member| table::text(parent, member));
            self.put(1, None, &format!("{part} of step {step} of run {of}"));
        }
        if let Some(cancelled) = run.get("cancelled") {
            self.put(1, None, &format!("reason: {}", table::text(cancelled, "reason")));
        }
        let children = run.pointer("/children/running").and_then(Value::as_array);
        for child in children.into_iter().flatten() {
            let [id, state] = ["run", "state"].map(|member| table::text(child, member));
            self.put(1, None, &format!("child run {id}: {state}"));
        }
        for compensation in run.get("compensations").and_then(Value::as_array).into_iter().flatten() {
            let [step, id, state] = ["step", "run", "state"].map(|member| table::text(compensation, member));
            let style = (state != "completed").then_some(Style::Bad);
            self.put(1, style, &format!("taking back what {step} did: {state} (run {id})"));
        }
    }
}
