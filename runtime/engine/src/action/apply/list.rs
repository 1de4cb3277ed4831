//! Lists: what an index means, and lists of texts.

use serde_json::{Value, json};

use super::super::operation::OperationKind;
use super::super::path::{Token, is_index};
use super::super::place::{Gone, TextPattern};
use super::perform::{Change, Outcome};

/// What a list of texts takes.
pub(super) struct TextRules<'a> {
    pub(super) pattern: Option<&'a TextPattern>,
    pub(super) numbers: bool,
    pub(super) gone: Gone,
}

/// What a list takes.
#[derive(Clone, Copy)]
pub(super) struct ListRules {
    /// Whether `-` stands for the last element; for `add` it always stands behind it.
    pub(super) last: bool,
    /// Whether no element may be there twice.
    pub(super) unique: bool,
    pub(super) gone: Gone,
}

/// What a token of a path means in a list.
enum Index {
    At(usize),
    Last,
}

fn index(token: Token<'_>) -> Result<Index, String> {
    let Token::To(text) = token else {
        return Err("the list has no element that a filter could find".to_owned());
    };
    match text {
        "-" => Ok(Index::Last),
        _ if is_index(text) => text.parse().map(Index::At).map_err(|_| format!("no list is as long as {text}")),
        _ => Err(format!("`{text}` is no index: write digits or `-`")),
    }
}

/// Where an element is added: the index in the list as it is.
pub(super) fn place_of_new(
    length: usize,
    before: usize,
    token: Token<'_>,
    change: Change<'_>,
) -> Result<usize, String> {
    match (index(token)?, change.is_original()) {
        (Index::Last, _) => Ok(length),
        (Index::At(at), false) if at <= length => Ok(at),
        (Index::At(at), true) if at < before => Ok(length),
        (Index::At(at), _) => Err(format!("the list has no index {at}")),
    }
}

/// Changes a list at an index. `value` is the checked one of `add` and `replace`.
pub(super) fn change_at(
    items: &mut Vec<Value>,
    before: &[Value],
    change: Change<'_>,
    value: Value,
    rules: ListRules,
) -> Outcome {
    let (&[token], false) = (change.rest, change.ends_with_slash) else {
        return Err("the path needs an index at its end, or `-`".to_owned());
    };
    if change.kind == OperationKind::Add {
        let at = place_of_new(items.len(), before.len(), token, change)?;
        if rules.unique && items.contains(&value) {
            return Err("the value is there already".to_owned());
        }
        items.insert(at, value);
        return Ok(());
    }
    let counted = if change.is_original() { before.len() } else { items.len() };
    let at = match index(token)? {
        Index::At(at) if at < counted => at,
        Index::At(at) => return Err(format!("the list has no index {at}")),
        Index::Last if !rules.last => return Err(format!("`-` is for `add`, not for `{}`", change.name())),
        Index::Last => counted.checked_sub(1).ok_or("the list is empty")?,
    };
    if change.is_original() {
        return change_original(items, before, at, change.kind, value, rules);
    }
    match change.kind {
        OperationKind::Remove => {
            items.remove(at);
        }
        _ => {
            if rules.unique && items.iter().enumerate().any(|(other, item)| other != at && *item == value) {
                return Err("the value is there already".to_owned());
            }
            if let Some(item) = items.get_mut(at) {
                *item = value;
            }
        }
    }
    Ok(())
}

/// The index points at the list as it was: the element is the one that stood there, wherever it is now.
fn change_original(
    items: &mut Vec<Value>,
    before: &[Value],
    at: usize,
    kind: OperationKind,
    value: Value,
    rules: ListRules,
) -> Outcome {
    let found = before.get(at).and_then(|element| items.iter().position(|item| item == element));
    if kind == OperationKind::Replace {
        if rules.unique && (items.contains(&value) || before.contains(&value)) {
            return Err("the value is there already".to_owned());
        }
        if let Some(found) = found {
            items.remove(found);
        }
        items.push(value);
        return Ok(());
    }
    match (found, rules.gone) {
        (Some(found), _) => {
            items.remove(found);
            Ok(())
        }
        (None, Gone::Accept) => Ok(()),
        (None, Gone::Refuse) => Err("an operation before has removed it".to_owned()),
    }
}

/// Changes a list of texts. A lone text is a list of one.
pub(super) fn change_texts(
    node: &mut Value,
    before: Option<&Value>,
    change: Change<'_>,
    rules: &TextRules<'_>,
) -> Outcome {
    let value = match change.kind {
        OperationKind::Remove => Value::Null,
        _ => Value::String(new_text(change.wanted()?, rules)?),
    };
    let before = listed(before).ok_or("what was there is no list")?;
    let mut items = listed(Some(node)).ok_or("what is there is no list")?;
    let list = ListRules { last: change.knows_last(), unique: true, gone: rules.gone };
    change_at(&mut items, &before, change, value, list)?;
    *node = json!(items);
    Ok(())
}

fn listed(value: Option<&Value>) -> Option<Vec<Value>> {
    match value {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::Array(items)) => Some(items.clone()),
        Some(Value::String(text)) => Some(vec![json!(text)]),
        Some(_) => None,
    }
}

fn new_text(value: &Value, rules: &TextRules<'_>) -> Result<String, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if rules.numbers => number.to_string(),
        _ => return Err("the value must be a text".to_owned()),
    };
    match rules.pattern {
        Some(pattern) if !pattern.matches(&text) => {
            Err(format!("the value does not match `{}`", String::from(pattern.clone())))
        }
        _ => Ok(text),
    }
}
