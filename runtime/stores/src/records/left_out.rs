//! What cannot be loaded is left out where it is read along with others, so that it does not stand in their way.
//! It is logged each time, counted, and told in the store's health until the process ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use weir_engine::ports::StoreError;

use super::keys::{DefinitionKey, RunKey};
use crate::causes::with_causes;

/// How often something was left out.
#[derive(Debug, Clone, Default)]
pub(crate) struct LeftOut {
    times: Arc<AtomicU64>,
    /// Of the definitions: a listing without what could not be read is not to be kept.
    edition: Arc<AtomicU64>,
}

impl LeftOut {
    pub(crate) fn new(edition: Arc<AtomicU64>) -> Self {
        Self { times: Arc::default(), edition }
    }

    /// What was loaded of a run; `None`, and a line in the log, where that failed for whatever reason.
    pub(crate) fn run<T>(&self, key: &RunKey, loaded: Result<T, StoreError>) -> Option<T> {
        self.count(loaded, |error| {
            tracing::error!(run = %key.run, tenant = %key.tenant, error, "a run that cannot be read was left out");
        })
    }

    /// The same for a definition.
    pub(crate) fn definition<T>(&self, key: &DefinitionKey, loaded: Result<T, StoreError>) -> Option<T> {
        self.count(loaded, |error| {
            self.edition.fetch_add(1, Ordering::SeqCst);
            let DefinitionKey { tenant, kind, name } = key;
            tracing::error!(%tenant, ?kind, name, error, "a definition that cannot be read was left out");
        })
    }

    fn count<T>(&self, loaded: Result<T, StoreError>, log: impl FnOnce(&str)) -> Option<T> {
        loaded
            .inspect_err(|error| {
                self.times.fetch_add(1, Ordering::Relaxed);
                log(&with_causes(error));
            })
            .ok()
    }

    /// What an operator should know of it.
    pub(crate) fn note(&self) -> Option<String> {
        let times = self.times.load(Ordering::Relaxed);
        let note =
            || format!("{times} times a run or a definition could not be read and was left out; the log names each");
        (times > 0).then(note)
    }
}
