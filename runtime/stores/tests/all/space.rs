//! Space comes back: files, their bytes, and sled's own files have a bound however many runs come and go. covers F-14

use std::path::Path;

use serde_json::json;
use weir_engine::ports::{GARBAGE_KEPT, Retention, RetentionTurn, Store};
use weir_stores::SledStore;

use crate::support::{at, begin, block_on, change, complete, open, step, tell};

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

/// How many runs go through; `make torture` sets it to 10,000.
const THROUGH: &str = "WEIR_SPACE_THROUGH";
const THROUGH_USUALLY: u32 = 1_000;
/// How many of them are kept.
const KEPT: u32 = 100;
/// How many come before those that are over go.
const BATCH: u32 = 50;
/// Of the body that each of them has for itself.
const BODY_BYTES: u64 = 40_000;
/// Of the rows of a run that is kept.
const ROWS_BYTES: u64 = 4_096;

/// Each of the runs has a body of its own, so that its file goes with it or never.
async fn pass_through(store: &SledStore, batch: u32) {
    for number in 0..BATCH {
        let (run, lease) = begin(store, "acme", "signup").await;
        let begun = format!("{}.", batch * BATCH + number);
        let body = format!("{begun:x>width$}", width = BODY_BYTES as usize);
        store.commit_step(step(&run, &lease, complete(), vec![change("connectors.risk", json!(body))])).await.unwrap();
    }
    let kept = u64::from(KEPT);
    let turn = RetentionTurn { after: None, ended_before: at(0), per_tenant_max: kept, limit: 64 };
    while store.remove_ended(turn.clone()).await.unwrap().more {}
    for _ in 0..256 {
        store.sweep(at(u64::from(batch + 1) * u64::try_from(GARBAGE_KEPT.as_millis()).unwrap())).await.unwrap();
    }
}

#[test]
fn the_space_of_runs_that_pass_through_has_a_bound() {
    let runs: u32 = std::env::var(THROUGH).map_or(THROUGH_USUALLY, |runs| runs.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut most = (0, 0, 0);
    for batch in 0..runs / BATCH {
        block_on(pass_through(&store, batch));
        let (files, bytes) = files_below(&dir.path().join("blobs"));
        let sled = files_below(&dir.path().join("sled")).1;
        most = (most.0.max(files), most.1.max(bytes), most.2.max(sled));
        if batch % (runs / BATCH / 10).max(1) == 0 {
            tell(&format!("after {} runs: {files} files of {bytes} bytes, {sled} bytes of sled", (batch + 1) * BATCH));
        }
        // Those that are kept, and those that went now: nothing goes before it was seen twice.
        assert!(files <= u64::from(KEPT + BATCH), "after {batch} batches: {files}");
        assert!(bytes <= u64::from(KEPT + BATCH) * (BODY_BYTES + 1_024), "after {batch} batches: {bytes}");
        assert!(sled < SLED_BYTES_MAX + 2 * u64::from(KEPT + BATCH) * ROWS_BYTES, "after {batch} batches: {sled}");
    }
    tell(&format!("{runs} runs: at most {} files of {} bytes, {} bytes of sled", most.0, most.1, most.2));
}

/// What sled takes for itself: its log begins with segments of half a MiB, and a snapshot.
const SLED_BYTES_MAX: u64 = 16 << 20;
