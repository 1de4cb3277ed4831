//! A whole store in one file: for backups while it works, for a restore elsewhere, and for the way from one back end to
//! another. What is dumped is the level that all back ends share, rows in the order of their keys and large values by
//! digest, so that a backup of one is an import for every other, and a new table needs nothing here.
//!
//! **One instant.** sled has no snapshots. The rows are read in ranges of a few, between two groups of commits, so that
//! none waits longer than for any other read; meanwhile the writer notes what it changes in the ranges that were read
//! already, and these changes go into the file too. When the last range has been read, the noting ends in the same turn:
//! ranges and changes together are the rows after the last group before that. Then come the large values which any of
//! these rows names. They never change; nobody may remove one while a backup holds them ([`Source::hold`]).
//!
//! **The file.** Numbers are little endian.
//!
//! | bytes | what |
//! | --- | --- |
//! | 12 | `weir backup` and a line end |
//! | 4 | the version of this format: 1 |
//! | then parts | kind (1), length of the content (4), content, SHA-256 of number (8), kind, length and content (32) |
//!
//! | part | content |
//! | --- | --- |
//! | `H`, the first | JSON: when it was made, by which version, the format of the rows |
//! | `R` | rows: length of key (4), length of value (4), key, value |
//! | `C` | changes of rows that came before: the same; a length of 2^32 - 1 says that the row was removed |
//! | `B` | a piece of a large value: its digest (32), its length (8), where the piece belongs (8), the piece |
//! | `L` | digests of large values that rows name and that could not be read |
//! | `E`, the last | JSON: how much of everything there is, and the SHA-256 of all bytes before this part |
//!
//! A part has at most [`PART_BYTES_MAX`] bytes of content. Parts are numbered from 0, so that none can be left out,
//! doubled or moved; without its last part a file is refused as cut short. Values are in it as they are in the store:
//! what tenants keep encrypted stays encrypted, under data keys that the master key wraps. The master key is not in it,
//! nor are other files of the data folder. Everything else can be read by who has the file: treat it like the store.

mod error; // why there is no backup, or no restore
mod part; // the file, part by part
mod dump; // a store into a file
mod contents; // a file, checked, item by item
mod check; // whether a file is worth restoring
mod load; // a file into an empty store
#[cfg(test)]
mod tests;

use std::io::Write;
use std::sync::RwLockReadGuard;

use weir_engine::ports::StoreError;
use weir_engine::time::Timestamp;

pub use self::check::{Report, verify};
pub use self::dump::Dumped;
pub use self::error::BackupError;

pub(crate) use self::contents::Contents;
pub(crate) use self::load::load;

use crate::records::{Backend, Blobs, Changes, Records, Row};

/// Most bytes of content in one part.
pub const PART_BYTES_MAX: usize = 2 * 1024 * 1024;

/// What can be backed up while it works.
pub trait Backups: Send + Sync {
    /// Writes the store as of one instant, which lies within the call, into `to`. Waits for the disk and for `to`, so
    /// it is not for a task. Reads and writes of the store go on; those of a store that writes faster than `to` takes
    /// make the backup fail, and nothing else. `now` is written into the file as the time at which it was made.
    ///
    /// # Errors
    /// The store or `to` fails, another backup of this store is being made, or the store writes too fast for it. What
    /// was written then is refused by [`verify`].
    fn back_up(&self, to: &mut dyn Write, now: Timestamp) -> Result<Dumped, BackupError>;
}

impl<B: Source> Backups for Records<B> {
    fn back_up(&self, to: &mut dyn Write, now: Timestamp) -> Result<Dumped, BackupError> {
        dump::dump(&self.backend, to, now)
    }
}

/// Rows as they come to be copied.
pub(crate) enum Copied {
    /// The rows of a range, which follows the one before.
    Rows(Vec<Row>),
    /// What was changed since in the ranges that have come.
    Changes(Changes),
}

/// A back end whose rows and large values can be copied.
pub(crate) trait Source: Backend {
    /// Calls `each` until it was shown all rows as of one instant. Rows are read while the store works; `each` may take
    /// its time.
    fn copy_rows(&self, each: &mut dyn FnMut(Copied) -> Result<(), BackupError>) -> Result<(), BackupError>;

    /// Sees to it that no large value is removed until the answer is dropped.
    fn hold(&self) -> Option<RwLockReadGuard<'_, ()>>;

    /// A large value.
    fn blobs(&self) -> &dyn Blobs;
}

/// What a part of the store failed to do.
fn failed(error: StoreError) -> BackupError {
    BackupError::Store(error)
}
