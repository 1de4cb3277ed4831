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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Ending, Event, Run};
    use crate::time::Timestamp;

    /// A driver tells of its commit late: somebody has changed the run since, and waits for what comes of that.
    #[tokio::test]
    async fn nobody_is_told_of_a_run_before_the_change_that_he_made() {
        let at = Timestamp::from_millis(1);
        let run =
            Run::new("t".parse().unwrap(), RunId::generate(), ("f".parse().unwrap(), 1), "a".parse().unwrap(), at, at);
        let ended = |run: &Run| run.clone().apply(Event::Ended(Ending::Completed { claims: Vec::new() }), at);
        let (early, late) = (ended(&run), ended(&Run { revision: 6, ..run.clone() }));
        let progress = Progress::default();
        let mut commits = progress.watch(run.id);
        let told = tokio::spawn(async move { next_settled(&mut commits, 7).await });
        progress.committed(&early);
        tokio::task::yield_now().await;
        progress.committed(&late);
        assert_eq!(told.await.unwrap().map(|run| run.revision), Some(7));
        let mut commits = progress.watch(run.id);
        progress.committed(&early);
        progress.over(run.id);
        assert!(next_settled(&mut commits, 7).await.is_none(), "the store is asked then");
    }
}
