//! What a journal entry holds so that its step can be executed again without the outside (F-11): all that chance, time
//! and the outside gave it and that its record does not say.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::context::ContextChange;
use super::journal::JournalEntry;
use crate::time::Timestamp;

/// The name of the instant of a step's commit in [`Recorded::instants`].
pub(crate) const DONE: &str = "done";

/// What a step was given. Nobody is shown [`Recorded::given`]: it holds plaintext of what came encrypted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recorded {
    /// What the request ids of the step are made of, where it made some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<uuid::Uuid>,
    /// The instants that it saw or set, by what for: milliseconds after its beginning.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub instants: BTreeMap<String, u64>,
    /// The versions of what it used, by kind and name: `connector NAME`, `action TYPE/NAME`, `plugin REQUIREMENT`. What
    /// was looked up and not there is missing.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub used: BTreeMap<String, String>,
    /// The names that the operator had marked as sensitive: hooks did not see what stands under them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sensitive_names: Vec<String>,
    /// What keys encrypted, decrypted or signed, by what for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub given: BTreeMap<String, Given>,
    /// What the keys that the step changed had held before; one that held nothing is missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<ContextChange>,
}

/// What a key of the outside gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Given {
    /// This text.
    Text(String),
    /// Nothing.
    Refused {
        /// The stable code.
        code: String,
        /// Why.
        message: String,
    },
}

impl Recorded {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl JournalEntry {
    /// When its run was changed by it.
    pub fn done_at(&self) -> Timestamp {
        let after = self.recorded.instants.get(DONE).copied().unwrap_or_default();
        Timestamp::from_millis(self.started_at.as_millis().saturating_add(after))
    }
}
