//! What a step sees of its run and of the context.

use crate::expression::Scope;
use crate::run::{Run, RunContext};

/// What the expressions of a step see.
pub(crate) fn scope_of(run: &Run, context: &RunContext) -> Scope {
    let about = serde_json::json!({
        "id": run.id, "tenant": run.tenant, "flow": run.flow, "flow_version": run.flow_version,
        "created_at": run.created_at, "deadline": run.deadline,
    });
    let mut scope = Scope::default().with("run", about);
    if let serde_json::Value::Object(roots) = context.to_json() {
        for (root, value) in roots {
            if let Some(known) = crate::expression::ROOTS.iter().find(|known| **known == root) {
                scope = scope.with(known, value);
            }
        }
    }
    scope
}
