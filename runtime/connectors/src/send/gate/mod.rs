//! How many calls of a connector go out at a time, and when none do (C-21). For each connector of each tenant.

mod breaker;
mod places;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use weir_engine::connector::Connector;
use weir_engine::ids::{ConnectorName, TenantId};

use self::breaker::Breaker;
pub(super) use self::breaker::Verdict;
pub(super) use self::places::Place;
use self::places::Places;
use crate::settings::PoolSettings;

/// The gates of all connectors. Bounded: those that no call is at are forgotten, the longest unused first.
pub(super) struct Gates {
    known: Mutex<Known>,
    most: usize,
    most_of_tenant: usize,
}

#[derive(Default)]
struct Known {
    gates: HashMap<Key, (Arc<Gate>, u64)>,
    /// Counts uses: the gate with the smallest number was used longest ago.
    uses: u64,
}

/// Whose gate it is. It is the connector's in all its versions, but for one that is only tried: what an author makes
/// of a document that is not saved must not stop the saved one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    tenant: TenantId,
    connector: ConnectorName,
    saved: bool,
}

/// What the calls of one connector pass.
pub(super) struct Gate {
    pub(super) breaker: Breaker,
    pub(super) places: Places,
}

impl Gates {
    /// None yet.
    pub(super) fn new(settings: &PoolSettings) -> Self {
        Self {
            known: Mutex::default(),
            most: settings.connectors_max.max(1).into(),
            most_of_tenant: settings.connectors_per_tenant_max.max(1).into(),
        }
    }

    /// The gate of a connector.
    pub(super) fn of(&self, tenant: &TenantId, connector: &Connector) -> Arc<Gate> {
        let (tenant, name) = (tenant.clone(), connector.document.connector.clone());
        let key = Key { tenant, connector: name, saved: connector.version > 0 };
        let mut known = self.known();
        known.uses += 1;
        let uses = known.uses;
        if let Some((gate, last_use)) = known.gates.get_mut(&key) {
            *last_use = uses;
            return gate.clone();
        }
        if known.gates.keys().filter(|known| known.tenant == key.tenant).count() >= self.most_of_tenant {
            known.forget_longest_unused(|known| known.tenant == key.tenant);
        } else if known.gates.len() >= self.most {
            known.forget_longest_unused(|_| true);
        }
        let gate = Arc::new(Gate { breaker: Breaker::new(key.clone()), places: Places::default() });
        known.gates.insert(key, (gate.clone(), uses));
        gate
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// What a call is at stays, so there can be as many more as there are calls under way.
    fn forget_longest_unused(&mut self, among: impl Fn(&Key) -> bool) {
        let idle = self.gates.iter().filter(|(key, (gate, _))| among(key) && Arc::strong_count(gate) == 1);
        let oldest = idle.min_by_key(|(_, (_, last_use))| *last_use).map(|(key, _)| key.clone());
        if let Some(key) = oldest {
            self.gates.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_gates_are_forgotten() {
        // covers C-21: at N and N + 1, of a tenant and of all
        let settings = PoolSettings { connectors_max: 3, connectors_per_tenant_max: 2, ..PoolSettings::default() };
        let gates = Gates::new(&settings);
        let gate = |tenant: &str, name: &str| {
            let document = serde_json::json!({"connector": name, "base-url": "https://a.com", "functions": []});
            let document = serde_json::from_value(document).expect("a document");
            gates.of(&tenant.parse().expect("a tenant"), &Connector { version: 1, document })
        };
        let same = |gate: &Arc<Gate>, other: Arc<Gate>| Arc::ptr_eq(gate, &other);
        let used = gate("acme", "a");
        let idle = Arc::downgrade(&gate("acme", "b"));
        gate("acme", "c");
        // The one with a call at it stays, though it is the longest unused.
        assert!(idle.upgrade().is_none() && same(&used, gate("acme", "a")));
        drop(gate("other", "a"));
        assert_eq!(gates.known().gates.len(), 3);
        gate("third", "a");
        assert_eq!(gates.known().gates.len(), 3);
        let [one, two] = [gate("third", "a"), gate("third", "b")];
        let three = gate("third", "c");
        assert!(same(&one, gate("third", "a")) && same(&two, gate("third", "b")) && same(&three, gate("third", "c")));
    }
}
