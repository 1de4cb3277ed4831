//! Functions on text. Positions count characters (Unicode code points), from 0, as everywhere in CEL.

use cel::Value;

use super::{Function, Run, function, of_list, of_size, of_text, unfit};
use crate::expression::cost::CostClass;
use crate::expression::meter;

pub(super) static FUNCTIONS: [Function; 16] = [
    function(
        "contains",
        "string.contains(string) -> bool",
        "Whether the text has the other in it",
        ["'abc'.contains('b')", "true"],
        CostClass::Text,
        Run::Standard,
    ),
    function(
        "startsWith",
        "string.startsWith(string) -> bool",
        "Whether the text begins with the other",
        ["'abc'.startsWith('ab')", "true"],
        CostClass::Text,
        Run::Standard,
    ),
    function(
        "endsWith",
        "string.endsWith(string) -> bool",
        "Whether the text ends with the other",
        ["'abc'.endsWith('bc')", "true"],
        CostClass::Text,
        Run::Standard,
    ),
    function(
        "charAt",
        "string.charAt(int) -> string",
        "The character at a position; nothing behind the last",
        ["'abc'.charAt(1)", "\"b\""],
        CostClass::Text,
        Run::Here(char_at),
    ),
    function(
        "indexOf",
        "string.indexOf(string, int?) -> int",
        "Where the other text first stands, from a position on; -1 if nowhere",
        ["'a-b-c'.indexOf('-', 2)", "3"],
        CostClass::Text,
        Run::Here(index_of),
    ),
    function(
        "lastIndexOf",
        "string.lastIndexOf(string) -> int",
        "Where the other text last stands; -1 if nowhere",
        ["'a-b-c'.lastIndexOf('-')", "3"],
        CostClass::Text,
        Run::Here(last_index_of),
    ),
    function(
        "substring",
        "string.substring(int, int?) -> string",
        "The characters from a position to another, which is not part of them, or to the end",
        ["'abcd'.substring(1, 3)", "\"bc\""],
        CostClass::Text,
        Run::Here(substring),
    ),
    function(
        "trim",
        "string.trim() -> string",
        "The text without white space around it",
        ["' a '.trim()", "\"a\""],
        CostClass::Text,
        Run::Here(trim),
    ),
    function(
        "lowerAscii",
        "string.lowerAscii() -> string",
        "The letters A to Z in lower case, all else as it is",
        ["'AbÉ'.lowerAscii()", "\"abÉ\""],
        CostClass::Text,
        Run::Here(lower_ascii),
    ),
    function(
        "upperAscii",
        "string.upperAscii() -> string",
        "The letters a to z in upper case, all else as it is",
        ["'abé'.upperAscii()", "\"ABé\""],
        CostClass::Text,
        Run::Here(upper_ascii),
    ),
    function(
        "lower",
        "string.lower() -> string",
        "The text in lower case, in every script (Unicode, no locale)",
        ["'AbÉ'.lower()", "\"abé\""],
        CostClass::Output,
        Run::Here(lower),
    ),
    function(
        "upper",
        "string.upper() -> string",
        "The text in upper case, in every script (Unicode, no locale)",
        ["'abé'.upper()", "\"ABÉ\""],
        CostClass::Output,
        Run::Here(upper),
    ),
    function(
        "replace",
        "string.replace(string, string, int?) -> string",
        "The text with another in the place of each occurrence, or of the first so many",
        ["'a-b-c'.replace('-', '+', 1)", "\"a+b-c\""],
        CostClass::Output,
        Run::Here(replace),
    ),
    function(
        "split",
        "string.split(string, int?) -> list(string)",
        "The parts between a separator, at most so many; without separator the characters",
        ["'a,b,c'.split(',')", "[\"a\", \"b\", \"c\"]"],
        CostClass::Output,
        Run::Here(split),
    ),
    function(
        "join",
        "list.join(string?) -> string",
        "The texts of a list in one, with a separator between them",
        ["['a', 'b'].join('-')", "\"a-b\""],
        CostClass::Output,
        Run::Here(join),
    ),
    function(
        "reverse",
        "string|list.reverse() -> string|list",
        "The characters, or the items, in the opposite order",
        ["'abc'.reverse()", "\"cba\""],
        CostClass::List,
        Run::Here(reverse),
    ),
];

const OUTSIDE: &str = "is given a position outside of the text";

fn position(number: i64) -> Result<usize, String> {
    usize::try_from(number).map_err(|_| OUTSIDE.to_owned())
}

/// Where the character of that position begins, in bytes; the end counts.
fn byte_at(text: &str, number: i64) -> Result<usize, String> {
    let ends = std::iter::once(text.len());
    let mut starts = text.char_indices().map(|(index, _)| index).chain(ends);
    starts.nth(position(number)?).ok_or_else(|| OUTSIDE.to_owned())
}

fn char_at(given: &[Value]) -> Result<Value, String> {
    let [Value::String(text), Value::Int(number)] = given else { return Err(unfit()) };
    let start = byte_at(text, *number)?;
    let found = text.get(start..).and_then(|rest| rest.chars().next());
    Ok(of_text(found.map(String::from).unwrap_or_default()))
}

fn index_of(given: &[Value]) -> Result<Value, String> {
    let (text, wanted, from) = match given {
        [Value::String(text), Value::String(wanted)] => (text, wanted, 0),
        [Value::String(text), Value::String(wanted), Value::Int(from)] => (text, wanted, byte_at(text, *from)?),
        _ => return Err(unfit()),
    };
    let found = text.get(from..).and_then(|rest| rest.find(wanted.as_str()));
    Ok(found.map_or(Value::Int(-1), |index| characters_before(text, from + index)))
}

fn last_index_of(given: &[Value]) -> Result<Value, String> {
    let [Value::String(text), Value::String(wanted)] = given else { return Err(unfit()) };
    Ok(text.rfind(wanted.as_str()).map_or(Value::Int(-1), |index| characters_before(text, index)))
}

fn characters_before(text: &str, byte: usize) -> Value {
    of_size(text.get(..byte).unwrap_or_default().chars().count())
}

fn substring(given: &[Value]) -> Result<Value, String> {
    let (text, start, end) = match given {
        [Value::String(text), Value::Int(start)] => (text, *start, text.len()),
        [Value::String(text), Value::Int(start), Value::Int(end)] => (text, *start, byte_at(text, *end)?),
        _ => return Err(unfit()),
    };
    let start = byte_at(text, start)?;
    text.get(start..end).map(of_text).ok_or_else(|| "is given an end that stands before the start".to_owned())
}

fn of_one(given: &[Value], change: impl Fn(&str) -> String) -> Result<Value, String> {
    let [Value::String(text)] = given else { return Err(unfit()) };
    Ok(of_text(change(text)))
}

fn trim(given: &[Value]) -> Result<Value, String> {
    of_one(given, |text| text.trim().to_owned())
}

fn lower_ascii(given: &[Value]) -> Result<Value, String> {
    of_one(given, str::to_ascii_lowercase)
}

fn upper_ascii(given: &[Value]) -> Result<Value, String> {
    of_one(given, str::to_ascii_uppercase)
}

fn lower(given: &[Value]) -> Result<Value, String> {
    of_one(given, str::to_lowercase)
}

fn upper(given: &[Value]) -> Result<Value, String> {
    of_one(given, str::to_uppercase)
}

/// A count as CEL means it: all where it is negative.
fn count(number: i64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn replace(given: &[Value]) -> Result<Value, String> {
    let (text, from, to, most) = match given {
        [Value::String(text), Value::String(from), Value::String(to)] => (text, from, to, usize::MAX),
        [Value::String(text), Value::String(from), Value::String(to), Value::Int(most)] => {
            (text, from, to, count(*most))
        }
        _ => return Err(unfit()),
    };
    let places = text.matches(from.as_str()).take(most).count() as u64;
    meter::room((text.len() as u64).saturating_add(places.saturating_mul(to.len() as u64)))?;
    Ok(of_text(text.replacen(from.as_str(), to, most)))
}

fn split(given: &[Value]) -> Result<Value, String> {
    let (text, separator, most) = match given {
        [Value::String(text), Value::String(separator)] => (text, separator, usize::MAX),
        [Value::String(text), Value::String(separator), Value::Int(most)] => (text, separator, count(*most)),
        _ => return Err(unfit()),
    };
    let places = if separator.is_empty() { text.chars().count() } else { text.matches(separator.as_str()).count() };
    meter::room(text.len() as u64 + 16 * (places.min(most) as u64 + 1))?;
    let parts: Vec<Value> = match (most, separator.is_empty()) {
        (0, _) => Vec::new(),
        (_, true) => {
            let whole = text.chars().take(most - 1).map(String::from);
            let rest: String = text.chars().skip(most - 1).collect();
            whole.chain(Some(rest).filter(|rest| !rest.is_empty())).map(of_text).collect()
        }
        (_, false) => text.splitn(most, separator.as_str()).map(of_text).collect(),
    };
    Ok(of_list(parts))
}

fn join(given: &[Value]) -> Result<Value, String> {
    let (list, separator) = match given {
        [Value::List(list)] => (list, ""),
        [Value::List(list), Value::String(separator)] => (list, separator.as_str()),
        _ => return Err(unfit()),
    };
    let mut bytes = (list.len() as u64).saturating_mul(separator.len() as u64);
    let mut texts = Vec::with_capacity(list.len());
    for item in list.iter() {
        let Value::String(text) = item else {
            return Err("is given a list with something that is no text; write `.map(x, string(x))` before".to_owned());
        };
        bytes += text.len() as u64;
        texts.push(text.as_str());
    }
    meter::room(bytes)?;
    Ok(of_text(texts.join(separator)))
}

fn reverse(given: &[Value]) -> Result<Value, String> {
    match given {
        [Value::String(text)] => Ok(of_text(text.chars().rev().collect::<String>())),
        [Value::List(list)] => Ok(of_list(list.iter().rev().cloned().collect())),
        _ => Err(unfit()),
    }
}
