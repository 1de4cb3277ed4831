//! What the server says about itself: log lines and metrics.

mod diagnostics;
mod log;
mod metered;
pub(crate) mod otlp; // diagnostic entries as OpenTelemetry logs
mod metered_outbox; // calls in the background
mod metered_retention; // what is removed
mod recorder;

pub(crate) use self::log::start as start_log;
pub(crate) use self::metered::MeteredStore;
#[cfg(test)]
pub(crate) use self::recorder::recorder;
pub(crate) use self::recorder::{MetricsError, start as start_metrics};
