//! Parts of an event that an author names by paths: what an action sees, and what it does not.

use serde_json::{Map, Value};

use super::path::{Path, Segment};

/// One step down into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A member of an object, or the element of a list with that index.
    Member(String),
    /// The elements of a list whose member `key` is `value`.
    Element { key: String, value: String },
}

/// The steps of a path.
pub(super) fn steps(path: &Path) -> Vec<Step> {
    let mut steps = Vec::new();
    for segment in path.segments() {
        if let Segment::Name(name) = segment {
            steps.push(Step::Member(name.clone()));
        } else if let Segment::Filter { name, key, value } = segment {
            steps.push(Step::Member(name.clone()));
            steps.push(Step::Element { key: key.clone(), value: value.clone() });
        }
    }
    steps
}

/// The steps of a JSON pointer (RFC 6901).
pub(super) fn pointer_steps(pointer: &str) -> Vec<Step> {
    let parts = pointer.split('/').skip(1);
    parts.map(|part| Step::Member(part.replace("~1", "/").replace("~0", "~"))).collect()
}

/// How a part stands to a path.
pub(super) enum Relation<'a> {
    /// The path names it, or something that it is a part of.
    Within,
    /// The path leads into it, by these steps.
    Into(&'a [Step]),
    /// They have nothing to do with one another.
    Apart,
}

/// How what stands at `place` stands to a path.
pub(super) fn relation<'a>(place: &[Step], path: &'a [Step]) -> Relation<'a> {
    if place.starts_with(path) {
        return Relation::Within;
    }
    path.strip_prefix(place).map_or(Relation::Apart, Relation::Into)
}

/// What is left of a value when only these parts of it are taken; none where there is none of them.
pub(super) fn only(value: &Value, parts: &[&[Step]]) -> Option<Value> {
    if parts.iter().any(|part| part.is_empty()) {
        return Some(value.clone());
    }
    match value {
        Value::Object(members) => {
            let kept: Map<String, Value> = members
                .iter()
                .filter_map(|(name, member)| Some((name.clone(), only(member, &into_member(parts, name))?)))
                .collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        Value::Array(items) => {
            let kept: Vec<Value> = items
                .iter()
                .enumerate()
                .filter_map(|(index, item)| only(item, &into_item(parts, index, item)))
                .collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        _ => None,
    }
}

/// Takes these parts out of a value. Whether nothing of it is left.
pub(super) fn without(value: &mut Value, parts: &[&[Step]]) -> bool {
    if parts.is_empty() {
        return false;
    }
    if parts.iter().any(|part| part.is_empty()) {
        return true;
    }
    match value {
        Value::Object(members) => {
            members.retain(|name, member| !without(member, &into_member(parts, name)));
        }
        Value::Array(items) => {
            let mut index = 0;
            items.retain_mut(|item| {
                let within = into_item(parts, index, item);
                index += 1;
                !without(item, &within)
            });
        }
        _ => {}
    }
    false
}

fn into_member<'a>(parts: &[&'a [Step]], name: &str) -> Vec<&'a [Step]> {
    let into = |part: &&'a [Step]| match part.split_first() {
        Some((Step::Member(wanted), rest)) if wanted == name => Some(rest),
        _ => None,
    };
    parts.iter().filter_map(into).collect()
}

fn into_item<'a>(parts: &[&'a [Step]], index: usize, item: &Value) -> Vec<&'a [Step]> {
    let into = |part: &&'a [Step]| match part.split_first() {
        Some((Step::Member(wanted), rest)) if wanted.parse() == Ok(index) => Some(rest),
        Some((Step::Element { key, value }, rest)) if is_text(item.get(key), value) => Some(rest),
        _ => None,
    };
    parts.iter().filter_map(into).collect()
}

fn is_text(member: Option<&Value>, wanted: &str) -> bool {
    member.and_then(Value::as_str) == Some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn named(paths: &[&str]) -> Vec<Vec<Step>> {
        paths.iter().map(|path| steps(&path.parse().expect("a path"))).collect()
    }

    fn slices(paths: &[Vec<Step>]) -> Vec<&[Step]> {
        paths.iter().map(Vec::as_slice).collect()
    }

    fn event() -> Value {
        json!({
            "user": {
                "id": "u",
                "claims": [
                    {"uri": "http://a.test/x", "value": "1"},
                    {"uri": "http://a.test/y", "value": "2", "note": "n"},
                ],
            },
            "tags": ["a", "b"],
        })
    }

    #[test]
    fn only_what_is_named_is_left() {
        //
        let paths = named(&["/user/claims[uri=http://a.test/y]", "/tags/1"]);
        let left = json!({
            "user": {"claims": [{"uri": "http://a.test/y", "value": "2", "note": "n"}]},
            "tags": ["b"],
        });
        assert_eq!(only(&event(), &slices(&paths)), Some(left));
        assert_eq!(only(&event(), &slices(&named(&["/user/name", "/tags/7", "/user/id/x"]))), None);
        assert_eq!(only(&event(), &slices(&named(&["/user", "/user/id"]))), Some(json!({"user": event()["user"]})));
        assert_eq!(only(&event(), &[]), None);
    }

    #[test]
    fn what_is_hidden_is_taken_out() {
        //
        let mut value = event();
        let paths = named(&["/user/claims[uri=http://a.test/y]/note", "/user/id", "/tags/0", "/none/at/all"]);
        assert!(!without(&mut value, &slices(&paths)));
        let left = json!({
            "user": {"claims": [
                {"uri": "http://a.test/x", "value": "1"},
                {"uri": "http://a.test/y", "value": "2"},
            ]},
            "tags": ["b"],
        });
        assert_eq!(value, left);
        assert!(without(&mut json!(1), &[&[]]));
    }

    proptest::proptest! {
        #[test]
        fn what_is_left_and_what_is_taken_out_have_nothing_in_common(keep in "/(user|tags)(/(id|0|claims))?") {
            let paths = named(&[&keep]);
            let mut rest = only(&event(), &slices(&paths)).unwrap_or_default();
            without(&mut rest, &slices(&paths));
            proptest::prop_assert_eq!(only(&rest, &slices(&paths)), None);
        }
    }
}
