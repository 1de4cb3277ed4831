//! Signatures, as the tables write them: `string.split(string, int?) -> list(string)`.

use super::Function;
use crate::expression::kinds::Kinds;

/// How a function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::expression) enum Form {
    /// `name(…)` or `group.name(…)`.
    Function,
    /// `value.name(…)`.
    Member,
}

/// A signature, taken apart.
#[derive(Debug)]
pub(in crate::expression) struct Signature {
    pub(in crate::expression) form: Form,
    /// What it takes: the value that it is called on comes first.
    pub(in crate::expression) takes: Vec<Kinds>,
    /// How many of those must be there.
    pub(in crate::expression) needed: usize,
    /// What it gives.
    pub(in crate::expression) gives: Kinds,
    /// What stands in the list that it gives; of what it gives, where that may be no list.
    pub(in crate::expression) items: Kinds,
}

impl Signature {
    /// Of a function of the tables. A test reads every one.
    pub(super) fn read(function: &Function) -> Self {
        let (call, gives) = function.signature.split_once(" -> ").unwrap_or((function.signature, "any"));
        let (head, arguments) = call.split_once('(').unwrap_or((call, ""));
        let arguments = arguments.trim_end_matches(')');
        let receiver = head.strip_suffix(function.name).and_then(|head| head.strip_suffix('.'));
        let form = if receiver.is_some() { Form::Member } else { Form::Function };
        let arguments: Vec<&str> = arguments.split(", ").filter(|argument| !argument.is_empty()).collect();
        let optional = arguments.iter().filter(|argument| argument.ends_with('?')).count();
        let takes = receiver.into_iter().chain(arguments.iter().map(|argument| argument.trim_end_matches('?')));
        let takes: Vec<Kinds> = takes.map(|text| kinds(text).0).collect();
        let needed = takes.len() - optional;
        let (gives, items) = kinds(gives);
        Self { form, takes, needed, gives, items }
    }

    /// Whether so many are right.
    pub(super) fn takes(&self, count: usize) -> bool {
        (self.needed..=self.takes.len()).contains(&count)
    }
}

/// Of `a|b` or `list(a|b)`: the kinds, and those of the items. Other words, as those of macros, mean anything.
fn kinds(text: &str) -> (Kinds, Kinds) {
    if let Some(items) = text.strip_prefix("list(").map(|rest| rest.trim_end_matches(')')) {
        return (kinds("list").0, kinds(items).0);
    }
    let named = text.split('|').map(|name| Kinds::named(name).unwrap_or(Kinds::ANY));
    (named.fold(Kinds::NONE, Kinds::or), Kinds::ANY)
}
