//! What a back end has to do for the verbs: show rows, apply changes all or none, keep large values.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use weir_engine::digest::Digest;
use weir_engine::ports::{Health, StoreError};

use super::frame::{self, BlobRef, Payload};
use super::rows::{Draft, Row, Rows};

/// Keeps rows and large values.
pub(crate) trait Backend: Send + Sync + 'static {
    /// Calls `collect` with the rows of one instant, of which nothing is undone by a crash, and `finish` afterwards,
    /// without holding writes up, with what was collected. Both may wait for the disk.
    fn read<A: Send + 'static, T: Send + 'static>(
        &self,
        collect: impl FnOnce(&dyn Rows) -> Result<A, StoreError> + Send + 'static,
        finish: impl FnOnce(A, &dyn Blobs) -> Result<T, StoreError> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send;

    /// Calls `verb` with a draft; where it succeeds, applies the draft, all or nothing, and returns when that is
    /// durable. Verbs see each other's changes one after the other. Dropping the future does not stop a verb.
    fn write<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&mut Draft<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send;

    /// Keeps large values under their digests, durably. Nothing refers to them yet.
    fn keep_blobs(&self, blobs: Vec<Bytes>) -> impl Future<Output = Result<Vec<Digest>, StoreError>> + Send;

    /// How the back end is.
    fn health(&self) -> Health;
}

/// Large values by their digest.
pub(crate) trait Blobs {
    /// The bytes, checked against the digest.
    fn load(&self, blob: &BlobRef) -> Result<Bytes, StoreError>;
}

/// A value from its payload, wherever that is.
pub(crate) fn value<T: DeserializeOwned>(blobs: &dyn Blobs, key: &[u8], payload: &Payload) -> Result<T, StoreError> {
    match payload {
        Payload::Inline(json) => frame::decode(key, json),
        Payload::Blob(blob) => frame::decode(key, &blobs.load(blob)?),
    }
}

/// Values by key, the large ones kept as blobs already, so that no verb waits for them.
pub(crate) type Prepared = Vec<(Vec<u8>, Payload)>;

/// Prepares JSON values for their rows.
pub(crate) async fn prepare<B: Backend>(backend: &B, rows: Vec<Row>) -> Result<Prepared, StoreError> {
    let large = rows.iter().filter(|(_, json)| !frame::fits_in_row(json.len()));
    let large: Vec<Bytes> = large.map(|(_, json)| Bytes::from(json.clone())).collect();
    let digests = if large.is_empty() { Vec::new() } else { backend.keep_blobs(large).await? };
    let mut digests = digests.into_iter();
    let place = |json: Vec<u8>| match frame::fits_in_row(json.len()) {
        true => Some(Payload::Inline(json)),
        false => Some(Payload::Blob(BlobRef { digest: digests.next()?, bytes: json.len() as u64 })),
    };
    let mut place = place;
    let prepared = rows.into_iter().map(|(key, json)| place(json).map(|payload| (key, payload)));
    prepared.collect::<Option<Prepared>>().ok_or_else(|| StoreError::Backend {
        verb: "keep large values",
        source: "the back end kept fewer than it was given".into(),
    })
}
