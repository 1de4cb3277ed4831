//! Diagnostic entries in the server's own log and in the metrics. What went in and out stays with the tenant: only who,
//! what and how it went is said here, and what plugins log is at most `debug`: tenants neither speak here nor fill it.

use metrics::counter;
use weir_engine::ports::LogLevel;
use weir_engine::run::{DiagnosticEntry, DiagnosticEvent, JournalEntry};

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

/// How loud it is here.
fn level(entry: &DiagnosticEntry) -> LogLevel {
    match entry.action_id {
        DiagnosticEvent::PluginLog | DiagnosticEvent::PluginLogLimit => LogLevel::Debug,
        _ => entry.level,
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
                "diagnostic entry"
            )
        };
    }
    match level(entry) {
        LogLevel::Debug => say!(debug),
        LogLevel::Info => say!(info),
        LogLevel::Warning => say!(warn),
        LogLevel::Error => say!(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Heard(Arc<Mutex<Vec<u8>>>);

    impl Write for Heard {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_servers_log_has_no_words_of_tenants_and_plugins_are_quiet() {
        // covers D-04
        let heard = Heard::default();
        let writer = heard.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let entry = |action: &str| {
            let entry = serde_json::json!({
                "logId": "l", "recordedAt": "2026-01-01T00:00:00Z", "requestId": "r-1", "level": "error",
                "resultStatus": "Failed", "resultMessage": "c4nary", "actionId": action, "componentId": "sys.get",
                "tenant": "acme", "flow": "f", "flowVersion": 1,
                "run": weir_engine::ids::RunId::generate().to_string(), "step": "a"
            });
            serde_json::from_value::<DiagnosticEntry>(entry).unwrap()
        };
        tracing::subscriber::with_default(subscriber, || {
            say(&entry("connector-failure"));
            say(&entry("plugin-log"));
        });
        let log = String::from_utf8(heard.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = log.lines().collect();
        assert_eq!(lines.len(), 2, "{log}");
        assert!(lines[0].contains("ERROR") && lines[1].contains("DEBUG") && !log.contains("c4nary"), "{log}");
    }
}
