//! Who waits for which run.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::ids::RunId;
use crate::run::Run;

/// The run as the last commit of this process left it; none before the first.
pub type LatestCommit = Option<Arc<Run>>;

/// The latest commit of every run that somebody waits for.
#[derive(Default)]
pub(super) struct Progress {
    senders: Mutex<HashMap<RunId, watch::Sender<LatestCommit>>>,
}

impl Progress {
    pub(super) fn watch(&self, run: RunId) -> watch::Receiver<LatestCommit> {
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever watched a run that ended elsewhere left an entry behind.
        senders.retain(|_, sender| sender.receiver_count() > 0);
        senders.entry(run).or_insert_with(|| watch::Sender::new(None)).subscribe()
    }

    pub(super) fn committed(&self, run: &Run) {
        let sender = self.senders.lock().unwrap_or_else(PoisonError::into_inner).get(&run.id).cloned();
        if let Some(sender) = sender {
            sender.send_replace(Some(Arc::new(run.clone())));
        }
    }

    /// No more commits of this run come from this process.
    pub(super) fn over(&self, run: RunId) {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner).remove(&run);
    }
}

/// The next commit after which nothing goes on before somebody does something, or ever, not before that revision: a
/// driver may tell of its commit after somebody has changed the run since. None once this process commits no more of the
/// run.
pub(super) async fn next_settled(commits: &mut watch::Receiver<LatestCommit>, revision: u64) -> LatestCommit {
    while commits.changed().await.is_ok() {
        let latest = commits.borrow_and_update().clone();
        if latest.as_ref().is_some_and(|run| run.state.is_settled() && run.revision >= revision) {
            return latest;
        }
    }
    None
}
