//! What a step changed in the context of its run, member by member.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use weir_engine::run::{ContextChange, ContextKey};

/// The longest value that is shown whole, in bytes of its JSON text.
const VALUE_BYTES_MAX: usize = 2_000;
/// Most members that are told of one key; more of them are counted.
const MEMBERS_MAX: usize = 200;

/// What became of a key or a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Change {
    /// It was not there.
    Added,
    /// It was another one.
    Changed,
    /// It is not there any more.
    Removed,
}

/// A key of the context that a step set.
#[derive(Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct KeyDiff {
    /// The key, such as `connectors.risk`.
    pub(crate) key: String,
    /// Whether it was there before.
    pub(crate) change: Change,
    /// What differs; empty where the step set what was there, or what nobody is shown.
    pub(crate) members: Vec<MemberDiff>,
    /// Members that differ, over those that are told.
    pub(crate) members_left_out: usize,
}

/// A member that differs.
#[derive(Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub(crate) struct MemberDiff {
    /// Which, as a JSON pointer (RFC 6901) below the key; empty for all of it.
    pub(crate) member: String,
    /// What became of it.
    pub(crate) change: Change,
    /// What it was. A long value is its beginning, as text, with a note of its length.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Value>,
    /// What it is now; a long value as in `before`.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<Value>,
}

/// What changes did to what they replaced.
pub(crate) fn diff(replaced: &[ContextChange], changes: &[ContextChange]) -> Vec<KeyDiff> {
    let before: BTreeMap<&ContextKey, &Value> = replaced.iter().map(|it| (&it.key, &it.value)).collect();
    // The last change of a key is what remains.
    let after: BTreeMap<&ContextKey, &Value> = changes.iter().map(|it| (&it.key, &it.value)).collect();
    let of_key = |(key, after): (&ContextKey, &Value)| {
        let before = before.get(key).copied();
        let mut found = Found::default();
        found.compare(String::new(), before, Some(after));
        KeyDiff {
            key: key.to_string(),
            change: if before.is_some() { Change::Changed } else { Change::Added },
            members: found.members,
            members_left_out: found.left_out,
        }
    };
    after.into_iter().map(of_key).collect()
}

#[derive(Default)]
struct Found {
    members: Vec<MemberDiff>,
    left_out: usize,
}

impl Found {
    /// Values nest as deep as a context does, which its store bounds.
    fn compare(&mut self, member: String, before: Option<&Value>, after: Option<&Value>) {
        let change = match (before, after) {
            (before, after) if before == after => return,
            (Some(Value::Object(one)), Some(Value::Object(other))) => {
                let new = other.keys().filter(|name| !one.contains_key(*name));
                for name in one.keys().chain(new) {
                    self.compare(below(&member, name), one.get(name), other.get(name));
                }
                return;
            }
            (Some(Value::Array(one)), Some(Value::Array(other))) => {
                for index in 0..one.len().max(other.len()) {
                    self.compare(below(&member, &index.to_string()), one.get(index), other.get(index));
                }
                return;
            }
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
            _ => Change::Changed,
        };
        if self.members.len() >= MEMBERS_MAX {
            self.left_out += 1;
            return;
        }
        self.members.push(MemberDiff { member, change, before: before.map(cut), after: after.map(cut) });
    }
}

fn below(member: &str, name: &str) -> String {
    format!("{member}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// The value, or the beginning of its text where that is long.
fn cut(value: &Value) -> Value {
    let text = value.to_string();
    if text.len() <= VALUE_BYTES_MAX {
        return value.clone();
    }
    let end = text.floor_char_boundary(VALUE_BYTES_MAX);
    Value::String(format!("{}… ({} bytes in all)", text.get(..end).unwrap_or_default(), text.len()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn change(key: &str, value: Value) -> ContextChange {
        ContextChange { key: key.parse().unwrap(), value }
    }

    #[test]
    fn members_are_added_changed_and_removed() {
        // covers F-09
        let before = change("event", json!({"a": 1, "b": {"c/d": [1, 2], "same": true}, "gone": null}));
        let after = change("event", json!({"a": 2, "b": {"c/d": [1], "same": true, "new": "x"}}));
        let found = diff(&[before], &[after, change("steps.s", json!({"failure": 1}))]);
        let told: Vec<(&str, Change)> = found[0].members.iter().map(|it| (it.member.as_str(), it.change)).collect();
        let expected = [
            ("/a", Change::Changed),
            ("/b/c~1d/1", Change::Removed),
            ("/b/new", Change::Added),
            ("/gone", Change::Removed),
        ];
        assert_eq!(told, expected);
        assert_eq!(
            (found[0].members[0].before.clone(), found[0].members[0].after.clone()),
            (Some(json!(1)), Some(json!(2)))
        );
        assert_eq!((found[1].key.as_str(), found[1].change), ("steps.s", Change::Added));
        assert_eq!(found[1].members[0].after, Some(json!({"failure": 1})));
    }

    #[test]
    fn long_values_are_cut_with_a_note_and_many_members_are_counted() {
        // covers F-09
        let long = "é".repeat(VALUE_BYTES_MAX);
        let found = diff(&[], &[change("steps.s", json!(long))]);
        let text = found[0].members[0].after.as_ref().unwrap().as_str().unwrap().to_owned();
        assert!(text.len() < VALUE_BYTES_MAX + 50 && text.ends_with(&format!("({} bytes in all)", long.len() + 2)));
        let many = |value: u32| change("event", (0..=MEMBERS_MAX).map(|_| json!(value)).collect());
        let found = diff(&[many(1)], &[many(2)]);
        assert_eq!((found[0].members.len(), found[0].members_left_out), (MEMBERS_MAX, 1));
    }

    #[test]
    fn a_context_set_to_what_it_was_differs_in_nothing() {
        let same = change("event", json!({"a": 1}));
        assert_eq!(diff(std::slice::from_ref(&same), std::slice::from_ref(&same))[0].members, []);
    }
}
