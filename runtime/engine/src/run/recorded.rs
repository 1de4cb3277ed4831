//! What a journal entry holds so that its step can be executed again without the outside (F-11): all that chance, time
//! and the outside gave it and that its record does not say.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::context::ContextChange;
use super::journal::JournalEntry;
use super::record::Run;
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
    /// What its child runs told the run, where they did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taught: Option<Taught>,
}

/// What child runs that have ended tell their parent besides what its step makes of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Taught {
    /// By how much they moved its deadline, in milliseconds.
    #[serde(skip_serializing_if = "crate::left_out::is_zero")]
    pub deadline_moved_ms: u64,
    /// The names of what is to be hidden besides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sensitive: Vec<String>,
}

impl Taught {
    /// What makes one run the other; `None` where nothing does.
    pub(crate) fn between(before: &Run, after: &Run) -> Option<Self> {
        let moved = after.deadline.as_millis().saturating_sub(before.deadline.as_millis());
        let is_new = |name: &&String| !before.sensitive.contains(name);
        let taught =
            Self { deadline_moved_ms: moved, sensitive: after.sensitive.iter().filter(is_new).cloned().collect() };
        (taught != Self::default()).then_some(taught)
    }

    /// Tells a run.
    pub(crate) fn tell(&self, run: &mut Run) {
        run.deadline = run.deadline.after(Duration::from_millis(self.deadline_moved_ms));
        run.keep_sensitive(&self.sensitive);
    }
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

    /// Whether a step made it. Others are of the engine, or of somebody from outside.
    pub(crate) fn is_of_step(&self) -> bool {
        self.recorded.instants.contains_key(DONE)
    }
}
