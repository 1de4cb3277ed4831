//! What vectors come to, counted: for each file, and by evidence and profile.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How one vector counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    Passed,
    Failed,
    Skipped,
    /// It fails, and is decided against: `decided.md`.
    Decided,
}

/// How many. Those that are decided against are skipped, for whoever counts only three kinds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Score {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
    pub(crate) decided: usize,
}

impl Score {
    pub(crate) fn add(&mut self, count: Count) {
        match count {
            Count::Passed => self.passed += 1,
            Count::Failed => self.failed += 1,
            Count::Skipped => self.skipped += 1,
            Count::Decided => self.decided += 1,
        }
    }

    fn total(&self) -> usize {
        self.passed + self.failed + self.skipped + self.decided
    }

    /// For a table: `passed of all`, and what became of the others.
    fn short(&self) -> String {
        let mut text = format!("{} of {}", self.passed, self.total());
        for (count, word) in [(self.failed, "failed"), (self.decided, "decided"), (self.skipped, "skipped")] {
            if count > 0 {
                text.push_str(&format!(", {count} {word}"));
            }
        }
        text
    }
}

impl fmt::Display for Score {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let skipped = self.skipped + self.decided;
        write!(formatter, "{} passed, {} failed, {skipped} skipped", self.passed, self.failed)
    }
}

/// All that was counted.
#[derive(Debug, Default)]
pub(crate) struct Scores {
    files: Vec<(String, Score)>,
    cells: BTreeMap<(String, String), Score>,
    pub(crate) sum: Score,
}

impl Scores {
    /// A further file.
    pub(crate) fn file(&mut self, name: &str) {
        self.files.push((name.to_owned(), Score::default()));
    }

    /// A vector of the last file.
    pub(crate) fn count(&mut self, evidence: &str, profile: &str, count: Count) {
        if let Some((_, score)) = self.files.last_mut() {
            score.add(count);
        }
        let evidence = if evidence.is_empty() { "none" } else { evidence };
        self.cells.entry((evidence.to_owned(), profile.to_owned())).or_default().add(count);
        self.sum.add(count);
    }

    /// The last file's.
    pub(crate) fn last(&self) -> Score {
        self.files.last().map(|(_, score)| *score).unwrap_or_default()
    }

    /// Evidence by profile.
    pub(crate) fn by_evidence(&self) -> Table {
        let profiles: BTreeSet<&str> = self.cells.keys().map(|(_, profile)| profile.as_str()).collect();
        let evidence: BTreeSet<&str> = self.cells.keys().map(|(evidence, _)| evidence.as_str()).collect();
        let mut table = Table::new(["evidence"].into_iter().chain(profiles.iter().copied()));
        for kind in evidence {
            let cell = |profile: &&str| {
                let score = self.cells.get(&(kind.to_owned(), (*profile).to_owned()));
                score.map_or_else(String::new, Score::short)
            };
            table.row([kind.to_owned()].into_iter().chain(profiles.iter().map(cell)));
        }
        table
    }

    /// One row for each file, and the sum.
    pub(crate) fn by_file(&self) -> Table {
        let mut table = Table::new(["file", "passed", "failed", "decided", "skipped"]);
        let sum = [("all".to_owned(), self.sum)];
        for (name, score) in self.files.iter().chain(&sum) {
            let numbers = [score.passed, score.failed, score.decided, score.skipped].map(|number| number.to_string());
            table.row([name.clone()].into_iter().chain(numbers));
        }
        table
    }
}

/// Rows of cells; the first row is the head.
pub(crate) struct Table(Vec<Vec<String>>);

impl Table {
    fn new<'a>(head: impl IntoIterator<Item = &'a str>) -> Self {
        Self(vec![head.into_iter().map(str::to_owned).collect()])
    }

    fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.0.push(cells.into_iter().collect());
    }

    /// To be pasted.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        for (index, row) in self.0.iter().enumerate() {
            text.push_str(&format!("| {} |\n", row.join(" | ")));
            if index == 0 {
                text.push_str(&format!("|{}\n", " --- |".repeat(row.len())));
            }
        }
        text
    }

    /// To be read in a terminal.
    pub(crate) fn text(&self) -> String {
        let columns = self.0.first().map_or(0, Vec::len);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                self.0.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        for row in &self.0 {
            let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_decided_against_is_skipped_in_sums_and_shown_apart_in_tables() {
        let mut scores = Scores::default();
        scores.file("a.json");
        for count in [Count::Passed, Count::Passed, Count::Decided, Count::Skipped] {
            scores.count("code", "wso2", count);
        }
        scores.count("seed", "strict", Count::Failed);
        assert_eq!(scores.sum.to_string(), "2 passed, 1 failed, 2 skipped");
        assert_eq!(
            scores.by_evidence().text(),
            "evidence  strict            wso2\ncode                        2 of 4, 1 decided, 1 skipped\nseed      0 of 1, 1 failed\n"
        );
        assert_eq!(
            scores.by_file().markdown(),
            "| file | passed | failed | decided | skipped |\n| --- | --- | --- | --- | --- |\n| a.json | 2 | 1 | 1 | 1 |\n| all | 2 | 1 | 1 | 1 |\n"
        );
    }
}
