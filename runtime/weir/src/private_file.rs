//! Files that only their owner may read: keys.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

/// Makes the file with mode 0600 and makes it durable. Never writes over an existing one, and never leaves half of one:
/// it gets its name, under which nothing was before, once its content is on the disk.
///
/// # Errors
/// The file exists, or cannot be written.
pub(crate) fn create(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    // What a crash has left has no worth.
    let _ = std::fs::remove_file(&fresh);
    let written = write(&fresh, contents).and_then(|()| {
        renameat_with(CWD, &fresh, CWD, path, RenameFlags::NOREPLACE).map_err(io::Error::from)?;
        match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
            _ => Ok(()),
        }
    });
    if written.is_err() {
        let _ = std::fs::remove_file(&fresh);
    }
    written
}

fn write(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(contents)?;
    file.sync_all()
}

/// Makes the folder with mode 0700, with its parents, where it is missing.
///
/// # Errors
/// It cannot be made.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o700))
}

/// Whether others than the owner can read or write the file.
///
/// # Errors
/// It cannot be looked at.
pub(crate) fn is_open_to_others(path: &Path) -> io::Result<bool> {
    Ok(path.metadata()?.permissions().mode() & 0o077 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_reads_it_and_nothing_is_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        create(&path, b"one").unwrap();
        assert!(!is_open_to_others(&path).unwrap());
        assert_eq!(create(&path, b"two").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        assert!(!dir.path().join("key.new").exists());
        // What a crash in the middle leaves is in nobody's way, and is not taken for the file.
        std::fs::write(dir.path().join("other.new"), "ha").unwrap();
        create(&dir.path().join("other"), b"whole").unwrap();
        assert_eq!(std::fs::read(dir.path().join("other")).unwrap(), b"whole");
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(is_open_to_others(&path).unwrap());
    }
}
