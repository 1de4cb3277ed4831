//! The schema of a flow's event. It comes from a tenant and runs on the host, so its cost is bounded when it is saved
//! (S-10): size, references, and how often the parts of an event can be looked at.

use std::collections::HashMap;

use serde_json::Value;

use crate::document::{Document, Faults};

/// The largest schema, in bytes of JSON.
const SCHEMA_BYTES_MAX: usize = 64 << 10;

/// The most schemas that one value of an event may be held against, references followed.
const SCHEMAS_MAX: u64 = 1_000;

/// Compiles a schema; adds the fault that keeps it from being used.
pub(super) fn compile(document: &Document, schema: &Value, faults: &mut Faults) -> Option<jsonschema::Validator> {
    let pointer = "/input/schema";
    let mut fault = |at: &str, message: String| {
        faults.error(document, &format!("{pointer}{at}"), "flow.input-schema", message);
    };
    if schema.to_string().len() > SCHEMA_BYTES_MAX {
        fault("", format!("the schema is over {SCHEMA_BYTES_MAX} bytes of JSON"));
        return None;
    }
    match Cost::of(schema) {
        Ok(cost) if cost <= SCHEMAS_MAX => {}
        Ok(_) => {
            fault(
                "",
                format!("the schema stands for more than {SCHEMAS_MAX} schemas when its references are followed"),
            );
            return None;
        }
        Err(reference) => {
            fault("", format!("`$ref: {reference}` leads back to itself; write out as many levels as an event has"));
            return None;
        }
    }
    // The linear-time engine for patterns: a schema must not be able to burn the host's CPU.
    let options = jsonschema::options().with_pattern_options(jsonschema::PatternOptions::regex());
    match options.build(schema) {
        Ok(validator) => Some(validator),
        Err(error) => {
            fault(error.instance_path().as_str(), format!("this is not a JSON Schema that can be used: {error}"));
            None
        }
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
