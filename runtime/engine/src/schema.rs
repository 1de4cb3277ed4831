//! JSON Schemas of tenants. They run on the host, so what they cost is bounded when they are saved (S-10): size,
//! references, and how often a part of a value can be looked at. Nothing is fetched.

use std::collections::HashMap;
use std::fmt;

use serde_json::Value;

/// The largest schema, in bytes of JSON.
pub const SCHEMA_BYTES_MAX: usize = 64 << 10;

/// The most schemas that one part of a value may be held against, references followed.
pub const SCHEMAS_MAX: u64 = 1_000;

/// The most looks at parts of one value: its parts, each against every schema.
const LOOKS_MAX: u64 = 50_000_000;

/// The most looks at a value that all of its violations are collected for: a violation takes much more memory than
/// the part of the value that it is about.
const COLLECTED_LOOKS_MAX: u64 = 20_000;

/// The most violations that are told.
const VIOLATIONS_MAX: usize = 10;

/// The longest text of a violation, in characters.
const VIOLATION_CHARS_MAX: usize = 200;

/// A schema, ready to be held against values.
#[derive(Debug)]
pub struct Schema {
    validator: jsonschema::Validator,
    cost: u64,
}

/// Why a value is no schema that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SchemaFault {
    /// Where in the schema, as a JSON pointer.
    pub pointer: String,
    /// What is wrong and how to mend it.
    pub message: String,
}

/// What of a value does not fulfil a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Where in the value, as a JSON pointer.
    pub pointer: String,
    /// What is wrong there, without the value itself: it may be personal.
    pub problem: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pointer.as_str() {
            "" => write!(formatter, "as a whole: {}", self.problem),
            pointer => write!(formatter, "at `{pointer}`: {}", self.problem),
        }
    }
}

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// What keeps it from being used.
    pub fn compile(schema: &Value) -> Result<Self, SchemaFault> {
        let fault = |pointer: &str, message: String| Err(SchemaFault { pointer: pointer.to_owned(), message });
        if schema.to_string().len() > SCHEMA_BYTES_MAX {
            return fault("", format!("the schema is over {SCHEMA_BYTES_MAX} bytes of JSON"));
        }
        let cost = match Cost::of(schema) {
            Ok(cost) if cost <= SCHEMAS_MAX => cost,
            Ok(_) => {
                let message =
                    format!("the schema stands for more than {SCHEMAS_MAX} schemas when its references are followed");
                return fault("", message);
            }
            Err(reference) => {
                let reference: String = reference.chars().take(80).collect();
                let message = format!(
                    "`$ref: {reference}` leads back to itself or out of the schema; write out as many levels as there are, here"
                );
                return fault("", message);
            }
        };
        // The linear-time engine for patterns: a schema must not be able to burn the host's CPU.
        let options = jsonschema::options().with_pattern_options(jsonschema::PatternOptions::regex());
        match options.build(schema) {
            Ok(validator) => Ok(Self { validator, cost: cost.max(1) }),
            Err(error) => {
                let problem = shortened(&error.to_string());
                fault(error.instance_path().as_str(), format!("this is not a JSON Schema that can be used: {problem}"))
            }
        }
    }

    /// What of a value does not fulfil the schema: the first ten places of a value of some hundred parts, the first
    /// place of a larger one.
    pub fn violations(&self, value: &Value) -> Vec<Violation> {
        let looks = self.cost.saturating_mul(parts(value));
        if looks > LOOKS_MAX {
            let problem = format!(
                "the value has too many parts for this schema: checking them could need {looks} looks, and at most {LOOKS_MAX} are allowed; ask for less at once, or make the schema smaller"
            );
            return vec![Violation { pointer: String::new(), problem }];
        }
        if looks > COLLECTED_LOOKS_MAX {
            return self.validator.validate(value).err().iter().map(violation).collect();
        }
        self.validator.iter_errors(value).take(VIOLATIONS_MAX).map(|error| violation(&error)).collect()
    }
}

fn violation(error: &jsonschema::ValidationError<'_>) -> Violation {
    let pointer = shortened(error.instance_path().as_str());
    Violation { pointer, problem: shortened(&error.masked().to_string()) }
}

/// Text that an outside system may have had a hand in.
fn shortened(text: &str) -> String {
    text.chars().take(VIOLATION_CHARS_MAX).map(|it| if it.is_control() { ' ' } else { it }).collect()
}

/// A value and all values in it.
fn parts(value: &Value) -> u64 {
    1 + match value {
        Value::Array(items) => items.iter().map(parts).sum(),
        Value::Object(members) => members.values().map(parts).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// How many schemas a schema stands for, references followed; each reference is counted once and remembered.
struct Cost<'a> {
    root: &'a Value,
    known: HashMap<&'a str, Option<u64>>,
}

impl<'a> Cost<'a> {
    /// # Errors
    /// The reference that leads back to itself.
    fn of(schema: &'a Value) -> Result<u64, String> {
        Cost { root: schema, known: HashMap::new() }.count(schema)
    }

    fn count(&mut self, node: &'a Value) -> Result<u64, String> {
        match node {
            Value::Array(items) => items.iter().try_fold(0, |sum: u64, item| Ok(sum.saturating_add(self.count(item)?))),
            Value::Object(object) => {
                let mut sum: u64 = 1;
                for (key, value) in object {
                    let more = match (key.as_str(), value) {
                        ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(reference)) => {
                            self.follow(reference)?
                        }
                        // Definitions count where they are referred to.
                        ("$defs" | "definitions", _) => 0,
                        _ => self.count(value)?,
                    };
                    sum = sum.saturating_add(more);
                }
                Ok(sum)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(0),
        }
    }

    fn follow(&mut self, reference: &'a str) -> Result<u64, String> {
        match self.known.get(reference) {
            Some(Some(cost)) => return Ok(*cost),
            Some(None) => return Err(reference.to_owned()),
            None => {}
        }
        // What is not a pointer into this document is refused when the schema is built; anchors are not followed.
        let Some(target) = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)) else {
            return Err(reference.to_owned());
        };
        self.known.insert(reference, None);
        let cost = self.count(target)?;
        self.known.insert(reference, Some(cost));
        Ok(cost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn violations_say_where_and_name_no_value() {
        // covers C-14
        let schema =
            json!({"type": "object", "required": ["id"], "properties": {"list": {"items": {"type": "number"}}}});
        let schema = Schema::compile(&schema).expect("a schema");
        let texts = |value: Value| schema.violations(&value).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(texts(json!({"id": 1, "list": [1]})), Vec::<String>::new());
        assert_eq!(
            texts(json!({"list": [1, "Ada", {"a/b": 2}]})),
            [
                "as a whole: \"id\" is a required property",
                "at `/list/1`: value is not of type \"number\"",
                "at `/list/2`: value is not of type \"number\"",
            ]
        );
    }

    #[test]
    fn what_is_told_is_bounded() {
        // keeps S-10
        let schema = Schema::compile(&json!({"items": {"type": "number"}})).expect("a schema");
        let strings = |count: usize| Value::from(vec!["x"; count]);
        assert_eq!(schema.violations(&strings(100)).len(), VIOLATIONS_MAX);
        assert_eq!(schema.violations(&strings(100_000)).len(), 1);
        let strict = Schema::compile(&json!({"additionalProperties": false})).expect("a schema");
        let long = strict.violations(&json!({"x\n".repeat(10_000): 1}));
        assert!(long.iter().all(|it| it.problem.chars().count() <= VIOLATION_CHARS_MAX && !it.problem.contains('\n')));
        let costly = json!({"allOf": vec![json!({"items": {"type": "string"}}); 400]});
        let costly = Schema::compile(&costly).expect("a schema");
        let [over] = costly.violations(&strings(100_000)).try_into().expect("one");
        assert!(over.problem.contains("too many parts"), "{over}");
    }

    #[test]
    fn nothing_is_fetched_and_nothing_goes_round() {
        // keeps S-10
        for faulty in [
            json!({"$ref": "https://example.org/schema.json"}),
            json!({"$ref": "file:///etc/hostname"}),
            json!({"properties": {"a": {"$ref": "#"}}}),
            json!({"$ref": "#/$defs/missing"}),
        ] {
            let fault = Schema::compile(&faulty).expect_err("a bad reference");
            assert!(fault.message.contains("leads back to itself or out of the schema"), "{fault}");
        }
        assert_eq!(
            Schema::compile(&json!({"properties": {"a": {"type": 7}}})).expect_err("a type").pointer,
            "/properties/a/type"
        );
    }
}
