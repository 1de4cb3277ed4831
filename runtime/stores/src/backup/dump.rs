//! A store into a file.

use std::collections::BTreeMap;
use std::io::Write;

use weir_engine::digest::Digest;
use weir_engine::ports::StoreError;
use weir_engine::time::Timestamp;

use super::part::{Head, Kind, PartWriter, Totals};
use super::{BackupError, Copied, Source, failed};
use crate::records::{self, BlobRef, Row};

/// Content of a part is kept near this many bytes; a single row has at most a few KiB.
const PART_BYTES: usize = 512 * 1024;
/// Stands for the length of a value that was removed.
pub(super) const REMOVED: u32 = u32::MAX;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dumped {
    /// Its length, in bytes.
    pub bytes: u64,
    /// Large values that rows name and that could not be read, because the store is damaged. The log names each.
    pub left_out: u64,
}

/// Writes a store as of one instant.
pub(super) fn dump(source: &impl Source, to: &mut dyn Write, now: Timestamp) -> Result<Dumped, BackupError> {
    let _hold = source.hold();
    let made_by = env!("CARGO_PKG_VERSION").to_owned();
    let parts = PartWriter::begin(to, &Head { made_at: now, made_by, rows_format: records::FORMAT })?;
    let mut dump = Dump { parts, totals: Totals::default(), blobs: BTreeMap::new() };
    source.copy_rows(&mut |copied| dump.copied(copied))?;
    dump.large_values(source)?;
    let left_out = dump.totals.left_out;
    let bytes = dump.parts.end(dump.totals)?;
    Ok(Dumped { bytes, left_out })
}

struct Dump<'a> {
    parts: PartWriter<'a>,
    totals: Totals,
    /// What the rows name, with what was changed since: more than is needed does no harm.
    blobs: BTreeMap<Digest, u64>,
}

impl Dump<'_> {
    fn copied(&mut self, copied: Copied) -> Result<(), BackupError> {
        match copied {
            Copied::Rows(rows) => {
                let rows: Vec<_> = rows.into_iter().filter(|(key, _)| is_content(key)).collect();
                self.totals.rows += rows.len() as u64;
                self.entries(Kind::Rows, rows.into_iter().map(|(key, value)| (key, Some(value))))
            }
            Copied::Changes(changes) => {
                let changes: Vec<_> = changes.into_iter().filter(|(key, _)| is_content(key)).collect();
                self.totals.changes += changes.len() as u64;
                self.entries(Kind::Changes, changes.into_iter())
            }
        }
    }

    fn entries(
        &mut self,
        kind: Kind,
        entries: impl Iterator<Item = (Vec<u8>, Option<Vec<u8>>)>,
    ) -> Result<(), BackupError> {
        let mut content = Vec::new();
        for (key, value) in entries {
            if let Some(value) = &value {
                self.note_blob(&key, value);
            }
            let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(REMOVED).to_le_bytes();
            content.extend(length(&key));
            content.extend(value.as_deref().map_or(REMOVED.to_le_bytes(), length));
            content.extend(key);
            content.extend(value.unwrap_or_default());
            if content.len() >= PART_BYTES {
                self.parts.part(kind, &std::mem::take(&mut content))?;
            }
        }
        if content.is_empty() { Ok(()) } else { self.parts.part(kind, &content) }
    }

    /// A damaged row is copied as it is: who reads it learns of the damage, as in the store.
    fn note_blob(&mut self, key: &[u8], value: &[u8]) {
        let named = records::blobs_named_by(key, value).unwrap_or_default();
        self.blobs.extend(named.into_iter().map(|blob| (blob.digest, blob.bytes)));
    }

    fn large_values(&mut self, source: &impl Source) -> Result<(), BackupError> {
        let mut left_out = Vec::new();
        for (digest, bytes) in std::mem::take(&mut self.blobs) {
            match source.blobs().load(&BlobRef { digest, bytes }) {
                Ok(value) => self.large_value(&digest, &value)?,
                Err(error @ StoreError::Corrupt { .. }) => {
                    tracing::error!(%error, "a large value is left out of the backup");
                    left_out.extend(digest.as_bytes());
                    self.totals.left_out += 1;
                }
                Err(error) => return Err(failed(error)),
            }
        }
        for part in left_out.chunks(PART_BYTES) {
            self.parts.part(Kind::LeftOut, part)?;
        }
        Ok(())
    }

    fn large_value(&mut self, digest: &Digest, value: &[u8]) -> Result<(), BackupError> {
        self.totals.blobs += 1;
        self.totals.blob_bytes += value.len() as u64;
        let mut from: usize = 0;
        loop {
            let piece = value.get(from..value.len().min(from.saturating_add(PART_BYTES))).unwrap_or_default();
            let mut content = digest.as_bytes().to_vec();
            content.extend((value.len() as u64).to_le_bytes());
            content.extend((from as u64).to_le_bytes());
            content.extend(piece);
            self.parts.part(Kind::Blob, &content)?;
            from += piece.len();
            if from >= value.len() {
                return Ok(());
            }
        }
    }
}

/// Whether a row is what tenants and operators have, and not what a back end keeps for itself.
pub(super) fn is_content(key: &[u8]) -> bool {
    // How many rows name a large value is counted anew by whoever takes the rows in.
    !records::is_count(key) && records::OWN_OF_BACK_END.iter().all(|name| *key != *records::own_record(name))
}

/// A key with its value; none where the row was removed.
type Entry = (Vec<u8>, Option<Vec<u8>>);

/// The entries of a part; `None` where it is malformed.
pub(super) fn entries(mut content: &[u8]) -> Option<Vec<Entry>> {
    let mut found = Vec::new();
    while !content.is_empty() {
        let (key_bytes, rest) = content.split_first_chunk::<4>()?;
        let (value_bytes, rest) = rest.split_first_chunk::<4>()?;
        let (key, rest) = rest.split_at_checked(u32::from_le_bytes(*key_bytes) as usize)?;
        let (value, rest) = match u32::from_le_bytes(*value_bytes) {
            REMOVED => (None, rest),
            length => rest.split_at_checked(length as usize).map(|(value, rest)| (Some(value.to_vec()), rest))?,
        };
        found.push((key.to_vec(), value));
        content = rest;
    }
    Some(found)
}

/// The rows of a part; `None` where it is malformed.
pub(super) fn rows(content: &[u8]) -> Option<Vec<Row>> {
    entries(content)?.into_iter().map(|(key, value)| Some((key, value?))).collect()
}
