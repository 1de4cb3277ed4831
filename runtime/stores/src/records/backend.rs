//! What a back end has to do for the verbs: show rows, apply changes all or none, keep large values.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use weir_engine::digest::Digest;
use weir_engine::ports::{Health, StoreError};

use super::frame::{self, BlobRef, Part, Parted, Payload, Rest};
use super::parts;
use super::pins::Pinned;
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

    /// The same for a verb that gives space back: taken below the floor of free space, down to half of it, where every
    /// other is refused. What fills a disk could else never be removed from it.
    fn make_room<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&mut Draft<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send;

    /// Keeps large values under their digests, durably, and pins them: no row names them yet.
    fn keep_blobs(&self, blobs: Vec<Bytes>) -> impl Future<Output = Result<Pinned, StoreError>> + Send;

    /// The large values whose digests begin with that byte.
    fn blobs_beginning(&self, first: u8) -> impl Future<Output = Result<Vec<Digest>, StoreError>> + Send;

    /// What removes large values, for verbs that write.
    fn remover(&self) -> Arc<dyn RemoveBlob>;

    /// How the back end is.
    fn health(&self) -> Health;
}

/// Large values by their digest.
pub(crate) trait Blobs {
    /// The bytes, checked against the digest.
    fn load(&self, blob: &BlobRef) -> Result<Bytes, StoreError>;
}

/// Removes large values.
pub(crate) trait RemoveBlob: Send + Sync {
    /// Removes one that no row names, unless it is pinned; gives how many bytes that freed, where it was there.
    fn remove(&self, digest: &Digest) -> io::Result<Option<u64>>;
}

/// A value from its payload, wherever that is.
pub(crate) fn value<T: DeserializeOwned>(blobs: &dyn Blobs, key: &[u8], payload: &Payload) -> Result<T, StoreError> {
    match payload {
        Payload::Inline(json) => frame::decode(key, json),
        Payload::Blob(blob) => frame::decode(key, &blobs.load(blob)?),
        Payload::Parted(parted) => frame::decode(key, &whole(blobs, key, parted)?),
    }
}

/// The JSON text of a parted value.
fn whole(blobs: &dyn Blobs, key: &[u8], Parted { parts, rest }: &Parted) -> Result<Vec<u8>, StoreError> {
    let parts = parts.iter().map(|part| Ok((part.at, blobs.load(&part.blob)?)));
    let parts = parts.collect::<Result<Vec<_>, StoreError>>()?;
    let whole = match rest {
        Rest::Inline(text) => parts::put_back(text, &parts),
        Rest::Blob(blob) => parts::put_back(&blobs.load(blob)?, &parts),
    };
    whole.ok_or_else(|| frame::damaged(key, "its parts do not fit into it; restore the store from a backup"))
}

/// Values by key, decoded or not.
pub(crate) type Found = Vec<(Vec<u8>, Payload)>;

/// Values for their rows, the large ones kept as blobs already, so that no verb waits for them.
pub(crate) struct Prepared {
    rows: Found,
    /// Until the verb is done.
    _pinned: Pinned,
}

impl Prepared {
    /// Whether one of them is large.
    pub(crate) fn has_large(&self) -> bool {
        self.rows.iter().any(|(_, payload)| payload.is_large())
    }

    /// Sets the rows.
    pub(crate) fn put(self, draft: &mut Draft<'_>) {
        self.rows.into_iter().for_each(|(key, payload)| draft.put(key, &payload));
    }

    /// The same where no row is, or only such that name no large value.
    pub(crate) fn put_over_small(self, draft: &mut Draft<'_>) {
        self.rows.into_iter().for_each(|(key, payload)| draft.put_over_small(key, &payload));
    }

    /// The first value: for verbs that choose its key themselves.
    pub(crate) fn first(&self) -> Option<&Payload> {
        self.rows.first().map(|(_, payload)| payload)
    }
}

/// A value on its way: what of it is kept as blobs, by their numbers among all of them.
enum Plan {
    Inline(Vec<u8>),
    Blob(usize),
    Parted { at: Vec<(u64, usize)>, rest: Result<Vec<u8>, usize> },
}

/// Prepares JSON values for their rows.
pub(crate) async fn prepare<B: Backend>(backend: &B, rows: Vec<Row>) -> Result<Prepared, StoreError> {
    let mut large: Vec<Bytes> = Vec::new();
    let plans: Vec<(Vec<u8>, Plan)> = rows.into_iter().map(|(key, json)| (key, plan(json, &mut large))).collect();
    let bytes: Vec<u64> = large.iter().map(|blob| blob.len() as u64).collect();
    let pinned = if large.is_empty() { Pinned::default() } else { backend.keep_blobs(large).await? };
    let blob = |number: usize| {
        let digest = pinned.digests().get(number)?;
        Some(BlobRef { digest: *digest, bytes: *bytes.get(number)? })
    };
    let payload = |plan: Plan| {
        Some(match plan {
            Plan::Inline(json) => Payload::Inline(json),
            Plan::Blob(number) => Payload::Blob(blob(number)?),
            Plan::Parted { at, rest } => {
                let part = |(at, number): (u64, usize)| Some(Part { at, blob: blob(number)? });
                let parts = at.into_iter().map(part).collect::<Option<_>>()?;
                let rest = match rest {
                    Ok(text) => Rest::Inline(text),
                    Err(number) => Rest::Blob(blob(number)?),
                };
                Payload::Parted(Parted { parts, rest })
            }
        })
    };
    let rows = plans.into_iter().map(|(key, plan)| Some((key, payload(plan)?))).collect::<Option<Found>>();
    let rows = rows.ok_or_else(|| StoreError::Backend {
        verb: "keep large values",
        source: "the back end kept fewer than it was given".into(),
    })?;
    Ok(Prepared { rows, _pinned: pinned })
}

/// What of a value goes where; its blobs are put behind the others.
fn plan(json: Vec<u8>, large: &mut Vec<Bytes>) -> Plan {
    if frame::fits_in_row(json.len()) {
        return Plan::Inline(json);
    }
    let mut keep = |blob: Bytes| {
        large.push(blob);
        large.len() - 1
    };
    let whole = 0..json.len();
    let parts = parts::find(&json);
    if parts.is_empty() || parts.first() == Some(&whole) {
        return Plan::Blob(keep(json.into()));
    }
    let rest = parts::cut(&json, &parts);
    let json = Bytes::from(json);
    let at = parts.into_iter().map(|part| (part.start as u64, keep(json.slice(part)))).collect();
    let rest = if frame::rest_fits_in_row(rest.len()) { Ok(rest) } else { Err(keep(rest.into())) };
    Plan::Parted { at, rest }
}
