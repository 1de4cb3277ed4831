//! Who waits for which run.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::ids::RunId;

/// The latest revision of every run that somebody waits for.
#[derive(Default)]
pub(super) struct Progress {
    senders: Mutex<HashMap<RunId, watch::Sender<u64>>>,
}

impl Progress {
    pub(super) fn watch(&self, run: RunId) -> watch::Receiver<u64> {
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever watched a run that ended elsewhere left an entry behind.
        senders.retain(|_, sender| sender.receiver_count() > 0);
        senders.entry(run).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    pub(super) fn committed(&self, run: RunId, revision: u64) {
        let senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = senders.get(&run) {
            sender.send_replace(revision);
        }
    }

    /// No more commits of this run come from this process.
    pub(super) fn over(&self, run: RunId) {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner).remove(&run);
    }
}
