//! A file, checked, item by item: first it is read through for its checksums and for the rows that were changed while it
//! was made; after that it gives each row once, as of the instant of the backup, and then the large values.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use weir_engine::digest::Digest;

use super::BackupError;
use super::dump::{entries, rows};
use super::part::{Head, Kind, PartReader};
use crate::records::Row;

/// A backup whose checksums are right.
pub(crate) struct Contents {
    file: PathBuf,
    pub(super) head: Head,
    /// For each row that was changed meanwhile, the number of the change that counts. Bounded by what changed.
    newest: HashMap<Vec<u8>, u64>,
}

/// One thing in a backup.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// A row.
    Row(Row),
    /// A large value. Its digest is not proven yet.
    Blob(Digest, Bytes),
    /// A large value that could not be read when the backup was made.
    LeftOut(Digest),
}

impl Contents {
    /// Reads a file through.
    pub(crate) fn open(file: &Path) -> Result<Self, BackupError> {
        let (mut parts, head) = PartReader::open(file)?;
        let mut newest = HashMap::new();
        let mut number = 0;
        while let Some((kind, content)) = parts.next()? {
            if kind == Kind::Changes {
                for (key, _) in entries(&content).ok_or_else(|| parts.damaged("a change is malformed"))? {
                    newest.insert(key, number);
                    number += 1;
                }
            }
        }
        Ok(Self { file: file.to_owned(), head, newest })
    }

    /// Begins to give items.
    pub(super) fn items(&self) -> Result<Items<'_>, BackupError> {
        let (parts, _) = PartReader::open(&self.file)?;
        Ok(Items { contents: self, parts, change: 0, ready: VecDeque::new(), blob: None })
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }
}

/// Gives items.
pub(super) struct Items<'a> {
    contents: &'a Contents,
    parts: PartReader,
    change: u64,
    ready: VecDeque<Item>,
    /// A large value whose pieces are not all there yet, and how many bytes it will have.
    blob: Option<(Digest, u64, Vec<u8>)>,
}

impl Items<'_> {
    pub(super) fn next(&mut self) -> Result<Option<Item>, BackupError> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Ok(Some(item));
            }
            let Some((kind, content)) = self.parts.next()? else {
                return match &self.blob {
                    Some(_) => Err(self.parts.damaged("a large value is not whole")),
                    None => Ok(None),
                };
            };
            self.take(kind, &content).ok_or_else(|| self.parts.damaged("the part is malformed"))?;
        }
    }

    fn take(&mut self, kind: Kind, content: &[u8]) -> Option<()> {
        match kind {
            Kind::Rows => {
                let rows = rows(content)?.into_iter();
                let newest = &self.contents.newest;
                self.ready.extend(rows.filter(|(key, _)| !newest.contains_key(key)).map(Item::Row));
            }
            Kind::Changes => {
                for (key, value) in entries(content)? {
                    let counts = self.contents.newest.get(&key) == Some(&self.change);
                    self.change += 1;
                    self.ready.extend(value.filter(|_| counts).map(|value| Item::Row((key, value))));
                }
            }
            Kind::Blob => self.piece(content)?,
            Kind::LeftOut => {
                let (digests, []) = content.as_chunks::<32>() else { return None };
                self.ready.extend(digests.iter().map(|digest| Item::LeftOut(Digest::from_bytes(*digest))));
            }
            Kind::Head | Kind::End => return None,
        }
        Some(())
    }

    fn piece(&mut self, content: &[u8]) -> Option<()> {
        let (digest, rest) = content.split_first_chunk::<32>()?;
        let (length, rest) = rest.split_first_chunk::<8>()?;
        let (from, piece) = rest.split_first_chunk::<8>()?;
        let digest = Digest::from_bytes(*digest);
        let (length, from) = (u64::from_le_bytes(*length), u64::from_le_bytes(*from));
        let (expected, total, mut bytes) = self.blob.take().unwrap_or((digest, length, Vec::new()));
        if (expected, total, bytes.len() as u64) != (digest, length, from) {
            return None;
        }
        bytes.extend(piece);
        match (bytes.len() as u64).cmp(&length) {
            std::cmp::Ordering::Less => self.blob = Some((digest, length, bytes)),
            std::cmp::Ordering::Equal => self.ready.push_back(Item::Blob(digest, bytes.into())),
            std::cmp::Ordering::Greater => return None,
        }
        Some(())
    }
}
