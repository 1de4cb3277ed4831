//! What changed in a text, line by line.

use std::time::Duration;

use similar::{Algorithm, ChangeTag, TextDiff};

/// For the search of the smallest difference; then a larger one has to do.
const TIME_MAX: Duration = Duration::from_millis(200);

/// Lines around a change that are shown with it.
const AROUND: usize = 2;

/// One line of a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// In both.
    Same(String),
    /// Only before.
    Gone(String),
    /// Only after.
    New(String),
    /// So many lines that are in both are left out.
    LeftOut(usize),
}

/// What differs, with a few lines around each change; nothing where the texts are the same.
pub(super) fn lines(before: &str, after: &str) -> Vec<Line> {
    let diff = TextDiff::configure().algorithm(Algorithm::Myers).timeout(TIME_MAX).diff_lines(before, after);
    let mut lines = Vec::new();
    let mut shown = 0;
    for group in diff.grouped_ops(AROUND) {
        let start = group.first().map_or(shown, |op| op.old_range().start);
        lines.extend((start > shown).then(|| Line::LeftOut(start - shown)));
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let text = change.value().trim_end_matches('\n').to_owned();
            lines.push(match change.tag() {
                ChangeTag::Equal => Line::Same(text),
                ChangeTag::Delete => Line::Gone(text),
                ChangeTag::Insert => Line::New(text),
            });
        }
        shown = group.last().map_or(shown, |op| op.old_range().end);
    }
    let all = before.lines().count();
    lines.extend((!lines.is_empty() && all > shown).then(|| Line::LeftOut(all - shown)));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_shown() {
        let line = |text: &str| text.to_owned();
        assert_eq!(lines("a\nb\n", "a\nb\n"), []);
        assert_eq!(
            lines("1\n2\n3\n4\n5\n6\n7\n", "1\n2\n3\n4\nfive\n6\n7\n"),
            [
                Line::LeftOut(2),
                Line::Same(line("3")),
                Line::Same(line("4")),
                Line::Gone(line("5")),
                Line::New(line("five")),
                Line::Same(line("6")),
                Line::Same(line("7")),
            ]
        );
        assert_eq!(lines("", "a\n"), [Line::New(line("a"))]);
        assert_eq!(
            lines("x\na\nb\nc\nd", "a\nb\nc\nd").last(),
            Some(&Line::LeftOut(2)),
            "what follows is left out as well"
        );
    }
}
