//! Parsed functions, kept as long as their connectors live: binding is on the hot path, parsing is not.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use weir_engine::connector::{Connector, Function};
use weir_engine::ids::FunctionName;

use super::compile::{self, CompiledFunction};
use crate::fault::Fault;

/// Connectors that are remembered. One more makes room by forgetting those that are gone, or else all.
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
        if entries.len() >= CONNECTORS_MAX {
            entries.retain(|_, entry| entry.connector.strong_count() > 0);
        }
        if entries.len() >= CONNECTORS_MAX {
            entries.clear();
        }
        let connector = Arc::downgrade(connector);
        entries.insert(address, Entry { connector, compiled: compiled.clone() });
        compiled
    }
}
