//! Opening the store's folder: one process at a time, no newer format, nothing acknowledged missing.
//!
//! | in the folder | what |
//! | --- | --- |
//! | `weir.lock` | locked by the process that has the store open |
//! | `FORMAT` | says that here is a store, and of which format |
//! | `MARK` | how many groups of commits were acknowledged, about a second ago |
//! | `sled/` | the database |
//! | `blobs/` | large values |
//!
//! What `MARK` does not see: it is written about once a second and not synced. Where commits that were acknowledged
//! after it was last written are lost all the same (by a disk that lies about its syncs, or an end of the log that is
//! damaged or cut off), the database still holds as many groups as the mark says, and the store opens without a word
//! of it. After a power cut the mark itself may be some seconds older than that. A mark that is synced with every group
//! would cost each commit a second sync. A process that is killed, or a power cut on a disk that keeps its word, loses
//! nothing either way.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use weir_engine::ports::StoreError;
use weir_engine::time::Timestamp;

use super::blobs::FileBlobs;
use super::database::{Database, SledError};
use super::{files, ladder};
use crate::records::{self, Changes, Draft, FORMAT};

/// Why a store did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the store in {} is open in another process; stop that one, or give this one a folder of its own", dir.display())]
    InUse {
        /// The store's folder.
        dir: PathBuf,
    },
    /// A newer program wrote it.
    #[error("the store in {} has format {stored}; this program knows {known}; run the newer program, or restore a backup", dir.display())]
    NewerFormat {
        /// The store's folder.
        dir: PathBuf,
        /// What it has.
        stored: u32,
        /// What this program knows.
        known: u32,
    },
    /// The folder cannot be made, read or written.
    #[error("the folder {} cannot be used; it must be on a local disk and belong to the user of this process", dir.display())]
    Folder {
        /// The store's folder.
        dir: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A restore has not come to its end.
    #[error(
        "there is no store in {}, but one that a restore has not finished, in {}; run `weir restore` again, or remove \
         that folder to begin with an empty store", dir.display(), unfinished.display()
    )]
    UnfinishedRestore {
        /// The store's folder.
        dir: PathBuf,
        /// What the restore left.
        unfinished: PathBuf,
    },
    /// The store is damaged, or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OpenError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "store.in-use",
            Self::NewerFormat { .. } => "store.newer-format",
            Self::Folder { .. } => "store.folder",
            Self::UnfinishedRestore { .. } => "store.unfinished-restore",
            Self::Store(error) => error.code(),
        }
    }
}

/// How many rows an upgrade changes before it says again that it is at work: some seconds' worth.
const UPGRADE_TOLD_ROWS: usize = 1_000_000;

/// The clock of the machine: for an upgrade alone.
fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(0).after(since_epoch)
}

/// The folder in which a restore makes what shall be the store in `dir`.
pub fn unfinished_restore(dir: &Path) -> PathBuf {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(".restoring");
    dir.with_file_name(name)
}

/// Refuses to begin an empty store where a restore should have put one.
pub(super) fn no_unfinished_restore(dir: &Path) -> Result<(), OpenError> {
    let unfinished = unfinished_restore(dir);
    let has_store = ["FORMAT", "sled", "MARK", "blobs"].iter().any(|name| dir.join(name).exists());
    if has_store || !unfinished.exists() {
        return Ok(());
    }
    Err(OpenError::UnfinishedRestore { dir: dir.to_owned(), unfinished })
}

/// The store's folder, locked.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) dir: PathBuf,
    /// Closing it gives the lock back.
    _lock: File,
}

/// A database whose content is what was acknowledged.
pub(super) struct Trusted {
    pub(super) database: Database,
    /// How many groups of commits it holds.
    pub(super) commits: u64,
    /// What had to be done for it.
    pub(super) repairs: Vec<String>,
}

/// How often a lock is tried, and the pause between: a child that a process is just starting holds what its parent held
/// until its own program runs, and a server that was replaced may be about to end.
pub(super) const LOCK_TRIES: usize = 50;
pub(super) const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

impl Home {
    /// Makes and locks the folder.
    pub(super) fn enter(dir: &Path) -> Result<Self, OpenError> {
        let folder = |source| OpenError::Folder { dir: dir.to_owned(), source };
        files::make_folder_durably(dir).map_err(folder)?;
        let lock = files::create(&dir.join("weir.lock")).map_err(folder)?;
        for tries_left in (0..LOCK_TRIES).rev() {
            match rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { dir: dir.to_owned(), _lock: lock }),
                Err(rustix::io::Errno::WOULDBLOCK) if tries_left > 0 => std::thread::sleep(LOCK_PAUSE),
                Err(rustix::io::Errno::WOULDBLOCK) => break,
                Err(error) => return Err(folder(error.into())),
            }
        }
        Err(OpenError::InUse { dir: dir.to_owned() })
    }

    pub(super) fn sled_folder(&self) -> PathBuf {
        self.dir.join("sled")
    }

    fn folder_error(&self, source: io::Error) -> OpenError {
        OpenError::Folder { dir: self.dir.clone(), source }
    }

    fn damaged(&self, what: String) -> OpenError {
        OpenError::Store(StoreError::Corrupt { place: format!("folder {}", self.dir.display()), what })
    }

    /// Opens the database, or makes one where there has never been any.
    pub(super) fn open_database(&self, cache_bytes: u64) -> Result<Trusted, OpenError> {
        let marked = self.read_format_file()?;
        let has_database = self.sled_folder().join("db").exists();
        if marked && !has_database {
            return Err(
                self.damaged("`FORMAT` says that there is a store, but `sled/db` is missing; restore it".to_owned())
            );
        }
        let was_used = ["MARK", "blobs"].iter().any(|name| self.dir.join(name).exists());
        if !has_database && was_used {
            return Err(self.damaged("there are large values or a mark, but no database; restore `sled/`".to_owned()));
        }
        files::make_folder(&self.sled_folder()).map_err(|source| self.folder_error(source))?;
        let ladder::Opened { database, mut repairs } =
            ladder::open(&self.sled_folder(), cache_bytes).map_err(|error| self.not_opened(error))?;
        let stored = match records::record::<u32>(&database, &records::own_record("format"))? {
            Some(stored) => stored,
            None if marked || was_used => {
                return Err(
                    self.damaged("sled opened as an empty database, but there is a store; restore it".to_owned())
                );
            }
            None => self.begin(&database)?,
        };
        if stored > FORMAT {
            return Err(OpenError::NewerFormat { dir: self.dir.clone(), stored, known: FORMAT });
        }
        // What is not whole is not rewritten.
        let commits = self.check_mark(&database)?;
        if stored < FORMAT || !marked {
            // First, so that a program of the old format keeps away from what was brought to the new one only in part.
            self.write_format_file().map_err(|source| self.folder_error(source))?;
        }
        if stored < FORMAT {
            self.upgrade(&database, stored)?;
            repairs.push(format!("the store had format {stored} and was brought to format {FORMAT}"));
        }
        if !marked && has_database {
            repairs.push("the file `FORMAT` was missing and was written anew".to_owned());
        }
        Ok(Trusted { database, commits, repairs })
    }

    /// Writes the first records into an empty database.
    fn begin(&self, database: &Database) -> Result<u32, OpenError> {
        if records::Rows::next(database, &[0], &[255])?.is_some() {
            return Err(self.damaged("there are records, but none says of which format; restore the store".to_owned()));
        }
        let group = Changes::new();
        let mut first = Draft::new(database, &group);
        first.put_record(records::own_record("format"), &FORMAT)?;
        first.put_record(records::own_record("commits"), &0_u64)?;
        let changes = first.finish()?;
        database.apply(changes).map_err(|error| self.not_opened(error))?;
        let sync = || {
            database.sync()?;
            File::open(self.sled_folder().join("conf"))?.sync_all()?;
            files::sync_folder(&self.sled_folder())?;
            files::sync_folder(&self.dir)
        };
        sync().map_err(|source| self.folder_error(source))?;
        Ok(FORMAT)
    }

    /// Makes what the program that wrote the store did not. Only the last write says so: what is cut off is done
    /// again.
    fn upgrade(&self, database: &Database, stored: u32) -> Result<(), OpenError> {
        tracing::warn!(dir = %self.dir.display(), "the store is brought to the format of this program; this takes a while");
        let (mut changed, mut told) = (0, 0);
        let mut apply = |changes: Changes| {
            changed += changes.values().flatten().count();
            if changed - told >= UPGRADE_TOLD_ROWS {
                told = changed;
                tracing::info!(rows = changed, "rows were brought to the new format so far");
            }
            database.apply(changes).map_err(|error| self.not_opened(error))?;
            // sled uses space of its log again that only later, unsynced, parts of it replace.
            database.sync().map_err(|source| {
                Database::forget_cached(&self.sled_folder());
                self.folder_error(source)
            })
        };
        if stored < 4 {
            records::to_format_4(database, &mut apply)?;
        }
        if stored < 2 {
            records::to_format_2(database, now(), &mut apply)?;
        }
        // Format 3 is that standings may say whether there are large values; those that do not are read as they are.
        let group = Changes::new();
        let mut last = Draft::new(database, &group);
        last.put_record(records::own_record("format"), &FORMAT)?;
        apply(last.finish()?)
    }

    /// Whether the file `FORMAT` is there.
    fn read_format_file(&self) -> Result<bool, OpenError> {
        let bytes = files::read(&self.dir.join("FORMAT")).map_err(|source| self.folder_error(source))?;
        let Some(bytes) = bytes else { return Ok(false) };
        let stored = std::str::from_utf8(&bytes).ok().and_then(|text| text.strip_prefix("weir store, format "));
        match stored.and_then(|number| number.trim_end().parse::<u32>().ok()) {
            Some(stored) if stored > FORMAT => {
                Err(OpenError::NewerFormat { dir: self.dir.clone(), stored, known: FORMAT })
            }
            Some(_) => Ok(true),
            // It only says that there is a store; the database says of which format.
            None => {
                tracing::error!(dir = %self.dir.display(), "the file `FORMAT` is damaged");
                Ok(true)
            }
        }
    }

    fn write_format_file(&self) -> io::Result<()> {
        files::replace_durably(&self.dir.join("FORMAT"), format!("weir store, format {FORMAT}\n").as_bytes())
    }

    /// Compares the database with what was acknowledged: sled drops a torn end of its log without a word.
    fn check_mark(&self, database: &Database) -> Result<u64, OpenError> {
        let commits: u64 = records::record(database, &records::own_record("commits"))?
            .ok_or_else(|| self.damaged("the count of commits is missing; restore the store".to_owned()))?;
        let mark = files::read(&self.dir.join("MARK")).map_err(|source| self.folder_error(source))?;
        let mark = mark.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.trim_end().parse::<u64>().ok());
        match mark {
            Some(acknowledged) if acknowledged > commits => Err(self.damaged(format!(
                "it holds {commits} groups of commits, but at least {acknowledged} were acknowledged; restore it, or, \
                 to go on without them, remove the file `MARK`"
            ))),
            _ => Ok(commits),
        }
    }

    /// Notes how many groups of commits are durable. It may be lost, but is never too high.
    pub(super) fn write_mark(&self, commits: u64) {
        if let Err(error) = files::replace(&self.dir.join("MARK"), format!("{commits}\n").as_bytes()) {
            tracing::warn!(%error, "the mark of acknowledged commits was not written");
        }
    }

    /// Opens the folder of large values.
    pub(super) fn open_blobs(&self) -> Result<FileBlobs, OpenError> {
        FileBlobs::open(self.dir.join("blobs")).map_err(|source| self.folder_error(source))
    }

    fn not_opened(&self, error: SledError) -> OpenError {
        match error {
            SledError::Io(source) | SledError::Sled(sled::Error::Io(source)) => self.folder_error(source),
            error => self.damaged(format!("sled does not open ({error}); restore the store from a backup")),
        }
    }
}
