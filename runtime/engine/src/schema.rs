//! JSON Schemas of tenants. They run on the host, so what they cost is bounded when they are saved (S-10): size,
//! references, and how often a part of a value can be looked at. Nothing is fetched.

use std::collections::HashMap;
use std::fmt;

use serde_json::Value;

/// The largest schema, in bytes of JSON.
pub const SCHEMA_BYTES_MAX: usize = 64 << 10;

/// The most schemas that one part of a value may be held against, references followed.
pub const SCHEMAS_MAX: u64 = 1_000;

/// The most regular expressions that one part of a value may be held against, references followed.
pub const PATTERNS_MAX: usize = 50;

/// How large a compiled pattern may be, in bytes, and what each byte of text that it is held against counts for, in
/// looks: the slowest way to match takes as long as the text times the pattern. All patterns of a schema count for
/// as much as the largest.
const PATTERN_SIZES: [(usize, u64); 3] = [(4 << 10, 1), (16 << 10, 4), (64 << 10, 16)];

/// What a pattern may remember while it is matched, in bytes.
const PATTERN_MEMORY: usize = 256 << 10;

/// How many members of an `enum` or names of a `required` take as long as one look.
const MEMBERS_PER_LOOK: u64 = 8;

/// The most looks at parts of one value: its parts, each against every schema, and its text against every pattern.
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
    looks_per_part: u64,
    looks_per_byte: u64,
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
            Ok(cost) => cost,
            Err(reference) => {
                let reference: String = reference.chars().take(80).collect();
                let message = format!(
                    "`$ref: {reference}` leads back to itself or out of the schema; write out as many levels as there are, here"
                );
                return fault("", message);
            }
        };
        if cost.schemas > SCHEMAS_MAX {
            let message =
                format!("the schema stands for more than {SCHEMAS_MAX} schemas when its references are followed");
            return fault("", message);
        }
        if cost.patterns > PATTERNS_MAX as u64 {
            let message = format!(
                "the schema holds more than {PATTERNS_MAX} patterns when its references are followed; join some with `|`, or leave them out"
            );
            return fault("", message);
        }
        let (validator, looks_per_byte) = build(schema, cost.patterns)?;
        let looks_per_part = cost.schemas.saturating_add(cost.members.div_ceil(MEMBERS_PER_LOOK)).max(1);
        Ok(Self { validator, looks_per_part, looks_per_byte })
    }

    /// What of a value does not fulfil the schema: the first ten places of a value of some hundred parts, the first
    /// place of a larger one.
    pub fn violations(&self, value: &Value) -> Vec<Violation> {
        let of_text = if self.looks_per_byte == 0 { 0 } else { self.looks_per_byte.saturating_mul(text_bytes(value)) };
        let of_parts = self.looks_per_part.saturating_mul(parts(value));
        let looks = of_parts.saturating_add(of_text);
        if looks > LOOKS_MAX {
            let problem = format!(
                "the value has too many parts or too much text for this schema: checking them could need {looks} looks, and at most {LOOKS_MAX} are allowed; ask for less at once, or make the schema smaller"
            );
            return vec![Violation { pointer: String::new(), problem }];
        }
        if of_parts > COLLECTED_LOOKS_MAX {
            return self.validator.validate(value).err().iter().map(violation).collect();
        }
        self.validator.iter_errors(value).take(VIOLATIONS_MAX).map(|error| violation(&error)).collect()
    }
}

/// The validator, and the looks that each byte of text counts for.
fn build(schema: &Value, patterns: u64) -> Result<(jsonschema::Validator, u64), SchemaFault> {
    let mut problem = None;
    for (size, looks) in PATTERN_SIZES {
        // The linear-time engine for patterns: a schema must not be able to burn the host's CPU.
        let engine = jsonschema::PatternOptions::regex().size_limit(size).dfa_size_limit(PATTERN_MEMORY);
        match jsonschema::options().with_pattern_options(engine).build(schema) {
            Ok(validator) => return Ok((validator, looks.saturating_mul(patterns))),
            Err(error) => problem = Some(error),
        }
        if patterns == 0 {
            break;
        }
    }
    let pointer = problem.as_ref().map(|it| it.instance_path().as_str().to_owned()).unwrap_or_default();
    let problem = problem.map(|it| shortened(&it.to_string())).unwrap_or_default();
    // Whatever is wrong with a pattern is told in the same words.
    let limits = match pointer.rsplit('/').take(2).any(|it| it.starts_with("pattern")) {
        true => "; a pattern looks neither ahead nor behind and takes at most 64 KiB when it is compiled",
        false => "",
    };
    Err(SchemaFault { pointer, message: format!("this is not a JSON Schema that can be used: {problem}{limits}") })
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

/// The bytes of all text in a value, the names of members among it.
fn text_bytes(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.len() as u64,
        Value::Array(items) => items.iter().map(text_bytes).sum(),
        Value::Object(members) => members.iter().map(|(name, value)| name.len() as u64 + text_bytes(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// What a schema stands for, references followed.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    schemas: u64,
    /// Members of each `enum`, names of each `required`.
    members: u64,
    patterns: u64,
}

impl Cost {
    /// # Errors
    /// The reference that leads back to itself.
    fn of(schema: &Value) -> Result<Self, String> {
        Counter { root: schema, known: HashMap::new() }.count(schema)
    }

    fn and(self, other: Self) -> Self {
        Self {
            schemas: self.schemas.saturating_add(other.schemas),
            members: self.members.saturating_add(other.members),
            patterns: self.patterns.saturating_add(other.patterns),
        }
    }
}

/// Counts; each reference is counted once and remembered.
struct Counter<'a> {
    root: &'a Value,
    known: HashMap<&'a str, Option<Cost>>,
}

impl<'a> Counter<'a> {
    fn count(&mut self, node: &'a Value) -> Result<Cost, String> {
        match node {
            Value::Array(items) => items.iter().try_fold(Cost::default(), |sum, item| Ok(sum.and(self.count(item)?))),
            Value::Object(object) => {
                let mut sum = Cost { schemas: 1, ..Cost::default() };
                for (key, value) in object {
                    sum = sum.and(self.keyword(key, value)?);
                }
                Ok(sum)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(Cost::default()),
        }
    }

    fn keyword(&mut self, key: &str, value: &'a Value) -> Result<Cost, String> {
        match (key, value) {
            ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(reference)) => self.follow(reference),
            // Definitions count where they are referred to.
            ("$defs" | "definitions", _) => Ok(Cost::default()),
            ("enum" | "required", Value::Array(_)) => Ok(Cost { members: parts(value), ..Cost::default() }),
            ("pattern", Value::String(_)) => Ok(Cost { patterns: 1, ..Cost::default() }),
            ("patternProperties", Value::Object(members)) => {
                Ok(self.count(value)?.and(Cost { patterns: members.len() as u64, ..Cost::default() }))
            }
            _ => self.count(value),
        }
    }

    fn follow(&mut self, reference: &'a str) -> Result<Cost, String> {
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
    fn what_patterns_may_cost_is_bounded() {
        // keeps S-10
        let fault = |schema: Value| Schema::compile(&schema).expect_err("a costly schema").to_string();
        let large = json!({"pattern": "(a{500}){200}"});
        assert!(fault(large).contains("at most 64 KiB"));
        let members = |count: usize| (0..count).map(|it| (format!("^{it}"), json!(true))).collect::<Value>();
        assert!(fault(json!({"patternProperties": members(PATTERNS_MAX + 1)})).contains("patterns"));
        let shared = json!({"$defs": {"a": {"pattern": "a"}}, "allOf": vec![json!({"$ref": "#/$defs/a"}); 51]});
        assert!(fault(shared).contains("patterns"));
        Schema::compile(
            &json!({"patternProperties": members(PATTERNS_MAX), "properties": {"pattern": {"type": "string"}}}),
        )
        .expect("patterns within the bound");

        let looked_at = |schema: Value, value: Value| {
            let schema = Schema::compile(&schema).expect("a schema");
            schema.violations(&value).first().map(|it| it.problem.clone()).unwrap_or_default()
        };
        let text = json!("a".repeat(2_000_000));
        assert_eq!(looked_at(json!({"pattern": "^a+$"}), text.clone()), "");
        let many = vec![json!({"pattern": "^a+$"}); PATTERNS_MAX];
        assert!(looked_at(json!({"allOf": many}), text).contains("too many parts"));
        assert!(
            looked_at(json!({"pattern": "^(a|b{400}){3}"}), json!("a".repeat(30_000_000))).contains("too many parts")
        );
        let values: Vec<Value> = (0..8_000).map(Value::from).collect();
        assert!(looked_at(json!({"items": {"enum": values}}), json!(vec![1; 100_000])).contains("too many parts"));
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
