//! What was read of the live definitions, for as long as none has changed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::KEPT_MAX;
use crate::ids::TenantId;
use crate::ports::{DefinitionKind, StoreError};

/// Whose, what, and its name or how its name begins.
type Key = (TenantId, DefinitionKind, String);

/// A bounded table of what was read in one edition ([`crate::ports::Store::definitions_edition`]).
pub(super) struct Recent<V>(Mutex<Edition<V>>);

struct Edition<V> {
    number: u64,
    read: HashMap<Key, Arc<V>>,
}

impl<V> Default for Recent<V> {
    fn default() -> Self {
        Self(Mutex::new(Edition { number: 0, read: HashMap::new() }))
    }
}

impl<V> Recent<V> {
    /// What was read of the key in this edition, or what `read` gives now, kept where `is_small`. Without an edition it is
    /// always read.
    pub(super) async fn get(
        &self,
        edition: Option<u64>,
        key: Key,
        read: impl Future<Output = Result<V, StoreError>>,
        is_small: impl Fn(&V) -> bool,
    ) -> Result<Arc<V>, StoreError> {
        let Some(edition) = edition else { return read.await.map(Arc::new) };
        if let Some(known) = self.known(edition, &key) {
            return Ok(known);
        }
        let value = Arc::new(read.await?);
        if is_small(&value) {
            self.keep(edition, key, Arc::clone(&value));
        }
        Ok(value)
    }

    fn known(&self, edition: u64, key: &Key) -> Option<Arc<V>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.number == edition { kept.read.get(key).cloned() } else { None }
    }

    fn keep(&self, edition: u64, key: Key, value: Arc<V>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.number > edition {
            return;
        }
        if kept.number < edition || kept.read.len() >= KEPT_MAX {
            kept.read.clear();
        }
        kept.number = edition;
        kept.read.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(recent: &Recent<u32>, edition: Option<u64>, value: u32) -> u32 {
        let key = ("t".parse().unwrap(), DefinitionKind::Flow, "f".to_owned());
        *recent.get(edition, key, async { Ok(value) }, |value| *value < 100).await.unwrap()
    }

    #[tokio::test]
    async fn what_was_read_is_good_for_its_edition_alone() {
        let recent = Recent::default();
        assert_eq!(get(&recent, Some(1), 1).await, 1);
        assert_eq!(get(&recent, Some(1), 2).await, 1);
        assert_eq!(get(&recent, None, 3).await, 3);
        assert_eq!(get(&recent, Some(2), 4).await, 4);
        // What is large is read each time.
        assert_eq!((get(&recent, Some(3), 100).await, get(&recent, Some(3), 101).await), (100, 101));
        assert_eq!(get(&recent, Some(2), 4).await, 4);
        // A read that began before the change neither sees nor replaces what was read after it.
        assert_eq!(get(&recent, Some(1), 5).await, 5);
        assert_eq!(get(&recent, Some(2), 6).await, 4);
    }
}
