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

/// The value at a place.
pub fn find<'a>(root: &'a mut Value, place: &[Hop]) -> Option<&'a mut Value> {
    place.iter().try_fold(root, |node, hop| match hop {
        Hop::Member(name) => node.get_mut(name),
        Hop::Element { key, value } => node.as_array_mut()?.iter_mut().find(|item| is_element(item, key, value)),
    })
}

/// Takes the value at a place away.
pub fn remove(root: &mut Value, place: &[Hop]) {
    let Some((last, parents)) = place.split_last() else { return };
    match (last, find(root, parents)) {
        (Hop::Member(name), Some(Value::Object(object))) => {
            object.remove(name);
        }
        (Hop::Element { key, value }, Some(Value::Array(items))) => items.retain(|item| !is_element(item, key, value)),
        _ => {}
    }
}

fn is_element(item: &Value, key: &str, value: &str) -> bool {
    item.get(key).and_then(Value::as_str) == Some(value)
}

fn hops(path: &Path) -> Vec<Hop> {
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
        assert_eq!(find(&mut payload, &claim), Some(&mut json!({"uri": "http://x.test/tier", "value": "2"})));
        remove(&mut payload, &claim);
        assert_eq!(find(&mut payload, &claim), None);
        assert_eq!(payload, json!({"flow": {"user": {"claims": [{"uri": "http://x.test/a", "value": "1"}]}}}));
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
