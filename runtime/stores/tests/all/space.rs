//! Space comes back: files, their bytes, and sled's own files have a bound however many runs come and go. covers F-14

use std::path::Path;

use serde_json::json;
use weir_engine::ports::{GARBAGE_KEPT, Retention, RetentionTurn, Store};
use weir_stores::SledStore;

use crate::support::{at, begin, block_on, change, complete, open, step};

/// How many runs come and go at a time; set it for more.
const RUNS: &str = "WEIR_SPACE_RUNS";
const RUNS_USUALLY: u32 = 400;
/// How many bodies they have among them.
const BODIES: u32 = 20;

fn files_below(folder: &Path) -> (u64, u64) {
    let (mut files, mut bytes) = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        let (more, more_bytes) = if metadata.is_dir() { files_below(&entry.path()) } else { (1, metadata.len()) };
        (files, bytes) = (files + more, bytes + more_bytes);
    }
    (files, bytes)
}

/// Runs come, each with one of the bodies in its context and journal.
async fn come(store: &SledStore, count: u32) {
    for number in 0..count {
        let (run, lease) = begin(store, "acme", "signup").await;
        let body = format!("{}", number % BODIES).repeat(30_000);
        let value = json!({ "run": run.id.to_string(), "body": body });
        store.commit_step(step(&run, &lease, complete(), vec![change("connectors.risk", value)])).await.unwrap();
    }
}

/// And go.
async fn go(store: &SledStore, round: u64) {
    let turn = RetentionTurn { after: None, ended_before: at(u64::MAX), per_tenant_max: 0, limit: 100 };
    while store.remove_ended(turn.clone()).await.unwrap().tenant.is_some() {}
    let kept = u64::try_from(GARBAGE_KEPT.as_millis()).unwrap();
    for now in [4 * round * kept, (4 * round + 1) * kept] {
        for _ in 0..256 {
            store.sweep(at(now)).await.unwrap();
        }
    }
}

#[test]
fn space_comes_back_when_runs_go() {
    let runs = std::env::var(RUNS).map_or(RUNS_USUALLY, |runs| runs.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let blobs = dir.path().join("blobs");
    let sled = dir.path().join("sled");
    let mut sizes = Vec::new();
    let mut store = open(dir.path());
    for round in 0..4 {
        block_on(async {
            assert_eq!(files_below(&blobs), (0, 0), "before round {round}");
            come(&store, runs).await;
            let (files, bytes) = files_below(&blobs);
            assert_eq!(files, u64::from(BODIES), "a body that many runs have is one file");
            assert!(bytes < u64::from(BODIES) * 70_000, "{bytes}");
            go(&store, round).await;
        });
        drop(store);
        sizes.push(files_below(&sled).1);
        store = open(dir.path());
    }
    let live_once = u64::from(runs) * 4 * 1_024;
    let most = sizes.iter().max().unwrap();
    // sled rewrites its segments when half of them are garbage; its bound is not the number of rounds.
    assert!(*most < SLED_BYTES_MAX + 2 * live_once, "{sizes:?}");
}

/// What sled takes for itself: its log begins with segments of half a MiB, and a snapshot.
const SLED_BYTES_MAX: u64 = 16 << 20;
