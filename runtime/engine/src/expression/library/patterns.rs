//! Regular expressions (RE2 syntax, of the crate `regex`), in linear time. A pattern stands in the expression as a
//! text in quotes: it is compiled when the expression is parsed, and its size is known.

use std::collections::HashMap;
use std::sync::Arc;

use cel::Value;
use cel::objects::{Key, Map};
use regex::Captures;

use super::{Function, Run, function, of_list, of_option, of_text, unfit};
use crate::expression::cost::CostClass;
use crate::expression::meter::{self, Pattern};

pub(super) static FUNCTIONS: [Function; 6] = [
    function(
        "matches",
        "string.matches(string) -> bool",
        "Whether the pattern is found in the text; `^…$` means all of it",
        ["'ab12'.matches('^[a-z]+[0-9]+$')", "true"],
        CostClass::Pattern,
        Run::Here(matches),
    ),
    function(
        "matches",
        "matches(string, string) -> bool",
        "The same, with the text first",
        ["matches('ab12', '^[0-9]+$')", "false"],
        CostClass::Pattern,
        Run::Here(matches),
    ),
    function(
        "regex.extract",
        "regex.extract(string, string) -> optional",
        "The first match, or what its group caught; the pattern has one group at most",
        ["regex.extract('id=42;', 'id=([0-9]+)').orValue('')", "\"42\""],
        CostClass::Pattern,
        Run::Here(extract),
    ),
    function(
        "regex.extractAll",
        "regex.extractAll(string, string) -> list(string)",
        "Every match, or what its group caught",
        ["regex.extractAll('a1 b2', '[a-z]([0-9])')", "[\"1\", \"2\"]"],
        CostClass::Pattern,
        Run::Here(extract_all),
    ),
    function(
        "regex.replace",
        "regex.replace(string, string, string, int?) -> string",
        "The text with another for each match, or for the first so many; `\\1` is what the first group caught, `\\0` all",
        ["regex.replace('a1 b2', '([a-z])([0-9])', r'\\2\\1')", "\"1a 2b\""],
        CostClass::Pattern,
        Run::Here(replace),
    ),
    function(
        "regex.captures",
        "regex.captures(string, string) -> map",
        "What the groups of the first match caught, by number and by name; empty without a match",
        ["regex.captures('2026-01', '(?P<year>[0-9]{4})-').year", "\"2026\""],
        CostClass::Pattern,
        Run::Here(captures),
    ),
];

/// How many bytes of a compiled pattern may look at a byte of text as one operation.
const PATTERN_BYTES_PER_OPERATION: u64 = 1 << 10;

/// What each search takes besides.
const SEARCH_OPERATIONS: u64 = 50;

fn pattern(text: &str) -> Result<Arc<Pattern>, String> {
    meter::pattern(text).ok_or_else(|| "is given a pattern that does not stand in the expression".to_owned())
}

/// Before a search in so many bytes.
fn spend(pattern: &Pattern, bytes: usize) -> Result<(), String> {
    let each = pattern.bytes.div_ceil(PATTERN_BYTES_PER_OPERATION);
    meter::spend((bytes as u64).saturating_mul(each).saturating_add(SEARCH_OPERATIONS))
}

fn matches(given: &[Value]) -> Result<Value, String> {
    let [Value::String(text), Value::String(source)] = given else { return Err(unfit()) };
    let pattern = pattern(source)?;
    spend(&pattern, text.len())?;
    Ok(Value::Bool(pattern.regex.is_match(text)))
}

/// What a match stands for: its only group, or all of it.
fn caught(pattern: &Pattern, found: &Captures<'_>) -> Option<String> {
    let group = usize::from(pattern.regex.captures_len() > 1);
    found.get(group).map(|part| part.as_str().to_owned())
}

fn with_one_group(source: &str) -> Result<Arc<Pattern>, String> {
    let pattern = pattern(source)?;
    if pattern.regex.captures_len() > 2 {
        return Err(
            "is given a pattern with more than one group; write `(?:…)` for those that catch nothing".to_owned()
        );
    }
    Ok(pattern)
}

fn extract(given: &[Value]) -> Result<Value, String> {
    let [Value::String(text), Value::String(source)] = given else { return Err(unfit()) };
    let pattern = with_one_group(source)?;
    spend(&pattern, text.len())?;
    let found = pattern.regex.captures(text);
    Ok(of_option(found.and_then(|found| caught(&pattern, &found)).map(of_text)))
}

/// Every match, `most` at most. Each search may look at all that is left, and is paid for so: that all matches
/// together were found in linear time, nobody promises.
fn each<'t>(
    pattern: &Pattern,
    text: &'t str,
    most: usize,
    mut with: impl FnMut(Captures<'t>) -> Result<(), String>,
) -> Result<(), String> {
    spend(pattern, text.len())?;
    for found in pattern.regex.captures_iter(text).take(most) {
        let end = found.get(0).map_or(0, |whole| whole.end());
        with(found)?;
        spend(pattern, text.len() - end)?;
    }
    Ok(())
}

fn extract_all(given: &[Value]) -> Result<Value, String> {
    let [Value::String(text), Value::String(source)] = given else { return Err(unfit()) };
    let pattern = with_one_group(source)?;
    let mut items = Vec::new();
    each(&pattern, text, usize::MAX, |found| {
        items.extend(caught(&pattern, &found).map(of_text));
        Ok(())
    })?;
    Ok(of_list(items))
}

fn replace(given: &[Value]) -> Result<Value, String> {
    let (text, source, with, most) = match given {
        [Value::String(text), Value::String(source), Value::String(with)] => (text, source, with, usize::MAX),
        [Value::String(text), Value::String(source), Value::String(with), Value::Int(most)] => {
            (text, source, with, usize::try_from(*most).unwrap_or(usize::MAX))
        }
        _ => return Err(unfit()),
    };
    let pattern = pattern(source)?;
    let parts = replacement(with, pattern.regex.captures_len())?;
    let (mut result, mut done) = (String::new(), 0);
    each(&pattern, text, most, |found| {
        let Some(whole) = found.get(0) else { return Ok(()) };
        let before = text.get(done..whole.start()).unwrap_or_default();
        let added: Vec<&str> = std::iter::once(before).chain(parts.iter().map(|part| part.of(&found))).collect();
        meter::room(added.iter().map(|part| part.len() as u64).sum::<u64>() + result.len() as u64)?;
        result.extend(added);
        done = whole.end();
        Ok(())
    })?;
    result.push_str(text.get(done..).unwrap_or_default());
    Ok(of_text(result))
}

/// A part of what stands for a match.
enum Replacement {
    Text(String),
    Group(usize),
}

impl Replacement {
    fn of<'a>(&'a self, found: &'a Captures<'_>) -> &'a str {
        match self {
            Self::Text(text) => text,
            Self::Group(group) => found.get(*group).map_or("", |part| part.as_str()),
        }
    }
}

fn replacement(text: &str, groups: usize) -> Result<Vec<Replacement>, String> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            literal.push(character);
            continue;
        }
        match characters.next() {
            Some('\\') => literal.push('\\'),
            Some(digit) if digit.to_digit(10).is_some_and(|group| (group as usize) < groups) => {
                parts.push(Replacement::Text(std::mem::take(&mut literal)));
                parts.push(Replacement::Group(digit.to_digit(10).unwrap_or_default() as usize));
            }
            _ => return Err("is given a replacement with a `\\` that no group of the pattern follows".to_owned()),
        }
    }
    parts.push(Replacement::Text(literal));
    Ok(parts)
}

fn captures(given: &[Value]) -> Result<Value, String> {
    let [Value::String(text), Value::String(source)] = given else { return Err(unfit()) };
    let pattern = pattern(source)?;
    spend(&pattern, text.len())?;
    let mut map = HashMap::new();
    if let Some(found) = pattern.regex.captures(text) {
        for (number, name) in pattern.regex.capture_names().enumerate() {
            let part = found.get(number).map_or(Value::Null, |part| of_text(part.as_str()));
            for key in std::iter::once(number.to_string()).chain(name.map(str::to_owned)) {
                map.insert(Key::from(key), part.clone());
            }
        }
    }
    Ok(Value::Map(Map { map: Arc::new(map) }))
}
