//! The only owner of standard output and standard error.
//!
//! Results go to standard output, remarks and errors to standard error. Colours only on a terminal, and never where
//! `NO_COLOR` is set. A closed pipe ends the output quietly.

use std::io::{IsTerminal, Write};

use serde_json::Value;

/// What results look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// Tables and text for people.
    #[default]
    Table,
    /// JSON for programs.
    Json,
}

/// A style of text, in the ANSI codes of ECMA-48.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Style {
    /// Headings.
    Bold,
    /// What matters less.
    Dim,
    /// What went well.
    Good,
    /// What deserves a look.
    Warning,
    /// What went wrong.
    Bad,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Good => "32",
            Self::Warning => "33",
            Self::Bad => "31",
        }
    }
}

/// Whether text is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colours {
    /// It is.
    On,
    /// It is not.
    Off,
}

impl Colours {
    /// What standard output takes.
    pub(crate) fn of_stdout() -> Self {
        Self::of(std::io::stdout().is_terminal())
    }

    /// What standard error takes.
    pub(crate) fn of_stderr() -> Self {
        Self::of(std::io::stderr().is_terminal())
    }

    fn of(is_terminal: bool) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if is_terminal && !refused { Self::On } else { Self::Off }
    }

    /// The text in that style.
    pub(crate) fn paint(self, style: Style, text: &str) -> String {
        match self {
            Self::On => format!("\u{1b}[{}m{text}\u{1b}[0m", style.code()),
            Self::Off => text.to_owned(),
        }
    }
}

/// Writes a result and a line end to standard output.
pub(crate) fn line(text: &str) {
    write_quietly(&mut std::io::stdout().lock(), text);
}

/// Writes a remark or an error and a line end to standard error.
pub(crate) fn remark(text: &str) {
    write_quietly(&mut std::io::stderr().lock(), text);
}

/// Writes JSON, indented, to standard output.
pub(crate) fn json(value: &Value) {
    line(&format!("{value:#}"));
}

/// Text of others, safe for a terminal: control characters except line ends and tabs are made visible.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\n' | '\t' => character,
            control if control.is_control() => '\u{fffd}',
            // Marks that reorder text can make it read as something else.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            other => other,
        })
        .collect()
}

fn write_quietly(target: &mut impl Write, text: &str) {
    // A reader that has gone away (`weir run list | head -1`) is no error of ours, and there is nobody left to tell.
    let _ = writeln!(target, "{text}").and_then(|()| target.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_cannot_steer_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\r\n\u{202e}c"), "a\u{fffd}[2Jb\u{fffd}\n\u{fffd}c");
    }

    #[test]
    fn colours_are_off_without_a_terminal() {
        assert_eq!(Colours::of(false).paint(Style::Bad, "x"), "x");
        assert_eq!(Colours::On.paint(Style::Bad, "x"), "\u{1b}[31mx\u{1b}[0m");
    }
}
