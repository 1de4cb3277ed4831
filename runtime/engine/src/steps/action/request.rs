//! What an action is asked: the event that its type and its owner let it see, and what it may do.

use serde_json::{Value, json};

use super::{Acting, seal};
use crate::engine::Trouble;
use crate::ports::ActionEvent;

pub(super) async fn event(acting: &Acting<'_>) -> Result<ActionEvent, Trouble> {
    let run = json!({ "trigger": acting.attempt.flow.trigger, "id": acting.attempt.run.id });
    let sources = json!({ "run": run, "event": acting.before });
    let mut payload = json!({});
    for member in &acting.kind.event {
        if let Some(value) = sources.pointer(&member.from) {
            put(&mut payload, &member.to, value.clone());
        }
    }
    Ok(ActionEvent {
        action_type: acting.kind.name.clone(),
        payload: seal::seal(acting, payload).await?,
        allowed_operations: acting.set_up.allowed_operations.clone(),
    })
}

/// Sets the member at a pointer; what leads to it is made.
fn put(root: &mut Value, pointer: &str, value: Value) {
    let mut node = root;
    for name in pointer.split('/').skip(1) {
        if !node.is_object() {
            *node = json!({});
        }
        let Some(object) = node.as_object_mut() else { return };
        node = object.entry(name).or_insert(Value::Null);
    }
    *node = value;
}
