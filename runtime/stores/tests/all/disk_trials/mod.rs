//! The store on disks that lose, tear and refuse. A child works on a store behind `preload.c`, which stands between the
//! process and its files.

mod preload; // lets the child work behind preload.c
mod tape; // what the child did to its files
mod volatile_disk; // what a power cut leaves
pub(crate) mod waiting; // runs that wait, and definitions
mod family; // runs that begin others, and go with them
mod power_cut; // everything unsynced is lost or torn
mod failing_calls; // a call fails, or many do
mod restoring; // the same while a store is made from a backup

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::json;
use weir_engine::ports::{CommitStep, Lease, NewRun, Started, Store, StoreError};
use weir_engine::run::Run;

use crate::crash::{Acknowledged, CALL_EVERY, check};
use crate::support::{advance, at, begin, block_on, change, new_run, open, owner, settings, step, with_call};

const DIR: &str = "WEIR_STORES_DISK_TRIAL_DIR";
const ACKS: &str = "WEIR_STORES_DISK_TRIAL_ACKS";
/// How many cuts; `make torture` asks for more.
const CUTS: &str = "WEIR_POWER_CUTS";
const CUTS_USUALLY: usize = 60;
const WORKERS: usize = 6;

fn cuts() -> usize {
    std::env::var(CUTS).map_or(CUTS_USUALLY, |cuts| cuts.parse().unwrap())
}

/// Runs of each worker. Many, where there are many cuts: sled then writes its log anew, and over what was freed.
fn runs() -> usize {
    if cuts() > CUTS_USUALLY { 60 } else { 4 }
}

/// The child. Does nothing when the tests run it as one of them.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else { return };
    let acks = Arc::new(Mutex::new(File::create(std::env::var(ACKS).unwrap()).unwrap()));
    let store = Arc::new(patiently_opened(&dir.join("store")));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let work = |worker| tokio::spawn(work(Arc::clone(&store), worker, Arc::clone(&acks)));
        let workers: Vec<_> = (0..WORKERS).map(work).collect();
        family::live(&store, 2 * runs(), |what, run| {
            acks.lock().unwrap().write_all(format!("{what} {run} 0 .\n").as_bytes()).unwrap();
        })
        .await;
        for worker in workers {
            worker.await.unwrap();
        }
    });
}

/// A disk that fails while the store opens is no reason to give up.
fn patiently_opened(dir: &Path) -> weir_stores::SledStore {
    loop {
        match weir_stores::SledStore::open(dir, settings()) {
            Ok(store) => return store,
            Err(weir_stores::OpenError::Folder { .. }) => {}
            Err(other) => panic!("{}: {other}", other.code()),
        }
    }
}

async fn work(store: Arc<weir_stores::SledStore>, worker: usize, acks: Arc<Mutex<File>>) {
    let say = |what: &str, run: &Run| {
        let line = format!("ack {} {revision} .\n{what} {} {revision} .\n", run.id, run.id, revision = run.revision);
        acks.lock().unwrap().write_all(line.as_bytes()).unwrap();
    };
    for number in 0..runs() {
        let (mut run, mut lease) = start(&store).await;
        say("started", &run);
        waiting::define(&store, &run).await;
        say("defined", &run);
        for round in 0..12 {
            if run.revision + 1 == waiting::SUSPENDED_AT && number.is_multiple_of(2) {
                (run, lease) = waiting::away_and_back(&store, &run, &lease, say).await;
            }
            // Rows, pages of several rows, and files of our own.
            let bytes = [50, 50, 1_500, 50, 3_900, 6_000][(round + worker) % 6];
            let value = json!({ "revision": run.revision + 1, "text": "x".repeat(bytes) });
            let mut next = step(&run, &lease, advance(), vec![change("connectors.last", value)]);
            if next.run.revision.is_multiple_of(CALL_EVERY) {
                next = with_call(next, 1_500, bytes);
            }
            run = commit(&store, next).await;
            say("stepped", &run);
        }
    }
}

/// Starts a run, however often the disk fails: a start may be repeated.
async fn start(store: &weir_stores::SledStore) -> (Run, Lease) {
    let lease = Some((owner("starter"), at(2_000)));
    let new = NewRun { lease, ..new_run("acme", "signup") };
    let given = Lease { owner: owner("starter"), fence: 1, until: at(2_000) };
    loop {
        match store.start_run(new.clone()).await {
            Ok(Started::New(Some(lease))) => return (new.run, lease),
            // The start before, of which nobody knew, was there after all.
            Ok(Started::Existing(run)) => return (*run, given),
            Ok(other) => panic!("{other:?}"),
            Err(error) => wait_for_the_disk(&error).await,
        }
    }
}

/// Commits, however often the disk fails: reads before it tries again, since nobody knows whether it is there.
async fn commit(store: &weir_stores::SledStore, commit: CommitStep) -> Run {
    loop {
        match store.commit_step(commit.clone()).await {
            Ok(()) => return commit.run,
            Err(StoreError::RevisionConflict { stored, .. }) if stored == commit.run.revision => return commit.run,
            // Committed after all, and with it the lease was given back.
            Err(StoreError::StaleLease { .. }) if commit.run.rests_until().is_some() => {
                assert_eq!(read(store, &commit.run).await, commit.run);
                return commit.run;
            }
            Err(error) => wait_for_the_disk(&error).await,
        }
    }
}

/// The run as it is stored.
async fn read(store: &weir_stores::SledStore, run: &Run) -> Run {
    loop {
        match store.run(&run.tenant, run.id).await {
            Ok(found) => return found.expect("the run is there"),
            Err(error) => wait_for_the_disk(&error).await,
        }
    }
}

async fn wait_for_the_disk(error: &StoreError) {
    assert_eq!(error.code(), "store.backend", "{error}");
    tokio::task::yield_now().await;
}

/// Opens what a cut left.
fn look(dir: &Path, acknowledged: &Acknowledged) -> Result<(), String> {
    let looked = std::panic::catch_unwind(|| {
        let store = open(dir);
        block_on(async {
            check(&store, acknowledged).await;
            family::check(&store, acknowledged).await;
            begin(&store, "acme", "after").await;
        });
    });
    looked.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
    })
}

/// Everything that a file of acknowledgements says.
fn acknowledged_in(file: &Path) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    crate::crash::heard(&std::fs::read_to_string(file).unwrap(), &mut acknowledged);
    acknowledged
}
