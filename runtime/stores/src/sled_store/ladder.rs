//! Opening sled after whatever happened. Each rung of the ladder is logged; the last one is a typed error, never an
//! empty database.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::database::{Database, SledError, files_named};
use crate::records::{self, Rows};

/// A database that opened.
pub(super) struct Opened {
    pub(super) database: Database,
    /// What had to be done for it.
    pub(super) repairs: Vec<String>,
}

/// Opens sled, under our lock.
pub(super) fn open(folder: &Path, cache_bytes: u64) -> Result<Opened, SledError> {
    remove_unfinished_snapshots(folder)?;
    let mut repairs = Vec::new();
    if set_aside_torn_conf(folder)? {
        repairs.push("sled's `conf` was damaged and was made anew".to_owned());
    }
    let first = match Database::open(folder, cache_bytes) {
        Ok(database) => return checked(database, repairs),
        Err(error) => error,
    };
    let snapshots = files_named(folder, "snap.")?;
    if snapshots.is_empty() || is_io(&first) {
        return Err(first);
    }
    tracing::error!(error = %first, "sled did not open; its snapshots are set aside and its log is replayed");
    for snapshot in &snapshots {
        fs::rename(snapshot, aside(snapshot))?;
    }
    repairs
        .push("sled's snapshot was damaged; it was set aside as `aside.snap.*`, and the log was replayed".to_owned());
    checked(Database::open(folder, cache_bytes)?, repairs)
}

/// After a repair, reads every row once. A sound database is not read: that would make a start slow.
fn checked(database: Database, mut repairs: Vec<String>) -> Result<Opened, SledError> {
    if !repairs.is_empty() {
        let (sound, damaged) = verify(&database)?;
        tracing::warn!(sound, damaged, "the repaired store was read through");
        if damaged > 0 {
            repairs.push(format!("{damaged} records are damaged, {sound} are sound; the log names each"));
        }
    }
    Ok(Opened { database, repairs })
}

/// How many rows are sound, and how many are not.
fn verify(database: &Database) -> Result<(u64, u64), SledError> {
    let (mut sound, mut damaged, mut from) = (0, 0, vec![0]);
    loop {
        match database.next(&from, &[255]) {
            Ok(Some((key, framed))) => {
                match records::open_frame(&key, &framed) {
                    Ok(_) => sound += 1,
                    Err(error) => {
                        damaged += 1;
                        tracing::error!(%error, "a row is damaged");
                    }
                }
                from = records::after(&key);
            }
            Ok(None) => return Ok((sound, damaged)),
            Err(error) => return Err(SledError::Panicked(error.to_string())),
        }
    }
}

/// A crash while sled opens can leave one, and sled would take it for its newest snapshot.
fn remove_unfinished_snapshots(folder: &Path) -> io::Result<()> {
    for path in files_named(folder, "")? {
        if path.extension().is_some_and(|extension| extension == "generating") {
            tracing::warn!(file = %path.display(), "a snapshot that was not finished is removed");
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// sled only warns of a wrong checksum here and then believes what it reads. We never set what `conf` keeps, so that
/// sled may make it anew.
fn set_aside_torn_conf(folder: &Path) -> io::Result<bool> {
    let path = folder.join("conf");
    let Some(bytes) = super::files::read(&path)? else { return Ok(false) };
    let sound = bytes.split_last_chunk::<4>().is_some_and(|(body, sum)| {
        // sled's own byte order; see `u32_to_arr`.
        bytes.len() > 8 && crc32fast::hash(body) == u32::from_le_bytes(*sum)
    });
    if sound {
        return Ok(false);
    }
    tracing::error!(file = %path.display(), "sled's settings are damaged; they are set aside and made anew");
    fs::rename(&path, aside(&path))?;
    Ok(true)
}

fn aside(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!("aside.{name}"))
}

fn is_io(error: &SledError) -> bool {
    matches!(error, SledError::Io(_) | SledError::Sled(sled::Error::Io(_)))
}
