//! Operations and what allows them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The kinds of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are RFC 6902's, and `redirect`")]
pub enum OperationKind {
    Add,
    Replace,
    Remove,
    Redirect,
}

/// What a step allows an action to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AllowedOperation {
    /// The kind.
    pub op: OperationKind,
    /// Paths such as `/user/claims[uri=http://wso2.org/claims/tier]`; none for `redirect`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
}

/// One change that an action asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Operation {
    /// Adds a value.
    Add {
        /// Where.
        path: String,
        /// What.
        value: Value,
    },
    /// Sets a value, whether there was one or not.
    Replace {
        /// Where.
        path: String,
        /// What.
        value: Value,
    },
    /// Removes a value.
    Remove {
        /// Where.
        path: String,
    },
    /// Sends the end user elsewhere.
    Redirect {
        /// Where to.
        url: String,
    },
}
