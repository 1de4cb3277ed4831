//! The context: what a run knows.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::record::Claim;

/// Where in the context a value lies: `event`, `item`, or a root and one name such as `connectors.risk`.
///
/// No key is ever a part of another one, so that the last value of each key is the whole context.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContextKey(String);

/// Why a text is not a context key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a context key; write `connectors.NAME`, where NAME is 1 to 128 letters, digits, `-` and `_`")]
pub struct InvalidContextKey(String);

impl ContextKey {
    /// The event that started the run.
    pub fn event() -> Self {
        Self("event".to_owned())
    }

    /// The item of a `for-each`, in the runs of its steps: `{value, index, outer}`.
    pub fn item() -> Self {
        Self("item".to_owned())
    }

    /// The list of a `for-each` that has not begun all of its items: the engine's own. No expression and no view has it,
    /// and null stands for none.
    pub fn items() -> Self {
        Self("for-each.items".to_owned())
    }

    /// The result of a call, under its connector's name: `connectors.NAME`.
    pub(crate) fn connector(connector: &crate::ids::ConnectorName) -> Self {
        Self(format!("connectors.{connector}"))
    }

    /// What a step left behind besides its context key: `steps.ID`.
    pub fn step(step: &crate::ids::StepId) -> Self {
        Self(format!("steps.{step}"))
    }

    /// One claim of the result: `claims.KEY`.
    pub fn claim(key: &str) -> Result<Self, InvalidContextKey> {
        format!("claims.{key}").parse()
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The root and, except for `event`, the name under it.
    pub fn parts(&self) -> (&str, Option<&str>) {
        match self.0.split_once('.') {
            Some((root, name)) => (root, Some(name)),
            None => (&self.0, None),
        }
    }
}

impl FromStr for ContextKey {
    type Err = InvalidContextKey;
    fn from_str(text: &str) -> Result<Self, InvalidContextKey> {
        let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        let good = match text.split_once('.') {
            Some(("connectors" | "steps", name)) => (1..=128).contains(&name.len()) && is_plain(name),
            // Claims are often named by a URI.
            Some(("claims", name)) => (1..=256).contains(&name.len()) && !name.contains(char::is_control),
            Some(("for-each", name)) => name == "items",
            Some(_) => false,
            None => ["event", "item"].contains(&text),
        };
        if good { Ok(Self(text.to_owned())) } else { Err(InvalidContextKey(text.chars().take(80).collect())) }
    }
}

impl TryFrom<String> for ContextKey {
    type Error = InvalidContextKey;
    fn try_from(text: String) -> Result<Self, InvalidContextKey> {
        text.parse()
    }
}

impl From<ContextKey> for String {
    fn from(key: ContextKey) -> String {
        key.0
    }
}

impl fmt::Display for ContextKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A new value of one context key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContextChange {
    /// Which.
    pub key: ContextKey,
    /// The whole new value.
    pub value: Value,
}

/// What a run knows: the last value of every key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunContext(BTreeMap<ContextKey, Value>);

impl RunContext {
    /// The context of a run that has just begun.
    pub fn of_event(event: Value) -> Self {
        Self(BTreeMap::from([(ContextKey::event(), event)]))
    }

    /// The value of a key.
    pub fn get(&self, key: &ContextKey) -> Option<&Value> {
        self.0.get(key)
    }

    pub(super) fn get_mut(&mut self, key: &ContextKey) -> Option<&mut Value> {
        self.0.get_mut(key)
    }

    /// Every key with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&ContextKey, &Value)> {
        self.0.iter()
    }

    /// Takes the change over.
    pub fn apply(&mut self, change: &ContextChange) {
        self.0.insert(change.key.clone(), change.value.clone());
    }

    /// What this context has, and `before` has not or otherwise; but for a child run's own item and items.
    pub fn changes_since(&self, before: &Self) -> Vec<ContextChange> {
        let own = [ContextKey::item(), ContextKey::items()];
        let is_new = |(key, value): &(&ContextKey, &Value)| !own.contains(key) && before.get(key) != Some(value);
        let change = |(key, value): (&ContextKey, &Value)| ContextChange { key: key.clone(), value: value.clone() };
        self.iter().filter(is_new).map(change).collect()
    }

    /// What the keys of these changes hold now, each once.
    pub fn replaced_by(&self, changes: &[ContextChange]) -> Vec<ContextChange> {
        let keys: std::collections::BTreeSet<&ContextKey> = changes.iter().map(|change| &change.key).collect();
        let before = |key: &ContextKey| Some(ContextChange { key: key.clone(), value: self.0.get(key)?.clone() });
        keys.into_iter().filter_map(before).collect()
    }

    /// Takes changes back: their keys hold again what they replaced.
    pub fn take_back(&mut self, changes: &[ContextChange], replaced: &[ContextChange]) {
        changes.iter().for_each(|change| drop(self.0.remove(&change.key)));
        replaced.iter().for_each(|change| self.apply(change));
    }

    /// Takes out the list of a `for-each` that has not begun all of its items.
    pub fn take_items(&mut self) -> Option<Vec<Value>> {
        match self.0.remove(&ContextKey::items()) {
            Some(Value::Array(items)) => Some(items),
            _ => None,
        }
    }

    /// Whether it has the list of a `for-each`.
    pub fn has_items(&self) -> bool {
        self.get(&ContextKey::items()).is_some_and(Value::is_array)
    }

    /// The claims of the result, by key.
    pub fn claims(&self) -> Vec<Claim> {
        let claims = self.0.iter().filter_map(|(key, value)| match key.parts() {
            ("claims", Some(name)) => Some(Claim { key: name.to_owned(), value: value.clone() }),
            _ => None,
        });
        claims.collect()
    }

    /// The context as one JSON object: `{event, connectors: {…}, steps: {…}, claims: {…}}`.
    pub fn to_json(&self) -> Value {
        let mut roots = serde_json::Map::new();
        for root in ["connectors", "steps", "claims"] {
            roots.insert(root.to_owned(), Value::Object(serde_json::Map::new()));
        }
        roots.insert("event".to_owned(), Value::Null);
        for (key, value) in &self.0 {
            match key.parts() {
                (root, None) => {
                    roots.insert(root.to_owned(), value.clone());
                }
                (root, Some(name)) => {
                    if let Some(Value::Object(object)) = roots.get_mut(root) {
                        object.insert(name.to_owned(), value.clone());
                    }
                }
            }
        }
        Value::Object(roots)
    }
}

/// Why a value is no context.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidContext {
    /// It is no object of the roots that a context has.
    #[error("a context is an object with the members `event`, `connectors`, `steps` and `claims`, not {0}")]
    Root(String),
    /// A root other than the event is no object.
    #[error("`{0}` in a context must be an object")]
    NotAnObject(String),
    /// A name below a root is none.
    #[error(transparent)]
    Key(#[from] InvalidContextKey),
}

impl TryFrom<Value> for RunContext {
    type Error = InvalidContext;

    /// The reverse of [`RunContext::to_json`]; null is the context of a run without an event.
    fn try_from(value: Value) -> Result<Self, InvalidContext> {
        let roots = match value {
            Value::Null => return Ok(Self::default()),
            Value::Object(roots) => roots,
            other => return Err(InvalidContext::Root(crate::expression::type_name(&other).to_owned())),
        };
        let mut context = Self::default();
        for (root, value) in roots {
            match (root.as_str(), value) {
                ("event", event) => {
                    context.0.insert(ContextKey::event(), event);
                }
                ("item", item) => {
                    context.0.insert(ContextKey::item(), item);
                }
                ("connectors" | "steps" | "claims", Value::Object(names)) => {
                    for (name, value) in names {
                        context.0.insert(format!("{root}.{name}").parse()?, value);
                    }
                }
                ("connectors" | "steps" | "claims", _) => return Err(InvalidContext::NotAnObject(root)),
                _ => return Err(InvalidContext::Root(format!("`{}`", root.chars().take(80).collect::<String>()))),
            }
        }
        Ok(context)
    }
}

impl FromIterator<(ContextKey, Value)> for RunContext {
    fn from_iter<I: IntoIterator<Item = (ContextKey, Value)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_a_part_of_another() {
        for good in ["event", "connectors.risk", "steps.a_1", "claims.http://example.org/tier"] {
            assert!(good.parse::<ContextKey>().is_ok(), "{good:?}");
        }
        for bad in [
            "",
            "connectors",
            "event.user",
            "connectors.a.b",
            "other.a",
            "connectors.",
            "run.id",
            "for-each",
            "for-each.a",
        ] {
            assert!(bad.parse::<ContextKey>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_context_reads_back() {
        let json = serde_json::json!({
            "event": { "a": 1 }, "connectors": { "risk": 2 }, "steps": {}, "claims": { "http://example.org/tier": "x" }
        });
        assert_eq!(RunContext::try_from(json.clone()).expect("a context").to_json(), json);
        assert_eq!(RunContext::try_from(Value::Null), Ok(RunContext::default()));
        for (bad, says) in [
            (serde_json::json!([]), "not a list"),
            (serde_json::json!({ "run": {} }), "not `run`"),
            (serde_json::json!({ "connectors": 1 }), "must be an object"),
            (serde_json::json!({ "connectors": { "a.b": 1 } }), "not a context key"),
        ] {
            let error = RunContext::try_from(bad).expect_err("no context").to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
