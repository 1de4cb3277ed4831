//! Copying all rows while the store works: ranges are read between two groups of commits, and the writer notes what it
//! changes in those that were read already. See `backup`.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLockReadGuard};

use super::Sled;
use super::database::{Database, closed};
use crate::backup::{BackupError, Copied, Source};
use crate::records::{Blobs, Changes, Row, Rows, after};

/// Most rows that are read between two groups, so that none waits long.
const ROWS_AT_ONCE: usize = 256;
/// A range ends when it has this many bytes.
const BYTES_AT_ONCE: usize = 256 * 1024;
/// Changes are handed on when they have this many bytes.
const CHANGES_BYTES: usize = 4 * 1024 * 1024;
/// Most bytes of changes that wait for a slow taker. More, and the backup fails.
const CHANGES_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What the writer tells those who copy.
#[derive(Debug, Default)]
pub(super) struct Tracker(Mutex<Option<Tracking>>);

/// A copy that is being made.
#[derive(Debug, Default)]
struct Tracking {
    /// The rows before this key were read.
    read_to: Vec<u8>,
    /// What was changed in them since, and not handed on.
    changes: Changes,
    bytes: usize,
    /// Why the copy cannot be of one instant any more.
    lost: Option<Lost>,
}

#[derive(Debug, Clone, Copy)]
enum Lost {
    /// So many bytes of changes waited.
    Behind(usize),
    /// The disk failed: nobody knows whether the last group is there.
    DiskFailed,
}

impl Tracker {
    fn lock(&self) -> MutexGuard<'_, Option<Tracking>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What of these changes a copy has to know. For the writer, before it makes them durable.
    pub(super) fn concerned(&self, changes: &Changes) -> Changes {
        let tracking = self.lock();
        let Some(tracking) = tracking.as_ref().filter(|tracking| tracking.lost.is_none()) else {
            return Changes::new();
        };
        let before = changes.range::<Vec<u8>, _>(..&tracking.read_to);
        before.map(|(key, change)| (key.clone(), change.clone())).collect()
    }

    /// Notes changes that became durable. For the writer, while nobody reads.
    pub(super) fn note(&self, concerned: Changes) {
        if let Some(tracking) = self.lock().as_mut() {
            tracking.note(concerned, CHANGES_BYTES_MAX);
        }
    }

    /// A group may be there or not.
    pub(super) fn disk_failed(&self) {
        if let Some(tracking) = self.lock().as_mut() {
            tracking.lose(Lost::DiskFailed);
        }
    }

    fn start(&self) -> Result<Copying<'_>, BackupError> {
        let mut tracking = self.lock();
        if tracking.is_some() {
            return Err(BackupError::InProgress);
        }
        *tracking = Some(Tracking::default());
        Ok(Copying(self))
    }
}

impl Tracking {
    fn note(&mut self, concerned: Changes, bytes_max: usize) {
        if self.lost.is_some() {
            return;
        }
        for (key, change) in concerned {
            let bytes = |key: &[u8], change: &Option<Vec<u8>>| key.len() + change.as_ref().map_or(0, Vec::len);
            self.bytes += bytes(&key, &change);
            let key_bytes = key.len();
            if let Some(before) = self.changes.insert(key, change) {
                self.bytes = self.bytes.saturating_sub(key_bytes + before.map_or(0, |value| value.len()));
            }
        }
        if self.bytes > bytes_max {
            self.lose(Lost::Behind(self.bytes));
        }
    }

    fn lose(&mut self, why: Lost) {
        self.lost.get_or_insert(why);
        self.changes = Changes::new();
        self.bytes = 0;
    }

    fn take(&mut self) -> Result<Changes, BackupError> {
        match self.lost {
            Some(Lost::Behind(waiting)) => Err(BackupError::Behind { waiting, waiting_max: CHANGES_BYTES_MAX }),
            Some(Lost::DiskFailed) => Err(closed().into()),
            None => {
                self.bytes = 0;
                Ok(std::mem::take(&mut self.changes))
            }
        }
    }
}

/// Ends the noting when it is dropped.
struct Copying<'a>(&'a Tracker);

impl Drop for Copying<'_> {
    fn drop(&mut self) {
        *self.0.lock() = None;
    }
}

impl Copying<'_> {
    /// Up to this key everything was read. While nobody writes. The changes, where there are many.
    fn read_to(&self, key: Vec<u8>) -> Result<Changes, BackupError> {
        self.with(|tracking| {
            tracking.read_to = key;
            if tracking.lost.is_some() || tracking.bytes >= CHANGES_BYTES {
                tracking.take()
            } else {
                Ok(Changes::new())
            }
        })
    }

    /// Everything was read. While nobody writes. The last changes.
    fn finish(self) -> Result<Changes, BackupError> {
        self.with(Tracking::take)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Tracking) -> Result<T, BackupError>) -> Result<T, BackupError> {
        self.0.lock().as_mut().map_or_else(|| Err(closed().into()), work)
    }
}

impl Source for Sled {
    fn copy_rows(&self, each: &mut dyn FnMut(Copied) -> Result<(), BackupError>) -> Result<(), BackupError> {
        let copying = self.shared.tracker.start()?;
        let mut from = vec![0];
        loop {
            let (rows, changes) = {
                // The writer waits for this lock, and so each range lies between two groups.
                let view = self.shared.view.blocking_read();
                let database = view.as_ref().ok_or_else(closed)?;
                let rows = range(database, &from)?;
                let Some((last, _)) = rows.last() else {
                    let last_changes = copying.finish()?;
                    drop(view);
                    return each(Copied::Changes(last_changes));
                };
                from = after(last);
                (rows, copying.read_to(from.clone())?)
            };
            each(Copied::Rows(rows))?;
            if !changes.is_empty() {
                each(Copied::Changes(changes))?;
            }
        }
    }

    fn hold(&self) -> Option<RwLockReadGuard<'_, ()>> {
        Some(self.shared.blobs.hold())
    }

    fn blobs(&self) -> &dyn Blobs {
        &*self.shared.blobs
    }
}

/// The next few rows.
fn range(database: &Database, from: &[u8]) -> Result<Vec<Row>, BackupError> {
    let mut from = from.to_vec();
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while rows.len() < ROWS_AT_ONCE && bytes < BYTES_AT_ONCE {
        let Some((key, value)) = database.next(&from, &[255])? else { break };
        from = after(&key);
        bytes += key.len() + value.len();
        rows.push((key, value));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(keys: &[&str], bytes: usize) -> Changes {
        keys.iter().map(|key| (key.as_bytes().to_vec(), Some(vec![b'x'; bytes]))).collect()
    }

    #[test]
    fn only_what_was_read_already_is_noted_and_the_last_change_counts() {
        let tracker = Tracker::default();
        assert!(tracker.concerned(&changes(&["a"], 1)).is_empty(), "nobody copies");
        let copying = tracker.start().unwrap();
        assert!(copying.read_to(b"m".to_vec()).unwrap().is_empty());
        tracker.note(tracker.concerned(&changes(&["a", "b", "m", "z"], 1)));
        tracker.note(tracker.concerned(&changes(&["b"], 2)));
        let mut expected = changes(&["a"], 1);
        expected.extend(changes(&["b"], 2));
        assert_eq!(copying.finish().unwrap(), expected);
        tracker.start().unwrap();
    }

    #[test]
    fn a_taker_that_is_too_slow_is_told_and_nothing_more_is_kept_for_it() {
        let mut tracking = Tracking::default();
        tracking.note(changes(&["a"], 5), 10);
        tracking.note(changes(&["a"], 6), 10);
        assert_eq!(tracking.bytes, 7, "a change takes the place of the one before");
        tracking.note(changes(&["b"], 5), 10);
        tracking.note(changes(&["c"], 1), 10);
        assert_eq!((tracking.changes.len(), tracking.bytes), (0, 0));
        assert_eq!(tracking.take().unwrap_err().code(), "backup.behind");
    }

    #[test]
    fn after_a_failure_of_the_disk_there_is_no_backup() {
        let tracker = Tracker::default();
        let copying = tracker.start().unwrap();
        tracker.disk_failed();
        assert_eq!(copying.finish().unwrap_err().code(), "store.backend");
    }
}
