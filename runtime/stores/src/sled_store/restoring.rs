//! A store made anew from a backup: in a folder beside the one where it shall be, which takes its name at the very end.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::opening::{Home, OpenError, unfinished_restore};
use super::{SledStore, files};
use crate::backup::{BackupError, Contents, Report, load};
use crate::settings::SledSettings;

impl SledStore {
    /// Makes a store in a folder that is not there, or empty, from a backup. A crash leaves no store there, but a
    /// folder beside it, which the next try makes anew and which [`SledStore::open`] speaks of. Waits for the disk: not
    /// for a task.
    ///
    /// # Errors
    /// The folder holds something, the file is not as it was made, or the disk fails; and, unless `despite_damage`, the
    /// file was made of a damaged store. Then there is no store.
    pub fn restore(
        file: &Path,
        dir: &Path,
        settings: SledSettings,
        despite_damage: bool,
    ) -> Result<Report, BackupError> {
        Self::restorable(dir)?;
        let contents = Contents::open(file)?;
        let unfinished = unfinished_restore(dir);
        clear(&unfinished)?;
        let report = fill(&contents, &unfinished, settings, despite_damage)?;
        settle(&unfinished, dir).map_err(|source| OpenError::Folder { dir: dir.to_owned(), source })?;
        Ok(report)
    }

    /// Whether a restore would take that folder.
    ///
    /// # Errors
    /// It holds something, or cannot be looked into.
    pub fn restorable(dir: &Path) -> Result<(), BackupError> {
        let folder = |source| OpenError::Folder { dir: dir.to_owned(), source };
        match fs::read_dir(dir).map(|mut entries| entries.next().is_none()) {
            Ok(true) => Ok(()),
            Ok(false) => Err(BackupError::Target { dir: dir.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(folder(error).into()),
        }
    }
}

/// Removes what an earlier try left, unless it is still at work.
fn clear(unfinished: &Path) -> Result<(), OpenError> {
    if !unfinished.exists() {
        return Ok(());
    }
    let _locked = Home::enter(unfinished)?;
    files::remove(unfinished).map_err(|source| OpenError::Folder { dir: unfinished.to_owned(), source })
}

/// Makes the store. Its files are durable when this returns; where that does not come about, there is nothing left.
fn fill(
    contents: &Contents,
    unfinished: &Path,
    settings: SledSettings,
    despite_damage: bool,
) -> Result<Report, BackupError> {
    let folder = |source| OpenError::Folder { dir: unfinished.to_owned(), source };
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(folder)?;
    let store = SledStore::open(unfinished, settings)?;
    let loaded = runtime.block_on(load(&store, contents, despite_damage));
    drop(store);
    if loaded.is_err() {
        // What stays is made anew by the next try.
        let _ = files::remove(unfinished);
    }
    loaded
}

/// Gives the store its name, durably.
fn settle(unfinished: &Path, dir: &Path) -> io::Result<()> {
    files::sync_folder(unfinished)?;
    files::rename(unfinished, dir)?;
    files::sync_folder(&home_of(dir))
}

fn home_of(dir: &Path) -> PathBuf {
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
