//! What an action is asked: the event that its type and its owner let it see, and what it may do.

use serde_json::json;

use super::Acting;
use crate::engine::Trouble;
use crate::ports::ActionEvent;

pub(super) async fn event(acting: &Acting<'_>) -> Result<ActionEvent, Trouble> {
    let mut flow = json!({ "flowType": acting.attempt.flow.trigger, "flowId": acting.attempt.run.id });
    if let (Some(flow), Some(user)) = (flow.as_object_mut(), acting.before.get("user")) {
        flow.insert("user".to_owned(), user.clone());
    }
    Ok(ActionEvent {
        action_type: acting.kind.name.clone(),
        payload: json!({ "flow": flow }),
        allowed_operations: acting.set_up.allowed_operations.clone(),
    })
}
