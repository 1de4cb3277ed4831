//! A list of `{name, value}`; an element that is a text is a name without a value.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::operation::OperationKind;
use super::super::path::Token;
use super::super::place::{AddedTwice, Gone, Holding, ValueKind};
use super::list::{ListRules, change_at, place_of_new};
use super::perform::{Change, Outcome, hold};

struct Rules<'a> {
    values: ValueKind,
    reserved: &'a BTreeMap<String, String>,
    permanent: &'a [String],
    added_twice: AddedTwice,
    members: &'a BTreeMap<String, Holding>,
}

pub(super) fn change(holding: &Holding, node: &mut Value, before: Option<&Value>, change: Change<'_>) -> Outcome {
    let Holding::Named { values, reserved, permanent, added_twice, members } = holding else {
        return Err("what is there is no list of names and values".to_owned());
    };
    let rules = Rules { values: *values, reserved, permanent, added_twice: *added_twice, members };
    let before = match before {
        None | Some(Value::Null) => &[][..],
        Some(before) => before.as_array().ok_or("what was there is no list of names and values")?,
    };
    if node.is_null() {
        *node = json!([]);
    }
    let items = node.as_array_mut().ok_or("what is there is no list of names and values")?;
    match (change.kind, change.rest) {
        (OperationKind::Add, [] | [Token::To(_) | Token::Where { .. }]) => add(items, before, change, &rules),
        (_, [Token::To(name) | Token::Where { key: "name", value: name }, rest @ ..]) => {
            let change = change.below(rest);
            if let Some(holding) = rules.members.get(*name) {
                let at = position(items, name).ok_or("there is nothing of that name")?;
                let before = position(before, name).and_then(|at| before.get(at)?.get("value"));
                let value = items.get_mut(at).and_then(|item| item.get_mut("value")).ok_or("it has no value")?;
                return hold(holding, value, before, change);
            }
            rules.values.check(&json!(""))?;
            if rest.is_empty() {
                whole(items, before, name, change, &rules)
            } else {
                one_of_list(items, before, name, change, &rules)
            }
        }
        _ => Err("the path needs a name".to_owned()),
    }
}

fn name_of(item: &Value) -> Option<&str> {
    item.as_str().or_else(|| item.get("name")?.as_str())
}

fn position(items: &[Value], name: &str) -> Option<usize> {
    items.iter().position(|item| name_of(item) == Some(name))
}

fn add(items: &mut Vec<Value>, before: &[Value], change: Change<'_>, rules: &Rules<'_>) -> Outcome {
    let (&[token], false) = (change.rest, change.ends_with_slash) else {
        return Err("the path needs an index at its end, or `-`".to_owned());
    };
    let at = place_of_new(items.len(), before.len(), token, change)?;
    let wanted = change.wanted()?.as_object().filter(|object| object.len() == 2);
    let wanted = wanted.and_then(|object| Some((object.get("name")?.as_str()?, object.get("value")?)));
    let Some((name, value)) = wanted.filter(|(name, _)| !name.is_empty()) else {
        return Err("the value must be an object of `name` and `value`".to_owned());
    };
    if let Some((_, why)) = rules.reserved.iter().find(|(reserved, _)| reserved.eq_ignore_ascii_case(name)) {
        return Err(format!("`{name}` cannot be added: {why}"));
    }
    rules.values.check(value)?;
    let item = json!({ "name": name, "value": value });
    match position(items, name) {
        None if change.is_original() && position(before, name).is_some() => {
            Err(format!("there was a `{name}` already; use `replace`"))
        }
        None => {
            items.insert(at, item);
            Ok(())
        }
        Some(there) => {
            let is_new = position(before, name).is_none();
            if !(change.is_original() && is_new && rules.added_twice == AddedTwice::LastWins) {
                return Err(format!("there is a `{name}` already; use `replace`"));
            }
            items.remove(there);
            items.push(item);
            Ok(())
        }
    }
}

/// Replaces or removes a name with all of its value.
fn whole(items: &mut Vec<Value>, before: &[Value], name: &str, change: Change<'_>, rules: &Rules<'_>) -> Outcome {
    if rules.permanent.iter().any(|permanent| permanent == name) {
        return Err(format!("`{name}` has to stay as it is"));
    }
    if change.is_original() && position(before, name).is_none() {
        return Err("there was nothing of that name".to_owned());
    }
    let at = position(items, name).ok_or("there is nothing of that name")?;
    if change.kind == OperationKind::Remove {
        items.remove(at);
        return Ok(());
    }
    let value = change.wanted()?;
    rules.values.check(value)?;
    let item = json!({ "name": name, "value": value });
    if change.is_original() {
        items.remove(at);
        items.push(item);
    } else if let Some(there) = items.get_mut(at) {
        *there = item;
    }
    Ok(())
}

/// Changes one value of a list.
fn one_of_list(items: &mut [Value], before: &[Value], name: &str, change: Change<'_>, rules: &Rules<'_>) -> Outcome {
    if rules.permanent.iter().any(|permanent| permanent == name) {
        return Err(format!("`{name}` has to stay as it is"));
    }
    let at = position(items, name).ok_or("there is nothing of that name")?;
    let list = items.get_mut(at).and_then(|item| item.get_mut("value")).and_then(Value::as_array_mut);
    let list = list.ok_or_else(|| format!("the value of `{name}` is no list"))?;
    let before = position(before, name).and_then(|at| before.get(at)?.get("value")?.as_array());
    let value = match change.kind {
        OperationKind::Remove => Value::Null,
        _ => match change.wanted()? {
            text @ Value::String(_) => text.clone(),
            other @ (Value::Number(_) | Value::Bool(_)) => Value::String(other.to_string()),
            _ => return Err("one value of a list is a text, a number or a boolean".to_owned()),
        },
    };
    let list_rules = ListRules { last: false, unique: true, gone: Gone::Refuse };
    change_at(list, before.map_or(&[], Vec::as_slice), change, value, list_rules)
}
