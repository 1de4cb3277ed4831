//! What the callers and the writer share.

use std::sync::Arc;

use tokio::sync::RwLock;
use weir_engine::ports::StoreError;

use super::blobs::FileBlobs;
use super::copying::Tracker;
use super::database::Database;
use super::faults::Faults;
use super::files;
use super::gauge::Gauge;
use super::opening::Home;
use crate::settings::SledSettings;

/// Everything but the queue. Dropped in this order: the lock goes last.
#[derive(Debug)]
pub(super) struct Shared {
    /// None while the store is closed after a storage error. Written under the lock by the writer alone; the lock is
    /// fair, so that readers are not starved by a busy writer.
    pub(super) view: RwLock<Option<Database>>,
    pub(super) blobs: Arc<FileBlobs>,
    pub(super) gauge: Gauge,
    /// Tells those who copy the rows what changes.
    pub(super) tracker: Tracker,
    pub(super) faults: Faults,
    pub(super) settings: SledSettings,
    pub(super) home: Home,
}

impl Shared {
    /// Refuses writes that would leave less space than the floor.
    pub(super) fn check_space(&self, needed: u64) -> Result<(), StoreError> {
        let free = files::free_bytes(&self.home.dir)
            .map_err(|source| StoreError::Backend { verb: "see how much space is free", source: source.into() })?;
        Gauge::set(&self.gauge.bytes_free, free);
        let floor = self.settings.free_bytes_min;
        if free.saturating_sub(needed) < floor { Err(StoreError::Full { free, floor }) } else { Ok(()) }
    }

    /// Counts the large values without holding the start up, or the lock.
    pub(super) fn count_blobs(&self) {
        let blobs = Arc::clone(&self.blobs);
        let count = std::thread::Builder::new().name("weir-store-count".to_owned()).spawn(move || blobs.count());
        if let Err(error) = count {
            tracing::warn!(%error, "the size of the large values is not known");
        }
    }
}
