//! Whether a file is worth restoring: every checksum, every row, every large value that a row names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::de::IgnoredAny;
use weir_engine::digest::Digest;
use weir_engine::time::Timestamp;

use super::contents::{Contents, Item};
use super::error::BackupError;
use crate::records::{self, Payload};

/// Tables that have a word of their own; what others hold is counted in one.
const KINDS: [(u8, &str); 8] = [
    (b'R', "runs"),
    (b'J', "journal entries"),
    (b'X', "context values"),
    (b'B', "calls in the background"),
    (b'D', "versions of definitions"),
    (b'A', "artifacts"),
    (b'K', "client keys of starts"),
    (b'C', "client keys of resumes"),
];
const OTHER: &str = "other rows";
/// How many faults are kept in words.
const FAULTS_MAX: usize = 20;

/// What is in a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// When it was made.
    pub made_at: Timestamp,
    /// The version of Weir that made it.
    pub made_by: String,
    /// How many rows there are, by what they hold, in words.
    pub counts: BTreeMap<&'static str, u64>,
    /// How many large values are in it.
    pub blobs: u64,
    /// Bytes of the large values.
    pub blob_bytes: u64,
    /// What was damaged in the store that it was made of: the first faults, in words.
    pub faults: Vec<String>,
    /// How many faults there are.
    pub faults_found: u64,
}

/// Reads a backup through and says what is in it. Writes nothing.
///
/// # Errors
/// The file cannot be read, is no backup, or is not as it was made. Damage of the store that it was made of is no error
/// here: see [`Report::faults_found`].
pub fn verify(file: &Path) -> Result<Report, BackupError> {
    let contents = Contents::open(file)?;
    let mut check = Check::of(&contents);
    let mut items = contents.items()?;
    while let Some(item) = items.next()? {
        check.see(&item);
    }
    Ok(check.finish())
}

/// Looks at items as they pass.
pub(super) struct Check {
    report: Report,
    named: BTreeMap<Digest, u64>,
    there: BTreeSet<Digest>,
}

impl Check {
    pub(super) fn of(contents: &Contents) -> Self {
        let report = Report {
            made_at: contents.head.made_at,
            made_by: contents.head.made_by.clone(),
            counts: BTreeMap::new(),
            blobs: 0,
            blob_bytes: 0,
            faults: Vec::new(),
            faults_found: 0,
        };
        Self { report, named: BTreeMap::new(), there: BTreeSet::new() }
    }

    pub(super) fn see(&mut self, item: &Item) {
        match item {
            Item::Row((key, value)) => self.row(key, value),
            Item::Blob(digest, bytes) if Digest::of(bytes) == *digest => {
                self.report.blobs += 1;
                self.report.blob_bytes += bytes.len() as u64;
                self.there.insert(*digest);
            }
            Item::Blob(digest, _) => self.fault(format!("the large value {digest} is not what its name says")),
            // What names it is told at the end.
            Item::LeftOut(_) => {}
        }
    }

    fn row(&mut self, key: &[u8], value: &[u8]) {
        let table = key.first().copied().unwrap_or_default();
        let kind = KINDS.iter().find(|(known, _)| *known == table).map_or(OTHER, |(_, kind)| *kind);
        *self.report.counts.entry(kind).or_default() += 1;
        match records::open_frame(key, value) {
            Ok(Payload::Blob(blob)) => {
                self.named.insert(blob.digest, blob.bytes);
            }
            // A row whose key says everything has no value.
            Ok(Payload::Inline(json)) if json.is_empty() => {}
            Ok(Payload::Inline(json)) => {
                if let Err(error) = serde_json::from_slice::<IgnoredAny>(&json) {
                    self.fault(format!("the record {} is not JSON ({error})", key.escape_ascii()));
                }
            }
            Err(error) => self.fault(error.to_string()),
        }
    }

    fn fault(&mut self, fault: String) {
        self.report.faults_found += 1;
        if self.report.faults.len() < FAULTS_MAX {
            self.report.faults.push(fault);
        }
    }

    /// After the last item.
    pub(super) fn finish(mut self) -> Report {
        for digest in std::mem::take(&mut self.named).into_keys() {
            if !self.there.contains(&digest) {
                self.fault(format!("the large value {digest} is missing; what holds it cannot be read"));
            }
        }
        self.report
    }
}

impl Report {
    /// An error where there are faults.
    pub(super) fn without_faults(self, file: &Path) -> Result<Self, BackupError> {
        match self.faults.first() {
            None => Ok(self),
            Some(first) => {
                let (faults, first) = (self.faults_found, first.clone());
                Err(BackupError::Content { file: file.to_owned(), faults, first })
            }
        }
    }
}
