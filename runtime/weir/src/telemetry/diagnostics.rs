//! Diagnostic entries in the server's own log and in the metrics. What went in and out stays with the tenant: only who,
//! what and how it went is said here.

use metrics::counter;
use weir_engine::ports::LogLevel;
use weir_engine::run::{DiagnosticEntry, JournalEntry};

/// What the filter `log.filter` calls these lines, such as in `info,weir::diagnostics=off`.
const TARGET: &str = "weir::diagnostics";

/// Says and counts what a commit made durable.
pub(super) fn committed(entry: &JournalEntry) {
    for entry in &entry.diagnostics {
        counter!("weir_diagnostic_entries_total", "level" => name(entry.level)).increment(1);
        say(entry);
    }
    if entry.diagnostics_dropped > 0 {
        counter!("weir_diagnostic_entries_dropped_total").increment(u64::from(entry.diagnostics_dropped));
    }
}

fn name(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warning => "warning",
        LogLevel::Error => "error",
    }
}

fn say(entry: &DiagnosticEntry) {
    macro_rules! say {
        ($level:ident) => {
            tracing::$level!(
                target: TARGET,
                log_id = entry.log_id,
                request_id = entry.request_id.as_str(),
                trace_id = entry.trace_id.as_ref().map(|id| id.as_str()),
                tenant = %entry.tenant,
                flow = %entry.flow,
                run = %entry.run,
                step = %entry.step,
                component = entry.component_id,
                action = entry.action_id.as_str(),
                result = ?entry.result_status,
                result_message = entry.result_message,
                "diagnostic entry"
            )
        };
    }
    match entry.level {
        LogLevel::Debug => say!(debug),
        LogLevel::Info => say!(info),
        LogLevel::Warning => say!(warn),
        LogLevel::Error => say!(error),
    }
}
