//! Rules: when an action runs. An OR of AND groups.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When an action runs: where one of the groups holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// `OR`.
    pub condition: Combination,
    /// The groups.
    pub rules: Vec<RuleGroup>,
}

/// Holds where all of its expressions do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleGroup {
    /// `AND`.
    pub condition: Combination,
    /// The expressions.
    pub expressions: Vec<RuleExpression>,
}

/// How parts of a rule are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Combination {
    Or,
    And,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleExpression {
    /// A field that the action's type lists.
    pub field: String,
    /// An operator that the field takes; text, so that an unknown one is told of with the field.
    pub operator: String,
    /// What the field is compared with.
    pub value: String,
}
