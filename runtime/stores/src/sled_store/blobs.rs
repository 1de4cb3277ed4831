//! Large values in files of our own, named by their SHA-256: `blobs/ab/abcd…`. Written to a temporary name, synced,
//! renamed, and the folder synced, before any row speaks of them; never changed afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;
use weir_engine::digest::Digest;
use weir_engine::ports::StoreError;

use super::files;
use crate::records::{BlobRef, Blobs, Pinned, Pins, RemoveBlob};

/// The folder of large values.
#[derive(Debug)]
pub(super) struct FileBlobs {
    folder: PathBuf,
    unfinished: PathBuf,
    next_name: AtomicU64,
    bytes: AtomicU64,
    pins: Arc<Pins>,
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
            pins: Arc::default(),
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

    /// Keeps values, durably, and pins them. A file that is there already and sound is taken as it is.
    ///
    /// All files are synced before the first is renamed, and all folders after the last, so that the file system can
    /// do the work of several syncs in one.
    pub(super) fn keep(&self, values: &[Bytes]) -> io::Result<Pinned> {
        // Before looking for files: what was pinned is not removed.
        let pinned = self.pins.pin(values.iter().map(|value| Digest::of(value)).collect());
        // Also where a file or a folder was there: who made it may not have come so far as to sync it.
        let mut folders = BTreeSet::from([self.folder.clone()]);
        let mut unnamed = Vec::new();
        let once: BTreeMap<&Digest, &Bytes> = pinned.digests().iter().zip(values).collect();
        for (digest, value) in once {
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
        Ok(pinned)
    }

    /// The digests that begin with that byte: those of one folder.
    pub(super) fn beginning(&self, first: u8) -> io::Result<Vec<Digest>> {
        let entries = match fs::read_dir(self.folder.join(hex::encode([first]))) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut digests = Vec::new();
        for entry in entries {
            // What has another name is not ours.
            digests.extend(format!("sha256:{}", entry?.file_name().to_string_lossy()).parse::<Digest>());
        }
        Ok(digests)
    }

    fn unlink(&self, digest: &Digest) -> io::Result<Option<u64>> {
        let (_, path) = self.place(digest);
        let removed = fs::metadata(&path).and_then(|metadata| fs::remove_file(&path).map(|()| metadata.len()));
        match removed {
            Ok(bytes) => {
                // The start counts what is there without holding anything up, so that this can be ahead of it.
                let less = |there: u64| Some(there.saturating_sub(bytes));
                let _ = self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
                Ok(Some(bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
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

impl RemoveBlob for FileBlobs {
    fn remove(&self, digest: &Digest) -> io::Result<Option<u64>> {
        // While somebody copies the store it stays; the next look finds it again.
        let Ok(_nobody_holds) = self.staying.try_write() else { return Ok(None) };
        self.pins.unless_pinned(digest, || self.unlink(digest)).unwrap_or(Ok(None))
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
