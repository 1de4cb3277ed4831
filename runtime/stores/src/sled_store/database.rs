//! sled, as it really is (0.34.7): what it says of durability and damage is not taken at its word.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use weir_engine::ports::StoreError;

use super::opening::{LOCK_PAUSE, LOCK_TRIES};
use super::stuck_flush::StuckFlush;
use crate::records::{Changes, Row, Rows};

/// Why sled could not do something.
#[derive(Debug, thiserror::Error)]
pub(super) enum SledError {
    /// It said so.
    #[error(transparent)]
    Sled(#[from] sled::Error),
    /// It panicked; it does, on damaged files.
    #[error("sled panicked: {0}")]
    Panicked(String),
    /// The system said so.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Calls into sled, which panics on some damage.
pub(super) fn contain<T, E: Into<SledError>>(call: impl FnOnce() -> Result<T, E>) -> Result<T, SledError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(outcome) => outcome.map_err(Into::into),
        Err(panic) => Err(SledError::Panicked(panic_text(panic.as_ref()))),
    }
}

/// Waits for sled's own lock. We hold ours: only threads of a database that this very process has just closed can still
/// have sled's, for a moment.
fn open_unlocked(config: &sled::Config) -> Result<sled::Db, SledError> {
    let mut opened = contain(|| config.open());
    for _ in 1..LOCK_TRIES {
        match &opened {
            // sled gives it no kind of its own.
            Err(SledError::Sled(error)) if error.to_string().contains("could not acquire lock") => {}
            _ => break,
        }
        std::thread::sleep(LOCK_PAUSE);
        opened = contain(|| config.open());
    }
    opened
}

/// What a panic said.
pub(super) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words").to_owned()
}

/// An open database.
#[derive(Debug)]
pub(super) struct Database {
    /// Taken out when it is dropped, since that can panic.
    db: Option<sled::Db>,
    /// Taken out before it: it holds on to the database.
    stuck_flush: Option<StuckFlush>,
    /// The same file that sled writes to, for syncs of our own.
    log: File,
}

impl Database {
    /// Opens sled in that folder, as it is.
    pub(super) fn open(folder: &Path, cache_bytes: u64) -> Result<Self, SledError> {
        let config = sled::Config::new().path(folder).cache_capacity(cache_bytes.max(1024 * 1024));
        let db = open_unlocked(&config)?;
        let log = File::open(folder.join("db"))?;
        let stuck_flush = Some(StuckFlush::watch(db.clone())?);
        Ok(Self { db: Some(db), stuck_flush, log })
    }

    fn db(&self) -> Result<&sled::Db, StoreError> {
        self.db.as_ref().ok_or_else(closed)
    }

    /// Applies changes, all or nothing. They are not durable yet.
    pub(super) fn apply(&self, changes: Changes) -> Result<(), SledError> {
        let mut batch = sled::Batch::default();
        for (key, change) in changes {
            match change {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        let (Some(db), Some(stuck_flush)) = (&self.db, &self.stuck_flush) else { return Ok(()) };
        contain(|| {
            db.apply_batch(batch)?;
            stuck_flush.flush(db)
        })?;
        Ok(())
    }

    /// Makes what was applied durable. sled's own `flush` only hands it to the kernel.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.log.sync_data()
    }

    /// Makes the kernel forget what it keeps of the file, so that the next read shows the disk: after a failed sync
    /// the kernel believes pages clean that never arrived.
    pub(super) fn forget_cached(folder: &Path) {
        let forget = || -> io::Result<()> {
            let file = File::open(folder.join("db"))?;
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
            Ok(())
        };
        if let Err(error) = forget() {
            tracing::warn!(%error, "the kernel may still show writes that did not reach the disk");
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        drop(self.stuck_flush.take());
        let db = self.db.take();
        if let Err(error) = contain(|| -> io::Result<()> {
            drop(db);
            Ok(())
        }) {
            tracing::error!(%error, "sled did not close cleanly");
        }
    }
}

impl Rows for Database {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let db = self.db()?;
        contain(|| db.get(key)).map(|value| value.map(|value| value.to_vec())).map_err(failed_read)
    }

    fn next(&self, from: &[u8], end: &[u8]) -> Result<Option<Row>, StoreError> {
        if from >= end {
            return Ok(None);
        }
        let db = self.db()?;
        contain(|| db.range(from..end).next().transpose())
            .map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec())))
            .map_err(failed_read)
    }
}

fn failed_read(error: SledError) -> StoreError {
    match error {
        SledError::Io(source) | SledError::Sled(sled::Error::Io(source)) => {
            StoreError::Backend { verb: "read", source: source.into() }
        }
        damage => StoreError::Corrupt {
            place: "sled's log".to_owned(),
            what: format!("a page cannot be read ({damage}); restore the store from a backup"),
        },
    }
}

pub(super) fn closed() -> StoreError {
    StoreError::Backend { verb: "use the database", source: "it is closed after a storage error".into() }
}

/// Names of files in sled's folder that begin so.
pub(super) fn files_named(folder: &Path, beginning: &str) -> io::Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(beginning) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}
