//! The port, verb by verb.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use weir_engine::digest::Digest;
use weir_engine::ids::{RunId, TenantId};
use weir_engine::ports::{
    CallRoom, ClaimedRun, CommitStep, Definition, DefinitionKind, Expectation, Health, Intervened, Intervention, Lease,
    NewDefinition, NewRun, OwnerId, Page, PageRequest, RunFilter, Started, Store, StoreError,
};
use weir_engine::run::{JournalEntry, Run, RunContext};
use weir_engine::time::Timestamp;

use super::backend::{Backend, Blobs, Found as Values, prepare};
use super::claim::{self, Claim};
use super::commit::{self, Commit};
use super::definitions::{self, Listed, Names};
use super::frame::{self, BlobRef, Payload};
use super::intervention::Change;
use super::keys::{self, DefinitionKey, RunKey};
use super::left_out::LeftOut;
use super::reading::{self, Found};
use super::removal::Walks;
use super::start::{self, Begun, Start};
use super::sweep::Sweeper;
use super::{cursor, outbox, rows};

/// A store whose back end keeps rows in order.
pub struct Records<B> {
    pub(crate) backend: B,
    pub(super) left_out: LeftOut,
    pub(super) sweeper: Sweeper,
    pub(super) walks: Walks,
    edition: Arc<AtomicU64>,
}

/// Counts a change of the definitions as soon as it is dropped: the back end gives it to the verb's caller once the
/// change can be seen, and drops it where that one has gone.
struct NewEdition(Arc<AtomicU64>);

impl Drop for NewEdition {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl<B> Records<B> {
    pub(crate) fn new(backend: B) -> Self {
        let edition = Arc::<AtomicU64>::default();
        let left_out = LeftOut::new(Arc::clone(&edition));
        Self { backend, left_out, sweeper: Sweeper::default(), walks: Walks::default(), edition }
    }
}

/// Changes definitions.
async fn change_definitions<B: Backend, T: Send + 'static>(
    store: &Records<B>,
    verb: impl FnOnce(&mut super::Draft<'_>) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let edition = NewEdition(Arc::clone(&store.edition));
    let (done, edition) = store.backend.write(move |draft| Ok((verb(draft)?, edition))).await?;
    drop(edition);
    Ok(done)
}

/// Reads what was claimed. Nobody else writes it while the leases last. A run that cannot be read is left out; its
/// lease runs out by itself.
async fn load_claimed<B: Backend>(
    store: &Records<B>,
    claimed: Vec<(RunKey, Lease)>,
) -> Result<Vec<ClaimedRun>, StoreError> {
    type Part = (RunKey, Lease, Result<(Found, Values), StoreError>);
    let left_out = store.left_out.clone();
    let collect = |rows: &dyn super::Rows| -> Result<Vec<Part>, StoreError> {
        let part = |(run, lease)| {
            let found = reading::find_run(rows, &run).and_then(|found| Ok((found, reading::find_context(rows, &run)?)));
            (run, lease, found)
        };
        Ok(claimed.into_iter().map(part).collect())
    };
    let finish = move |parts: Vec<Part>, blobs: &dyn Blobs| {
        let whole = |(key, lease, found): Part| {
            let load = || {
                let (record, context) = found?;
                let run = reading::run(blobs, &key, &present(&key, record)?)?;
                Ok(ClaimedRun { run, context: reading::context(blobs, &key, context)?, lease })
            };
            left_out.run(&key, load())
        };
        Ok(parts.into_iter().filter_map(whole).collect())
    };
    store.backend.read(collect, finish).await
}

/// A record that another row says is there.
fn present(key: &RunKey, record: Found) -> Result<Payload, StoreError> {
    record.ok_or_else(|| frame::damaged(&key.record(), "the run's record is missing; restore the store from a backup"))
}

/// The page of what was listed.
fn load_page(found: Vec<Listed>, page: &PageRequest, left_out: &LeftOut, blobs: &dyn Blobs) -> Page<Definition> {
    let Page { items, next } = cursor::page(found, page, |listed| listed.cursor.clone());
    let load = |Listed { key, found, .. }| left_out.definition(&key, found.and_then(|found| found.load(blobs)));
    Page { items: items.into_iter().filter_map(load).collect(), next }
}

fn definition_key(tenant: &TenantId, kind: DefinitionKind, name: &str) -> DefinitionKey {
    DefinitionKey { tenant: tenant.clone(), kind, name: name.to_owned() }
}

#[async_trait]
impl<B: Backend> Store for Records<B> {
    async fn start_run(&self, new: NewRun) -> Result<Started, StoreError> {
        let values = prepare(&self.backend, start::values(&new)?).await?;
        let tenant = new.run.tenant.clone();
        let start = Start::of(new, values);
        match self.backend.write(|draft| start.apply(draft)).await? {
            Begun::New(lease) => Ok(Started::New(lease)),
            Begun::Existing(run) => {
                let key = RunKey::new(&tenant, run);
                let run = self.run(&tenant, run).await?;
                let missing = || frame::damaged(&key.record(), "the run's record is missing; restore from a backup");
                run.ok_or_else(missing).map(|run| Started::Existing(Box::new(run)))
            }
        }
    }

    async fn claim_runs_within(
        &self,
        owner: &OwnerId,
        now: Timestamp,
        lease: Duration,
        room: CallRoom,
    ) -> Result<Vec<ClaimedRun>, StoreError> {
        let claim = Claim { owner: owner.clone(), now, lease, limit: room.calls };
        for _ in 0..claim::WAKES_MAX {
            let (claim, room) = (claim.clone(), room.clone());
            let claimed = self.backend.write(move |draft| claim.apply(draft, &room)).await?;
            if !claimed.runs.is_empty() {
                return load_claimed(self, claimed.runs).await;
            }
            if !claimed.more_to_queue {
                break;
            }
        }
        Ok(Vec::new())
    }

    async fn end_orphaned_leases(&self) -> Result<(), StoreError> {
        let all = || rows::end_of(keys::LEASED);
        while self.backend.write(move |draft| claim::end_leases(draft, &all())).await? == claim::RUNS_MAX {}
        outbox::end_orphaned_leases(&self.backend).await
    }

    async fn commit_step(&self, commit: CommitStep) -> Result<(), StoreError> {
        commit::check(&commit.run, &commit.entry)?;
        let values = prepare(&self.backend, commit::values(&commit)?).await?;
        let mut children = Vec::new();
        for child in &commit.children {
            let values = prepare(&self.backend, start::values(child)?).await?;
            children.push(Start::of(child.clone(), values));
        }
        let commit = Commit::of(commit, values, children);
        self.backend.write(|draft| commit.apply(draft)).await
    }

    async fn release_run(&self, run: &Run, lease: &Lease) -> Result<(), StoreError> {
        let (key, lease, at) = (RunKey::new(&run.tenant, run.id), lease.clone(), (run.updated_at, run.rests_until()));
        self.backend.write(move |draft| commit::release(draft, &key, &lease, at)).await
    }

    async fn intervene(&self, intervention: Intervention) -> Result<Intervened, StoreError> {
        let Intervention { run, entry, changes, .. } = &intervention;
        commit::check(run, entry)?;
        let values = prepare(&self.backend, commit::values_of(run, entry, changes)?).await?;
        let change = Change::of(intervention, values);
        self.backend.write(|draft| change.apply(draft)).await
    }

    async fn intervened_with(&self, tenant: &TenantId, run: RunId, client_key: &str) -> Result<bool, StoreError> {
        let key = RunKey::new(tenant, run).intervened_with(client_key);
        self.backend.read(move |rows| frame::payload(rows, &key), |found, _| Ok(found.is_some())).await
    }

    async fn renew_lease(
        &self,
        tenant: &TenantId,
        run: RunId,
        lease: &Lease,
        until: Timestamp,
    ) -> Result<Lease, StoreError> {
        let (run, lease) = (RunKey::new(tenant, run), lease.clone());
        self.backend.write(move |draft| commit::renew(draft, &run, lease, until)).await
    }

    async fn run(&self, tenant: &TenantId, run: RunId) -> Result<Option<Run>, StoreError> {
        let key = RunKey::new(tenant, run);
        let found = key.clone();
        self.backend
            .read(
                move |rows| reading::find_run(rows, &found),
                move |found, blobs| found.map(|found| reading::run(blobs, &key, &found)).transpose(),
            )
            .await
    }

    async fn run_context(&self, tenant: &TenantId, run: RunId) -> Result<Option<RunContext>, StoreError> {
        let key = RunKey::new(tenant, run);
        let found = key.clone();
        self.backend
            .read(
                move |rows| match reading::find_run(rows, &found)? {
                    Some(_) => reading::find_context(rows, &found).map(Some),
                    None => Ok(None),
                },
                move |found, blobs| found.map(|found| reading::context(blobs, &key, found)).transpose(),
            )
            .await
    }

    async fn journal(
        &self,
        tenant: &TenantId,
        run: RunId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, StoreError> {
        let key = RunKey::new(tenant, run);
        self.backend
            .read(
                move |rows| reading::find_journal(rows, &key, after, limit),
                |found, blobs| reading::journal(blobs, &found),
            )
            .await
    }

    async fn runs(&self, tenant: &TenantId, filter: &RunFilter, page: &PageRequest) -> Result<Page<Run>, StoreError> {
        type Item = (RunId, Result<Found, StoreError>);
        let (after, look_for) = (cursor::run(page)?, cursor::look_for(page));
        let (tenant, filter, page) = (tenant.clone(), filter.clone(), page.clone());
        let (of_tenant, left_out) = (tenant.clone(), self.left_out.clone());
        let collect = move |rows: &dyn super::Rows| -> Result<Vec<Item>, StoreError> {
            let runs = reading::list(rows, &tenant, &filter, after, look_for)?;
            Ok(runs.into_iter().map(|run| (run, reading::find_run(rows, &RunKey::new(&tenant, run)))).collect())
        };
        let finish = move |found: Vec<Item>, blobs: &dyn Blobs| {
            let page = cursor::page(found, &page, |(run, _)| cursor::of_run(*run));
            let load = |(run, found): Item| {
                let key = RunKey::new(&of_tenant, run);
                left_out.run(&key, found.and_then(|found| reading::run(blobs, &key, &present(&key, found)?)))
            };
            Ok(Page { items: page.items.into_iter().filter_map(load).collect(), next: page.next })
        };
        self.backend.read(collect, finish).await
    }

    async fn put_artifact(&self, tenant: &TenantId, bytes: Bytes) -> Result<Digest, StoreError> {
        let length = bytes.len() as u64;
        let missing = || StoreError::Backend { verb: "keep an artifact", source: "it was not kept".into() };
        let pinned = self.backend.keep_blobs(vec![bytes]).await?;
        let digest = *pinned.digests().first().ok_or_else(missing)?;
        let (key, payload) = (keys::artifact(tenant, &digest), Payload::Blob(BlobRef { digest, bytes: length }));
        self.backend
            .write(move |draft| {
                draft.put(key, &payload);
                drop(pinned);
                Ok(())
            })
            .await?;
        Ok(digest)
    }

    async fn artifact(&self, tenant: &TenantId, digest: &Digest) -> Result<Option<Bytes>, StoreError> {
        let key = keys::artifact(tenant, digest);
        let found = key.clone();
        self.backend
            .read(
                move |rows| frame::payload(rows, &found),
                move |found, blobs| match found {
                    Some(Payload::Blob(blob)) => blobs.load(&blob).map(Some),
                    Some(Payload::Inline(_) | Payload::Parted(_)) => {
                        Err(frame::damaged(&key, "it names no file; restore from a backup"))
                    }
                    None => Ok(None),
                },
            )
            .await
    }

    fn definitions_edition(&self) -> Option<u64> {
        Some(self.edition.load(Ordering::SeqCst))
    }

    async fn put_definition(&self, new: NewDefinition, expected: Expectation) -> Result<Definition, StoreError> {
        definitions::check_name(&new.name)?;
        let key = definition_key(&new.tenant, new.kind, &new.name);
        let prepared = prepare(&self.backend, vec![(key.versions(), definitions::body(&new)?)]).await?;
        let put = move |draft: &mut super::Draft<'_>| match prepared.first() {
            Some(payload) => definitions::put(draft, &key, payload, expected),
            None => Err(StoreError::NotFound("definition")),
        };
        let version = change_definitions(self, put).await?;
        let NewDefinition { tenant, kind, name, created_at, body } = new;
        Ok(Definition { tenant, kind, name, version, created_at, body })
    }

    async fn definition(
        &self,
        tenant: &TenantId,
        kind: DefinitionKind,
        name: &str,
        version: Option<u32>,
    ) -> Result<Option<Definition>, StoreError> {
        if !definitions::is_name(name) {
            return Ok(None);
        }
        let key = definition_key(tenant, kind, name);
        self.backend
            .read(
                move |rows| definitions::find(rows, &key, version),
                |found, blobs| found.map(|found| found.load(blobs)).transpose(),
            )
            .await
    }

    async fn definitions(
        &self,
        tenant: &TenantId,
        kind: DefinitionKind,
        prefix: &str,
        page: &PageRequest,
    ) -> Result<Page<Definition>, StoreError> {
        let names = Names { tenant: tenant.clone(), kind, prefix: prefix.to_owned(), after: cursor::name(page)? };
        if prefix.contains(char::is_control) {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let look_for = cursor::look_for(page);
        let (page, left_out) = (page.clone(), self.left_out.clone());
        let find = move |rows: &dyn super::Rows| definitions::find_live(rows, &names, look_for);
        self.backend.read(find, move |found, blobs| Ok(load_page(found, &page, &left_out, blobs))).await
    }

    async fn definition_versions(
        &self,
        tenant: &TenantId,
        kind: DefinitionKind,
        name: &str,
        page: &PageRequest,
    ) -> Result<Page<Definition>, StoreError> {
        let (before, look_for) = (cursor::version(page)?, cursor::look_for(page));
        if !definitions::is_name(name) {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let key = definition_key(tenant, kind, name);
        let find = move |rows: &dyn super::Rows| definitions::find_versions(rows, &key, before, look_for);
        let (page, left_out) = (page.clone(), self.left_out.clone());
        self.backend.read(find, move |found, blobs| Ok(load_page(found, &page, &left_out, blobs))).await
    }

    async fn set_live(
        &self,
        tenant: &TenantId,
        kind: DefinitionKind,
        name: &str,
        version: u32,
    ) -> Result<Definition, StoreError> {
        definitions::check_name(name)?;
        let key = definition_key(tenant, kind, name);
        let found = change_definitions(self, move |draft| definitions::set_live(draft, &key, version)).await?;
        self.backend.read(|_| Ok(found), |found, blobs| found.load(blobs)).await
    }

    async fn delete_definition(&self, tenant: &TenantId, kind: DefinitionKind, name: &str) -> Result<bool, StoreError> {
        if !definitions::is_name(name) {
            return Ok(false);
        }
        let key = definition_key(tenant, kind, name);
        change_definitions(self, move |draft| definitions::remove(draft, &key)).await
    }

    async fn health(&self) -> Health {
        let mut health = self.backend.health();
        health.notes.extend(self.left_out.note());
        health
    }
}
