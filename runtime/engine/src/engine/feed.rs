//! Diagnostic entries, live: each reader has a bounded place of its own, in entries and in bytes, so that a slow one
//! misses entries and holds nobody up, and one tenant's entries never take the place of another's.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use crate::ids::TenantId;
use crate::run::{DiagnosticEntry, DiagnosticFilter, DiagnosticSettings};

/// Who reads along.
#[derive(Default)]
pub(super) struct Feed {
    readers: Mutex<HashMap<TenantId, Vec<Reader>>>,
}

struct Reader {
    filter: DiagnosticFilter,
    waiting: mpsc::Sender<Waiting>,
    bytes_max: usize,
    shared: Arc<Shared>,
}

/// What the two ends of a reader's place have in common.
#[derive(Debug, Default)]
struct Shared {
    /// Entries that found no room since the last one that did.
    missed: AtomicU64,
    /// Bytes of what waits.
    bytes: AtomicUsize,
}

/// An entry that waits for its reader.
#[derive(Debug)]
struct Waiting {
    missed: u64,
    entry: Arc<DiagnosticEntry>,
    bytes: usize,
}

/// What a reader hears next.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// How many entries it missed before this one, because it was too slow.
    pub missed: u64,
    /// The entry; none where it only learns of missed ones.
    pub entry: Option<Arc<DiagnosticEntry>>,
}

/// A tenant's entries from now on.
#[derive(Debug)]
pub struct DiagnosticReader {
    waiting: mpsc::Receiver<Waiting>,
    shared: Arc<Shared>,
}

impl DiagnosticReader {
    /// What comes next; none when the engine is gone.
    pub async fn next(&mut self) -> Option<Heard> {
        let Waiting { missed, entry, bytes } = match self.waiting.try_recv() {
            Ok(waiting) => waiting,
            Err(TryRecvError::Empty) => match self.shared.missed.swap(0, Ordering::AcqRel) {
                0 => self.waiting.recv().await?,
                missed => return Some(Heard { missed, entry: None }),
            },
            Err(TryRecvError::Disconnected) => return None,
        };
        self.shared.bytes.fetch_sub(bytes, Ordering::AcqRel);
        Some(Heard { missed, entry: Some(entry) })
    }
}

impl Feed {
    pub(super) fn follow(
        &self,
        tenant: &TenantId,
        filter: DiagnosticFilter,
        settings: &DiagnosticSettings,
    ) -> DiagnosticReader {
        let (sender, waiting) = mpsc::channel(settings.reader_entries_max.max(1));
        let shared = Arc::new(Shared::default());
        let bytes_max = settings.reader_bytes_max;
        let reader = Reader { filter, waiting: sender, bytes_max, shared: Arc::clone(&shared) };
        let mut all = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let readers = all.entry(tenant.clone()).or_default();
        // Those who have gone may have heard of nothing since.
        readers.retain(|reader| !reader.waiting.is_closed());
        readers.push(reader);
        DiagnosticReader { waiting, shared }
    }

    /// Tells those who read along what a commit made durable.
    pub(super) fn committed(&self, tenant: &TenantId, entries: &[DiagnosticEntry]) {
        if entries.is_empty() {
            return;
        }
        let mut all = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(readers) = all.get_mut(tenant) else { return };
        readers.retain(|reader| !reader.waiting.is_closed());
        if readers.is_empty() {
            all.remove(tenant);
            return;
        }
        for entry in entries {
            // Copied once for all readers, and only where somebody wants it.
            let mut shared: Option<(Arc<DiagnosticEntry>, usize)> = None;
            for reader in readers.iter().filter(|reader| reader.filter.takes(entry)) {
                let (entry, bytes) = shared.get_or_insert_with(|| (Arc::new(entry.clone()), entry.bytes()));
                reader.tell(entry, *bytes);
            }
        }
    }
}

impl Reader {
    fn tell(&self, entry: &Arc<DiagnosticEntry>, bytes: usize) {
        let Shared { missed, bytes: waiting } = &*self.shared;
        // Only one tells at a time: what waits can only become less in between.
        let has_room = waiting.load(Ordering::Acquire).saturating_add(bytes) <= self.bytes_max;
        match self.waiting.try_reserve() {
            Ok(place) if has_room => {
                waiting.fetch_add(bytes, Ordering::AcqRel);
                place.send(Waiting { missed: missed.swap(0, Ordering::AcqRel), entry: Arc::clone(entry), bytes });
            }
            _ => {
                missed.fetch_add(1, Ordering::AcqRel);
            }
        }
    }
}
