//! What a JSON Schema says of the types of the values that fulfil it. Keywords that are not read only make less known.

use serde_json::Value;

use super::{Kind, Kinds, Type};

/// How deep schemas are read.
const DEPTH_MAX: usize = 12;

/// How many schemas are read, references followed.
const SCHEMAS_MAX: usize = 5_000;

impl Type {
    /// Of the values that fulfil a schema.
    pub fn of_schema(schema: &Value) -> Self {
        let mut reader = Reader { root: schema, left: SCHEMAS_MAX, follows: !has_ids(schema) };
        reader.read(schema, DEPTH_MAX)
    }
}

/// With ids, a reference may be about something else than a pointer from the root.
fn has_ids(schema: &Value) -> bool {
    match schema {
        Value::Object(keywords) => {
            keywords.contains_key("$id") || keywords.contains_key("id") || keywords.values().any(has_ids)
        }
        Value::Array(list) => list.iter().any(has_ids),
        _ => false,
    }
}

struct Reader<'a> {
    root: &'a Value,
    left: usize,
    follows: bool,
}

impl Reader<'_> {
    fn read(&mut self, schema: &Value, depth: usize) -> Type {
        let (Value::Object(keywords), Some(depth)) = (schema, depth.checked_sub(1)) else { return Type::JSON };
        let Some(left) = self.left.checked_sub(1) else { return Type::JSON };
        self.left = left;
        // Older drafts ignore what stands beside a reference.
        if let Some(reference) = keywords.get("$ref") {
            let pointer = reference.as_str().and_then(|reference| reference.strip_prefix('#'));
            let target = pointer.filter(|_| self.follows).and_then(|pointer| self.root.pointer(pointer));
            return target.map_or(Type::JSON, |target| self.read(target, depth));
        }
        let mut found = Type::of_kinds(named_kinds(keywords.get("type")).and(listed_kinds(keywords)));
        if let Some(items @ Value::Object(_)) = keywords.get("items").filter(|_| !keywords.contains_key("prefixItems"))
        {
            found.items = Some(self.read(items, depth).into());
        }
        if let Some(Value::Object(properties)) = keywords.get("properties") {
            let known: Vec<(String, Type)> =
                properties.iter().map(|(name, schema)| (name.clone(), self.read(schema, depth))).collect();
            let is_closed = keywords.get("additionalProperties") == Some(&Value::Bool(false))
                && !keywords.contains_key("patternProperties");
            found.members = Type::map(known, (!is_closed).then_some(Type::JSON)).members;
        }
        if let Some(Value::Array(parts)) = keywords.get("allOf") {
            found = parts.iter().fold(found, |found, part| found.and(&self.read(part, depth)));
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(Value::Array(parts)) = keywords.get(keyword) {
                let either = parts.iter().map(|part| self.read(part, depth)).reduce(|one, two| one.or(&two));
                found = either.map_or(found.clone(), |either| found.and(&either));
            }
        }
        // A schema that nothing fulfils says nothing of what a run sees.
        if found.kinds.is_empty() { Type::JSON } else { found }
    }
}

fn named_kinds(named: Option<&Value>) -> Kinds {
    let of_name = |name: &Value| match name.as_str() {
        Some("null") => Kinds::of(Kind::Null),
        Some("boolean") => Kinds::of(Kind::Bool),
        // `5.0` is an integer of JSON Schema, and a double of CEL.
        Some("integer" | "number") => Kinds::NUMBER,
        Some("string") => Kinds::of(Kind::String),
        Some("array") => Kinds::of(Kind::List),
        Some("object") => Kinds::of(Kind::Map),
        _ => super::JSON,
    };
    match named {
        None => super::JSON,
        Some(Value::Array(names)) => names.iter().map(of_name).fold(Kinds::NONE, Kinds::or),
        Some(name) => of_name(name),
    }
}

/// Of `enum` and `const`.
fn listed_kinds(keywords: &serde_json::Map<String, Value>) -> Kinds {
    let of_value = |value: &Value| match value {
        Value::Null => Kinds::of(Kind::Null),
        Value::Bool(_) => Kinds::of(Kind::Bool),
        Value::Number(_) => Kinds::NUMBER,
        Value::String(_) => Kinds::of(Kind::String),
        Value::Array(_) => Kinds::of(Kind::List),
        Value::Object(_) => Kinds::of(Kind::Map),
    };
    let listed = keywords.get("enum").and_then(Value::as_array);
    let of_enum = listed.map_or(super::JSON, |values| values.iter().map(of_value).fold(Kinds::NONE, Kinds::or));
    of_enum.and(keywords.get("const").map_or(super::JSON, of_value))
}
