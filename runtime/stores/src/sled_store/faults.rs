//! Faults of the disk, for the tests of this crate. In the product, a type without size or effect.

use std::io;
use std::time::Duration;

/// Which calls to the disk fail.
#[derive(Debug, Default)]
pub(super) struct Faults {
    #[cfg(test)]
    pub(super) failing_syncs: std::sync::atomic::AtomicU32,
    /// In the place of every pause between two tries to open anew.
    #[cfg(test)]
    pub(super) pause: std::sync::Mutex<Option<Duration>>,
}

impl Faults {
    /// Called where a sync is about to be made.
    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the disk has its own faults in the product")]
    pub(super) fn before_sync(&self) -> io::Result<()> {
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn before_sync(&self) -> io::Result<()> {
        use std::sync::atomic::Ordering::SeqCst;
        match self.failing_syncs.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => Err(io::Error::from_raw_os_error(5)),
            Err(_) => Ok(()),
        }
    }

    /// How long to wait where the product waits for `pause`.
    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "only tests are in a hurry")]
    pub(super) fn pause(&self, pause: Duration) -> Duration {
        pause
    }

    #[cfg(test)]
    pub(super) fn pause(&self, pause: Duration) -> Duration {
        self.pause.lock().unwrap().unwrap_or(pause)
    }
}
