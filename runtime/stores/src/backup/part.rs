//! The file, part by part; see the table of the module above.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use weir_engine::time::Timestamp;

use super::{BackupError, PART_BYTES_MAX};

/// The format that this program writes, and the newest that it reads.
pub(super) const FORMAT: u32 = 1;
const MAGIC: &[u8; 12] = b"weir backup\n";
const HEAD_BYTES: usize = 5;
const SUM_BYTES: usize = 32;

/// What a part holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Head,
    Rows,
    Changes,
    Blob,
    LeftOut,
    End,
}

const KINDS: [(Kind, u8); 6] = [
    (Kind::Head, b'H'),
    (Kind::Rows, b'R'),
    (Kind::Changes, b'C'),
    (Kind::Blob, b'B'),
    (Kind::LeftOut, b'L'),
    (Kind::End, b'E'),
];

impl Kind {
    fn letter(self) -> u8 {
        KINDS.iter().find(|(kind, _)| *kind == self).map_or(0, |(_, letter)| *letter)
    }

    fn of(letter: u8) -> Option<Self> {
        KINDS.iter().find(|(_, known)| *known == letter).map(|(kind, _)| *kind)
    }
}

/// Where a backup comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// When it was made.
    pub(super) made_at: Timestamp,
    /// The version of Weir that made it.
    pub(super) made_by: String,
    /// The format of the rows: that of the store.
    pub(super) rows_format: u32,
}

/// How much there is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Totals {
    /// Rows, with those that later changes replace.
    pub(super) rows: u64,
    /// Changes.
    pub(super) changes: u64,
    /// Large values.
    pub(super) blobs: u64,
    /// Bytes of the large values.
    pub(super) blob_bytes: u64,
    /// Large values that could not be read.
    pub(super) left_out: u64,
}

#[derive(Serialize, Deserialize)]
struct End {
    #[serde(flatten)]
    totals: Totals,
    sha256: String,
}

fn sum(number: u64, head: &[u8], content: &[u8]) -> [u8; SUM_BYTES] {
    let mut hasher = Sha256::new();
    hasher.update(number.to_le_bytes());
    hasher.update(head);
    hasher.update(content);
    hasher.finalize().into()
}

/// Writes parts.
pub(super) struct PartWriter<'a> {
    to: &'a mut dyn Write,
    whole: Sha256,
    number: u64,
    pub(super) bytes: u64,
}

impl<'a> PartWriter<'a> {
    pub(super) fn begin(to: &'a mut dyn Write, head: &Head) -> Result<Self, BackupError> {
        let mut writer = Self { to, whole: Sha256::new(), number: 0, bytes: 0 };
        writer.write(MAGIC)?;
        writer.write(&FORMAT.to_le_bytes())?;
        writer.part(Kind::Head, &json(head)?)?;
        Ok(writer)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.whole.update(bytes);
        self.bytes += bytes.len() as u64;
        self.to.write_all(bytes).map_err(BackupError::Write)
    }

    /// Content has at most [`PART_BYTES_MAX`] bytes.
    pub(super) fn part(&mut self, kind: Kind, content: &[u8]) -> Result<(), BackupError> {
        let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let mut head = vec![kind.letter()];
        head.extend(length.to_le_bytes());
        self.write(&head)?;
        self.write(content)?;
        self.write(&sum(self.number, &head, content))?;
        self.number += 1;
        Ok(())
    }

    /// The last part: without it, the file is none.
    pub(super) fn end(mut self, totals: Totals) -> Result<u64, BackupError> {
        let sha256 = hex::encode(self.whole.clone().finalize());
        self.part(Kind::End, &json(&End { totals, sha256 })?)?;
        self.to.flush().map_err(BackupError::Write)?;
        Ok(self.bytes)
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, BackupError> {
    serde_json::to_vec(value).map_err(|error| BackupError::Write(error.into()))
}

/// Reads parts, and believes none of them before its checksum.
pub(super) struct PartReader {
    file: PathBuf,
    from: BufReader<File>,
    whole: Sha256,
    number: u64,
    at: u64,
}

impl PartReader {
    /// Opens a file and reads its beginning.
    pub(super) fn open(file: &Path) -> Result<(Self, Head), BackupError> {
        let failed = |source| BackupError::Read { file: file.to_owned(), source };
        let from = BufReader::with_capacity(1 << 16, File::open(file).map_err(failed)?);
        let mut reader = Self { file: file.to_owned(), from, whole: Sha256::new(), number: 0, at: 0 };
        let mut magic = [0; MAGIC.len()];
        reader.fill(&mut magic)?;
        if magic != *MAGIC {
            return Err(reader.damaged("it does not begin as a backup does"));
        }
        let mut format = [0; 4];
        reader.fill(&mut format)?;
        reader.known(u32::from_le_bytes(format), FORMAT)?;
        reader.hash(&magic);
        reader.hash(&format);
        match reader.next()? {
            Some((Kind::Head, content)) => {
                let head: Head = reader.json(&content)?;
                reader.known(head.rows_format, crate::records::FORMAT)?;
                Ok((reader, head))
            }
            _ => Err(reader.damaged("its first part is not the one that says where it comes from")),
        }
    }

    fn known(&self, stored: u32, known: u32) -> Result<(), BackupError> {
        if stored > known { Err(BackupError::NewerFormat { file: self.file.clone(), stored, known }) } else { Ok(()) }
    }

    /// The next part that is not the last; `None` once the file has come to its proper end.
    pub(super) fn next(&mut self) -> Result<Option<(Kind, Vec<u8>)>, BackupError> {
        let mut head = [0; HEAD_BYTES];
        self.fill(&mut head)?;
        let [letter, length @ ..] = head;
        let length = u32::from_le_bytes(length) as usize;
        let kind = Kind::of(letter).ok_or_else(|| self.damaged("there is no such part"))?;
        if length > PART_BYTES_MAX {
            return Err(self.damaged("the part is longer than any may be"));
        }
        let mut content = vec![0; length];
        self.fill(&mut content)?;
        let mut stored = [0; SUM_BYTES];
        self.fill(&mut stored)?;
        if stored != sum(self.number, &head, &content) {
            return Err(self.damaged("the checksum of the part is wrong"));
        }
        if kind == Kind::End {
            return self.end(&content).map(|()| None);
        }
        self.number += 1;
        for bytes in [&head[..], &content, &stored] {
            self.hash(bytes);
        }
        Ok(Some((kind, content)))
    }

    fn end(&mut self, content: &[u8]) -> Result<(), BackupError> {
        let end: End = self.json(content)?;
        if end.sha256 != hex::encode(self.whole.clone().finalize()) {
            return Err(self.damaged("the checksum of the whole file is wrong"));
        }
        let failed = |source| BackupError::Read { file: self.file.clone(), source };
        match self.from.read(&mut [0]).map_err(failed)? {
            0 => Ok(()),
            _ => Err(self.damaged("something follows after its end")),
        }
    }

    /// JSON in a part whose checksum was right.
    fn json<T: serde::de::DeserializeOwned>(&self, content: &[u8]) -> Result<T, BackupError> {
        serde_json::from_slice(content).map_err(|error| self.damaged(&format!("the part cannot be read ({error})")))
    }

    fn hash(&mut self, bytes: &[u8]) {
        self.whole.update(bytes);
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), BackupError> {
        match self.from.read_exact(bytes) {
            Ok(()) => {
                self.at += bytes.len() as u64;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let at = self.from.get_ref().metadata().map_or(self.at, |metadata| metadata.len());
                Err(BackupError::CutShort { file: self.file.clone(), at })
            }
            Err(source) => Err(BackupError::Read { file: self.file.clone(), source }),
        }
    }

    /// Something is wrong about here.
    pub(super) fn damaged(&self, what: &str) -> BackupError {
        BackupError::Damaged { file: self.file.clone(), at: self.at, what: what.to_owned() }
    }
}
