//! Where a type takes from what it names: members of its event, parameters of a redirect, fields of rules.

use serde_json::{Value, json};

use crate::action::Sources;
use crate::run::ContextKey;
use crate::step::Attempt;

/// What there is to take from.
pub(super) struct Origin<'a> {
    event: &'a Value,
    run: Value,
    resumed: &'a Value,
}

impl<'a> Origin<'a> {
    pub(super) fn of(attempt: &'a Attempt<'_>) -> Self {
        let run = attempt.run;
        // What came back stands where the step leaves everything of its own; of an earlier visit of the step it is none
        // of this one's business.
        let left = attempt.context.get(&ContextKey::step(&attempt.step.id)).filter(|_| run.resumptions > 0);
        Self {
            event: attempt.context.get(&ContextKey::event()).unwrap_or(&Value::Null),
            run: json!({ "id": run.id, "flow": run.flow, "trigger": attempt.flow.trigger, "tenant": run.tenant }),
            resumed: left.and_then(|left| left.get("resumed")).unwrap_or(&Value::Null),
        }
    }

    pub(super) fn sources(&self) -> Sources<'_> {
        Sources { event: self.event, run: &self.run, resumed: self.resumed }
    }

    /// What stands at a place: see [`crate::action::EventMember::from`]. Null where nothing does.
    pub(super) fn at(&self, from: &str) -> &Value {
        let below = |root: &str| from.strip_prefix(root).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let roots = [("/event", self.event), ("/run", &self.run), ("/resumed", self.resumed)];
        let found = roots.into_iter().find_map(|(root, value)| below(root).map(|rest| value.pointer(rest)));
        found.flatten().unwrap_or(&Value::Null)
    }
}
