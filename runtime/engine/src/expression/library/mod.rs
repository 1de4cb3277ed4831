//! The functions that expressions may use: those of CEL, and ours beside them. The tables below are the only place
//! where a function is described: parsing, type check, `weir eval --functions` and the README read them.

mod dates;
mod encodings;
mod json;
mod lists;
mod patterns;
mod signature;
mod standard;
mod text;

use std::sync::LazyLock;

use cel::Value;
use cel::common::ast::{CallExpr, Expr};

pub(super) use self::signature::{Form, Signature};
use super::cost::CostClass;

/// A function as authors see it.
#[derive(Debug)]
pub struct Function {
    /// Its name, with the name of its group where it has one: `split`, `json.parse`.
    pub name: &'static str,
    /// How it is called, and what it gives. What ends with `?` may be left out.
    pub signature: &'static str,
    /// What it does, in a sentence.
    pub does: &'static str,
    /// An expression that uses it.
    pub example: &'static str,
    /// What that gives, as JSON.
    pub gives: &'static str,
    /// How its cost grows.
    pub cost: CostClass,
    pub(super) run: Run,
}

/// Who runs a function.
#[derive(Debug, Clone, Copy)]
pub(super) enum Run {
    /// The parser turns it into a loop or a test.
    Macro,
    /// CEL itself.
    Standard,
    /// We do. What it is given fits its signature.
    Here(Operation),
}

/// Its problem is the end of a sentence and names no value.
pub(super) type Operation = fn(&[Value]) -> Result<Value, String>;

/// A row of a table: name, signature, what it does, an example with its result.
const fn function(
    name: &'static str,
    signature: &'static str,
    does: &'static str,
    [example, gives]: [&'static str; 2],
    cost: CostClass,
    run: Run,
) -> Function {
    Function { name, signature, does, example, gives, cost, run }
}

/// A part of the library.
#[derive(Debug)]
pub struct Group {
    /// What its functions are about.
    pub title: &'static str,
    /// Its functions.
    pub functions: &'static [Function],
}

static GROUPS: [Group; 8] = [
    Group { title: "Loops and tests", functions: &standard::MACROS },
    Group { title: "Conversions and sizes", functions: &standard::CONVERSIONS },
    Group { title: "Text", functions: &text::FUNCTIONS },
    Group { title: "Patterns", functions: &patterns::FUNCTIONS },
    Group { title: "Lists", functions: &lists::FUNCTIONS },
    Group { title: "Dates and times", functions: &dates::FUNCTIONS },
    Group { title: "Encodings and hashes", functions: &encodings::FUNCTIONS },
    Group { title: "JSON and optional values", functions: &json::FUNCTIONS },
];

/// Every function, in the order of the documentation.
pub fn groups() -> &'static [Group] {
    &GROUPS
}

/// A function with its signature taken apart.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) function: &'static Function,
    pub(super) signature: Signature,
}

static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let functions = GROUPS.iter().flat_map(|group| group.functions);
    functions.map(|function| Entry { function, signature: Signature::read(function) }).collect()
});

/// The entry of that number.
pub(super) fn entry(number: usize) -> Option<&'static Entry> {
    ENTRIES.get(number)
}

/// What a call means.
#[derive(Debug)]
pub(super) enum Callee<'a> {
    /// An operator, or what the parser itself puts in.
    Operator,
    /// A function, by number, and what it is given: the value that it is called on comes first.
    Function(usize, Vec<&'a cel::IdedExpr>),
    /// Nothing: how to mend it.
    Unknown(String),
}

/// What a call means.
pub(super) fn callee(call: &CallExpr) -> Callee<'_> {
    if !call.func_name.starts_with(char::is_alphabetic) {
        return Callee::Operator;
    }
    let qualified = group_of(call).map(|group| format!("{group}.{}", call.func_name));
    let is_qualified = qualified.is_some();
    let form = if is_qualified || call.target.is_none() { Form::Function } else { Form::Member };
    let name = qualified.unwrap_or_else(|| call.func_name.clone());
    let target = call.target.as_deref().filter(|_| !is_qualified);
    let given: Vec<&cel::IdedExpr> = target.into_iter().chain(&call.args).collect();
    let named = |entry: &&Entry| entry.function.name == name;
    let found = ENTRIES.iter().enumerate().find(|(_, entry)| named(entry) && entry.signature.form == form);
    match found {
        Some((_, entry)) if matches!(entry.function.run, Run::Macro) || !entry.signature.takes(given.len()) => {
            Callee::Unknown(format!("`{name}` is called as `{}`", entry.function.signature))
        }
        Some((number, _)) => Callee::Function(number, given),
        None => Callee::Unknown(match ENTRIES.iter().find(named) {
            Some(entry) => format!("`{name}` is called as `{}`", entry.function.signature),
            None => format!("there is no function `{name}`{}", suggestion(&name)),
        }),
    }
}

/// The group that stands before the dot of a call: `json` in `json.parse(…)`.
pub(super) fn group_of(call: &CallExpr) -> Option<&str> {
    let Expr::Ident(group) = &call.target.as_deref()?.expr else { return None };
    let is_group = |entry: &Entry| entry.function.name.split_once('.').is_some_and(|(first, _)| first == group);
    ENTRIES.iter().any(is_group).then_some(group.as_str())
}

/// Names that people bring from elsewhere.
const ELSEWHERE: [(&str, &str); 23] = [
    ("sortBy", "sortByKeys"),
    ("toLowerCase", "lower"),
    ("toUpperCase", "upper"),
    ("toLower", "lower"),
    ("toUpper", "upper"),
    ("length", "size"),
    ("len", "size"),
    ("count", "size"),
    ("find", "regex.extract"),
    ("findAll", "regex.extractAll"),
    ("match", "matches"),
    ("includes", "contains"),
    ("slice", "substring"),
    ("substr", "substring"),
    ("unique", "distinct"),
    ("any", "exists"),
    ("some", "exists"),
    ("every", "all"),
    ("range", "lists.range"),
    ("zip", "lists.zip"),
    ("sha256", "hash.sha256"),
    ("sha512", "hash.sha512"),
    ("parseJson", "json.parse"),
];

/// The end of a sentence: the name that was meant, if one is near; why some that people look for do not exist.
fn suggestion(name: &str) -> String {
    let last = name.rsplit('.').next().unwrap_or(name);
    match last.to_ascii_lowercase().as_str() {
        "now" | "today" => {
            return ", because a run that is repeated must give the same; `timestamp(run.created_at)` is its time"
                .to_owned();
        }
        "uuid" | "uuidv4" | "random" | "rand" => {
            return ", because a run that is repeated must give the same; `run.id` is unique for each run".to_owned();
        }
        "hmac" | "hmacsha256" | "sign" => {
            return ", because its secret would stand in a flow; sign in the connector's `authentication`".to_owned();
        }
        _ => {}
    }
    let known = ELSEWHERE.iter().find(|(other, _)| *other == last).map(|(_, ours)| *ours);
    let near = || {
        let names = ENTRIES.iter().map(|entry| entry.function.name);
        let distance = |known: &str| {
            let short = known.rsplit('.').next().unwrap_or(known);
            strsim::damerau_levenshtein(known, name).min(strsim::damerau_levenshtein(short, last))
        };
        let nearest = names.map(|known| (distance(known), known)).min();
        nearest.filter(|(distance, known)| *distance <= 1 + known.len().min(name.len()) / 4).map(|(_, known)| known)
    };
    known.or_else(near).map_or_else(
        || "; `weir eval --functions` lists those that there are".to_owned(),
        |found| format!("; did you mean `{found}`?"),
    )
}

/// What no value given can lead to: the signature says what a function takes.
fn unfit() -> String {
    "is given what it is not made for".to_owned()
}

fn of_text(text: impl Into<String>) -> Value {
    Value::String(std::sync::Arc::new(text.into()))
}

fn of_list(items: Vec<Value>) -> Value {
    Value::List(std::sync::Arc::new(items))
}

fn of_bytes(bytes: Vec<u8>) -> Value {
    Value::Bytes(std::sync::Arc::new(bytes))
}

fn of_option(value: Option<Value>) -> Value {
    let optional = value.map_or_else(cel::objects::OptionalValue::none, cel::objects::OptionalValue::of);
    Value::Opaque(std::sync::Arc::new(optional))
}

fn of_size(number: usize) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
