//! Rows in memory: for tests, trials and the debug mode. Nothing survives the process.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLockReadGuard};

use bytes::Bytes;
use weir_engine::digest::Digest;
use weir_engine::ports::{Health, StoreError};

use crate::backup::{BackupError, Contents, Copied, Report, Source, load};
use crate::records::{Backend, BlobRef, Blobs, Changes, Draft, Records, Row, Rows};

/// A store in memory.
pub type MemoryStore = Records<Memory>;

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(Memory::default())
    }
}

impl MemoryStore {
    /// A store with the content of a backup, of whatever back end that was made. Waits for the disk.
    ///
    /// # Errors
    /// The file is not as it was made, or was made of a damaged store.
    pub async fn restored(file: &Path) -> Result<(Self, Report), BackupError> {
        let store = Self::default();
        let report = load(&store, &Contents::open(file)?, false).await?;
        Ok((store, report))
    }
}

/// The back end in memory.
#[derive(Debug, Default)]
pub struct Memory {
    rows: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
    blobs: Mutex<HashMap<Digest, Bytes>>,
}

/// Changes are applied whole or not at all, so that a panic elsewhere leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Backend for Memory {
    async fn read<A: Send + 'static, T: Send + 'static>(
        &self,
        collect: impl FnOnce(&dyn Rows) -> Result<A, StoreError> + Send + 'static,
        finish: impl FnOnce(A, &dyn Blobs) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let collected = collect(&*lock(&self.rows))?;
        finish(collected, self)
    }

    async fn write<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&mut Draft<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let mut rows = lock(&self.rows);
        let group = Changes::new();
        let mut draft = Draft::new(&*rows, &group);
        let outcome = verb(&mut draft)?;
        for (key, change) in draft.into_changes() {
            match change {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
        Ok(outcome)
    }

    async fn keep_blobs(&self, blobs: Vec<Bytes>) -> Result<Vec<Digest>, StoreError> {
        let mut kept = lock(&self.blobs);
        let mut keep = |bytes: Bytes| {
            let digest = Digest::of(&bytes);
            kept.insert(digest, bytes);
            digest
        };
        Ok(blobs.into_iter().map(&mut keep).collect())
    }

    fn health(&self) -> Health {
        let notes = vec!["nothing survives the process".to_owned()];
        Health { backend: "memory".to_owned(), writable: true, notes, bytes_on_disk: None, bytes_free: None }
    }
}

impl Source for Memory {
    fn copy_rows(&self, each: &mut dyn FnMut(Copied) -> Result<(), BackupError>) -> Result<(), BackupError> {
        let rows = lock(&self.rows).clone();
        each(Copied::Rows(rows.into_iter().collect()))
    }

    /// Nothing is ever removed from memory.
    fn hold(&self) -> Option<RwLockReadGuard<'_, ()>> {
        None
    }

    fn blobs(&self) -> &dyn Blobs {
        self
    }
}

impl Rows for BTreeMap<Vec<u8>, Vec<u8>> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(Self::get(self, key).cloned())
    }

    fn next(&self, from: &[u8], end: &[u8]) -> Result<Option<Row>, StoreError> {
        if from >= end {
            return Ok(None);
        }
        let mut range = self.range::<[u8], _>((Bound::Included(from), Bound::Excluded(end)));
        Ok(range.next().map(|(key, value)| (key.clone(), value.clone())))
    }
}

impl Blobs for Memory {
    fn load(&self, blob: &BlobRef) -> Result<Bytes, StoreError> {
        lock(&self.blobs).get(&blob.digest).cloned().ok_or_else(|| StoreError::Corrupt {
            place: format!("value {}", blob.digest),
            what: "it is not in memory".to_owned(),
        })
    }
}
