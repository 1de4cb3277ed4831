//! What an action is asked: the event that its type and its owner let it see, and what it may do.

use serde_json::{Map, Value, json};

use super::Acting;
use crate::engine::Trouble;
use crate::ports::ActionEvent;

pub(super) async fn event(acting: &Acting<'_>) -> Result<ActionEvent, Trouble> {
    let mut payload = Value::Object(Map::new());
    for member in &acting.kind.event {
        if let Some(value) = source(acting, &member.from) {
            put(&mut payload, &member.to, value);
        }
    }
    Ok(ActionEvent {
        action_type: acting.kind.name.clone(),
        payload,
        allowed_operations: acting.set_up.allowed_operations.clone(),
    })
}

/// What stands at a place of the run's event or of the run.
fn source(acting: &Acting<'_>, from: &str) -> Option<Value> {
    match from {
        "/run/trigger" => Some(json!(acting.attempt.flow.trigger)),
        "/run/id" => Some(json!(acting.attempt.run.id)),
        _ => acting.before.pointer(from.strip_prefix("/event")?).cloned(),
    }
}

fn put(payload: &mut Value, to: &str, value: Value) {
    let mut node = payload;
    for name in to.split('/').skip(1) {
        if !node.is_object() {
            *node = Value::Object(Map::new());
        }
        let Some(object) = node.as_object_mut() else { return };
        node = object.entry(name).or_insert(Value::Null);
    }
    *node = value;
}
