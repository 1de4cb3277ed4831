//! Rows in memory: for tests, trials and the debug mode. Nothing survives the process.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;
use weir_engine::digest::Digest;
use weir_engine::ports::{Health, StoreError};

use crate::backup::{BackupError, Contents, Copied, Report, Source, load};
use crate::records::{Backend, BlobRef, Blobs, Changes, Draft, Pinned, Pins, Records, RemoveBlob, Row, Rows};

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
    blobs: Arc<MemoryBlobs>,
}

/// Large values.
#[derive(Debug, Default)]
struct MemoryBlobs {
    kept: Mutex<HashMap<Digest, Bytes>>,
    pins: Arc<Pins>,
    /// Read-locked while values must stay.
    staying: RwLock<()>,
}

impl RemoveBlob for MemoryBlobs {
    fn remove(&self, digest: &Digest) -> io::Result<Option<u64>> {
        let Ok(_nobody_holds) = self.staying.try_write() else { return Ok(None) };
        let removed = self.pins.unless_pinned(digest, || lock(&self.kept).remove(digest));
        Ok(removed.flatten().map(|blob| blob.len() as u64))
    }
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
        for (key, change) in draft.finish()? {
            match change {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
        Ok(outcome)
    }

    async fn make_room<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&mut Draft<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write(verb).await
    }

    async fn keep_blobs(&self, blobs: Vec<Bytes>) -> Result<Pinned, StoreError> {
        let pinned = self.blobs.pins.pin(blobs.iter().map(|blob| Digest::of(blob)).collect());
        lock(&self.blobs.kept).extend(pinned.digests().iter().copied().zip(blobs));
        Ok(pinned)
    }

    async fn blobs_beginning(&self, first: u8) -> Result<Vec<Digest>, StoreError> {
        let kept = lock(&self.blobs.kept);
        Ok(kept.keys().filter(|digest| digest.as_bytes().first() == Some(&first)).copied().collect())
    }

    fn remover(&self) -> Arc<dyn RemoveBlob> {
        Arc::clone(&self.blobs) as Arc<dyn RemoveBlob>
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

    fn hold(&self) -> Option<RwLockReadGuard<'_, ()>> {
        Some(self.blobs.staying.read().unwrap_or_else(PoisonError::into_inner))
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
        lock(&self.blobs.kept).get(&blob.digest).cloned().ok_or_else(|| StoreError::Corrupt {
            place: format!("value {}", blob.digest),
            what: "it is not in memory".to_owned(),
        })
    }
}
