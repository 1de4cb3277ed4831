//! From an answer to changes of the event.

use serde_json::{Map, Value};

use super::{Acting, unseal};
use crate::action::{self, ApplyRules, NotApplied, Operation};
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
        let operations = match unseal::unseal(self, operations).await {
            Ok(operations) => operations,
            Err(refused) => return Ok(refuse(refused, record)),
        };
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
                let data = self.kind.data.as_deref().zip(data);
                let has_data = data.is_some();
                if let Some((place, data)) = data
                    && let Err(in_the_way) = land(&mut event, place, data)
                {
                    return Ok(no_place(place, &in_the_way, record));
                }
                if is_changed || has_data {
                    changes.push(ContextChange { key: ContextKey::event(), value: event });
                }
                Ok(Way::Next)
            }
            Err(refused) => Ok(refuse(refused, record)),
        }
    }
}

fn refuse(refused: NotApplied, record: &mut ActionRecord) -> Way {
    let message = refused.to_string();
    record.operations = refused.operations;
    Way::Error(step_error(refused.code, message))
}

/// The `data` of an answer is not thrown away in silence: with it the operations are refused.
fn no_place(place: &str, in_the_way: &str, record: &mut ActionRecord) -> Way {
    for kept in record.operations.iter_mut().filter(|kept| kept.result == OperationResult::Applied) {
        kept.result = OperationResult::Dropped;
        kept.reason = Some("the `data` of the answer has no place, so the whole answer is refused".to_owned());
    }
    let at = if in_the_way.is_empty() { "the event itself".to_owned() } else { format!("`{in_the_way}` of the event") };
    let message = format!(
        "the `data` of the answer goes to `{place}`, but {at} is no object; start the run with an \
         object or nothing there"
    );
    Way::Error(step_error("action.data-has-no-place", message))
}

/// Puts the `data` of an answer where its type says, a JSON pointer (RFC 6901); what leads there is made.
///
/// # Errors
/// Where something other than an object stands in the way.
fn land(event: &mut Value, pointer: &str, data: Value) -> Result<(), String> {
    let (mut node, mut passed) = (event, String::new());
    for name in pointer.split('/').skip(1) {
        if node.is_null() {
            *node = Value::Object(Map::new());
        }
        let Value::Object(members) = node else { return Err(passed) };
        passed = format!("{passed}/{name}");
        node = members.entry(name.replace("~1", "/").replace("~0", "~")).or_insert(Value::Null);
    }
    *node = data;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn data_lands_where_its_type_says() {
        //
        let mut event = json!({"user": {"id": "u"}, "text": "t"});
        assert_eq!(land(&mut event, "/authentication/a~1b", json!({"id": 1})), Ok(()));
        assert_eq!(event, json!({"user": {"id": "u"}, "text": "t", "authentication": {"a/b": {"id": 1}}}));
        let refused = land(&mut event, "/text/below", json!(1));
        assert_eq!(refused, Err("/text".to_owned()), "what is there is not thrown away");
        assert_eq!(event["text"], json!("t"));
        let mut none = Value::Null;
        assert_eq!(land(&mut none, "/authentication", json!(1)), Ok(()));
        assert_eq!(none, json!({"authentication": 1}));
    }
}
