//! Diagnostic entries, live: each reader has a bounded place of its own, so that a slow one misses entries and holds
//! nobody up, and one tenant's entries never take the place of another's.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use crate::ids::TenantId;
use crate::run::{DiagnosticEntry, DiagnosticFilter};

/// Who reads along.
#[derive(Default)]
pub(super) struct Feed {
    readers: Mutex<HashMap<TenantId, Vec<Reader>>>,
}

struct Reader {
    filter: DiagnosticFilter,
    entries: mpsc::Sender<Heard>,
    missed: Arc<AtomicU64>,
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
    entries: mpsc::Receiver<Heard>,
    missed: Arc<AtomicU64>,
}

impl DiagnosticReader {
    /// What comes next; none when the engine is gone.
    pub async fn next(&mut self) -> Option<Heard> {
        match self.entries.try_recv() {
            Ok(heard) => Some(heard),
            Err(TryRecvError::Empty) => match self.missed.swap(0, Ordering::AcqRel) {
                0 => self.entries.recv().await,
                missed => Some(Heard { missed, entry: None }),
            },
            Err(TryRecvError::Disconnected) => None,
        }
    }
}

impl Feed {
    pub(super) fn follow(&self, tenant: &TenantId, filter: DiagnosticFilter, most: usize) -> DiagnosticReader {
        let (sender, entries) = mpsc::channel(most.max(1));
        let missed = Arc::new(AtomicU64::new(0));
        let reader = Reader { filter, entries: sender, missed: Arc::clone(&missed) };
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.entry(tenant.clone()).or_default().push(reader);
        DiagnosticReader { entries, missed }
    }

    /// Tells those who read along what a commit made durable.
    pub(super) fn committed(&self, tenant: &TenantId, entries: &[DiagnosticEntry]) {
        let mut all = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(readers) = all.get_mut(tenant) else { return };
        readers.retain(|reader| !reader.entries.is_closed());
        if readers.is_empty() {
            all.remove(tenant);
            return;
        }
        for entry in entries {
            // Copied once for all readers, and only where somebody wants it.
            let mut shared: Option<Arc<DiagnosticEntry>> = None;
            for reader in readers.iter().filter(|reader| reader.filter.takes(entry)) {
                let entry = shared.get_or_insert_with(|| Arc::new(entry.clone()));
                reader.tell(entry);
            }
        }
    }
}

impl Reader {
    fn tell(&self, entry: &Arc<DiagnosticEntry>) {
        match self.entries.try_reserve() {
            Ok(place) => {
                let missed = self.missed.swap(0, Ordering::AcqRel);
                place.send(Heard { missed, entry: Some(Arc::clone(entry)) });
            }
            Err(_) => {
                self.missed.fetch_add(1, Ordering::AcqRel);
            }
        }
    }
}
