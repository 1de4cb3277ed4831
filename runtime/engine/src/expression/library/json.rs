//! JSON in text, values by their pointer, and values that may be missing.

use cel::Value;
use cel::objects::Key;

use super::{Function, Run, function, of_text, unfit};
use crate::expression::cost::CostClass;
use crate::expression::{meter, scope};

/// The deepest nesting that `json.parse` reads.
const DEPTH_MAX: usize = 64;

pub(super) static FUNCTIONS: [Function; 9] = [
    function(
        "json.parse",
        "json.parse(string) -> any",
        "The value that JSON text says; at most 64 levels deep",
        ["json.parse('{\"a\": [1]}').a", "[1]"],
        CostClass::Output,
        Run::Here(parse),
    ),
    function(
        "json.stringify",
        "json.stringify(any) -> string",
        "The value as JSON text without white space, names in order",
        ["json.stringify({'b': 1, 'a': [true]})", "\"{\\\"a\\\":[true],\\\"b\\\":1}\""],
        CostClass::Output,
        Run::Here(stringify),
    ),
    function(
        "get",
        "any.get(string, any?) -> any",
        "The part at a JSON pointer (RFC 6901); where there is none, the other value, or null",
        ["{'a': [1, 2]}.get('/a/1', 0)", "2"],
        CostClass::List,
        Run::Here(get),
    ),
    function(
        "optional.of",
        "optional.of(any) -> optional",
        "The value as an optional one",
        ["optional.of(1).hasValue()", "true"],
        CostClass::Output,
        Run::Standard,
    ),
    function(
        "optional.none",
        "optional.none() -> optional",
        "The optional value that is missing",
        ["optional.none().orValue(2)", "2"],
        CostClass::Constant,
        Run::Standard,
    ),
    function(
        "hasValue",
        "optional.hasValue() -> bool",
        "Whether it is there; `a.?b` and `a[?b]` give optional values",
        ["{'a': 1}.?b.hasValue()", "false"],
        CostClass::Constant,
        Run::Standard,
    ),
    function(
        "value",
        "optional.value() -> any",
        "The value itself; an error where it is missing",
        ["{'a': 1}.?a.value()", "1"],
        CostClass::Output,
        Run::Standard,
    ),
    function(
        "or",
        "optional.or(optional) -> optional",
        "It, or the other one where it is missing",
        ["{'a': 1}.?b.or(optional.of(2)).value()", "2"],
        CostClass::Output,
        Run::Standard,
    ),
    function(
        "orValue",
        "optional.orValue(any) -> any",
        "The value itself, or the other one where it is missing",
        ["{'a': 1}.?b.orValue(2)", "2"],
        CostClass::Output,
        Run::Standard,
    ),
];

fn parse(given: &[Value]) -> Result<Value, String> {
    let [Value::String(text)] = given else { return Err(unfit()) };
    meter::room(weight_max(text))?;
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| match (error.line(), error.column()) {
            _ if error.to_string().starts_with("recursion") => too_deep(),
            (line, column) => format!("is given text that is no JSON: at line {line}, column {column}"),
        })?;
    if is_deeper(&value, DEPTH_MAX) { Err(too_deep()) } else { Ok(scope::to_cel(&value)) }
}

/// What the values and names that the text can say take in memory at most, in bytes: one, and what follows each sign that
/// begins another. Measured while JSON's own tree and the expression's stand side by side.
fn weight_max(text: &str) -> u64 {
    let (mut bytes, mut quoted, mut escaped) = (PART_BYTES, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b'{' if !quoted => bytes += OBJECT_BYTES,
            b',' | b':' | b'[' if !quoted => bytes += PART_BYTES,
            _ => {}
        }
    }
    bytes
}

const PART_BYTES: u64 = 64;
const OBJECT_BYTES: u64 = 512;

fn too_deep() -> String {
    format!("is given JSON that nests deeper than {DEPTH_MAX} levels")
}

fn is_deeper(value: &serde_json::Value, levels: usize) -> bool {
    let Some(inner) = levels.checked_sub(1) else { return true };
    match value {
        serde_json::Value::Array(list) => list.iter().any(|item| is_deeper(item, inner)),
        serde_json::Value::Object(object) => object.values().any(|item| is_deeper(item, inner)),
        _ => false,
    }
}

fn stringify(given: &[Value]) -> Result<Value, String> {
    let [value] = given else { return Err(unfit()) };
    scope::from_cel(value).map(|value| of_text(value.to_string()))
}

fn get(given: &[Value]) -> Result<Value, String> {
    let (value, pointer, otherwise) = match given {
        [value, Value::String(pointer)] => (value, pointer, Value::Null),
        [value, Value::String(pointer), otherwise] => (value, pointer, otherwise.clone()),
        _ => return Err(unfit()),
    };
    if !pointer.is_empty() && !pointer.starts_with('/') {
        return Err("is given a pointer that does not begin with `/`; write `/user/name`".to_owned());
    }
    let names = pointer.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~"));
    let found = names.into_iter().try_fold(value, |value, name| match value {
        Value::Map(map) => map.map.get(&Key::from(name)),
        Value::List(list) => name.parse::<usize>().ok().and_then(|index| list.get(index)),
        _ => None,
    });
    Ok(found.cloned().unwrap_or(otherwise))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::cost::{BUILT_MAX, Cost};

    #[test]
    fn text_that_says_too_many_values_is_refused_before_they_are_built() {
        // keeps S-10
        let list = |item: &str, items: u64| format!("[{item}{}]", format!(",{item}").repeat(items as usize));
        let parsed = |text: String| {
            meter::metered(&meter::Patterns::default(), Cost::default(), || parse(&[of_text(text)]).map(drop))
        };
        for (item, bytes) in [("0", PART_BYTES), ("[]", PART_BYTES), (r#"{"":0}"#, OBJECT_BYTES)] {
            let (refused, _, over) = parsed(list(item, BUILT_MAX / bytes));
            assert!(refused.is_err() && over.expect("over").contains("builds more than"), "{item}");
            assert_eq!(parsed(list(item, 1_000)).0, Ok(()), "{item}");
        }
        assert_eq!(parsed(format!("\"{}\\\"{}\"", "[".repeat(2 << 20), ",".repeat(2 << 20))).0, Ok(()), "in a text");
        let (parts, objects) = (7, 2);
        let weight = parts * PART_BYTES + objects * OBJECT_BYTES;
        assert_eq!(weight_max(r#"{"a:,[{\"": [1, {}, "b"], "c": null}"#), weight);
    }
}
