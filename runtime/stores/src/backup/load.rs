//! A file into an empty store, of whatever back end. Only rows and large values come in; what a back end keeps for
//! itself is its own.

use weir_engine::ports::StoreError;

use super::check::Check;
use super::contents::{Contents, Item};
use super::dump::is_content;
use super::{BackupError, Report};
use crate::records::{self, Backend, Draft, Records, Row};

/// Rows that are written at once.
const ROWS: usize = 2_000;
/// Bytes of large values that are written at once.
const BLOB_BYTES: usize = 8 * 1024 * 1024;

/// Takes everything of a backup into a store, which must be empty. Not all or nothing: after an error, what is there is
/// to be thrown away.
///
/// # Errors
/// The file is not as it was made, or the store fails; and, unless `despite_damage`, the file was made of a damaged
/// store.
pub(crate) async fn load<B: Backend>(
    store: &Records<B>,
    contents: &Contents,
    despite_damage: bool,
) -> Result<Report, BackupError> {
    let backend = &store.backend;
    let mut check = Check::of(contents);
    let mut items = contents.items()?;
    let (mut rows, mut blobs, mut blob_bytes) = (Vec::new(), Vec::new(), 0);
    while let Some(item) = items.next()? {
        check.see(&item);
        match item {
            Item::Row(row) if is_content(&row.0) => {
                rows.push(records::as_written_now(contents.head.rows_format, row));
            }
            Item::Blob(_, bytes) => {
                blob_bytes += bytes.len();
                blobs.push(bytes);
            }
            Item::Row(_) | Item::LeftOut(_) => {}
        }
        if rows.len() >= ROWS {
            put(backend, std::mem::take(&mut rows)).await?;
        }
        if blob_bytes >= BLOB_BYTES {
            blob_bytes = 0;
            backend.keep_blobs(std::mem::take(&mut blobs)).await?;
        }
    }
    put(backend, rows).await?;
    backend.keep_blobs(blobs).await?;
    let report = check.finish();
    if despite_damage { Ok(report) } else { report.without_faults(contents.file()) }
}

async fn put<B: Backend>(backend: &B, rows: Vec<Row>) -> Result<(), StoreError> {
    let put = |draft: &mut Draft<'_>| {
        rows.into_iter().for_each(|(key, framed)| draft.put_framed(key, framed));
        Ok(())
    };
    backend.write(put).await
}
