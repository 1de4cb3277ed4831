//! The clock of this machine.

use std::time::{SystemTime, UNIX_EPOCH};

use weir_engine::ports::Clock;
use weir_engine::time::Timestamp;

/// Reads the system's time of day.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        Timestamp::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
    }
}
