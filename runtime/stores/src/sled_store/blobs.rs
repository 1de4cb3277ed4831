//! Large values in files of our own, named by their SHA-256: `blobs/ab/abcd…`. Written to a temporary name, synced,
//! renamed, and the folder synced, before any row speaks of them; never changed afterwards.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;
use weir_engine::digest::Digest;
use weir_engine::ports::StoreError;

use super::files;
use crate::records::{BlobRef, Blobs};

/// The folder of large values.
#[derive(Debug)]
pub(super) struct FileBlobs {
    folder: PathBuf,
    unfinished: PathBuf,
    next_name: AtomicU64,
    bytes: AtomicU64,
    /// Read-locked while files must stay. Who removes files of values that no row names takes it for writing, for
    /// as long as it takes to see that no row does and to remove them.
    staying: RwLock<()>,
}

impl FileBlobs {
    /// Opens the folder; what an earlier process did not finish is removed.
    pub(super) fn open(folder: PathBuf) -> io::Result<Self> {
        let unfinished = folder.join("unfinished");
        files::remove(&unfinished)?;
        files::make_folder_durably(&unfinished)?;
        Ok(Self {
            folder,
            unfinished,
            next_name: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            staying: RwLock::new(()),
        })
    }

    /// Adds the files that were there already to the count of bytes. Slow where there are many.
    pub(super) fn count(&self) {
        self.bytes.fetch_add(files::bytes_in(&self.folder), Ordering::Relaxed);
    }

    /// Until the answer is dropped, no value is removed.
    pub(super) fn hold(&self) -> RwLockReadGuard<'_, ()> {
        self.staying.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// About how many bytes the files have.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Keeps values, durably. A file that is there already and sound is taken as it is.
    ///
    /// All files are synced before the first is renamed, and all folders after the last, so that the file system can
    /// do the work of several syncs in one.
    pub(super) fn keep(&self, values: &[Bytes]) -> io::Result<Vec<Digest>> {
        let digests: Vec<Digest> = values.iter().map(|value| Digest::of(value)).collect();
        // Also where a file or a folder was there: who made it may not have come so far as to sync it.
        let mut folders = BTreeSet::from([self.folder.clone()]);
        let mut unnamed = Vec::new();
        for (value, digest) in values.iter().zip(&digests) {
            let (folder, path) = self.place(digest);
            if files::read(&path)?.is_none_or(|there| there != *value) {
                unnamed.push((self.write(value)?, path));
            }
            folders.insert(folder);
        }
        for folder in &folders {
            files::make_folder(folder)?;
        }
        for (file, path) in unnamed {
            self.bytes.fetch_add(file.bytes, Ordering::Relaxed);
            files::rename(&file.path, &path)?;
        }
        for folder in folders.iter().rev() {
            files::sync_folder(folder)?;
        }
        Ok(digests)
    }

    /// Writes a file that has no name of its own yet.
    fn write(&self, value: &Bytes) -> io::Result<Unfinished> {
        let name = self.next_name.fetch_add(1, Ordering::Relaxed).to_string();
        let unfinished = Unfinished { path: self.unfinished.join(name), bytes: value.len() as u64 };
        files::create_durably(&unfinished.path, value)?;
        Ok(unfinished)
    }

    fn place(&self, digest: &Digest) -> (PathBuf, PathBuf) {
        let name = digest.hex();
        let folder = self.folder.join(name.get(..2).unwrap_or_default());
        let path = folder.join(name);
        (folder, path)
    }
}

/// A file that was not renamed yet. Removed where that never happens, so that a full disk gets its space back.
struct Unfinished {
    path: PathBuf,
    bytes: u64,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After the rename there is no such file; a leftover is removed at the next start.
        let _ = fs::remove_file(&self.path);
    }
}

impl Blobs for FileBlobs {
    fn load(&self, blob: &BlobRef) -> Result<Bytes, StoreError> {
        let (_, path) = self.place(&blob.digest);
        let damaged = |what: &str| StoreError::Corrupt {
            place: format!("file {}", path.display()),
            what: format!("{what}; put the file back from a backup"),
        };
        match files::read(&path) {
            Ok(Some(bytes)) if Digest::of(&bytes) == blob.digest => Ok(Bytes::from(bytes)),
            Ok(Some(_)) => Err(damaged("its content is not what its name says")),
            Ok(None) => Err(damaged("it is missing")),
            Err(source) => Err(StoreError::Backend { verb: "read a large value", source: source.into() }),
        }
    }
}
