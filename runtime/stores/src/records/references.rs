//! How many rows name a large value: a row of its own for each digest that any row names, changed by the very write that
//! changes the rows which name it. So the count is right at every instant, also after a crash, and what has none is
//! garbage. The other way, to read all rows now and then and mark what they name, would cost as much as the store is
//! large, however little there is to remove.

use std::collections::BTreeMap;

use weir_engine::digest::Digest;
use weir_engine::ports::StoreError;

use super::frame;
use super::keys;
use super::rows::Rows;

/// What a damaged count is taken for: a large value that is never removed.
const NOT_KNOWN: u64 = u64::MAX / 2;

/// Whether a row of that table can name a large value.
pub(crate) fn may_name(key: &[u8]) -> bool {
    matches!(key.first(), Some(b'R' | b'X' | b'J' | b'B' | b'E' | b'D' | b'A'))
}

/// Whether a row is such a count.
pub(crate) fn is_count(key: &[u8]) -> bool {
    key.first() == Some(&b'b')
}

/// By how much changed rows change the counts: what is in them now, against what was there.
pub(crate) fn shifts<'a>(
    before: &dyn Rows,
    changed: impl Iterator<Item = (&'a Vec<u8>, Option<&'a [u8]>)>,
) -> Result<BTreeMap<Digest, i64>, StoreError> {
    let mut shifts: BTreeMap<Digest, i64> = BTreeMap::new();
    for (key, after) in changed {
        let before = before.get(key)?;
        for (framed, by) in [(before.as_deref(), -1), (after, 1)] {
            // What is damaged names nothing that anybody knows: its files stay.
            let named = framed.map(|framed| frame::blobs_named_by(key, framed).unwrap_or_default());
            for blob in named.unwrap_or_default() {
                *shifts.entry(blob.digest).or_default() += by;
            }
        }
    }
    shifts.retain(|_, by| *by != 0);
    Ok(shifts)
}

/// How many rows name a large value.
pub(crate) fn count(rows: &dyn Rows, digest: &Digest) -> Result<u64, StoreError> {
    match frame::record(rows, &keys::references(digest)) {
        Ok(count) => Ok(count.unwrap_or(0)),
        Err(error @ StoreError::Corrupt { .. }) => {
            tracing::error!(%digest, %error, "the count of a large value is damaged; it is kept for ever");
            Ok(NOT_KNOWN)
        }
        Err(error) => Err(error),
    }
}
