//! What a caller of actions asks, read strictly (A-03): the envelope that an external service gets.

use serde_json::{Map, Value};

use super::operation::AllowedOperation;
use super::strict_json;

/// Most entries of `allowedOperations`, and most paths of one.
const LISTED_MAX: usize = 1_000;

/// Most paths of all entries of `allowedOperations` together: all of them are read for each answer.
const PATHS_MAX: usize = 10_000;

/// The longest `flowId` and `requestId`, in bytes. They are repeated in logs.
const ID_BYTES_MAX: usize = 255;

/// The deepest body, in levels of arrays and objects.
const DEPTH_MAX: u16 = 100;

/// What an action is asked by a caller of external services.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionRequest {
    /// The caller's flow, where it says.
    pub flow_id: Option<String>,
    /// The caller's id of this request, where it says.
    pub request_id: Option<String>,
    /// The type of the action.
    pub action_type: String,
    /// The event: always an object.
    pub event: Value,
    /// What the caller will apply. Everything else is refused before it gets it.
    pub allowed_operations: Vec<AllowedOperation>,
}

/// A text that is no such request. Repeats nothing of its values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidActionRequest(pub String);

/// Reads a request. Members that the contract does not know are ignored: callers of later versions send some.
///
/// # Errors
/// The first thing that is wrong, and where.
pub fn read_action_request(text: &str) -> Result<ActionRequest, InvalidActionRequest> {
    let value = strict_json::parse(text.as_bytes(), DEPTH_MAX);
    let value = value.map_err(|problem| InvalidActionRequest(format!("The body {problem}")))?;
    let Value::Object(mut envelope) = value else { return Err(invalid("The body must be a JSON object")) };
    let flow_id = id(&mut envelope, "flowId")?;
    let request_id = id(&mut envelope, "requestId")?;
    let Some(Value::String(action_type)) = envelope.remove("actionType") else {
        return Err(invalid("actionType must be a text"));
    };
    let event = match envelope.remove("event") {
        Some(event @ Value::Object(_)) => event,
        _ => return Err(invalid("event must be an object")),
    };
    let allowed = match envelope.remove("allowedOperations") {
        Some(Value::Array(allowed)) if allowed.len() <= LISTED_MAX => allowed,
        _ => return Err(invalid("allowedOperations must be a list of at most 1000 entries")),
    };
    let allowed_operations = allowed.into_iter().enumerate().map(|(index, entry)| {
        let wrong = || InvalidActionRequest(format!("allowedOperations [{index}] must have an op and its paths"));
        let entry: AllowedOperation = serde_json::from_value(entry).map_err(|_| wrong())?;
        if entry.paths.len() > LISTED_MAX { Err(wrong()) } else { Ok(entry) }
    });
    let allowed_operations = allowed_operations.collect::<Result<Vec<_>, _>>()?;
    if allowed_operations.iter().map(|entry| entry.paths.len()).sum::<usize>() > PATHS_MAX {
        return Err(invalid("allowedOperations must have at most 10000 paths in all"));
    }
    Ok(ActionRequest { flow_id, request_id, action_type, event, allowed_operations })
}

fn invalid(why: &str) -> InvalidActionRequest {
    InvalidActionRequest(why.to_owned())
}

fn id(envelope: &mut Map<String, Value>, name: &str) -> Result<Option<String>, InvalidActionRequest> {
    match envelope.remove(name) {
        None => Ok(None),
        Some(Value::String(id)) if id.len() <= ID_BYTES_MAX => Ok(Some(id)),
        Some(_) => Err(InvalidActionRequest(format!("{name} must be a text of at most {ID_BYTES_MAX} bytes"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_envelope_is_read() {
        // covers A-03, A-10
        let text = r#"{"flowId": "f", "actionType": "FLOW_EXTENSION", "event": {"a": [1, 2.5, null, true, "x"]},
            "allowedOperations": [{"op": "replace", "paths": ["/user/x"]}, {"op": "redirect"}], "later": 1}"#;
        let read = read_action_request(text).expect("an envelope");
        assert_eq!((read.flow_id.as_deref(), read.request_id), (Some("f"), None));
        assert_eq!(read.event, json!({"a": [1, 2.5, null, true, "x"]}));
        assert_eq!(read.allowed_operations.len(), 2);
    }

    #[test]
    fn what_is_no_envelope_says_why() {
        // covers A-03, A-10
        let of = |text: &str| read_action_request(text).expect_err("refused").0;
        let whole = |event: &str, allowed: &str| {
            format!(r#"{{"actionType": "T", "event": {event}, "allowedOperations": {allowed}}}"#)
        };
        assert!(of("{").starts_with("The body is refused as JSON: ") && of("{").ends_with("at line 1 column 1"));
        assert_eq!(of(""), "The body is empty");
        assert_eq!(of("[]"), "The body must be a JSON object");
        assert_eq!(of(r#"{"event": {}, "allowedOperations": []}"#), "actionType must be a text");
        assert_eq!(of(&whole("[]", "[]")), "event must be an object");
        assert!(of(&whole("{}", "null")).starts_with("allowedOperations must be"));
        assert_eq!(of(&whole("{}", r#"[{"op": "copy"}]"#)), "allowedOperations [0] must have an op and its paths");
        let entry = json!({ "op": "replace", "paths": vec!["/a"; LISTED_MAX] });
        let entries = |count: usize| whole("{}", &json!(vec![entry.clone(); count]).to_string());
        assert!(read_action_request(&entries(10)).is_ok());
        assert_eq!(of(&entries(11)), "allowedOperations must have at most 10000 paths in all");
        let twice = of(&whole(r#"{"user": {"secret": 1, "secret": 2}}"#, "[]"));
        assert!(twice.contains("twice") && !twice.contains("secret"), "{twice}");
    }
}
