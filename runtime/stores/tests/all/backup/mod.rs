//! A store in one file: made while it works, checked, and restored, on every back end. covers T-07, keeps D4, D5

mod same; // what comes back is what there was
mod live; // made under load: one instant
mod torn; // files that are cut, changed, or of something else
mod damaged; // made of a damaged store
mod target; // where a restore goes

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::json;
use weir_engine::ports::{DefinitionKind, Expectation, NewDefinition, Store};
use weir_engine::run::Run;
use weir_stores::{Backups, Dumped, MemoryStore, SledStore};

use crate::support::suspended::{resume, suspended};
use crate::support::{
    advance, again, at, begin, change, claim_calls, complete, new_run, open, owner, progress, settings, settle, step,
    taken, tenant, with_call,
};

/// Runs of every kind of standing, with small and large values.
pub(crate) struct Content {
    /// Run on, and leased.
    leased: Run,
    /// Started, and in the queue.
    queued: Run,
    /// Waits for its end user.
    suspended: Run,
    /// Waited, and was resumed with the key `again`.
    resumed: Run,
    /// Has ended.
    ended: Run,
    artifact: Bytes,
}

/// Fills a store with something in every table.
async fn fill(store: &dyn Store) -> Content {
    let (mut leased, lease) = begin(store, "acme", "signup").await;
    for round in 0..6_usize {
        let value = json!({ "revision": leased.revision + 1, "text": "x".repeat(2_000 * round) });
        let mut next = step(&leased, &lease, advance(), vec![change("connectors.last", value)]);
        if round % 2 == 0 {
            next = with_call(next, 1_500, 3_000 * round);
        }
        leased = next.run.clone();
        store.commit_step(next).await.unwrap();
    }
    let calls = claim_calls(store, 5_000, 2).await;
    settle(store, &calls[0], progress(&calls[0].call.progress, taken(), 9_000)).await.unwrap();
    settle(store, &calls[1], progress(&calls[1].call.progress, again(9_000), 10)).await.unwrap();
    let mut queued = new_run("globex", "login");
    queued.client_key = Some("order-7".to_owned());
    store.start_run(queued.clone()).await.unwrap();
    let (waits, _) = suspended(store).await;
    let (resumed, _) = suspended(store).await;
    let mut resuming = resume(&resumed);
    resuming.client_key = Some("again".to_owned());
    resuming.lease = Some((owner("second"), at(20_000)));
    store.intervene(resuming.clone()).await.unwrap();
    let (ended, lease) = begin(store, "acme", "signup").await;
    let end = step(&ended, &lease, complete(), vec![]);
    store.commit_step(end.clone()).await.unwrap();
    for body in [json!(1), json!({ "text": "y".repeat(5_000) })] {
        let (tenant, name) = (tenant("acme"), "signup".to_owned());
        let new = NewDefinition { tenant, kind: DefinitionKind::Flow, name, created_at: at(5), body };
        store.put_definition(new, Expectation::Any).await.unwrap();
    }
    // More than one part of the file.
    let artifact = Bytes::from_iter((0..1_300_000_u32).map(|number| (number % 251) as u8));
    store.put_artifact(&tenant("acme"), artifact.clone()).await.unwrap();
    Content { leased, queued: queued.run, suspended: waits, resumed: resuming.run, ended: end.run, artifact }
}

/// Backs a store up into a file.
fn back_up(store: &impl Backups, file: &Path) -> Dumped {
    let dumped = store.back_up(&mut fs::File::create(file).unwrap(), at(7_000)).unwrap();
    assert_eq!(dumped.bytes, fs::metadata(file).unwrap().len());
    dumped
}

/// A folder with the backup of a filled store on disk.
struct Scratch {
    dir: tempfile::TempDir,
    content: Content,
}

impl Scratch {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir.path().join("first"));
        let content = crate::support::block_on(fill(&store));
        back_up(&store, &dir.path().join("backup"));
        Self { dir, content }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn backup(&self) -> PathBuf {
        self.path("backup")
    }

    fn restore(&self, file: &Path, to: &str) -> Result<SledStore, weir_stores::BackupError> {
        SledStore::restore(file, &self.path(to), settings(), false)?;
        Ok(open(&self.path(to)))
    }
}

async fn in_memory(file: &Path) -> MemoryStore {
    MemoryStore::restored(file).await.unwrap().0
}
