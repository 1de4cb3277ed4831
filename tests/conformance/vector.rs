//! A vector, and how files of them are read.

use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Map, Value};

/// One case. Where it comes from and how far to trust it is for people.
#[derive(Debug, Deserialize)]
pub(crate) struct Vector {
    pub(crate) id: String,
    pub(crate) product: String,
    pub(crate) area: String,
    pub(crate) title: String,
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

/// The vectors of a file, in order.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<Vector>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not a list of vectors", path.display()))
}
