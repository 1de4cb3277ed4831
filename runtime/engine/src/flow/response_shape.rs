//! What is known of a function's response before any call: from its format, its schemas and the hooks around it.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::model::CallStep;
use crate::connector::{Function, ResponseFormat, ResponseMode};
use crate::expression::{Member, Type};

/// What the members of a step's result are known to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct ResponseShape<'a> {
    body: Option<&'a Value>,
    transformed_data: Option<&'a Value>,
}

/// A read of something that is not there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Slip {
    /// The index of the member that is not there.
    pub(super) at: usize,
    /// What is there instead.
    pub(super) known: Vec<String>,
}

const MEMBERS: [&str; 5] = ["status", "headers", "body", "transformed_data", "elapsed_ms"];

/// How deep schemas lead to schemas in one look.
const DEPTH_MAX: usize = 64;

static NUMBER: LazyLock<Value> = LazyLock::new(|| json!({ "type": "number" }));
static TEXT: LazyLock<Value> = LazyLock::new(|| json!({ "type": "string" }));
static LIST: LazyLock<Value> = LazyLock::new(|| json!({ "type": "array" }));
static OBJECT: LazyLock<Value> = LazyLock::new(|| json!({ "type": "object" }));
static NOTHING: LazyLock<Value> = LazyLock::new(|| json!({ "type": "null" }));
static TEXTS: LazyLock<Value> = LazyLock::new(|| json!({ "additionalProperties": { "type": "string" } }));

impl<'a> ResponseShape<'a> {
    /// Of a function that nobody knows.
    pub(super) fn unknown() -> Self {
        Self { body: None, transformed_data: None }
    }

    /// Of a function as a step calls it.
    pub(super) fn of(call: &CallStep, function: &'a Function) -> Self {
        let settings = &function.response;
        // What a response of an invalid status looks like, nothing says; nor what stands for one that is to come.
        if !settings.fail_on_invalid_status || function.mode == ResponseMode::Background {
            return Self::unknown();
        }
        let transformation = settings.transformation.as_ref();
        let hooks_after = !call.post_response.is_empty() || transformation.is_some_and(|it| it.plugin.is_some());
        let body = match (&settings.schema, settings.format) {
            // The schema is about the body before the hooks, the format also about that after them.
            (Some(schema), _) if !hooks_after => Some(schema),
            (_, ResponseFormat::None) => Some(&*NOTHING),
            (_, ResponseFormat::String) => Some(&*TEXT),
            (_, ResponseFormat::JsonArray) => Some(&*LIST),
            (_, ResponseFormat::JsonObject | ResponseFormat::Xml) => Some(&*OBJECT),
        };
        let nobody_makes_it = transformation.is_none() && !hooks_after && call.pre_call.is_empty();
        let transformed_data = match transformation.and_then(|it| it.schema.as_ref()) {
            Some(schema) => Some(schema),
            None => nobody_makes_it.then_some(&*NOTHING),
        };
        Self { body, transformed_data }
    }

    /// The type of a result that a step may read.
    pub(super) fn result(&self, status_is_valid: bool) -> Type {
        let of = |schema: Option<&Value>| schema.filter(|_| status_is_valid).map_or(Type::JSON, Type::of_schema);
        let members = [
            ("status", Type::NUMBER),
            ("elapsed_ms", Type::NUMBER),
            ("headers", Type::map([], Some(Type::STRING))),
            ("body", of(self.body)),
            ("transformed_data", of(self.transformed_data)),
        ];
        Type::map(members.map(|(name, of)| (name.to_owned(), of)), None)
    }

    /// The first member on the way that a result cannot have. `status_is_valid` is false where the read may meet a
    /// response that failed the step. Uses up looks; none are left, no slip.
    pub(super) fn slip(&self, members: &[Member], status_is_valid: bool, looks_left: &mut usize) -> Option<Slip> {
        let (first, rest) = members.split_first()?;
        let schema = match first {
            Member::Item => None,
            Member::Field(name) => match name.as_str() {
                "status" | "elapsed_ms" => Some(&*NUMBER),
                "headers" => Some(&*TEXTS),
                "body" => self.body.filter(|_| status_is_valid),
                "transformed_data" => self.transformed_data.filter(|_| status_is_valid),
                _ => return Some(Slip { at: 0, known: MEMBERS.map(str::to_owned).to_vec() }),
            },
        }?;
        let mut schemas = vec![schema];
        for (index, member) in rest.iter().enumerate() {
            let mut looks = Looks { root: schema, left: looks_left };
            let found = schemas.iter().map(|schema| looks.look(schema, member, 0));
            match any(found.collect()) {
                Found::Schemas(next) => schemas = next,
                Found::Missing(known) => return Some(Slip { at: index + 1, known }),
                Found::Silent | Found::Anything => return None,
            }
        }
        None
    }
}

/// What a schema says of a member of the values that fulfil it.
enum Found<'a> {
    /// It fulfils one of these.
    Schemas(Vec<&'a Value>),
    /// There is none; these there are.
    Missing(Vec<String>),
    /// Nothing.
    Silent,
    /// It may be there, whatever it is.
    Anything,
}

/// Of a value that fulfils at least one of several schemas.
fn any(found: Vec<Found<'_>>) -> Found<'_> {
    let mut schemas = Vec::new();
    let mut known = Vec::new();
    let mut is_silent = found.is_empty();
    for found in found {
        match found {
            Found::Schemas(more) => schemas.extend(more),
            Found::Missing(names) => known.extend(names),
            Found::Silent => is_silent = true,
            Found::Anything => return Found::Anything,
        }
    }
    match (schemas.is_empty(), is_silent) {
        (true, true) => Found::Silent,
        (true, false) => missing(known),
        (false, true) => Found::Anything,
        (false, false) => Found::Schemas(schemas),
    }
}

/// Of a value that fulfils all of several schemas. Who lists some members and says nothing of others means them all,
/// unless another one lists more.
fn all(found: Vec<Found<'_>>) -> Found<'_> {
    let mut schemas = Vec::new();
    let mut known = Vec::new();
    let (mut is_missing, mut anything) = (false, false);
    for found in found {
        match found {
            Found::Schemas(more) => schemas.extend(more),
            Found::Missing(names) => {
                is_missing = true;
                known.extend(names);
            }
            Found::Silent => {}
            Found::Anything => anything = true,
        }
    }
    match (schemas.is_empty(), anything, is_missing) {
        (false, ..) => Found::Schemas(schemas),
        (true, true, _) => Found::Anything,
        (true, false, true) => missing(known),
        (true, false, false) => Found::Silent,
    }
}

fn missing<'a>(mut known: Vec<String>) -> Found<'a> {
    known.sort();
    known.dedup();
    Found::Missing(known)
}

/// Keywords by which members may be there that `properties` does not list.
const OPENING: [&str; 8] = [
    "patternProperties",
    "unevaluatedProperties",
    "dependentSchemas",
    "dependencies",
    "if",
    "not",
    "$dynamicRef",
    "$recursiveRef",
];

struct Looks<'a, 'b> {
    root: &'a Value,
    left: &'b mut usize,
}

impl<'a> Looks<'a, '_> {
    fn look(&mut self, schema: &'a Value, member: &Member, depth: usize) -> Found<'a> {
        let Some(left) = self.left.checked_sub(1).filter(|_| depth < DEPTH_MAX) else { return Found::Anything };
        *self.left = left;
        let mut found = vec![own(schema, member)];
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let target = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            found.push(target.map_or(Found::Anything, |target| self.look(target, member, depth + 1)));
        }
        if let Some(Value::Array(parts)) = schema.get("allOf") {
            found.extend(parts.iter().map(|part| self.look(part, member, depth + 1)));
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(Value::Array(parts)) = schema.get(keyword) {
                found.push(any(parts.iter().map(|part| self.look(part, member, depth + 1)).collect()));
            }
        }
        all(found)
    }
}

/// What the schema itself says, the schemas that it refers to aside.
fn own<'a>(schema: &'a Value, member: &Member) -> Found<'a> {
    let Value::Object(keywords) = schema else { return Found::Silent };
    let needed = match member {
        Member::Field(_) => "object",
        Member::Item => "array",
    };
    let has_type = |wanted: &str| match keywords.get("type") {
        Some(Value::String(name)) => name == wanted,
        Some(Value::Array(names)) => names.iter().any(|name| name == wanted),
        _ => true,
    };
    if !has_type(needed) {
        return Found::Missing(Vec::new());
    }
    let Member::Field(name) = member else {
        let alike = !keywords.contains_key("prefixItems") && keywords.get("items").is_some_and(Value::is_object);
        return if alike { Found::Schemas(keywords.get("items").into_iter().collect()) } else { Found::Silent };
    };
    let properties = keywords.get("properties").and_then(Value::as_object);
    if let Some(property) = properties.and_then(|it| it.get(name)) {
        return Found::Schemas(vec![property]);
    }
    if OPENING.iter().any(|keyword| keywords.contains_key(*keyword)) {
        return Found::Anything;
    }
    match (keywords.get("additionalProperties"), properties) {
        (Some(Value::Bool(false)), None) => Found::Missing(Vec::new()),
        (Some(Value::Bool(false)) | None, Some(properties)) => Found::Missing(properties.keys().cloned().collect()),
        (Some(additional @ Value::Object(_)), _) => Found::Schemas(vec![additional]),
        (Some(_), _) => Found::Anything,
        (None, None) => Found::Silent,
    }
}
