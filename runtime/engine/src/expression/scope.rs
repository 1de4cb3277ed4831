//! What an expression sees.

use std::collections::HashMap;
use std::sync::Arc;

use cel::objects::OptionalValue;
use serde_json::Value;

use super::kinds::Kind;
use crate::sensitive::SensitiveNames;

/// The roots that exist. A root that has no value where an expression stands is `null`.
pub const ROOTS: [&str; 6] = ["event", "connectors", "steps", "claims", "args", "run"];

/// The only root of the text that a connector signs.
pub const REQUEST_ROOT: &str = "request";
/// The root that calls see which tell somebody of a prompt, besides those of [`ROOTS`].
pub const PROMPT_ROOT: &str = "prompt";
/// The root of a response transformation, besides `args`.
pub const RESPONSE_ROOT: &str = "response";

/// The values that expressions see. Cheap to clone and to extend.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    roots: HashMap<&'static str, Arc<Root>>,
}

#[derive(Debug)]
struct Root {
    json: Value,
    cel: cel::Value,
}

impl Scope {
    /// A scope with these roots.
    pub fn new(roots: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        roots.into_iter().fold(Self::default(), |scope, (root, value)| scope.with(root, value))
    }

    /// The same with one root set.
    #[must_use]
    pub fn with(mut self, root: &'static str, value: Value) -> Self {
        let is_root = ROOTS.contains(&root) || [REQUEST_ROOT, RESPONSE_ROOT, PROMPT_ROOT].contains(&root);
        debug_assert!(is_root, "{root} is not a root");
        let root_value = Root { cel: to_cel(&value), json: value };
        self.roots.insert(root, Arc::new(root_value));
        self
    }

    /// The same without what stands under a sensitive name.
    #[must_use]
    pub(crate) fn masked(&self, names: &SensitiveNames) -> Self {
        if names.is_empty() {
            return self.clone();
        }
        self.roots.iter().fold(Self::default(), |scope, (root, found)| {
            let mut value = found.json.clone();
            names.mask_root(root, &mut value);
            scope.with(root, value)
        })
    }

    /// The value of a root; null where it has none.
    pub fn get(&self, root: &str) -> &Value {
        self.roots.get(root).map_or(&Value::Null, |root| &root.json)
    }

    pub(super) fn cel(&self, root: &str) -> cel::Value {
        self.roots.get(root).map_or(cel::Value::Null, |root| root.cel.clone())
    }
}

/// JSON numbers without a fraction are CEL's `int` where they fit, so that they compare with integer literals.
pub(super) fn to_cel(value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(value) => cel::Value::Bool(*value),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => cel::Value::Int(integer),
            (None, Some(integer)) => cel::Value::UInt(integer),
            (None, None) => cel::Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => cel::Value::String(Arc::new(text.clone())),
        Value::Array(list) => cel::Value::List(Arc::new(list.iter().map(to_cel).collect())),
        Value::Object(object) => {
            let map: HashMap<String, cel::Value> =
                object.iter().map(|(key, value)| (key.clone(), to_cel(value))).collect();
            cel::Value::Map(map.into())
        }
    }
}

/// The largest result of an expression, and of all templates of one value together: bytes of text, and 16 for
/// each value.
pub(super) const RESULT_BYTES_MAX: usize = 8 << 20;

/// What a value counts for against [`RESULT_BYTES_MAX`].
pub(crate) fn weight(value: &Value) -> usize {
    16 + match value {
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(weight).sum(),
        Value::Object(object) => object.iter().map(|(key, value)| key.len() + weight(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// The kind of a result.
pub(super) fn kind_of(value: &cel::Value) -> Option<Kind> {
    use cel::Value as V;
    Some(match value {
        V::Null => Kind::Null,
        V::Bool(_) => Kind::Bool,
        V::Int(_) => Kind::Int,
        V::UInt(_) => Kind::Uint,
        V::Float(_) => Kind::Double,
        V::String(_) => Kind::String,
        V::Bytes(_) => Kind::Bytes,
        V::List(_) => Kind::List,
        V::Map(_) => Kind::Map,
        V::Timestamp(_) => Kind::Timestamp,
        V::Duration(_) => Kind::Duration,
        V::Opaque(_) => Kind::Optional,
        V::Struct(_) | V::Function(..) => return None,
    })
}

/// A result as JSON. Optional values become what they hold, or null. Durations become seconds text, timestamps RFC 3339 text, bytes base64. Values that CEL shares
/// are copied here, so they are counted.
pub(super) fn from_cel(value: &cel::Value) -> Result<Value, String> {
    let mut left = RESULT_BYTES_MAX;
    convert(value, &mut left)
}

fn convert(value: &cel::Value, left: &mut usize) -> Result<Value, String> {
    let bytes = match value {
        cel::Value::String(text) => text.len(),
        cel::Value::Bytes(bytes) => bytes.len() * 2,
        _ => 0,
    };
    *left =
        left.checked_sub(16 + bytes).ok_or_else(|| format!("gives a value larger than {RESULT_BYTES_MAX} bytes"))?;
    match value {
        cel::Value::List(list) => {
            list.iter().map(|item| convert(item, left)).collect::<Result<_, _>>().map(Value::Array)
        }
        cel::Value::Map(map) => map
            .map
            .iter()
            .map(|(key, value)| Ok((key.to_string(), convert(value, left)?)))
            .collect::<Result<_, _>>()
            .map(Value::Object),
        cel::Value::Opaque(_) => match <&OptionalValue>::try_from(value).map(OptionalValue::value) {
            Ok(inner) => inner.map_or(Ok(Value::Null), |inner| convert(inner, left)),
            Err(_) => Err("gives a value that JSON does not have".to_owned()),
        },
        cel::Value::Timestamp(instant) => {
            Ok(Value::String(instant.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)))
        }
        cel::Value::Duration(duration) => Ok(Value::String(seconds(duration))),
        cel::Value::Float(number) if !number.is_finite() => Err(format!("gives {number}, which JSON does not have")),
        other => other.json().map_err(|_| "gives a value that JSON does not have".to_owned()),
    }
}

/// A duration as CEL writes it: `90s`, `-0.5s`.
fn seconds(duration: &chrono::Duration) -> String {
    let sign = if *duration < chrono::Duration::zero() { "-" } else { "" };
    let nanos = format!("{:09}", duration.subsec_nanos().unsigned_abs());
    let fraction = nanos.trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{dot}{fraction}s", duration.num_seconds().unsigned_abs())
}
