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
        /// What; `None` where the answer has no such member, which is not the same as null.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
        value: Option<Value>,
    },
    /// Sets a value, whether there was one or not.
    Replace {
        /// Where.
        path: String,
        /// What; `None` where the answer has no such member, which is not the same as null.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
        value: Option<Value>,
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

/// A member that is there, also where it is null.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl OperationKind {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Replace => "replace",
            Self::Remove => "remove",
            Self::Redirect => "redirect",
        }
    }
}

impl Operation {
    /// Its kind.
    pub fn kind(&self) -> OperationKind {
        match self {
            Self::Add { .. } => OperationKind::Add,
            Self::Replace { .. } => OperationKind::Replace,
            Self::Remove { .. } => OperationKind::Remove,
            Self::Redirect { .. } => OperationKind::Redirect,
        }
    }

    /// Its value; none where it has no such member.
    pub fn value(&self) -> Option<&Value> {
        match self {
            Self::Add { value, .. } | Self::Replace { value, .. } => value.as_ref(),
            Self::Remove { .. } | Self::Redirect { .. } => None,
        }
    }

    /// Its path; none for `redirect`.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Add { path, .. } | Self::Replace { path, .. } | Self::Remove { path } => Some(path),
            Self::Redirect { .. } => None,
        }
    }
}
