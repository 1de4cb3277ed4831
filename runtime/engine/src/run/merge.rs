//! How what the branches of a `parallel` changed comes together.

use serde_json::{Map, Value};

use super::context::{ContextChange, RunContext};

impl RunContext {
    /// Takes over what a change did to what its key held `before`, and leaves what another change did to other members.
    pub fn merge(&mut self, change: &ContextChange, before: &Self) {
        match self.get_mut(&change.key) {
            Some(ours) => merge(ours, before.get(&change.key), &change.value),
            None => self.apply(change),
        }
    }
}

/// Objects member by member, at any depth; everything else as a whole. A member that is gone is a change.
fn merge(ours: &mut Value, before: Option<&Value>, theirs: &Value) {
    if before == Some(theirs) {
        return;
    }
    let (Value::Object(ours), Value::Object(theirs)) = (&mut *ours, theirs) else {
        *ours = theirs.clone();
        return;
    };
    let nothing = Map::new();
    let before = before.and_then(Value::as_object).unwrap_or(&nothing);
    for (name, value) in theirs {
        match ours.get_mut(name) {
            Some(mine) => merge(mine, before.get(name), value),
            None if before.get(name) == Some(value) => {}
            None => drop(ours.insert(name.clone(), value.clone())),
        }
    }
    for name in before.keys().filter(|name| !theirs.contains_key(*name)) {
        ours.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_later_change_wins_leaf_by_leaf() {
        // covers F-02
        let before = json!({ "a": 1, "b": { "x": 1, "y": 1 }, "list": [1, 2], "gone": 1, "kept": 1 });
        for (one, other, both) in [
            (json!({ "a": 2 }), json!({ "b": { "x": 3, "y": 1 } }), json!({ "a": 2, "b": { "x": 3, "y": 1 } })),
            (
                json!({ "b": { "x": 2, "y": 1 } }),
                json!({ "b": { "x": 1, "y": 3 } }),
                json!({ "b": { "x": 2, "y": 3 } }),
            ),
            (json!({ "a": 2 }), json!({ "a": 3 }), json!({ "a": 3 })),
            (json!({ "list": [1] }), json!({ "list": [2, 3] }), json!({ "list": [2, 3] })),
            (json!({ "b": 5 }), json!({ "b": { "x": 1, "y": 9 } }), json!({ "b": { "x": 1, "y": 9 } })),
            (json!({ "new": { "l": 1 } }), json!({ "new": { "r": 2 } }), json!({ "new": { "l": 1, "r": 2 } })),
        ] {
            let changed = |changes: &Value| {
                let mut changed = before.clone();
                let members = changes.as_object().expect("an object").clone();
                changed.as_object_mut().expect("an object").extend(members);
                changed
            };
            let mut merged = changed(&one);
            merge(&mut merged, Some(&before), &changed(&other));
            assert_eq!(merged, changed(&both), "{one} and {other}");
        }
        let without = |name: &str| {
            let mut without = before.clone();
            without.as_object_mut().expect("an object").remove(name);
            without
        };
        let mut merged = without("gone");
        merge(&mut merged, Some(&before), &without("kept"));
        assert_eq!(merged, json!({ "a": 1, "b": { "x": 1, "y": 1 }, "list": [1, 2] }));
    }
}
