//! Types of the values that operations may leave at a path, written behind it: `/properties/score{Float}` (A-04).
//!
//! ```text
//! annotated = path [ "{" type "}" ]
//! type      = scalar / list / object
//! list      = "[" ( scalar / fields ) "]"
//! object    = fields
//! fields    = field *( "," field )
//! field     = name ":" ( scalar / "[" scalar "]" )
//! scalar    = "String" / "Integer" / "Float" / "Boolean"
//! ```
//! An object has up to 10 attributes, a list up to 10 items, and an object holds no other object.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::operation::Operation;

/// Most attributes of an object.
pub const ATTRIBUTES_MAX: usize = 10;

/// Most items of a list.
pub const ITEMS_MAX: usize = 10;

/// The longest name of an attribute, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// What a value must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Annotation {
    /// One value.
    Scalar(Scalar),
    /// A list of up to [`ITEMS_MAX`] of them.
    List(Box<Annotation>),
    /// An object with these attributes and no others; each may be missing.
    Object(BTreeMap<String, Annotation>),
}

/// What one value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Scalar {
    String,
    Integer,
    Float,
    Boolean,
}

/// Why a text behind a path is no annotation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{{{text}}}` is no type of values: {problem}; write `{{Float}}`, `{{[String]}}` or `{{name: String, tags: [String]}}` with `String`, `Integer`, `Float` and `Boolean`"
)]
pub struct InvalidAnnotation {
    text: String,
    problem: String,
}

/// The path without its annotation, and the annotation where there is one.
///
/// # Errors
/// What stands behind the path is none.
pub fn split(text: &str) -> Result<(&str, Option<Annotation>), InvalidAnnotation> {
    let Some((path, rest)) = text.split_once('{') else { return Ok((text, None)) };
    let invalid = |problem: &str| InvalidAnnotation {
        text: rest.trim_end_matches('}').chars().take(120).collect(),
        problem: problem.to_owned(),
    };
    let inner = rest.strip_suffix('}').ok_or_else(|| invalid("it must end with `}`"))?;
    let annotation = annotation(inner.trim()).map_err(|problem| invalid(&problem))?;
    Ok((path, Some(annotation)))
}

/// Why a value is not what an annotation says it must be; none where it is. Empty text and null take a
/// value away: they are right for every annotation.
pub fn check(annotation: &Annotation, value: &Value) -> Option<String> {
    let is_empty = match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        _ => false,
    };
    if is_empty { None } else { mismatch(annotation, value).map(|problem| format!("{problem} (`{{{annotation}}}`)")) }
}

/// Why the value of an operation is not of the type that is written behind its path; none where it is, or where
/// nothing is written there. `annotations` are by the paths that they were cut off.
pub fn misfit(annotations: &BTreeMap<String, Annotation>, operation: &Operation) -> Option<String> {
    let (Operation::Add { path, value } | Operation::Replace { path, value }) = operation else { return None };
    let problem = check(annotations.get(path)?, value.as_ref()?)?;
    Some(format!("at `{path}` {problem}"))
}

fn mismatch(annotation: &Annotation, value: &Value) -> Option<String> {
    match (annotation, value) {
        (Annotation::Scalar(scalar), value) => {
            (!scalar.takes(value)).then(|| format!("the value must be of type {}", scalar.as_str()))
        }
        (Annotation::List(_), Value::Array(items)) if items.len() > ITEMS_MAX => {
            Some(format!("the list has {} items; at most {ITEMS_MAX} are taken", items.len()))
        }
        (Annotation::List(of), Value::Array(items)) => {
            let mut problems = items.iter().enumerate().filter_map(|(index, item)| Some((index, mismatch(of, item)?)));
            problems.next().map(|(index, problem)| format!("item {index}: {problem}"))
        }
        (Annotation::List(_), _) => Some("the value must be a list".to_owned()),
        (Annotation::Object(attributes), Value::Object(members)) => {
            members.iter().find_map(|(name, member)| match attributes.get(name) {
                None => Some(format!("there is no attribute `{}`", name.chars().take(60).collect::<String>())),
                Some(of) => mismatch(of, member).map(|problem| format!("`{name}`: {problem}")),
            })
        }
        (Annotation::Object(_), _) => Some("the value must be an object".to_owned()),
    }
}

impl Scalar {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "String" => Self::String,
            "Integer" => Self::Integer,
            "Float" => Self::Float,
            "Boolean" => Self::Boolean,
            _ => return None,
        })
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::String => "String",
            Self::Integer => "Integer",
            Self::Float => "Float",
            Self::Boolean => "Boolean",
        }
    }

    /// Numbers and truth values may also be written as texts, which is all that a claim can hold.
    fn takes(self, value: &Value) -> bool {
        match (self, value) {
            (Self::String, Value::String(_)) | (Self::Boolean, Value::Bool(_)) | (Self::Float, Value::Number(_)) => {
                true
            }
            (Self::Integer, Value::Number(number)) => number.is_i64() || number.is_u64(),
            (Self::Integer, Value::String(text)) => text.parse::<i64>().is_ok(),
            (Self::Float, Value::String(text)) => text.parse::<f64>().is_ok_and(f64::is_finite),
            (Self::Boolean, Value::String(text)) => text == "true" || text == "false",
            _ => false,
        }
    }
}

fn annotation(text: &str) -> Result<Annotation, String> {
    if let Some(inner) = text.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or("a list must end with `]`")?.trim();
        let of = if inner.contains(':') { object(inner)? } else { Annotation::Scalar(scalar(inner)?) };
        return Ok(Annotation::List(Box::new(of)));
    }
    if text.contains(':') { object(text) } else { scalar(text).map(Annotation::Scalar) }
}

fn object(text: &str) -> Result<Annotation, String> {
    let mut attributes = BTreeMap::new();
    for field in text.split(',') {
        let (name, of) = field.split_once(':').ok_or("an attribute is written `name: Type`")?;
        let (name, of) = (name.trim(), of.trim());
        let is_name = !name.is_empty()
            && name.len() <= NAME_BYTES_MAX
            && name.chars().all(|letter| letter.is_alphanumeric() || "_-.".contains(letter));
        if !is_name {
            return Err(format!("an attribute's name is 1 to {NAME_BYTES_MAX} letters, digits and `_-.`"));
        }
        // One level and no more: an attribute is a value or a list of values.
        let of = match of.strip_prefix('[').and_then(|of| of.strip_suffix(']')) {
            Some(item) => Annotation::List(Box::new(Annotation::Scalar(scalar(item.trim())?))),
            None => Annotation::Scalar(scalar(of)?),
        };
        if attributes.insert(name.to_owned(), of).is_some() {
            return Err(format!("the attribute `{name}` is there twice"));
        }
    }
    if attributes.len() > ATTRIBUTES_MAX {
        return Err(format!("it has {} attributes; at most {ATTRIBUTES_MAX} are taken", attributes.len()));
    }
    Ok(Annotation::Object(attributes))
}

fn scalar(name: &str) -> Result<Scalar, String> {
    Scalar::named(name).ok_or_else(|| format!("there is no type `{}`", name.chars().take(60).collect::<String>()))
}

impl fmt::Display for Annotation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(scalar) => formatter.write_str(scalar.as_str()),
            Self::List(of) => write!(formatter, "[{of}]"),
            Self::Object(attributes) => {
                for (index, (name, of)) in attributes.iter().enumerate() {
                    let separator = if index == 0 { "" } else { ", " };
                    write!(formatter, "{separator}{name}: {of}")?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(text: &str) -> Annotation {
        split(text).expect("an annotation").1.expect("there is one")
    }

    #[test]
    fn an_annotation_is_cut_off_its_path() {
        // covers A-04
        assert_eq!(split("/user/claims[uri=http://a.test/b]"), Ok(("/user/claims[uri=http://a.test/b]", None)));
        assert_eq!(split("/properties/score{Float}").expect("one").0, "/properties/score");
        assert_eq!(of("/p{Float}"), Annotation::Scalar(Scalar::Float));
        assert_eq!(of("/p{[String]}").to_string(), "[String]");
        assert_eq!(
            of("/p{risk: Float, factor:String,tags: [String]}").to_string(),
            "factor: String, risk: Float, tags: [String]"
        );
        assert_eq!(of("/p{[risk: Float]}").to_string(), "[risk: Float]");
        let eleven: Vec<String> = (0..=ATTRIBUTES_MAX).map(|index| format!("a{index}: String")).collect();
        for bad in [
            "/p{",
            "/p{}",
            "/p{float}",
            "/p{Float",
            "/p{[String}",
            "/p{a: {b: String}}",
            "/p{[[String]]}",
            "/p{: String}",
            "/p{a: String, a: String}",
            "/p{a String}",
            "/p{Float}/x",
            &format!("/p{{{}}}", eleven.join(",")),
        ] {
            assert!(split(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_are_held_against_annotations() {
        // covers A-04, A-06
        for (annotation, right, wrong) in [
            ("/p{Float}", vec![json!(1.5), json!(2), json!("0.5")], vec![json!("x"), json!(true), json!([1.5])]),
            ("/p{Integer}", vec![json!(2), json!("-3")], vec![json!(1.5), json!("1.5")]),
            ("/p{Boolean}", vec![json!(true), json!("false")], vec![json!("yes"), json!(1)]),
            ("/p{String}", vec![json!("x"), json!(""), json!(null)], vec![json!(1), json!(["x"])]),
            ("/p{[String]}", vec![json!(["a"]), json!([]), json!("")], vec![json!("a"), json!([1])]),
            (
                "/p{a: Float, b: [String]}",
                vec![json!({"a": 1, "b": ["x"]}), json!({})],
                vec![json!({"c": 1}), json!({"a": "x"})],
            ),
        ] {
            let annotation = of(annotation);
            for value in right {
                assert_eq!(check(&annotation, &value), None, "{annotation} {value}");
            }
            for value in wrong {
                assert!(check(&annotation, &value).is_some(), "{annotation} {value}");
            }
        }
        let eleven = json!(vec!["x"; ITEMS_MAX + 1]);
        assert!(check(&of("/p{[String]}"), &eleven).expect("too many").contains("at most 10"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_annotated_or_not(text in "/p[{}\\[\\]a:, FloatSring]{0,40}") {
            if let Ok((path, Some(annotation))) = split(&text) {
                let again = format!("{path}{{{annotation}}}");
                proptest::prop_assert_eq!(split(&again), Ok((path, Some(annotation))));
            }
        }
    }
}
