//! The diagnostic entries of a step, briefly.

use weir_engine::ports::LogLevel;
use weir_engine::run::{DiagnosticEvent, JournalEntry};

use super::Page;
use crate::output::Style;

impl Page {
    /// What the step said by itself; what its plugins logged stands beside their hooks.
    pub(super) fn diagnostics(&mut self, entry: &JournalEntry) {
        let of_plugins = [DiagnosticEvent::PluginLog, DiagnosticEvent::PluginLogLimit];
        for entry in entry.diagnostics.iter().filter(|entry| !of_plugins.contains(&entry.action_id)) {
            let line = format!("log: {}: {}", entry.component_id, entry.result_message);
            self.put(1, Some(style_of(entry.level)), &line);
        }
        if entry.diagnostics_dropped > 0 {
            let line = format!("{} diagnostic entries were over the limits of a step", entry.diagnostics_dropped);
            self.put(1, Some(Style::Warning), &line);
        }
    }
}

pub(super) fn style_of(level: LogLevel) -> Style {
    match level {
        LogLevel::Debug | LogLevel::Info => Style::Dim,
        LogLevel::Warning => Style::Warning,
        LogLevel::Error => Style::Bad,
    }
}
