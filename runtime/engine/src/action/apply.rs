//! Applies operations to an event: all or none. One function for both kinds of provider.

use serde_json::{Map, Value, json};

use super::operation::{AllowedOperation, Operation, OperationKind};
use super::path::{Path, Segment};
use super::types::ActionType;
use crate::run::{OperationRecord, OperationResult};

/// Most operations of one answer.
pub(super) const OPERATIONS_MAX: usize = 200;

/// The event with every operation applied, and what became of each.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// The event.
    pub event: Value,
    /// In order.
    pub operations: Vec<OperationRecord>,
}

/// The whole answer is refused; the event is as it was.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("operation {} of the answer is refused: {reason}", index + 1)]
pub struct NotApplied {
    /// The stable code.
    pub code: &'static str,
    /// Which operation, from 0.
    pub index: usize,
    /// Why.
    pub reason: String,
    /// What became of each operation, in order.
    pub operations: Vec<OperationRecord>,
}

/// Applies operations in order. The first that is not allowed or has no place refuses them all.
///
/// # Errors
/// Which operation is refused, and why.
pub fn apply(event: &Value, operations: &[Operation], allowed: &[AllowedOperation]) -> Result<Applied, NotApplied> {
    if operations.len() > OPERATIONS_MAX {
        let reason = format!("there are {} operations; at most {OPERATIONS_MAX} are taken", operations.len());
        return Err(refuse(operations, OPERATIONS_MAX, "action.too-many-operations", reason));
    }
    let mut changed = event.clone();
    for (index, operation) in operations.iter().enumerate() {
        check(operation, allowed)
            .map_err(|reason| refuse(operations, index, "action.operation-not-allowed", reason))?;
        perform(&mut changed, operation)
            .map_err(|reason| refuse(operations, index, "action.operation-impossible", reason))?;
    }
    let operations = operations
        .iter()
        .map(|operation| OperationRecord {
            operation: operation.clone(),
            result: OperationResult::Applied,
            reason: None,
        })
        .collect();
    Ok(Applied { event: changed, operations })
}

fn refuse(operations: &[Operation], index: usize, code: &'static str, reason: String) -> NotApplied {
    let record = |(at, operation): (usize, &Operation)| {
        let (result, reason) = if at == index {
            (OperationResult::Rejected, reason.clone())
        } else {
            (OperationResult::Dropped, format!("operation {} is refused, and with it the whole answer", index + 1))
        };
        OperationRecord { operation: operation.clone(), result, reason: Some(reason) }
    };
    // What goes over the limit is counted in the reason, not kept.
    let operations = operations.iter().enumerate().take(OPERATIONS_MAX).map(record).collect();
    NotApplied { code, index, reason, operations }
}

/// Why an operation is not allowed.
pub(crate) fn check(operation: &Operation, allowed: &[AllowedOperation]) -> Result<(), String> {
    let (kind, path) = match operation {
        Operation::Add { path, .. } => (OperationKind::Add, path),
        Operation::Replace { path, .. } => (OperationKind::Replace, path),
        Operation::Remove { path } => (OperationKind::Remove, path),
        Operation::Redirect { .. } => {
            return Err("the step does not allow `redirect`".to_owned());
        }
    };
    let is_allowed = allowed.iter().any(|entry| entry.op == kind && entry.paths.contains(path));
    if is_allowed {
        return Ok(());
    }
    let name = kind.as_str();
    let path: String = path.chars().take(200).collect();
    Err(format!("the step does not allow `{name}` on `{path}`; add it to `allowed-operations`, or leave it out"))
}

fn perform(event: &mut Value, operation: &Operation) -> Result<(), String> {
    match operation {
        Operation::Replace { path, value } => {
            let path: Path = path.parse().map_err(|error| format!("{error}"))?;
            let value = value.as_ref().ok_or_else(|| format!("the operation on `{path}` has no `value`"))?;
            replace(event, &path, value)
        }
        Operation::Add { .. } | Operation::Remove { .. } | Operation::Redirect { .. } => {
            Err("the action's type knows `replace` only".to_owned())
        }
    }
}

/// Creates the value when absent, replaces it when present, sets it to empty for null.
fn replace(event: &mut Value, path: &Path, value: &Value) -> Result<(), String> {
    let value = if value.is_null() { json!("") } else { value.clone() };
    if !is_claim_value(&value) {
        return Err(format!("the value at `{path}` must be text or a list of texts"));
    }
    let Some((last, parents)) = path.segments().split_last() else {
        return Err("the path is empty".to_owned());
    };
    let mut node = event;
    for parent in parents {
        node = match parent {
            Segment::Name(name) => member(node, name, path)?,
            Segment::Filter { name, key, value } => element(member(node, name, path)?, key, value, path)?,
        };
    }
    match last {
        Segment::Name(name) => *member(node, name, path)? = value,
        Segment::Filter { name, key, value: wanted } => {
            *member(element(member(node, name, path)?, key, wanted, path)?, "value", path)? = value;
        }
    }
    Ok(())
}

fn is_claim_value(value: &Value) -> bool {
    match value {
        Value::String(_) => true,
        Value::Array(items) => items.iter().all(Value::is_string),
        _ => false,
    }
}

fn member<'a>(node: &'a mut Value, name: &str, path: &Path) -> Result<&'a mut Value, String> {
    if node.is_null() {
        *node = Value::Object(Map::new());
    }
    match node {
        Value::Object(object) => Ok(object.entry(name).or_insert(Value::Null)),
        _ => Err(format!("`{path}` has no place in the event: what holds `{name}` is not an object")),
    }
}

fn element<'a>(node: &'a mut Value, key: &str, wanted: &str, path: &Path) -> Result<&'a mut Value, String> {
    if node.is_null() {
        *node = Value::Array(Vec::new());
    }
    let Value::Array(items) = node else {
        return Err(format!("`{path}` has no place in the event: what the filter stands on is not a list"));
    };
    let found = items.iter().position(|item| item.get(key).and_then(Value::as_str) == Some(wanted));
    let index = found.unwrap_or_else(|| {
        items.push(json!({ key: wanted }));
        items.len() - 1
    });
    items.get_mut(index).ok_or_else(|| format!("`{path}` has no place in the event"))
}

/// What is wrong with an entry of `allowed-operations`: where in the entry, and why.
pub fn check_allowed(allowed: &AllowedOperation, kind: &ActionType) -> Vec<(String, String)> {
    let mut problems = Vec::new();
    if !kind.operations.contains(&allowed.op) {
        let known: Vec<&str> = kind.operations.iter().map(|op| op.as_str()).collect();
        let problem =
            format!("`{}` is not for `{}`; it may have `{}`", allowed.op.as_str(), kind.name, known.join("`, `"));
        problems.push(("/op".to_owned(), problem));
    }
    match (allowed.op, allowed.paths.is_empty()) {
        (OperationKind::Redirect, false) => problems.push(("/paths".to_owned(), "`redirect` has no paths".to_owned())),
        (OperationKind::Redirect, true) | (_, false) => {}
        (_, true) => problems.push((String::new(), "it lists no path, so it allows nothing".to_owned())),
    }
    for (index, path) in allowed.paths.iter().enumerate() {
        if let Err(error) = path.parse::<Path>() {
            problems.push((format!("/paths/{index}"), error.to_string()));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> Vec<AllowedOperation> {
        let paths = ["tier", "interests"].map(|name| format!("/user/claims[uri=http://wso2.org/claims/{name}]"));
        vec![AllowedOperation { op: OperationKind::Replace, paths: paths.to_vec() }]
    }

    fn replace(name: &str, value: Value) -> Operation {
        Operation::Replace { path: format!("/user/claims[uri=http://wso2.org/claims/{name}]"), value: Some(value) }
    }

    fn event() -> Value {
        json!({"user": {"claims": [{"uri": "http://wso2.org/claims/tier", "value": "silver"}]}})
    }

    #[test]
    fn replace_creates_replaces_and_empties() {
        //
        let operations = [replace("tier", json!("gold")), replace("interests", json!(["a", "b"]))];
        let applied = apply(&event(), &operations, &allowed()).expect("allowed");
        assert_eq!(
            applied.event,
            json!({"user": {"claims": [
                {"uri": "http://wso2.org/claims/tier", "value": "gold"},
                {"uri": "http://wso2.org/claims/interests", "value": ["a", "b"]},
            ]}})
        );
        for empty in [json!(""), json!(null)] {
            let applied = apply(&event(), &[replace("tier", empty)], &allowed()).expect("allowed");
            assert_eq!(applied.event.pointer("/user/claims/0/value"), Some(&json!("")));
        }
        let applied = apply(&json!({}), &[replace("tier", json!("gold"))], &allowed()).expect("allowed");
        assert_eq!(applied.event.pointer("/user/claims/0/value"), Some(&json!("gold")));
    }

    #[test]
    fn one_operation_outside_the_list_refuses_them_all() {
        //
        let operations = [replace("tier", json!("gold")), replace("email", json!("x"))];
        let refused = apply(&event(), &operations, &allowed()).expect_err("not allowed");
        assert_eq!((refused.code, refused.index), ("action.operation-not-allowed", 1));
        let results: Vec<OperationResult> = refused.operations.iter().map(|it| it.result).collect();
        assert_eq!(results, [OperationResult::Dropped, OperationResult::Rejected]);
    }

    #[test]
    fn what_has_no_place_is_refused() {
        let code = |event: Value, operation| apply(&event, &[operation], &allowed()).expect_err("refused").code;
        assert_eq!(code(json!({"user": {"claims": "x"}}), replace("tier", json!("a"))), "action.operation-impossible");
        assert_eq!(code(event(), replace("tier", json!({"a": 1}))), "action.operation-impossible");
        assert_eq!(
            code(event(), Operation::Redirect { url: "https://x.test".to_owned() }),
            "action.operation-not-allowed"
        );
        let many = vec![replace("tier", json!("a")); OPERATIONS_MAX + 1];
        assert_eq!(apply(&event(), &many, &allowed()).expect_err("too many").code, "action.too-many-operations");
        let most = vec![replace("tier", json!("a")); OPERATIONS_MAX];
        assert!(apply(&event(), &most, &allowed()).is_ok());
    }
}
