//! The store on one machine's disk: rows in sled, large values in files, one process at a time.
//!
//! The traps of sled 0.34.7 (design, section 6), where each is answered, and what fails if it is not:
//!
//! | trap | code | test |
//! | --- | --- | --- |
//! | 1: `flush()` does not reach the disk | `database.rs`: `sync`; `writer.rs` acknowledges after it | `disk_trials::power_cut`, which also takes our syncs away and must see the loss; `tests.rs`: `a_failed_sync_is_not_acknowledged_and_the_store_opens_anew` |
//! | 2: pages over 128 KiB go to files that are never synced | `records/frame.rs`: `VALUE_BYTES_MAX`; `blobs.rs` | `frame.rs`: `the_largest_value_in_a_row`; `crowd.rs`: `sled_never_needs_files_of_its_own_for_large_pages` |
//! | 3: `snap.*.generating`, damaged snapshots | `ladder.rs` | `damage::log`: `an_unfinished_snapshot_is_removed`, `a_damaged_snapshot_is_set_aside_and_the_log_replayed` |
//! | 4: one lock for all batches | `writer.rs`: one thread, group commit | `crowd.rs` |
//! | 5: a full disk sticks; failed syncs are only logged | `shared.rs`: `check_space`; `writer.rs`: `fail`, `reopen` | `disk_trials::failing_calls`; `damage::folder`: `below_the_floor_reads_go_on_and_writes_do_not`; `tests.rs`: `the_store_opens_anew_however_long_the_disk_fails` |
//! | 6: many times the live data | `records/removal.rs`, `records/sweep.rs`; `gauge.rs` | `space.rs`: `space_comes_back_when_runs_go` |
//! | 7: the cache's size; two processes | `database.rs`: `open`; `opening.rs`: `enter` | `crash.rs`: `a_second_process_is_refused` |
//! | 8, not in the design: a write that fails may not wake the flush that waits for it | `stuck_flush.rs` | `disk_trials::failing_calls`, with every call (`make torture`) |

mod opening; // the folder: lock, format, mark
mod ladder; // sled after whatever happened
mod writer; // the one thread that writes
mod job; // a verb on its way through the writer
mod shared; // what callers and writer share
mod blobs; // large values
mod database; // sled itself
mod stuck_flush; // one that waits for ever
mod gauge; // what the store says of itself
mod files; // folders and small files
mod copying; // all rows, while it works
mod restoring; // a store made anew
mod faults; // faults of the disk, in tests
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use bytes::Bytes;
use tokio::sync::{RwLock, Semaphore, oneshot};
use tokio::task::spawn_blocking;
use weir_engine::digest::Digest;
use weir_engine::ports::{Health, StoreError};

use self::gauge::Gauge;
use self::job::{Call, Job};
use self::opening::Home;
use self::shared::Shared;
use self::writer::Writer;
use crate::records::{Backend, Blobs, Draft, Pinned, Records, RemoveBlob, Rows};
use crate::settings::SledSettings;

pub use self::opening::{OpenError, unfinished_restore};

/// A store on disk. Dropping it waits for the writes that are under way.
pub type SledStore = Records<Sled>;

impl SledStore {
    /// Opens the store in a folder, or makes one there. Waits for the disk: for start-up, not for a task.
    ///
    /// # Errors
    /// Another process has it, a newer program wrote it, it is damaged, or the folder cannot be used.
    pub fn open(dir: &Path, settings: SledSettings) -> Result<Self, OpenError> {
        opening::no_unfinished_restore(dir)?;
        let home = Home::enter(dir)?;
        let trusted = home.open_database(settings.cache_bytes)?;
        let blobs = Arc::new(home.open_blobs()?);
        let gauge = Gauge::default();
        gauge.add_repairs(trusted.repairs);
        let places = Arc::new(Semaphore::new(settings.queue_writes_max.clamp(1, Semaphore::MAX_PERMITS)));
        let view = RwLock::new(Some(trusted.database));
        let faults = faults::Faults::default();
        let tracker = copying::Tracker::default();
        let shared = Arc::new(Shared { view, blobs, gauge, tracker, faults, settings, home });
        shared.count_blobs();
        if let Err(error) = shared.check_space(0) {
            tracing::error!(%error, "the store opens, but takes no writes");
        }
        let (jobs, waiting) = channel();
        let writer = Writer::new(Arc::clone(&shared), waiting, trusted.commits);
        let writer = std::thread::Builder::new()
            .name("weir-store-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|source| OpenError::Folder { dir: dir.to_owned(), source })?;
        Ok(Self::new(Sled { shared, jobs: Some(jobs), places, writer: Some(writer) }))
    }

    /// How many groups of commits are durable, each with one sync of the disk: what was committed meanwhile, divided by
    /// this, is how many commits share one. 0 until the first group after an opening.
    pub fn commit_groups(&self) -> u64 {
        Gauge::get(&self.backend.shared.gauge.groups)
    }
}

/// The back end on disk.
pub struct Sled {
    shared: Arc<Shared>,
    /// None once the store is being dropped.
    jobs: Option<Sender<Box<dyn Job>>>,
    /// Bounds what waits for the writer.
    places: Arc<Semaphore>,
    writer: Option<JoinHandle<()>>,
}

impl Drop for Sled {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if self.writer.take().is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("the writer of the store panicked");
        }
    }
}

fn stopped<E>(_: E) -> StoreError {
    StoreError::Backend { verb: "reach its writer", source: "the writer has stopped; restart".into() }
}

/// Runs what waits for the disk outside of the tasks' threads.
async fn blocking<T: Send + 'static>(
    verb: &'static str,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    spawn_blocking(work).await.unwrap_or_else(|panic| Err(StoreError::Backend { verb, source: panic.into() }))
}

impl Sled {
    async fn hand_to_writer<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&mut Draft<'_>) -> Result<T, StoreError> + Send + 'static,
        makes_room: bool,
    ) -> Result<T, StoreError> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(stopped)?;
        let (caller, told) = oneshot::channel();
        let call = Box::new(Call { verb: Some(verb), outcome: None, caller, makes_room, _place: place });
        self.jobs.as_ref().ok_or_else(|| stopped(()))?.send(call).map_err(stopped)?;
        told.await.map_err(stopped)?
    }
}

impl Backend for Sled {
    async fn read<A: Send + 'static, T: Send + 'static>(
        &self,
        collect: impl FnOnce(&dyn Rows) -> Result<A, StoreError> + Send + 'static,
        finish: impl FnOnce(A, &dyn Blobs) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        let read = move || {
            let collected = match shared.view.blocking_read().as_ref() {
                Some(database) => collect(database)?,
                None => return Err(database::closed()),
            };
            finish(collected, &*shared.blobs)
        };
        blocking("read", read).await
    }

    async fn write<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&mut Draft<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.hand_to_writer(verb, false).await
    }

    async fn make_room<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&mut Draft<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.hand_to_writer(verb, true).await
    }

    async fn keep_blobs(&self, blobs: Vec<Bytes>) -> Result<Pinned, StoreError> {
        let shared = Arc::clone(&self.shared);
        let keep = move || {
            shared.check_space(blobs.iter().map(|blob| blob.len() as u64).sum())?;
            shared
                .blobs
                .keep(&blobs)
                .map_err(|source| StoreError::Backend { verb: "keep a large value", source: source.into() })
        };
        blocking("keep a large value", keep).await
    }

    async fn blobs_beginning(&self, first: u8) -> Result<Vec<Digest>, StoreError> {
        let blobs = Arc::clone(&self.shared.blobs);
        let failed = |source: std::io::Error| StoreError::Backend { verb: "list large values", source: source.into() };
        blocking("list large values", move || blobs.beginning(first).map_err(failed)).await
    }

    fn remover(&self) -> Arc<dyn RemoveBlob> {
        Arc::clone(&self.shared.blobs) as Arc<dyn RemoveBlob>
    }

    fn health(&self) -> Health {
        let gauge = &self.shared.gauge;
        let (free, floor) = (Gauge::get(&gauge.bytes_free), self.shared.settings.free_bytes_min);
        let stopped = self.writer.as_ref().is_none_or(JoinHandle::is_finished);
        let trouble = gauge.trouble().or_else(|| stopped.then(|| "the writer has stopped; restart".to_owned()));
        let writable = trouble.is_none() && free >= floor;
        let mut notes: Vec<String> = trouble.into_iter().chain(gauge.repairs()).collect();
        if free < floor {
            notes.push(format!("{free} bytes free, the floor is {floor}: no writes are taken; free some space"));
        }
        Health {
            backend: "sled".to_owned(),
            writable,
            notes,
            bytes_on_disk: Some(Gauge::get(&gauge.database_bytes).saturating_add(self.shared.blobs.bytes())),
            bytes_free: Some(free),
        }
    }
}
