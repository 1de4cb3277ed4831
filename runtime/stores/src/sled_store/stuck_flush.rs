//! Wakes a flush of sled that waits for what never comes.
//!
//! A buffer of sled's log that is written once its last reservation is done, as that of a batch that fills it, wakes
//! nobody where the write fails (0.34.7, `exit_reservation`): the error is noted, and whoever waits in `flush` for that
//! buffer waits for ever. But whoever writes afterwards meets the error and wakes all. So where a flush takes long,
//! something is written: a row that nobody reads.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::database::contain;

/// How long a flush may take before it is looked after, and how often.
const PATIENCE: Duration = Duration::from_secs(1);

/// Behind all tables: no verb, backup or export comes to it.
const ROW: &[u8] = b"\xff";

/// Looks after the flushes of one open database. Dropping it lets go of the database.
#[derive(Debug)]
pub(super) struct StuckFlush {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    over: Condvar,
}

#[derive(Debug, Default)]
struct State {
    flushing_since: Option<Instant>,
    is_over: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StuckFlush {
    pub(super) fn watch(db: sled::Db) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let watched = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("weir-store-watch".to_owned());
        let thread = thread.spawn(move || look_after(&watched, &db))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Flushes, and comes back whatever fails.
    pub(super) fn flush(&self, db: &sled::Db) -> sled::Result<usize> {
        self.shared.lock().flushing_since = Some(Instant::now());
        let flushed = db.flush();
        self.shared.lock().flushing_since = None;
        flushed
    }
}

impl Drop for StuckFlush {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.over.notify_all();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("what looks after sled's flushes panicked");
        }
    }
}

/// Looks now and then: to be told of each flush would cost more than a flush may.
fn look_after(shared: &Shared, db: &sled::Db) {
    let mut written = 0_u64;
    let mut state = shared.lock();
    while !state.is_over {
        let is_stuck = state.flushing_since.is_some_and(|since| since.elapsed() >= PATIENCE);
        if is_stuck {
            drop(state);
            written += 1;
            if let Err(error) = contain(|| db.insert(ROW, &written.to_be_bytes())) {
                tracing::warn!(%error, "a flush that had failed was woken");
            }
            state = shared.lock();
        }
        state = shared.over.wait_timeout(state, PATIENCE).unwrap_or_else(PoisonError::into_inner).0;
    }
}
