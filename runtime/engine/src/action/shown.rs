//! Where an action sees what stands at a path of the run's event.

use serde_json::Value;

use super::path::{Path, Segment};
use super::types::ActionType;

/// From a value to one within it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hop {
    /// The member of an object.
    Member(String),
    /// The element of a list of objects whose member `key` is `value`.
    Element {
        /// The member that is compared.
        key: String,
        /// What it is compared with.
        value: String,
    },
}

/// The places in the envelope's event where a type shows what stands at a path of the run's event. None where the type
/// does not show it.
pub fn shown_at(kind: &ActionType, path: &Path) -> Vec<Vec<Hop>> {
    let wanted = hops(path);
    let place = |from: &str, to: &str| {
        let source = tokens(from.strip_prefix("/event")?)?;
        let to = tokens(to)?;
        let common = source.iter().zip(&wanted).take_while(|(from, wanted)| from == wanted).count();
        // A path above what is shown means all of it.
        let is_related = common == source.len() || common == wanted.len();
        is_related.then(|| to.into_iter().chain(wanted.iter().skip(source.len()).cloned()).collect())
    };
    kind.event.iter().filter_map(|member| place(&member.from, &member.to)).collect()
}

/// Something stands where a place leads into, and is nothing that the place can lead into: nobody can say whether what is
/// meant is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unclear;

/// The values at a place: none where nothing stands there, several where elements of a list have the same name.
///
/// # Errors
/// It cannot be said what the place means.
pub fn find<'a>(root: &'a mut Value, place: &[Hop]) -> Result<Vec<&'a mut Value>, Unclear> {
    let mut found = vec![root];
    for hop in place {
        let mut next = Vec::with_capacity(found.len());
        for node in found {
            step_into(node, hop, &mut next)?;
        }
        found = next;
    }
    Ok(found)
}

fn step_into<'a>(node: &'a mut Value, hop: &Hop, found: &mut Vec<&'a mut Value>) -> Result<(), Unclear> {
    match (hop, node) {
        (_, Value::Null) => {}
        (_, Value::Array(items)) if items.is_empty() => {}
        (Hop::Member(name), Value::Object(members)) => found.extend(members.get_mut(name)),
        (Hop::Member(name), Value::Array(items)) => {
            let index = name.parse::<usize>().map_err(|_| Unclear)?;
            found.extend(items.get_mut(index));
        }
        (Hop::Element { key, value }, Value::Array(items)) => {
            found.extend(items.iter_mut().filter(|item| is_element(item, key, value)));
        }
        _ => return Err(Unclear),
    }
    Ok(())
}

/// Takes the values at a place away.
///
/// # Errors
/// It cannot be said what the place means.
pub fn remove(root: &mut Value, place: &[Hop]) -> Result<(), Unclear> {
    let Some((last, parents)) = place.split_last() else { return Ok(()) };
    for parent in find(root, parents)? {
        match (last, parent) {
            (_, Value::Null) => {}
            (Hop::Member(name), Value::Object(object)) => {
                object.remove(name);
            }
            (Hop::Member(name), Value::Array(items)) => {
                let index = name.parse::<usize>().map_err(|_| Unclear)?;
                if index < items.len() {
                    items.remove(index);
                }
            }
            (Hop::Element { key, value }, Value::Array(items)) => items.retain(|item| !is_element(item, key, value)),
            _ => return Err(Unclear),
        }
    }
    Ok(())
}

/// The lengths of the lists that a place counts into, from the root.
pub fn counted(root: &mut Value, place: &[Hop]) -> Vec<usize> {
    let mut lengths = Vec::new();
    for (at, hop) in place.iter().enumerate() {
        let is_index = matches!(hop, Hop::Member(name) if name.parse::<usize>().is_ok());
        if is_index && let Ok(found) = find(root, place.get(..at).unwrap_or_default()) {
            lengths.extend(found.iter().filter_map(|list| list.as_array()).map(Vec::len));
        }
    }
    lengths
}

fn is_element(item: &Value, key: &str, value: &str) -> bool {
    item.get(key).and_then(Value::as_str) == Some(value)
}

/// The way from the root of the run's event.
pub fn hops(path: &Path) -> Vec<Hop> {
    let mut hops = Vec::new();
    for segment in path.segments() {
        if let Segment::Name(name) = segment {
            hops.push(Hop::Member(name.clone()));
        } else if let Segment::Filter { name, key, value } = segment {
            hops.push(Hop::Member(name.clone()));
            hops.push(Hop::Element { key: key.clone(), value: value.clone() });
        }
    }
    hops
}

/// Of a JSON pointer (RFC 6901); `None` where it is none.
fn tokens(pointer: &str) -> Option<Vec<Hop>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    let token = |token: &str| Hop::Member(token.replace("~1", "/").replace("~0", "~"));
    Some(pointer.strip_prefix('/')?.split('/').map(token).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::action::{ActionTypes, read_type};

    fn member(name: &str) -> Hop {
        Hop::Member(name.to_owned())
    }

    #[test]
    fn a_path_is_found_where_the_type_shows_it() {
        //
        let types = ActionTypes::shipped();
        let kind = types.get("FLOW_EXTENSION").expect("shipped");
        let places = |path: &str| shown_at(kind, &path.parse().expect("a path"));
        let tier = Hop::Element { key: "uri".to_owned(), value: "http://x.test/tier".to_owned() };
        let claim = vec![member("flow"), member("user"), member("claims"), tier];
        assert_eq!(places("/user/claims[uri=http://x.test/tier]"), std::slice::from_ref(&claim));
        assert_eq!(places("/risk/score"), Vec::<Vec<Hop>>::new());
        let mut payload = json!({"flow": {"user": {"claims": [
            {"uri": "http://x.test/a", "value": "1"}, {"uri": "http://x.test/tier", "value": "2"}
        ]}}});
        assert_eq!(find(&mut payload, &claim), Ok(vec![&mut json!({"uri": "http://x.test/tier", "value": "2"})]));
        assert_eq!(remove(&mut payload, &claim), Ok(()));
        assert_eq!(find(&mut payload, &claim), Ok(Vec::new()));
        assert_eq!(payload, json!({"flow": {"user": {"claims": [{"uri": "http://x.test/a", "value": "1"}]}}}));
    }

    #[test]
    fn every_element_is_found_and_what_is_unclear_is_said_to_be() {
        //
        let payload =
            || json!({"claims": [{"uri": "x", "value": "1"}, {"uri": "y"}, {"uri": "x", "value": "2"}], "t": "u"});
        let place = |path: &str| hops(&path.parse().expect("a path"));
        let found = |path: &str| find(&mut payload(), &place(path)).map(|found| found.len());
        let cases = [
            ("/claims[uri=x]", Ok(2)),
            ("/claims[uri=x]/value", Ok(2)),
            ("/claims/1", Ok(1)),
            ("/claims/3", Ok(0)),
            ("/claims/0/value", Ok(1)),
            ("/none/at/all", Ok(0)),
            ("/claims/x", Err(Unclear)),
            ("/claims/-", Err(Unclear)),
            ("/t/u", Err(Unclear)),
            ("/t[uri=x]", Err(Unclear)),
        ];
        for (path, expected) in cases {
            assert_eq!(found(path), expected, "{path}");
        }
        for (path, left) in [("/claims[uri=x]", 1), ("/claims/0", 2), ("/claims/3", 3)] {
            let mut payload = payload();
            assert_eq!(remove(&mut payload, &place(path)), Ok(()));
            assert_eq!(payload["claims"].as_array().map(Vec::len), Some(left), "{path}");
        }
        assert_eq!(counted(&mut payload(), &place("/claims/0/value")), [3]);
    }

    #[test]
    fn a_path_above_what_is_shown_means_all_of_it() {
        let text =
            "{type: X, title: x, event: [{from: /event/user/claims, to: /user/claims}, {from: /event, to: /all}]}";
        let kind = read_type(text).expect("a type");
        let user = shown_at(&kind, &"/user".parse().expect("a path"));
        assert_eq!(user, [vec![member("user"), member("claims")], vec![member("all"), member("user")]]);
    }
}
