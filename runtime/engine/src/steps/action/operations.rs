//! From an answer to changes of the event.

use serde_json::{Map, Value};

use super::{Acting, unseal};
use crate::action::{self, ApplyRules, Operation};
use crate::engine::Trouble;
use crate::run::{ActionRecord, ContextChange, ContextKey, OperationResult};
use crate::step::{Way, step_error};

impl Acting<'_> {
    /// Applies operations, all or none.
    pub(super) async fn apply(
        &self,
        operations: Vec<Operation>,
        data: Option<Value>,
        record: &mut ActionRecord,
        changes: &mut Vec<ContextChange>,
    ) -> Result<Way, Trouble> {
        let operations = unseal::unseal(self, operations).await?;
        let rules = ApplyRules {
            kind: self.kind,
            allowed: &self.set_up.allowed_operations,
            profile: &self.set_up.profile,
            claims: &self.set_up.claims,
            annotations: &self.set_up.annotations,
        };
        match action::apply(self.before, &operations, &rules) {
            Ok(applied) => {
                let is_changed = applied.operations.iter().any(|it| it.result == OperationResult::Applied);
                record.operations = applied.operations;
                let mut event = applied.event;
                let has_landed = match (&self.kind.data, data) {
                    (Some(place), Some(data)) => land(&mut event, place, data),
                    _ => false,
                };
                if is_changed || has_landed {
                    changes.push(ContextChange { key: ContextKey::event(), value: event });
                }
                Ok(Way::Next)
            }
            Err(refused) => {
                let message = refused.to_string();
                record.operations = refused.operations;
                Ok(Way::Error(step_error(refused.code, message)))
            }
        }
    }
}

/// Puts the `data` of an answer where its type says, a JSON pointer (RFC 6901); what leads there is made. Whether it did:
/// it does not where something other than an object stands in the way.
fn land(event: &mut Value, pointer: &str, data: Value) -> bool {
    let mut node = event;
    for name in pointer.split('/').skip(1) {
        if node.is_null() {
            *node = Value::Object(Map::new());
        }
        let Value::Object(members) = node else { return false };
        node = members.entry(name.replace("~1", "/").replace("~0", "~")).or_insert(Value::Null);
    }
    *node = data;
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn data_lands_where_its_type_says() {
        //
        let mut event = json!({"user": {"id": "u"}, "text": "t"});
        assert!(land(&mut event, "/authentication/a~1b", json!({"id": 1})));
        assert_eq!(event, json!({"user": {"id": "u"}, "text": "t", "authentication": {"a/b": {"id": 1}}}));
        assert!(!land(&mut event, "/text/below", json!(1)), "what is there is not thrown away");
        assert_eq!(event["text"], json!("t"));
        let mut none = Value::Null;
        assert!(land(&mut none, "/authentication", json!(1)));
        assert_eq!(none, json!({"authentication": 1}));
    }
}
