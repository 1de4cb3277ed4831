//! Large values in files of our own, named by their SHA-256: `blobs/ab/abcd…`. Written to a temporary name, synced,
//! renamed, and the folder synced, before any row speaks of them; never changed afterwards.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

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
}

impl FileBlobs {
    /// Opens the folder; what an earlier process did not finish is removed.
    pub(super) fn open(folder: PathBuf) -> io::Result<Self> {
        let unfinished = folder.join("unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        files::make_folder(&unfinished)?;
        files::sync_folder(&folder)?;
        Ok(Self { folder, unfinished, next_name: AtomicU64::new(0), bytes: AtomicU64::new(0) })
    }

    /// Adds the files that were there already to the count of bytes. Slow where there are many.
    pub(super) fn count(&self) {
        self.bytes.fetch_add(files::bytes_in(&self.folder), Ordering::Relaxed);
    }

    /// About how many bytes the files have.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Keeps bytes, durably. A file that is there already and sound is taken as it is.
    pub(super) fn keep(&self, bytes: &[u8]) -> io::Result<Digest> {
        let digest = Digest::of(bytes);
        let (folder, path) = self.place(&digest);
        if !folder.exists() {
            files::make_folder(&folder)?;
            files::sync_folder(&self.folder)?;
        }
        let is_there = files::read(&path)?.is_some_and(|there| there == bytes);
        if !is_there {
            self.write(&path, bytes)?;
            self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        // Also where the file was there: who put it there may not have come so far yet.
        files::sync_folder(&folder)?;
        Ok(digest)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let name = self.next_name.fetch_add(1, Ordering::Relaxed).to_string();
        let unfinished = self.unfinished.join(name);
        let write = || {
            let mut file = files::create(&unfinished)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&unfinished, path)
        };
        write().inspect_err(|_| {
            // Gives the space back on a full disk; a leftover is removed at the next start.
            let _ = fs::remove_file(&unfinished);
        })
    }

    fn place(&self, digest: &Digest) -> (PathBuf, PathBuf) {
        let name = digest.hex();
        let folder = self.folder.join(name.get(..2).unwrap_or_default());
        let path = folder.join(name);
        (folder, path)
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
