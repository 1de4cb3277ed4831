//! Documents held against the types that they are read into.
//!
//! JSON Schema finds every fault at once; serde, which stops at the first, does the reading.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::escape_pointer;
use super::fault::Faults;
use super::parse::Document;

/// The JSON Schema (draft 2020-12) of a type.
pub fn schema_of<T: JsonSchema>() -> Value {
    schemars::generate::SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value()
}

/// Reads the node at `pointer` as `T`; adds every fault that keeps it from being one.
pub fn read<T: JsonSchema + DeserializeOwned + 'static>(
    document: &Document,
    pointer: &str,
    code: &str,
    faults: &mut Faults,
) -> Option<T> {
    read_node(document, pointer, (document.value.pointer(pointer)?, &[]), code, faults)
}

/// Which members of an object are read as one type.
pub(crate) struct Members<'a> {
    /// Whether a member of that name is.
    pub(crate) are: &'a dyn Fn(&str) -> bool,
    /// The names of those that the object may have besides.
    pub(crate) others: &'a [&'a str],
}

/// Reads those members of the object at `pointer` as `T`.
pub(crate) fn read_members<T: JsonSchema + DeserializeOwned + 'static>(
    document: &Document,
    pointer: &str,
    members: &Members<'_>,
    code: &str,
    faults: &mut Faults,
) -> Option<T> {
    let object = document.value.pointer(pointer)?.as_object()?;
    let own = object.iter().filter(|(name, _)| (members.are)(name)).map(|(name, value)| (name.clone(), value.clone()));
    read_node(document, pointer, (&Value::Object(own.collect()), members.others), code, faults)
}

fn read_node<T: JsonSchema + DeserializeOwned + 'static>(
    document: &Document,
    pointer: &str,
    (node, others): (&Value, &[&str]),
    code: &str,
    faults: &mut Faults,
) -> Option<T> {
    let before = faults.0.len();
    if let Some(shape) = shape_of::<T>() {
        for error in shape.validator.iter_errors(node) {
            add(document, (pointer, code), (&shape.schema, others), &error, faults);
        }
    }
    if faults.0.len() > before {
        return None;
    }
    // What the schema cannot say is refused where it stands, such as a text that is no duration.
    match serde_path_to_error::deserialize(node) {
        Ok(value) => Some(value),
        Err(error) => {
            let at = format!("{pointer}{}", pointer_of(error.path()));
            faults.error(document, &at, code, error.into_inner().to_string());
            None
        }
    }
}

/// The pointer of what serde refuses, below the node that it read.
fn pointer_of(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&format!("/{}", escape_pointer(key))),
            // A variant is no part of the document.
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// A schema, ready to be held against nodes.
struct Shape {
    schema: Value,
    validator: jsonschema::Validator,
}

/// The shape of a type, made once: a flow has hundreds of steps of a few types.
fn shape_of<T: JsonSchema + 'static>() -> Option<Arc<Shape>> {
    static SHAPES: LazyLock<Mutex<HashMap<TypeId, Arc<Shape>>>> = LazyLock::new(Mutex::default);
    let mut shapes = SHAPES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(shape) = shapes.get(&TypeId::of::<T>()) {
        return Some(shape.clone());
    }
    let schema = schema_of::<T>();
    let validator = jsonschema::validator_for(&schema).ok()?;
    let shape = Arc::new(Shape { schema, validator });
    shapes.insert(TypeId::of::<T>(), shape.clone());
    Some(shape)
}

fn add(
    document: &Document,
    (base, code): (&str, &str),
    (schema, others): (&Value, &[&str]),
    error: &jsonschema::ValidationError<'_>,
    faults: &mut Faults,
) {
    use jsonschema::error::ValidationErrorKind as Kind;
    let pointer = format!("{base}{}", error.instance_path().as_str());
    match error.kind() {
        Kind::AdditionalProperties { unexpected } => {
            for name in unexpected {
                let at = Document::key_pointer(&format!("{pointer}/{}", escape_pointer(name)));
                let fault = faults.error(document, &at, code, format!("`{name}` is not known here"));
                fault.pointer = format!("{pointer}/{}", escape_pointer(name));
                // Other members stand in the object itself, not in what it holds.
                let others = if pointer == base { others } else { &[] };
                if let Some(known) = known_names(schema, others, error) {
                    fault.help(format!("known are {known}"));
                }
            }
        }
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            faults.error(document, &pointer, code, format!("`{name}` is missing"));
        }
        Kind::OneOfNotValid { context } => match chosen(context) {
            Some(branch) => {
                branch.iter().for_each(|error| add(document, (base, code), (schema, others), error, faults))
            }
            None => add_choices(document, &pointer, code, context, faults),
        },
        Kind::AnyOf { context } if present(context).is_some() => {
            let branch = present(context).into_iter().flatten();
            branch.for_each(|error| add(document, (base, code), (schema, others), error, faults));
        }
        _ => {
            // Whatever somebody has put there for a secret is not said again.
            let text = match pointer.starts_with(SECRETS_LAND_HERE) {
                true => error.masked().to_string(),
                false => error.to_string(),
            };
            faults.error(document, &pointer, code, text.chars().take(300).collect::<String>());
        }
    }
}

/// Where people put secrets that belong into stored credentials.
const SECRETS_LAND_HERE: &str = "/authentication";

/// The one branch of several whose `type` is the document's: what is wrong with it is what is wrong.
fn chosen<'a, 'i>(
    branches: &'a [Vec<jsonschema::ValidationError<'i>>],
) -> Option<&'a Vec<jsonschema::ValidationError<'i>>> {
    let mut fitting = branches.iter().filter(|errors| errors.iter().all(|error| expected(error).is_none()));
    let first = fitting.next()?;
    (fitting.next().is_none() && !first.is_empty()).then_some(first)
}

/// The branch of something that may be left out, where it is not left out.
fn present<'a, 'i>(
    branches: &'a [Vec<jsonschema::ValidationError<'i>>],
) -> Option<&'a Vec<jsonschema::ValidationError<'i>>> {
    use jsonschema::error::{TypeKind, ValidationErrorKind};
    let is_null = |error: &jsonschema::ValidationError<'_>| {
        matches!(error.kind(), ValidationErrorKind::Type { kind: TypeKind::Single(jsonschema::JsonType::Null) })
    };
    match branches {
        [branch, left_out] | [left_out, branch] if left_out.iter().all(is_null) && !branch.iter().all(is_null) => {
            Some(branch)
        }
        _ => None,
    }
}

/// The one value that a node should have had.
fn expected<'a>(error: &'a jsonschema::ValidationError<'_>) -> Option<&'a Value> {
    match error.kind() {
        jsonschema::error::ValidationErrorKind::Constant { expected_value } => Some(expected_value),
        _ => None,
    }
}

/// None of the branches is meant: says which there are.
fn add_choices(
    document: &Document,
    pointer: &str,
    code: &str,
    branches: &[Vec<jsonschema::ValidationError<'_>>],
    faults: &mut Faults,
) {
    let constants = || branches.iter().flatten().filter_map(|error| Some((error, expected(error)?.as_str()?)));
    let choices = constants().map(|(_, choice)| format!("`{choice}`")).collect::<Vec<_>>().join(", ");
    let tag = constants().find_map(|(error, _)| error.instance_path().as_str().rsplit_once('/').map(|(_, tag)| tag));
    let is_tagged = document.value.pointer(pointer).is_some_and(Value::is_object);
    let message = match tag.filter(|_| is_tagged) {
        Some(tag) => format!("`{tag}` must be one of {choices}"),
        None if choices.is_empty() => "this is none of the forms that are known here".to_owned(),
        None => format!("this must be one of {choices}"),
    };
    faults.error(document, pointer, code, message);
}

/// The properties that stand beside the `additionalProperties` that failed, and other names.
fn known_names(schema: &Value, others: &[&str], error: &jsonschema::ValidationError<'_>) -> Option<String> {
    let path = error.schema_path().as_str().rsplit_once('/')?.0;
    let properties = schema.pointer(path)?.get("properties")?.as_object()?;
    let others = others.iter().copied().filter(|name| !properties.contains_key(*name));
    let names: Vec<&str> = properties.keys().map(String::as_str).chain(others).collect();
    // All of them, however many: they are the schema's, and whoever mistook one looks for another.
    Some(format!("`{}`", names.join("`, `")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Format;
    use serde::Deserialize;

    #[test]
    fn a_fault_of_a_choice_says_what_is_wrong_and_no_secret() {
        // keeps K-01; covers C-06
        let messages = |authentication: &str| {
            let text =
                format!("connector: a\nbase-url: https://a.com\nfunctions: []\nauthentication: {authentication}\n");
            let document = Document::parse(&text, Format::Yaml).expect("yaml");
            let mut faults = Faults::default();
            let read: Option<crate::connector::ConnectorDocument> = read(&document, "", "x", &mut faults);
            assert!(read.is_none(), "{authentication}");
            faults.0.iter().map(|fault| format!("{} {}", fault.pointer, fault.message)).collect::<Vec<_>>().join("; ")
        };
        for (authentication, says) in [
            ("{ type: bearer, token: s3cr3t }", "`token` is not known here"),
            ("{ type: bearer, token: s3cr3t }", "`credential` is missing"),
            ("{ type: bearr, credential: s3cr3t }", "/authentication `type` must be one of `none`, `basic`, `bearer`"),
            ("{ type: bearer, credential: 'S3cr3t s3cr3t' }", "/authentication/credential value"),
            ("{ type: api-key, credential: k, in: s3cr3t, name: x }", "must be one of `header`, `query`"),
            ("s3cr3t", "/authentication"),
        ] {
            let said = messages(authentication);
            assert!(said.contains(says) && !said.to_lowercase().contains("s3cr3t"), "{authentication}: {said}");
        }
    }

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct House {
        rooms: Vec<Room>,
    }

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Room {
        name: String,
        doors: u8,
    }

    #[test]
    fn every_fault_is_found_at_once() {
        let text = "rooms:\n  - name: 1\n    colour: red\n  - doors: 2\ncellar: yes\n";
        let document = Document::parse(text, Format::Yaml).expect("yaml");
        let mut faults = Faults::default();
        assert!(read::<House>(&document, "", "house.shape", &mut faults).is_none());
        let lines: Vec<String> = faults
            .sorted()
            .0
            .iter()
            .map(|it| format!("{}:{} {} {:?}", it.line, it.pointer, it.message, it.help))
            .collect();
        expect_test::expect![[r#"
            [
                "2:/rooms/0 `doors` is missing None",
                "2:/rooms/0/name 1 is not of type \"string\" None",
                "3:/rooms/0/colour `colour` is not known here Some(\"known are `doors`, `name`\")",
                "4:/rooms/1 `name` is missing None",
                "5:/cellar `cellar` is not known here Some(\"known are `rooms`\")",
            ]
        "#]]
        .assert_debug_eq(&lines);
    }
}
