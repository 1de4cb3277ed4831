//! Places of an event: what operations may find and leave there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A place of an event that operations change, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Place {
    /// Where, as a JSON pointer into the run's event.
    pub path: String,
    /// What it holds.
    pub holds: Holding,
}

/// What a place holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Holding {
    /// A list of `{uri, value}`.
    Claims {},
}
