//! What an action answered, whoever served it: one type for plugins and external services.

mod read; // from a response to an answer

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::read::{AnswerRules, ReadAnswer, UnusableAnswer, check_answered_failure, read_answer};

use super::operation::Operation;
use crate::message::Failure;
use crate::ports::ActionDecision;

/// What an action answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionAnswer {
    /// Apply these operations, all or none, and go on.
    Success {
        /// In order.
        operations: Vec<Operation>,
        /// What the type's answers may say besides operations.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<Value>,
    },
    /// Suspend the run with one redirect.
    Incomplete {
        /// In order.
        operations: Vec<Operation>,
    },
    /// The flow stops for a business reason.
    Failed(Failure),
    /// The provider says itself that it could not do its work. Never shown to an end user.
    Error(ProviderError),
}

/// What a provider says of its own error. For the diagnostic log only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderError {
    /// What happened.
    pub message: String,
    /// More of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl From<ActionDecision> for ActionAnswer {
    fn from(decision: ActionDecision) -> Self {
        match decision {
            ActionDecision::Success(operations) => Self::Success { operations, data: None },
            ActionDecision::Incomplete(operations) => Self::Incomplete { operations },
            ActionDecision::Failed(failure) => Self::Failed(failure),
        }
    }
}
