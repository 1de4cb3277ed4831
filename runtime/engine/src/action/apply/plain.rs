//! A time in seconds, members of an object, and any JSON value.

use serde_json::{Map, Value, json};

use super::super::operation::OperationKind;
use super::super::path::{Token, is_index};
use super::super::place::{Gone, ValueKind};
use super::list::{ListRules, change_at};
use super::perform::{Change, Outcome};

/// The longest time, in seconds: its milliseconds are still a whole number for every client.
const SECONDS_MAX: u64 = 9_000_000_000_000;

/// Changes a time in seconds.
pub(super) fn change_expiry(node: &mut Value, change: Change<'_>) -> Outcome {
    if change.kind != OperationKind::Replace || !change.rest.is_empty() || change.ends_with_slash {
        return Err("a time can only be replaced as a whole".to_owned());
    }
    let seconds = match change.wanted()? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    };
    match seconds.filter(|seconds| (1..=SECONDS_MAX).contains(seconds)) {
        Some(seconds) => {
            *node = json!(seconds);
            Ok(())
        }
        None => Err("the value must be a whole number of seconds above 0".to_owned()),
    }
}

/// Changes a member of an object.
pub(super) fn change_member(node: &mut Value, values: ValueKind, change: Change<'_>) -> Outcome {
    let (&[Token::To(name)], false) = (change.rest, change.ends_with_slash) else {
        return Err("the path needs one name at its end".to_owned());
    };
    if node.is_null() {
        *node = Value::Object(Map::new());
    }
    let Value::Object(members) = node else {
        return Err("what is there is no object".to_owned());
    };
    if change.kind == OperationKind::Remove {
        members.remove(name).ok_or("there is nothing of that name")?;
        return Ok(());
    }
    let mut value = change.wanted_or_empty()?;
    if values == ValueKind::Text {
        value = change.as_text(value);
    }
    values.check(&value)?;
    members.insert(name.to_owned(), value);
    Ok(())
}

/// Changes any value, or something inside it.
pub(super) fn change_value(node: &mut Value, before: Option<&Value>, change: Change<'_>) -> Outcome {
    if change.ends_with_slash {
        return Err("the path leads nowhere: it ends with a slash".to_owned());
    }
    let Some((&last, way)) = change.rest.split_last() else {
        if change.kind == OperationKind::Remove {
            return Err("it cannot be removed; what it holds can".to_owned());
        }
        *node = change.wanted()?.clone();
        return Ok(());
    };
    let (mut node, mut before) = (node, before);
    let so_far = change.way.len() - change.rest.len();
    for (at, token) in way.iter().enumerate() {
        let found = match (&*node, *token) {
            (Value::Array(items), token @ Token::To(_)) if change.is_original() => {
                let before = before.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                Some(original(items, before, token, change.has_moved(so_far + at))?)
            }
            _ => None,
        };
        let next = match found {
            Some(at) => node.get_mut(at),
            None => step_mut(node, *token),
        };
        node = next.ok_or("the path leads nowhere")?;
        before = before.and_then(|value| step(value, *token));
    }
    let value = match change.kind {
        OperationKind::Remove => Value::Null,
        _ => change.wanted()?.clone(),
    };
    let before = before.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    match (node, last) {
        (Value::Object(members), Token::To(name)) => {
            if change.kind != OperationKind::Add && !members.contains_key(name) {
                return Err(format!("there is no `{name}`"));
            }
            match change.kind {
                OperationKind::Remove => members.remove(name),
                _ => members.insert(name.to_owned(), value),
            };
            Ok(())
        }
        (Value::Array(items), Token::To(_)) => {
            let rules = ListRules { last: change.knows_last(), unique: false, gone: Gone::Refuse };
            change_at(items, before, change.below(&[last]), value, rules)
        }
        (Value::Array(items), Token::Where { .. }) => {
            let at = element(items, last).ok_or("no element of the list is meant")?;
            match (change.kind, items.get_mut(at)) {
                (OperationKind::Replace, Some(item)) => *item = value,
                (OperationKind::Remove, _) => {
                    items.remove(at);
                }
                _ => return Err("`add` needs an index or a name".to_owned()),
            }
            Ok(())
        }
        _ => Err("the path leads nowhere".to_owned()),
    }
}

/// Where the element is now that an index of the list as it was means.
fn original(items: &[Value], before: &[Value], token: Token<'_>, has_moved: bool) -> Result<usize, String> {
    let at = element(before, token).filter(|at| *at < before.len()).ok_or("the path leads nowhere")?;
    if !has_moved {
        return Ok(at);
    }
    // Of equal ones it is told by its order, and only as long as none of them is gone.
    let meant = before.get(at);
    let order = before.iter().take(at).filter(|item| Some(*item) == meant).count();
    let was = before.iter().filter(|item| Some(*item) == meant).count();
    let found: Vec<usize> =
        items.iter().enumerate().filter(|(_, item)| Some(*item) == meant).map(|(now, _)| now).collect();
    match found.get(order) {
        Some(now) if found.len() >= was => Ok(*now),
        _ => Err("an operation before has changed or removed an element on the way".to_owned()),
    }
}

/// One step into a value.
fn step<'a>(value: &'a Value, token: Token<'_>) -> Option<&'a Value> {
    match (value, token) {
        (Value::Object(members), Token::To(name)) => members.get(name),
        (Value::Array(items), token) => items.get(element(items, token)?),
        _ => None,
    }
}

fn step_mut<'a>(value: &'a mut Value, token: Token<'_>) -> Option<&'a mut Value> {
    match (value, token) {
        (Value::Object(members), Token::To(name)) => members.get_mut(name),
        (Value::Array(items), token) => {
            let at = element(items, token)?;
            items.get_mut(at)
        }
        _ => None,
    }
}

fn element(items: &[Value], token: Token<'_>) -> Option<usize> {
    match token {
        Token::To(index) => index.parse().ok().filter(|_| is_index(index)),
        Token::Where { key, value } => {
            items.iter().position(|item| item.get(key).and_then(Value::as_str) == Some(value))
        }
    }
}
