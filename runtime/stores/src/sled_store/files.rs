//! Files and folders that are ours: made with mode 0700 and 0600, written so that a crash leaves the old or the new.
//! Errors name the path.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The error with the path in its words.
fn at(path: &Path) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Makes a folder and what is above it, where they are not there; nobody but the owner may look into it.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at(path))?;
    let mut permissions = fs::metadata(path).map_err(at(path))?.permissions();
    if permissions.mode() & 0o077 != 0 {
        tracing::warn!(folder = %path.display(), "others could look into the store's folder; its mode is now 0700");
        permissions.set_mode(0o700);
        fs::set_permissions(path, permissions).map_err(at(path))?;
    }
    Ok(())
}

/// The same, durably: a power cut leaves the folder and what is above it. Also where it was there: who made it may not
/// have come so far as to sync it.
pub(super) fn make_folder_durably(path: &Path) -> io::Result<()> {
    let mut homes = Vec::new();
    for folder in path.ancestors() {
        homes.extend(folder.parent().map(named));
        if folder.exists() {
            break;
        }
    }
    make_folder(path)?;
    homes.into_iter().try_for_each(sync_folder)
}

/// The folder that a path without any part stands for.
fn named(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(at(path))
}

/// A file for writing, which only the owner may read.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).map_err(at(path))
}

/// A new file with that content, which is on the disk; its name may not be.
pub(super) fn create_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = create(path)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(at(path))
}

/// Removes a folder with what is in it, or a file; nothing where there is none.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    removed.map_err(at(path))
}

/// Gives a file its name, over one that has it.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to).map_err(at(to))
}

/// Writes a small file anew. It may be lost in a power cut, but is never half written.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    create(&fresh)?.write_all(bytes).map_err(at(&fresh))?;
    rename(&fresh, path)
}

/// Writes a small file anew, durably.
pub(super) fn replace_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    create_durably(&fresh, bytes)?;
    rename(&fresh, path)?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// The content of a file, where there is one.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(path)(error)),
    }
}

/// Bytes free for us on the file system of a folder.
pub(super) fn free_bytes(folder: &Path) -> io::Result<u64> {
    let space = rustix::fs::statvfs(folder).map_err(|error| at(folder)(error.into()))?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

/// Bytes of the files in a folder and below.
pub(super) fn bytes_in(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_in(&entry.path()),
        Ok(metadata) => metadata.len(),
        // Removed while we looked.
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}
