//! Which versions of a tenant's things a step uses: noted live, kept to in a replay (F-11).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::ports::DefinitionKind;

/// The versions that one step uses.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    /// By kind and name; what is not there did not exist.
    pinned: Option<BTreeMap<String, String>>,
    used: Mutex<BTreeMap<String, String>>,
}

/// Which version is meant.
pub(super) enum Wanted {
    /// The one that is live.
    Live,
    /// This one.
    Version(u32),
    /// None: there was none.
    Nothing,
}

impl Versions {
    /// No others than these.
    pub(crate) fn pinned(versions: BTreeMap<String, String>) -> Self {
        Self { pinned: Some(versions), used: Mutex::default() }
    }

    /// What was used until now.
    pub(crate) fn used(&self) -> BTreeMap<String, String> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn wanted(&self, kind: DefinitionKind, name: &str) -> Wanted {
        let Some(pinned) = &self.pinned else { return Wanted::Live };
        pinned.get(&key(kind, name)).and_then(|it| it.parse().ok()).map_or(Wanted::Nothing, Wanted::Version)
    }

    /// The names of a kind that begin so, where only some versions may be used.
    pub(super) fn names(&self, kind: DefinitionKind, prefix: &str) -> Option<Vec<String>> {
        let start = key(kind, prefix);
        let skipped = start.len() - prefix.len();
        let name = |key: &String| key.starts_with(&start).then(|| key.get(skipped..).unwrap_or_default().to_owned());
        self.pinned.as_ref().map(|pinned| pinned.keys().filter_map(name).collect())
    }

    /// The version of the plugin that a requirement selected; `None` where the newest one is to be selected.
    pub(super) fn plugin(&self, requirement: &str) -> Option<Option<String>> {
        self.pinned.as_ref().map(|pinned| pinned.get(&key(DefinitionKind::Plugin, requirement)).cloned())
    }

    pub(super) fn note(&self, kind: DefinitionKind, name: &str, version: impl ToString) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.insert(key(kind, name), version.to_string());
    }
}

fn key(kind: DefinitionKind, name: &str) -> String {
    format!("{kind:?} {name}").to_lowercase()
}
