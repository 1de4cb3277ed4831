//! Why there is no backup, or no restore.

use std::io;
use std::path::PathBuf;

use weir_engine::ports::StoreError;

use crate::sled_store::OpenError;

/// Why a backup was not made, or cannot be restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Somebody else makes one of the same store.
    #[error("a backup of this store is being made; wait for its end, and try again")]
    InProgress,
    /// More was changed than can be kept in mind until the taker of the backup has room.
    #[error(
        "the store was changed faster than the backup was taken: {waiting} bytes of changes wait, {waiting_max} may; \
         make it to a faster disk, or when there is less work"
    )]
    Behind {
        /// Bytes of changes that wait.
        waiting: usize,
        /// How many may.
        waiting_max: usize,
    },
    /// What a backup is written to takes no more.
    #[error("the backup cannot be written; see to free space there, and make it again")]
    Write(#[source] io::Error),
    /// The file cannot be read.
    #[error("the backup {} cannot be read", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file is no backup, or was changed.
    #[error("the backup {} is damaged at byte {at}: {what}; take another one", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Where.
        at: u64,
        /// What is wrong.
        what: String,
    },
    /// The file ends before the backup does.
    #[error("the backup {} is cut short after {at} bytes: its making did not come to its end; take another one", file.display())]
    CutShort {
        /// The file.
        file: PathBuf,
        /// How long it is.
        at: u64,
    },
    /// A newer program wrote it.
    #[error("the backup {} has format {stored}; this program knows {known}; use the newer program", file.display())]
    NewerFormat {
        /// The file.
        file: PathBuf,
        /// What it has.
        stored: u32,
        /// What this program knows.
        known: u32,
    },
    /// The file is as it was made, but what it was made of was damaged.
    #[error(
        "the backup {} was made of a damaged store: {faults} faults, the first: {first}; take an older one, or \
         restore what there is with --despite-damage", file.display()
    )]
    Content {
        /// The file.
        file: PathBuf,
        /// How many faults.
        faults: u64,
        /// The first.
        first: String,
    },
    /// There is something already where the store would come.
    #[error("{} holds something already; a restore makes a store anew: name another folder, or move this one away", dir.display())]
    Target {
        /// The folder.
        dir: PathBuf,
    },
    /// The new store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BackupError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InProgress => "backup.in-progress",
            Self::Behind { .. } => "backup.behind",
            Self::Write(_) => "backup.not-written",
            Self::Read { .. } => "backup.not-read",
            Self::Damaged { .. } => "backup.damaged",
            Self::CutShort { .. } => "backup.cut-short",
            Self::NewerFormat { .. } => "backup.newer-format",
            Self::Content { .. } => "backup.damaged-content",
            Self::Target { .. } => "backup.target-in-use",
            Self::Open(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }
}
