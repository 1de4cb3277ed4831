//! What a caller of actions asks, read strictly (A-03): the envelope that an external service gets.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::operation::AllowedOperation;

/// Most entries of `allowedOperations`, and most paths of one.
const LISTED_MAX: usize = 1_000;

/// Most paths of all entries of `allowedOperations` together: all of them are read for each answer.
const PATHS_MAX: usize = 10_000;

/// The longest `flowId` and `requestId`, in bytes. They are repeated in logs.
const ID_BYTES_MAX: usize = 255;

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
    let Unique(value) = serde_json::from_str(text).map_err(|error| {
        let place = format!("at line {} column {}", error.line(), error.column());
        InvalidActionRequest(match error.classify() {
            serde_json::error::Category::Data => format!("The body has a name twice in one object {place}"),
            _ => format!("The body is not JSON {place}"),
        })
    })?;
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

/// A JSON value without a name twice in one object: two readers could take different ones of the two.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let Unique(value) = members.next_value()?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a name stands here a second time"));
            }
        }
        Ok(Value::Object(object))
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
        assert_eq!(of("{"), "The body is not JSON at line 1 column 1");
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
