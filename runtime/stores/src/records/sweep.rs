//! Removing large values that no row names. What was kept for a verb that then failed, or was cut off by a crash, is
//! found like what the last row stopped to name: by looking through the files, a part at a time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use weir_engine::digest::Digest;
use weir_engine::ids::{RunId, TenantId};
use weir_engine::ports::{GARBAGE_KEPT, Removal, Retained, Retention, RetentionTurn, StoreError, Swept};
use weir_engine::time::Timestamp;

use super::Records;
use super::backend::Backend;
use super::references;
use super::removal;
use super::rows::{Draft, Rows};

/// How many large values one read looks at, and one write removes at most.
const VALUES_MAX: usize = 512;
/// How many garbage values of one part are known at most; the rest has its turn when these are gone.
const SIGHTED_MAX: usize = 4096;

/// Where the looking stands.
#[derive(Debug, Default)]
pub(crate) struct Sweeper(Mutex<Looking>);

#[derive(Debug, Default)]
struct Looking {
    /// The part that is next.
    next: u8,
    /// What was seen without a name, by part, and when first. A crash forgets it, which keeps it longer.
    sighted: HashMap<u8, HashMap<Digest, Timestamp>>,
}

impl Sweeper {
    fn next_part(&self) -> u8 {
        let mut looking = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let part = looking.next;
        looking.next = part.wrapping_add(1);
        part
    }

    /// Takes note of what is garbage in a part now; gives what has been for long enough.
    fn sighted(&self, part: u8, garbage: Vec<Digest>, now: Timestamp) -> Vec<Digest> {
        let mut looking = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = looking.sighted.remove(&part).unwrap_or_default();
        let mut due = Vec::new();
        let mut still = HashMap::new();
        for digest in garbage.into_iter().take(SIGHTED_MAX) {
            match before.get(&digest) {
                Some(since) if since.after(GARBAGE_KEPT) <= now => due.push(digest),
                Some(since) => drop(still.insert(digest, *since)),
                None => drop(still.insert(digest, now)),
            }
        }
        if !still.is_empty() {
            looking.sighted.insert(part, still);
        }
        due
    }
}

fn unnamed(rows: &dyn Rows, digests: &[Digest]) -> Result<Vec<Digest>, StoreError> {
    let mut unnamed = Vec::new();
    for digest in digests {
        if references::count(rows, digest)? == 0 {
            unnamed.push(*digest);
        }
    }
    Ok(unnamed)
}

/// Removes what no row names: neither one that a crash would leave, nor one of a verb that is about to be durable.
fn remove(draft: &Draft<'_>, remover: &dyn super::RemoveBlob, digests: &[Digest]) -> Result<Swept, StoreError> {
    let mut swept = Swept::default();
    for digest in unnamed(draft.durable(), digests)? {
        if references::count(draft, &digest)? > 0 {
            continue;
        }
        let removed = remover.remove(&digest);
        let failed = |source: std::io::Error| StoreError::Backend { verb: "remove a value", source: source.into() };
        if let Some(bytes) = removed.map_err(failed)? {
            swept.removed += 1;
            swept.bytes = swept.bytes.saturating_add(bytes);
        }
    }
    Ok(swept)
}

async fn sweep<B: Backend>(store: &Records<B>, now: Timestamp) -> Result<Swept, StoreError> {
    let part = store.sweeper.next_part();
    let kept = store.backend.blobs_beginning(part).await?;
    let mut garbage = Vec::new();
    for piece in kept.chunks(VALUES_MAX) {
        let piece = piece.to_vec();
        garbage.extend(store.backend.read(move |rows| unnamed(rows, &piece), |found, _| Ok(found)).await?);
    }
    let mut swept = Swept { looked_at: kept.len(), ..Swept::default() };
    for piece in store.sweeper.sighted(part, garbage, now).chunks(VALUES_MAX) {
        let (piece, remover) = (piece.to_vec(), store.backend.remover());
        let removed = store.backend.make_room(move |draft| remove(draft, &*remover, &piece)).await?;
        swept.removed += removed.removed;
        swept.bytes = swept.bytes.saturating_add(removed.bytes);
    }
    Ok(swept)
}

#[async_trait]
impl<B: Backend> Retention for Records<B> {
    async fn remove_ended(&self, turn: RetentionTurn) -> Result<Retained, StoreError> {
        removal::remove_ended(self, turn).await
    }

    async fn remove_run(&self, tenant: &TenantId, run: RunId) -> Result<Removal, StoreError> {
        removal::remove_run(self, tenant, run).await
    }

    async fn sweep(&self, now: Timestamp) -> Result<Swept, StoreError> {
        sweep(self, now).await
    }
}
