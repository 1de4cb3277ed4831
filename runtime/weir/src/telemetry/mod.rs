//! What the server says about itself: log lines and metrics.

mod log;
mod metered;
mod recorder;

pub(crate) use self::log::start as start_log;
pub(crate) use self::metered::MeteredStore;
pub(crate) use self::recorder::{MetricsError, recorder, start as start_metrics};
