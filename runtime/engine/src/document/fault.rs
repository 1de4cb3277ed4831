//! What is wrong with a document, and where.

use serde::{Deserialize, Serialize};

use super::parse::{Document, Span};

/// Whether a fault keeps a document from being saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// It does.
    Error,
    /// It does not, but its author should know.
    Warning,
}

/// One thing that is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The stable code, such as `flow.unknown-step`.
    pub code: String,
    /// Whether it keeps the document from being saved.
    pub severity: Severity,
    /// Where, as a JSON pointer into the document.
    pub pointer: String,
    /// The step that it stands in, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Counted from 1.
    pub line: u32,
    /// In characters, counted from 1.
    pub column: u32,
    /// Of the end, which is not part of it.
    pub end_line: u32,
    /// Of the end, which is not part of it.
    pub end_column: u32,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// Most faults that are kept: whoever mends so many sees the rest at the next try.
const FAULTS_MAX: usize = 200;

/// Everything that is wrong with a document, in the order of the document; at most 200 faults.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(transparent)]
#[error("the document has {} fault(s)", .0.len())]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// Adds an error at a pointer.
    pub fn error(&mut self, document: &Document, pointer: &str, code: &str, message: impl Into<String>) -> &mut Fault {
        self.add(document, pointer, Severity::Error, code, message.into())
    }

    /// Adds a warning at a pointer.
    pub fn warning(
        &mut self,
        document: &Document,
        pointer: &str,
        code: &str,
        message: impl Into<String>,
    ) -> &mut Fault {
        self.add(document, pointer, Severity::Warning, code, message.into())
    }

    /// Adds a fault about a part of the text at a pointer: `length` bytes from `offset` on.
    pub(crate) fn within(
        &mut self,
        document: &Document,
        (pointer, offset, length): (&str, usize, usize),
        severity: Severity,
        code: &str,
        message: impl Into<String>,
    ) -> &mut Fault {
        let Span { line, column, end_line, end_column } = document.span_within(pointer, offset, length);
        let fault = self.add(document, pointer, severity, code, message.into());
        (fault.line, fault.column, fault.end_line, fault.end_column) = (line, column, end_line, end_column);
        fault
    }

    #[expect(clippy::indexing_slicing, reason = "the fault has just been pushed")]
    fn add(
        &mut self,
        document: &Document,
        pointer: &str,
        severity: Severity,
        code: &str,
        message: String,
    ) -> &mut Fault {
        let step = document.step_at(pointer).map(str::to_owned);
        let Span { line, column, end_line, end_column } = document.span(pointer);
        self.0.push(Fault {
            code: code.to_owned(),
            severity,
            pointer: pointer.to_owned(),
            step,
            line,
            column,
            end_line,
            end_column,
            message,
            help: None,
        });
        // The one over the limit is there for its caller, and goes with the next.
        if self.0.len() > FAULTS_MAX + 1 {
            self.0.swap_remove(FAULTS_MAX);
        }
        let last = self.0.len() - 1;
        &mut self.0[last]
    }

    /// Whether one of them keeps the document from being saved.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|fault| fault.severity == Severity::Error)
    }

    /// The same in the order of the document, no fault twice.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.0.sort_by(|a, b| (a.line, a.column, &a.pointer, &a.code).cmp(&(b.line, b.column, &b.pointer, &b.code)));
        self.0.dedup();
        self.0.truncate(FAULTS_MAX);
        self
    }
}

/// Names in a sentence: the first ten.
pub(crate) fn list_names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const NAMES_MAX: usize = 10;
    let mut names = names.into_iter();
    let shown: Vec<&str> = names.by_ref().take(NAMES_MAX).collect();
    let more = names.count();
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("`{}`{rest}", shown.join("`, `"))
}

impl Fault {
    /// Says how to mend it.
    pub fn help(&mut self, help: impl Into<String>) {
        self.help = Some(help.into());
    }
}
