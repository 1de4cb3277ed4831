//! Values on the command line, read by their declared types.

use serde_json::{Map, Value};
use weir_engine::connector::{Argument, ArgumentType};

use super::error::CliError;

/// Splits `NAME=VALUE`.
///
/// # Errors
/// There is no `=`, or nothing before it.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

/// The values of the arguments, each of its declared type.
///
/// # Errors
/// An argument that is not declared, that is given twice, or whose text is not of its type.
pub(super) fn typed(given: &[(String, String)], declared: &[Argument]) -> Result<Map<String, Value>, CliError> {
    let mut arguments = Map::new();
    for (name, text) in given {
        let Some(argument) = declared.iter().find(|argument| argument.name == *name) else {
            let known: Vec<String> = declared
                .iter()
                .map(|it| format!("`{}` ({}{})", it.name, word(it.kind), if it.required { ", required" } else { "" }))
                .collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(CliError::usage(format!(
                "--arg {name}: there is no such argument; the function takes {known}"
            )));
        };
        let value = value(argument.kind, text).ok_or_else(|| {
            let form = form(argument.kind);
            CliError::usage(format!("--arg {name}: `{text}` is not {}; write {form}", argument.kind.with_article()))
        })?;
        if arguments.insert(name.clone(), value).is_some() {
            return Err(CliError::usage(format!("--arg {name}: it is given twice")));
        }
    }
    Ok(arguments)
}

/// A text as a value of that type. A text stands for itself; everything else is JSON.
pub(super) fn value(kind: ArgumentType, text: &str) -> Option<Value> {
    match kind {
        ArgumentType::String => Some(Value::String(text.to_owned())),
        _ => serde_json::from_str(text).ok().filter(|value| kind.accepts(value)),
    }
}

fn word(kind: ArgumentType) -> &'static str {
    let text = kind.with_article();
    text.split_once(' ').map_or(text, |(_, word)| word)
}

fn form(kind: ArgumentType) -> &'static str {
    match kind {
        ArgumentType::String => "any text",
        ArgumentType::Number => "a number such as `1.5`",
        ArgumentType::Integer => "a whole number such as `42`",
        ArgumentType::Boolean => "`true` or `false`",
        ArgumentType::Array => "a JSON list such as `[\"a\", 1]`",
        ArgumentType::Object => "a JSON object such as `{\"a\": 1}`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_become_what_their_arguments_declare() {
        // covers C-16, C-02
        let kinds = ["string", "number", "integer", "boolean", "array", "object"];
        let declared: Vec<Argument> =
            kinds.iter().map(|kind| serde_json::from_value(json!({ "name": kind, "type": kind })).unwrap()).collect();
        let read = |given: &[&str]| {
            let given: Vec<_> = given.iter().map(|text| pair(text).unwrap()).collect();
            typed(&given, &declared).map(Value::Object).map_err(|error| error.message)
        };
        assert_eq!(
            read(&["string=7", "number=1.5", "integer=42", "boolean=true", "array=[1]", "object={\"a\":{}}"]),
            Ok(
                json!({ "string": "7", "number": 1.5, "integer": 42, "boolean": true, "array": [1], "object": { "a": {} } })
            )
        );
        assert_eq!(read(&["string=a=b"]), Ok(json!({ "string": "a=b" })));
        for (bad, says) in [
            ("integer=1.5", "--arg integer: `1.5` is not an integer; write a whole number such as `42`"),
            ("boolean=yes", "--arg boolean: `yes` is not a boolean; write `true` or `false`"),
            ("object=[]", "--arg object: `[]` is not an object; write a JSON object such as `{\"a\": 1}`"),
        ] {
            assert_eq!(read(&[bad]), Err(says.to_owned()));
        }
        assert!(read(&["other=1"]).unwrap_err().contains("takes `string` (string), `number` (number)"));
        assert!(read(&["string=a", "string=b"]).unwrap_err().contains("given twice"));
        assert_eq!((pair("a").is_err(), pair("=a").is_err()), (true, true));
    }
}
