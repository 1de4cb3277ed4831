//! The types of actions: where in a flow one acts, what it sees and what it may be allowed.

use serde_json::{Value, json};

use super::operation::OperationKind;

/// A type of action.
#[derive(Debug, PartialEq, Eq)]
pub struct ActionType {
    /// Its name on the wire.
    pub name: &'static str,
    /// The operations that a step may allow it.
    pub operations: &'static [OperationKind],
    /// Whether it may suspend the run.
    pub may_suspend: bool,
}

/// Every type.
pub static TYPES: [ActionType; 1] =
    [ActionType { name: "FLOW_EXTENSION", operations: &[OperationKind::Replace], may_suspend: false }];

/// The type of that name.
pub fn type_of(name: &str) -> Option<&'static ActionType> {
    TYPES.iter().find(|kind| kind.name == name)
}

impl ActionType {
    /// The event as the action sees it: only what its type grants.
    pub fn payload(&self, trigger: &str, run: &str, event: &Value) -> Value {
        let mut flow = json!({ "flowType": trigger, "flowId": run });
        if let (Some(flow), Some(user)) = (flow.as_object_mut(), event.get("user")) {
            flow.insert("user".to_owned(), user.clone());
        }
        json!({ "flow": flow })
    }
}
