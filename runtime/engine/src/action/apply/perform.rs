//! Finds the place of an operation; what it holds decides what happens there.

use serde_json::{Map, Value};

use super::super::operation::{Operation, OperationKind};
use super::super::path::{OperationPath, Token};
use super::super::place::{Holding, Place};
use super::super::profile::{LastElement, ListValues, NullValue, Profile};
use super::{ApplyRules, claims, list, named, plain};
use crate::action::{ClaimRules, Indices};

/// Whether it was done, or why it cannot be.
pub(super) type Outcome = Result<(), String>;

/// One operation, from the place on.
#[derive(Clone, Copy)]
pub(super) struct Change<'a> {
    pub(super) kind: OperationKind,
    /// The value; none where the operation has none.
    pub(super) value: Option<&'a Value>,
    /// The whole way from the root.
    pub(super) way: &'a [Token<'a>],
    /// The operations that were applied before it.
    pub(super) earlier: &'a [(OperationKind, OperationPath)],
    /// What is left of the way.
    pub(super) rest: &'a [Token<'a>],
    /// Whether there is a slash behind it.
    pub(super) ends_with_slash: bool,
    /// By which rules.
    pub(super) profile: &'a Profile,
    /// What is known of claims.
    pub(super) claims: &'a ClaimRules,
}

impl<'a> Change<'a> {
    /// The same, further on its way.
    pub(super) fn below(self, rest: &'a [Token<'a>]) -> Self {
        Self { rest, ..self }
    }

    /// The value that `add` and `replace` must have.
    pub(super) fn wanted(&self) -> Result<&'a Value, String> {
        self.value.ok_or_else(|| "the operation has no `value`".to_owned())
    }

    /// The value, where null is one: then it stands for an empty text.
    pub(super) fn wanted_or_empty(&self) -> Result<Value, String> {
        match self.wanted()? {
            Value::Null if self.kind == OperationKind::Replace && self.profile.null_value == NullValue::Empty => {
                Ok(Value::from(""))
            }
            value => Ok(value.clone()),
        }
    }

    /// A value for something that is kept as text: what else there is has a text where lists are kept as texts, too.
    pub(super) fn as_text(&self, value: Value) -> Value {
        match (&value, self.profile.list_values) {
            (Value::Number(_) | Value::Bool(_), ListValues::Joined) => Value::String(value.to_string()),
            _ => value,
        }
    }

    /// Whether indices point at the arrays as they were before the first operation.
    pub(super) fn is_original(&self) -> bool {
        self.profile.indices == Indices::Original
    }

    /// Whether an operation before could have moved or replaced elements of the list that stands so many steps from
    /// the root. What is added stands behind the others where indices are the original ones: it moves none.
    pub(super) fn has_moved(&self, steps: usize) -> bool {
        self.earlier.iter().any(|(kind, path)| {
            let tokens = path.tokens();
            let leads_here = match tokens.len() {
                count if count == steps + 1 => *kind != OperationKind::Add,
                count => count <= steps,
            };
            leads_here && tokens.iter().zip(self.way.iter().take(steps)).all(|(one, two)| one.may_be(*two))
        })
    }

    /// Whether `-` is the last element for `remove` and `replace`, too.
    pub(super) fn knows_last(&self) -> bool {
        self.profile.last_element == LastElement::Allow
    }

    /// The name of the operation.
    pub(super) fn name(&self) -> &'static str {
        self.kind.as_str()
    }
}

/// Does one operation, or leaves the event as it is. `before` is the event before the first operation.
pub(super) fn perform(
    event: &mut Value,
    before: &Value,
    (operation, path): (&Operation, &OperationPath),
    earlier: &[(OperationKind, OperationPath)],
    rules: &ApplyRules<'_>,
) -> Outcome {
    let tokens = path.tokens();
    let places = rules.kind.places.iter().filter_map(|place| Some((place, place.rest(&tokens)?)));
    let Some((place, rest)) = places.min_by_key(|(_, rest)| rest.len()) else {
        return Err(format!("a `{}` action changes nothing there", rules.kind.name));
    };
    let change = Change {
        kind: operation.kind(),
        value: operation.value(),
        way: &tokens,
        earlier,
        rest,
        ends_with_slash: path.ends_with_slash(),
        profile: rules.profile,
        claims: rules.claims,
    };
    if place.operations.as_ref().is_some_and(|known| !known.contains(&change.kind)) {
        return Err(format!("`{}` knows no `{}`", place.path, change.name()));
    }
    let before = before.pointer(&place.path);
    match event.pointer_mut(&place.path) {
        Some(node) => hold(&place.holds, node, before, change),
        None if place.create => {
            let mut made = Value::Null;
            hold(&place.holds, &mut made, before, change)?;
            put(event, place, made)
        }
        None => Err(format!("the event has no `{}`", place.path)),
    }
}

/// Does an operation where something is held, or leaves it as it is.
pub(super) fn hold(holding: &Holding, node: &mut Value, before: Option<&Value>, change: Change<'_>) -> Outcome {
    let was_null = node.is_null();
    let outcome = match holding {
        Holding::Claims {} => claims::change(node, change),
        Holding::Named { .. } => named::change(holding, node, before, change),
        Holding::Texts { pattern, numbers, gone } => list::change_texts(
            node,
            before,
            change,
            &list::TextRules { pattern: pattern.as_ref(), numbers: *numbers, gone: *gone },
        ),
        Holding::Expiry {} => plain::change_expiry(node, change),
        Holding::Members { values } => plain::change_member(node, *values, change),
        Holding::Value {} => plain::change_value(node, before, change),
    };
    // Null gives way to a list or an object before all is checked.
    if was_null && outcome.is_err() {
        *node = Value::Null;
    }
    outcome
}

/// Puts a place into an event that did not have it.
fn put(event: &mut Value, place: &Place, made: Value) -> Outcome {
    let mut node = event;
    for name in place.path.split('/').skip(1) {
        let name = name.replace("~1", "/").replace("~0", "~");
        if node.is_null() {
            *node = Value::Object(Map::new());
        }
        let Value::Object(members) = node else {
            return Err(format!("the event has no room for `{}`: what should hold `{name}` is no object", place.path));
        };
        node = members.entry(name).or_insert(Value::Null);
    }
    *node = made;
    Ok(())
}
