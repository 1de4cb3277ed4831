//! `set` assigns values of the context.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::expression::{type_name, weight};
use crate::flow::SetTemplate;
use crate::run::{ContextChange, ContextKey, StepError, StepRecord};
use crate::step::{Attempt, Done, Way, step_error};

pub(crate) fn run_set(attempt: &Attempt<'_>, templates: &[SetTemplate]) -> Done {
    let (way, changes) = match assignments(attempt, templates) {
        Ok(changes) => (Way::Next, changes),
        Err(error) => (Way::Error(error), Vec::new()),
    };
    Done { record: StepRecord::Set, way, changes }
}

/// All of them see the context as it is before the step.
fn assignments(attempt: &Attempt<'_>, templates: &[SetTemplate]) -> Result<Vec<ContextChange>, StepError> {
    let mut changed: BTreeMap<&ContextKey, Value> = BTreeMap::new();
    for SetTemplate { name, path, value } in templates {
        let value = value.evaluate(&attempt.scope)?;
        attempt.keep(weight(&value))?;
        let before = || attempt.context.get(&path.key).cloned().unwrap_or_default();
        let place = changed.entry(&path.key).or_insert_with(before);
        assign(place, &path.members, value).map_err(|Clash { depth, found }| {
            let members = path.members.iter().take(depth).map(|member| format!(".{member}"));
            let at = members.fold(path.key.to_string(), |at, member| at + &member);
            let message =
                format!("`{name}` cannot be set: `{at}` is {found}, not an object; set `{at}` as a whole first");
            step_error("flow.set-type", message)
        })?;
    }
    let change = |(key, value): (&ContextKey, Value)| ContextChange { key: key.clone(), value };
    Ok(changed.into_iter().map(change).collect())
}

/// What stands in the way of an assignment.
#[derive(Debug, PartialEq)]
struct Clash {
    /// After how many members of the path.
    depth: usize,
    /// What is there.
    found: &'static str,
}

/// Puts a value where the members lead to. What is missing or null on the way becomes an object.
fn assign(mut place: &mut Value, members: &[String], value: Value) -> Result<(), Clash> {
    for (depth, member) in members.iter().enumerate() {
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        let found = type_name(place);
        let Value::Object(object) = place else { return Err(Clash { depth, found }) };
        place = object.entry(member).or_insert(Value::Null);
    }
    *place = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn at<'a>(value: &'a Value, members: &[String]) -> Option<&'a Value> {
        members.iter().try_fold(value, |value, member| value.as_object()?.get(member))
    }

    fn path() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec("[abc0]", 0..4)
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), Just(json!("x")), Just(json!(7))];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[abc0]", inner, 0..4).prop_map(|map| json!(map)),
            ]
        })
    }

    #[test]
    fn objects_are_made_and_nothing_else_is_overwritten() {
        // covers F-02
        let members = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut value = json!({ "user": { "name": "x" }, "list": [1], "gone": null });
        assign(&mut value, &members(&["user", "tier", "name"]), json!("gold")).expect("assigned");
        assign(&mut value, &members(&["gone", "a"]), json!(1)).expect("assigned");
        let clash = assign(&mut value, &members(&["list", "0"]), json!(2)).expect_err("no index leads into a list");
        assert_eq!(clash, Clash { depth: 1, found: "a list" });
        assign(&mut value, &members(&["user", "name", "first"]), json!(2)).expect_err("nor a name into a text");
        let expected = json!({ "user": { "name": "x", "tier": { "name": "gold" } }, "list": [1], "gone": { "a": 1 } });
        assert_eq!(value, expected);
    }

    proptest! {
        #[test]
        fn what_is_set_is_there_and_the_rest_is_as_it_was(
            before in values(), path in path(), other in path(), value in values(),
        ) {
            // covers F-02
            let mut after = before.clone();
            let leads_through_a_scalar = (0..path.len())
                .filter_map(|depth| at(&before, &path[..depth]))
                .any(|value| !value.is_object() && !value.is_null());
            match assign(&mut after, &path, value.clone()) {
                Err(_) => prop_assert!(leads_through_a_scalar),
                Ok(()) => {
                    prop_assert!(!leads_through_a_scalar);
                    prop_assert_eq!(at(&after, &path), Some(&value));
                    let is_apart = !path.starts_with(&other) && !other.starts_with(&path);
                    if is_apart {
                        prop_assert_eq!(at(&after, &other), at(&before, &other));
                    }
                }
            }
        }
    }
}
