//! Which claims there are, and which may not be changed.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an action's owner knows of claims. Nothing by default: then every claim is taken as it comes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ClaimRules {
    /// How the URI of each claim begins that may be changed.
    pub dialect: Option<String>,
    /// Beginnings of URIs that may not be changed.
    pub refused: Vec<String>,
    /// The claims that there are, by URI. Every claim where there is no such list.
    pub known: Option<BTreeMap<String, ClaimEntry>>,
    /// Paths of operations that are never allowed, whatever a step lists.
    pub read_only: Vec<String>,
}

/// A claim that there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ClaimEntry {
    /// Whether it has a list of values.
    pub multi_valued: bool,
}
