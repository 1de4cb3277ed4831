//! How a value lies on disk: one byte of format version, one byte that says where the payload is, four bytes of
//! checksum (CRC-32, little endian, over the key, the place byte and the payload), then the payload, which is JSON: in
//! the row, or in a file, or in the row or a file with its large parts in files of their own.
//!
//! The checksum covers the key, so that a value which lands under another key is seen as damage.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use weir_engine::digest::Digest;
use weir_engine::ports::StoreError;

use super::rows::Rows;

/// Largest framed value that lies in a row, in bytes. sled moves pages with larger ones to files that it never syncs.
pub const VALUE_BYTES_MAX: usize = 4096;

/// Deepest nesting of a stored value: what `serde_json` reads back.
pub(crate) const JSON_LEVELS_MAX: usize = 127;

const FORMAT: u8 = 1;
const HEADER_BYTES: usize = 6;
const INLINE: u8 = 0;
const BLOB: u8 = 1;
const PARTED: u8 = 2;
/// Most bytes that the names of a value's parts take in its row.
const NAMES_BYTES_MAX: usize = 2048;

/// A value of a row, where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Payload {
    /// In the row.
    Inline(Vec<u8>),
    /// In a content-addressed file.
    Blob(BlobRef),
    /// In several of them.
    Parted(Parted),
}

impl Payload {
    /// Whether some of it lies outside of the row.
    pub(crate) fn is_large(&self) -> bool {
        !matches!(self, Self::Inline(_))
    }
}

/// A value with parts in files of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parted {
    /// The parts in their order.
    pub parts: Vec<Part>,
    /// The JSON text without them.
    pub rest: Rest,
}

/// What is left of a value without its parts, where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rest {
    /// In the row.
    Inline(Vec<u8>),
    /// In a file.
    Blob(BlobRef),
}

/// A part of a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    /// Where it begins in the whole JSON text.
    pub at: u64,
    /// The file.
    pub blob: BlobRef,
}

/// The files of a parted value, as they stand before its rest.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Names {
    parts: Vec<Part>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rest: Option<BlobRef>,
}

/// A content-addressed file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BlobRef {
    /// Its address.
    pub digest: Digest,
    /// Its length.
    pub bytes: u64,
}

/// Whether a payload of that length lies in its row.
pub(crate) fn fits_in_row(payload_bytes: usize) -> bool {
    payload_bytes + HEADER_BYTES <= VALUE_BYTES_MAX
}

/// Whether the rest of a value lies in its row, beside the names of its parts.
pub(crate) fn rest_fits_in_row(rest_bytes: usize) -> bool {
    fits_in_row(rest_bytes + NAMES_BYTES_MAX)
}

/// The files that a row names: what backs rows up and what counts references needs nothing else of them.
pub(crate) fn blobs_named_by(key: &[u8], framed: &[u8]) -> Result<Vec<BlobRef>, StoreError> {
    Ok(match open(key, framed)? {
        Payload::Inline(_) => Vec::new(),
        Payload::Blob(blob) => vec![blob],
        Payload::Parted(Parted { parts, rest }) => {
            let rest = match rest {
                Rest::Inline(_) => None,
                Rest::Blob(blob) => Some(blob),
            };
            parts.into_iter().map(|part| part.blob).chain(rest).collect()
        }
    })
}

/// The framed value.
pub(crate) fn seal(key: &[u8], payload: &Payload) -> Vec<u8> {
    let (place, body) = match payload {
        Payload::Inline(json) => (INLINE, json.clone()),
        // A digest and a number: this cannot fail, and would read back as damage if it did.
        Payload::Blob(blob) => (BLOB, serde_json::to_vec(blob).unwrap_or_default()),
        Payload::Parted(parted) => (PARTED, seal_parted(parted)),
    };
    let mut framed = Vec::with_capacity(HEADER_BYTES + body.len());
    framed.extend([FORMAT, place]);
    framed.extend(checksum(key, place, &body).to_le_bytes());
    framed.extend(body);
    framed
}

/// The payload of a framed value.
pub(crate) fn open(key: &[u8], framed: &[u8]) -> Result<Payload, StoreError> {
    let Some((&[format, place, a, b, c, d], body)) = framed.split_first_chunk::<HEADER_BYTES>() else {
        return Err(damaged(key, "the record is cut short; restore the store from a backup"));
    };
    if format != FORMAT {
        return Err(damaged(
            key,
            &format!("format version {format} is not known to this program, which writes {FORMAT}; run a newer one"),
        ));
    }
    if checksum(key, place, body) != u32::from_le_bytes([a, b, c, d]) {
        return Err(damaged(key, "the checksum is wrong; restore the store from a backup"));
    }
    match place {
        INLINE => Ok(Payload::Inline(body.to_vec())),
        BLOB => decode(key, body).map(Payload::Blob),
        PARTED => open_parted(key, body).map(Payload::Parted),
        _ => Err(damaged(key, "the payload is in a place that this program does not know; run a newer one")),
    }
}

/// A framed value for another key than the one it was framed for. What was damaged stays so.
pub(crate) fn under_another_key(mut framed: Vec<u8>, before: &[u8], now: &[u8]) -> Vec<u8> {
    if let Some((&mut [_, place, ref mut sum @ ..], body)) = framed.split_first_chunk_mut::<HEADER_BYTES>() {
        let difference = checksum(before, place, body) ^ checksum(now, place, body);
        *sum = (u32::from_le_bytes(*sum) ^ difference).to_le_bytes();
    }
    framed
}

/// The length of the names in four bytes, little endian, the names as JSON, then the rest, unless that is in a file.
fn seal_parted(Parted { parts, rest }: &Parted) -> Vec<u8> {
    let (blob, inline) = match rest {
        Rest::Inline(text) => (None, text.as_slice()),
        Rest::Blob(blob) => (Some(blob.clone()), [].as_slice()),
    };
    let names = serde_json::to_vec(&Names { parts: parts.clone(), rest: blob }).unwrap_or_default();
    let mut body = u32::try_from(names.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
    body.extend(names);
    body.extend(inline);
    body
}

fn open_parted(key: &[u8], body: &[u8]) -> Result<Parted, StoreError> {
    let cut_short = || damaged(key, "the names of its parts are cut short; restore the store from a backup");
    let (length, body) = body.split_first_chunk::<4>().ok_or_else(cut_short)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| cut_short())?;
    let (names, inline) = body.split_at_checked(length).ok_or_else(cut_short)?;
    let Names { parts, rest } = decode(key, names)?;
    Ok(Parted { parts, rest: rest.map_or_else(|| Rest::Inline(inline.to_vec()), Rest::Blob) })
}

fn checksum(key: &[u8], place: u8, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(&[place]);
    hasher.update(body);
    hasher.finalize()
}

/// A value as JSON that can be read back.
pub(crate) fn encode(what: &'static str, value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    let json = serde_json::to_vec(value)
        .map_err(|source| StoreError::Backend { verb: "encode a record", source: source.into() })?;
    if levels(&json) > JSON_LEVELS_MAX {
        return Err(StoreError::TooDeep { what, levels_max: JSON_LEVELS_MAX });
    }
    Ok(json)
}

/// A value from its JSON.
pub(crate) fn decode<T: DeserializeOwned>(key: &[u8], json: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(json).map_err(|error| {
        damaged(key, &format!("the record does not read as what it should be ({error}); run the program that wrote it"))
    })
}

/// A small record of the store's own, which always lies in its row.
pub(crate) fn record<T: DeserializeOwned>(rows: &dyn Rows, key: &[u8]) -> Result<Option<T>, StoreError> {
    let Some(framed) = rows.get(key)? else { return Ok(None) };
    match open(key, &framed)? {
        Payload::Inline(json) => decode(key, &json).map(Some),
        Payload::Blob(_) | Payload::Parted(_) => {
            Err(damaged(key, "the record should not be in a file; restore the store from a backup"))
        }
    }
}

/// The payload of a row, where there is one.
pub(crate) fn payload(rows: &dyn Rows, key: &[u8]) -> Result<Option<Payload>, StoreError> {
    rows.get(key)?.map(|framed| open(key, &framed)).transpose()
}

/// A damaged row, by its key.
pub(crate) fn damaged(key: &[u8], what: &str) -> StoreError {
    StoreError::Corrupt { place: format!("record {}", key.escape_ascii()), what: what.to_owned() }
}

/// How deep arrays and objects nest in valid JSON.
fn levels(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in json {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'[' | b'{') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn nested(levels: usize) -> Value {
        (1..levels).fold(Value::Array(vec![]), |inner, _| Value::Array(vec![inner]))
    }

    #[test]
    fn the_deepest_value_that_is_taken_reads_back() {
        let json = encode("a value", &nested(JSON_LEVELS_MAX)).unwrap();
        assert_eq!(decode::<Value>(b"", &json).unwrap(), nested(JSON_LEVELS_MAX));
        let error = encode("a value", &nested(JSON_LEVELS_MAX + 1)).unwrap_err();
        assert_eq!(error.code(), "store.too-deep");
        assert_eq!(levels(br#"{"a[[\"[[":[1,"]"]}"#), 2);
    }

    #[test]
    fn the_largest_value_in_a_row() {
        let largest = VALUE_BYTES_MAX - HEADER_BYTES;
        assert!(fits_in_row(largest) && !fits_in_row(largest + 1));
        assert_eq!(seal(b"k", &Payload::Inline(vec![b'1'; largest])).len(), VALUE_BYTES_MAX);
    }

    #[test]
    fn a_value_under_another_key_is_as_whole_as_it_was() {
        let payload = Payload::Inline(b"1".to_vec());
        let mut framed = seal(b"before", &payload);
        assert_eq!(under_another_key(framed.clone(), b"before", b"k"), seal(b"k", &payload));
        framed[HEADER_BYTES] ^= 1;
        assert!(open(b"k", &under_another_key(framed, b"before", b"k")).is_err());
        assert_eq!(under_another_key(vec![1], b"before", b"k"), [1]);
    }

    #[test]
    fn an_unknown_version_says_what_to_do() {
        let mut framed = seal(b"k", &Payload::Inline(b"1".to_vec()));
        framed[0] = 2;
        let error = open(b"k", &framed).unwrap_err();
        assert_eq!(error.code(), "store.corrupt");
        assert!(error.to_string().contains("record k: format version 2"), "{error}");
    }

    proptest! {
        // keeps D4: no flipped bit, cut tail or swapped row is ever taken for a value
        #[test]
        fn damage_is_seen(body in proptest::collection::vec(any::<u8>(), 0..64), at in any::<prop::sample::Index>(), bit in 0..8u8) {
            let framed = seal(b"key", &Payload::Inline(body.clone()));
            prop_assert_eq!(open(b"key", &framed).unwrap(), Payload::Inline(body));
            prop_assert!(open(b"kez", &framed).is_err());
            let at = at.index(framed.len());
            prop_assert!(open(b"key", &framed[..at]).is_err());
            let mut flipped = framed;
            flipped[at] ^= 1 << bit;
            prop_assert!(open(b"key", &flipped).is_err());
        }

        #[test]
        fn random_bytes_never_panic(framed in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = open(b"key", &framed);
        }
    }
}
