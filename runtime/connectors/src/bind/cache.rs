//! Parsed functions, kept as long as their connectors live: binding is on the hot path, parsing is not.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use weir_engine::connector::{Connector, Function};
use weir_engine::ids::FunctionName;

use super::compile::{self, CompiledFunction};
use crate::fault::Fault;

/// Connectors that are remembered. One more takes the place of another.
const CONNECTORS_MAX: usize = 4096;

/// The functions of one saved connector.
pub(super) struct CompiledConnector {
    functions: HashMap<FunctionName, Compiled>,
}

/// A function, or why it cannot be used.
pub(super) type Compiled = Result<(Arc<Function>, CompiledFunction), Vec<Fault>>;

impl CompiledConnector {
    fn of(connector: &Connector) -> Self {
        let document = &connector.document;
        let (shared, faults) = compile::shared_headers(document);
        let mut functions = HashMap::new();
        for (index, function) in document.functions.iter().enumerate() {
            let compiled = match compile::function(document, index, &shared) {
                Ok(compiled) if faults.is_empty() => Ok((Arc::new(function.clone()), compiled)),
                Ok(_) => Err(faults.clone()),
                Err(own) => Err([faults.clone(), own].concat()),
            };
            functions.entry(function.name.clone()).or_insert(compiled);
        }
        Self { functions }
    }

    pub(super) fn function(&self, name: &FunctionName) -> Option<&Compiled> {
        self.functions.get(name)
    }
}

/// Parsed connectors by the address of their `Arc`. An entry's weak reference keeps that address from being used
/// again, so an address stands for one connector.
#[derive(Default)]
pub(super) struct Cache {
    entries: RwLock<HashMap<usize, Entry>>,
}

struct Entry {
    connector: Weak<Connector>,
    compiled: Arc<CompiledConnector>,
}

impl Cache {
    /// The connector with its templates parsed.
    pub(super) fn compiled(&self, connector: &Arc<Connector>) -> Arc<CompiledConnector> {
        let address = Arc::as_ptr(connector).addr();
        if let Some(known) = self.entries.read().unwrap_or_else(PoisonError::into_inner).get(&address) {
            return known.compiled.clone();
        }
        let compiled = Arc::new(CompiledConnector::of(connector));
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        // Each tried call has a connector of its own, gone when the call is over. Looking at every entry costs less
        // than parsing has just cost.
        entries.retain(|_, entry| entry.connector.strong_count() > 0);
        if entries.len() >= CONNECTORS_MAX
            && let Some(any) = entries.keys().next().copied()
        {
            entries.remove(&any);
        }
        let connector = Arc::downgrade(connector);
        entries.insert(address, Entry { connector, compiled: compiled.clone() });
        compiled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn connector() -> Arc<Connector> {
        let document = json!({"connector": "api", "base-url": "https://a.com", "functions": []});
        Arc::new(Connector { version: 1, document: serde_json::from_value(document).expect("a document") })
    }

    fn count(cache: &Cache) -> usize {
        cache.entries.read().expect("not poisoned").len()
    }

    #[test]
    fn connectors_that_are_gone_are_forgotten() {
        // covers C-16: memory is bounded
        let (cache, lives) = (Cache::default(), connector());
        let kept = cache.compiled(&lives);
        for _ in 0..10 {
            cache.compiled(&connector());
        }
        // The last one is gone too, but nobody has come since.
        assert_eq!(count(&cache), 2);
        assert!(Arc::ptr_eq(&cache.compiled(&lives), &kept));
    }

    #[test]
    fn one_connector_too_many_takes_the_place_of_one() {
        // covers C-16: memory is bounded
        let cache = Cache::default();
        let live: Vec<_> = (0..=CONNECTORS_MAX).map(|_| connector()).collect();
        live.iter().for_each(|connector| drop(cache.compiled(connector)));
        assert_eq!(count(&cache), CONNECTORS_MAX);
    }
}
