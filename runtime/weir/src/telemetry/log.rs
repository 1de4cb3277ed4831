//! The log, on standard error.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::config::{LogConfig, LogFormat};
use crate::output::Colours;

/// Begins to log.
///
/// # Errors
/// The filter cannot be read.
pub(crate) fn start(config: &LogConfig) -> Result<(), ParseError> {
    let filter = EnvFilter::builder().parse(&config.filter)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.with_ansi(Colours::of_stderr() == Colours::On).try_init(),
    };
    // Already begun, which happens where one process serves twice: the first log stands.
    drop(started);
    Ok(())
}
