//! A vector, and how files of them are read.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use serde::Deserialize;
use serde_json::{Map, Value};

/// One case. Where it comes from is for people.
#[derive(Debug, Deserialize)]
pub(crate) struct Vector {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) product: String,
    #[serde(default)]
    pub(crate) area: String,
    #[serde(default)]
    pub(crate) title: String,
    /// How far to trust it: `test`, `executed`, `code`, `doc`, `seed` or `derived`.
    #[serde(default)]
    pub(crate) evidence: String,
    #[serde(default)]
    pub(crate) given: Value,
    #[serde(default)]
    pub(crate) expect: Value,
}

/// What comes before our own rule where the source says nothing: "not specified; our rule: ".
const OUR_RULE: &str = "our rule: ";

impl Vector {
    /// The member of `given` of that name; null where there is none.
    pub(crate) fn given(&self, name: &str) -> &Value {
        self.given.get(name).unwrap_or(&Value::Null)
    }

    /// The member of `expect` of that name, where there is one.
    pub(crate) fn expects(&self, name: &str) -> Option<&Value> {
        self.expect.get(name)
    }

    /// The text in `expect` of that name, without what says that the rule is ours.
    pub(crate) fn expects_text(&self, name: &str) -> Option<&str> {
        let text = self.expects(name)?.as_str()?;
        Some(text.split_once(OUR_RULE).map_or(text, |(_, rule)| rule))
    }

    /// The members of `given`, in order.
    pub(crate) fn given_names(&self) -> Vec<&str> {
        names(self.given.as_object())
    }

    /// The members of `expect`, in order.
    pub(crate) fn expect_names(&self) -> Vec<&str> {
        names(self.expect.as_object())
    }
}

fn names(object: Option<&Map<String, Value>>) -> Vec<&str> {
    object.map(|object| object.keys().map(String::as_str).collect()).unwrap_or_default()
}

/// A list's entry that is no vector.
pub(crate) struct Malformed {
    /// Its id, or its place in the list, from 1.
    pub(crate) id: String,
    pub(crate) why: anyhow::Error,
}

/// The vectors of a file, in order, with the entries that are none.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<Result<Vector, Malformed>>> {
    let text = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let list: Vec<Value> =
        serde_json::from_slice(&text).map_err(|error| anyhow!("the file is not a list of vectors: {error}"))?;
    let vector = |(index, entry): (usize, Value)| {
        let id = entry.get("id").and_then(Value::as_str).map_or_else(|| format!("#{}", index + 1), str::to_owned);
        serde_json::from_value(entry).map_err(|why| Malformed { id, why: why.into() })
    };
    Ok(list.into_iter().enumerate().map(vector).collect())
}
