//! Arguments against their declaration (C-02).

use serde_json::{Map, Number, Value};
use weir_engine::connector::{Argument, ArgumentType};
use weir_engine::expression::type_name;
use weir_engine::ports::{ConnectorError, ConnectorErrorKind};

use crate::error::error;

/// The `args` root: every declared argument, with its default or null where none was given. A given null counts as
/// not given.
///
/// # Errors
/// `invalid-argument`, with every fault.
pub(super) fn bind(declared: &[Argument], given: &Map<String, Value>) -> Result<Value, ConnectorError> {
    let mut faults = unknown(declared, given);
    let mut bound = Map::new();
    for argument in declared {
        match value_of(argument, given.get(&argument.name)) {
            Ok(value) => {
                bound.insert(argument.name.clone(), value);
            }
            Err(fault) => faults.push(fault.message),
        }
    }
    if faults.is_empty() { Ok(Value::Object(bound)) } else { Err(invalid(faults.join("; "))) }
}

/// Whether a value is of a type, and as that type: `5.0` is the integer `5`.
pub(crate) fn of_type(kind: ArgumentType, value: &Value) -> Option<Value> {
    let fits = match (kind, value) {
        (ArgumentType::Integer, Value::Number(number)) => return whole(number).map(Value::Number),
        (ArgumentType::String, Value::String(_))
        | (ArgumentType::Number, Value::Number(_))
        | (ArgumentType::Boolean, Value::Bool(_))
        | (ArgumentType::Array, Value::Array(_))
        | (ArgumentType::Object, Value::Object(_)) => true,
        _ => false,
    };
    fits.then(|| value.clone())
}

/// The name of a type, with its article.
pub(crate) fn name_of(kind: ArgumentType) -> &'static str {
    match kind {
        ArgumentType::String => "a string",
        ArgumentType::Number => "a number",
        ArgumentType::Integer => "a whole number",
        ArgumentType::Boolean => "a boolean",
        ArgumentType::Array => "a list",
        ArgumentType::Object => "an object",
    }
}

/// Beyond 2^53 a float no longer says which integer it is.
fn whole(number: &Number) -> Option<Number> {
    if !number.is_f64() {
        return Some(number.clone());
    }
    let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0)?;
    let integer = float as i64;
    Some(integer.into())
}

fn value_of(argument: &Argument, given: Option<&Value>) -> Result<Value, ConnectorError> {
    let name = &argument.name;
    match given {
        None | Some(Value::Null) if argument.required => {
            Err(invalid(format!("argument `{name}` is required; give it {}", name_of(argument.kind))))
        }
        None | Some(Value::Null) => Ok(argument.default.clone().unwrap_or_default()),
        Some(value) => of_type(argument.kind, value).ok_or_else(|| {
            let (declared, is) = (name_of(argument.kind), type_name(value));
            let is =
                if value.is_f64() && argument.kind == ArgumentType::Integer { "a number with a fraction" } else { is };
            invalid(format!("argument `{name}` is declared as {declared}, but is given {is}"))
        }),
    }
}

fn unknown(declared: &[Argument], given: &Map<String, Value>) -> Vec<String> {
    let names: Vec<&str> = declared.iter().map(|argument| argument.name.as_str()).collect();
    let known = if names.is_empty() { "none".to_owned() } else { format!("`{}`", names.join("`, `")) };
    given
        .keys()
        .filter(|name| !names.contains(&name.as_str()))
        .map(|name| {
            let name: String = name.chars().take(80).collect();
            format!("argument `{name}` is not declared; the function takes {known}")
        })
        .collect()
}

fn invalid(message: String) -> ConnectorError {
    error(ConnectorErrorKind::InvalidArgument, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn declared(json: Value) -> Vec<Argument> {
        serde_json::from_value(json).expect("arguments")
    }

    fn bound(arguments: &[Argument], given: Value) -> Result<Value, String> {
        let Value::Object(given) = given else { panic!("an object") };
        bind(arguments, &given).map_err(|error| error.message)
    }

    #[test]
    fn types_defaults_and_required() {
        // covers C-02
        let arguments = declared(json!([
            {"name": "s", "type": "string", "required": true},
            {"name": "i", "type": "integer", "default": 3},
            {"name": "n", "type": "number"},
        ]));
        assert_eq!(bound(&arguments, json!({"s": "x"})), Ok(json!({"s": "x", "i": 3, "n": null})));
        assert_eq!(bound(&arguments, json!({"s": "", "i": 4.0, "n": 1})), Ok(json!({"s": "", "i": 4, "n": 1})));
        assert_eq!(bound(&arguments, json!({"s": "x", "i": null})), Ok(json!({"s": "x", "i": 3, "n": null})));
        assert_eq!(
            bound(&arguments, json!({"i": 1.5, "zz": 1})),
            Err("argument `zz` is not declared; the function takes `s`, `i`, `n`; argument `s` is required; give it a string; argument `i` is declared as a whole number, but is given a number with a fraction".to_owned())
        );
    }

    #[test]
    fn each_type_takes_its_own_values_only() {
        let values = [json!("x"), json!(1.5), json!(true), json!([]), json!({})];
        let kinds = ["string", "number", "boolean", "array", "object"];
        for (row, kind) in kinds.iter().enumerate() {
            for (column, value) in values.iter().enumerate() {
                let arguments = declared(json!([{"name": "a", "type": kind}]));
                assert_eq!(bound(&arguments, json!({"a": value})).is_ok(), row == column, "{kind} {value}");
            }
        }
        for (number, fits) in [(json!(1), true), (json!(-1.0), true), (json!(1e300), false), (json!(u64::MAX), true)] {
            assert_eq!(of_type(ArgumentType::Integer, &number).is_some(), fits, "{number}");
        }
    }
}
