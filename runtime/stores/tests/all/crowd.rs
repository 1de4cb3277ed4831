//! Many callers at once.

use std::sync::Arc;

use serde_json::json;
use weir_engine::ports::{Expectation, NewDefinition, Started, Store};
use weir_engine::run::RunContext;

use crate::support::{
    Bench, LEASE, advance, at, begin, change, claim, complete, memory, new_run, open, owner, settings, sled, step,
    tenant,
};

const CALLERS: usize = 64;

async fn at_once<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    bench: &Bench,
    call: impl Fn(Arc<dyn Store>, usize) -> F,
) -> Vec<T> {
    let calls: Vec<_> = (0..CALLERS).map(|n| tokio::spawn(call(Arc::clone(&bench.store), n))).collect();
    let mut outcomes = Vec::new();
    for call in calls {
        outcomes.push(call.await.unwrap());
    }
    outcomes
}

// covers F-06
async fn every_caller_commits_its_own(bench: Bench) {
    at_once(&bench, |store, n| async move {
        let (mut run, lease) = begin(&*store, ["acme", "globex"][n % 2], "signup").await;
        for round in 0..20 {
            let event = if round == 19 { complete() } else { advance() };
            let commit = step(&run, &lease, event, vec![change("connectors.n", json!([n, round]))]);
            run = commit.run.clone();
            store.commit_step(commit).await.unwrap();
            assert_eq!(
                store.run(&run.tenant, run.id).await.unwrap().as_ref(),
                Some(&run),
                "what was acknowledged is seen"
            );
        }
        assert_eq!(store.journal(&run.tenant, run.id, 0, 100).await.unwrap().len(), 20);
    })
    .await;
}

// covers F-13
async fn one_client_key_is_one_run(bench: Bench) {
    let started = at_once(&bench, |store, _| async move {
        let mut new = new_run("acme", "signup");
        new.client_key = Some("order-7".to_owned());
        let id = new.run.id;
        match store.start_run(new).await.unwrap() {
            Started::New(_) => (id, true),
            Started::Existing(run) => (run.id, false),
        }
    })
    .await;
    assert_eq!(started.iter().filter(|(_, new)| *new).count(), 1);
    assert!(started.iter().all(|(id, _)| *id == started[0].0));
}

async fn no_run_is_claimed_by_two(bench: Bench) {
    for _ in 0..200 {
        bench.store.start_run(new_run("acme", "signup")).await.unwrap();
    }
    let claimed = at_once(&bench, |store, n| async move {
        store.claim_runs(&owner(&n.to_string()), at(5_000), LEASE, 5).await.unwrap()
    })
    .await;
    let mut runs: Vec<_> = claimed.into_iter().flatten().map(|claimed| claimed.run.id).collect();
    assert_eq!(runs.len(), 200);
    runs.sort();
    runs.dedup();
    assert_eq!(runs.len(), 200);
}

async fn a_claim_takes_at_most_1024_runs(bench: Bench) {
    at_once(&bench, |store, _| async move {
        for _ in 0..17 {
            store.start_run(new_run("acme", "signup")).await.unwrap();
        }
    })
    .await;
    assert_eq!(claim(&*bench.store, 5_000, usize::MAX).await.len(), 1024);
    assert_eq!(claim(&*bench.store, 5_000, usize::MAX).await.len(), 64 * 17 - 1024);
    // As many leases end, in more than one verb.
    bench.store.end_orphaned_leases().await.unwrap();
    assert_eq!(claim(&*bench.store, 5_000, 1024).await.len(), 1024);
    assert_eq!(claim(&*bench.store, 5_000, 1024).await.len(), 64);
}

async fn one_of_many_saves_wins(bench: Bench) {
    let saved = at_once(&bench, |store, n| async move {
        let new = NewDefinition {
            tenant: tenant("acme"),
            kind: weir_engine::ports::DefinitionKind::Flow,
            name: "signup".to_owned(),
            created_at: at(1),
            body: json!(n),
        };
        store.put_definition(new, Expectation::Absent).await.is_ok()
    })
    .await;
    assert_eq!(saved.into_iter().filter(|won| *won).count(), 1);
}

macro_rules! on_both {
    ($($case:ident),* $(,)?) => {
        mod on_memory { $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() { super::$case(super::memory()).await; }
        )* }
        mod on_sled { $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() { super::$case(super::sled()).await; }
        )* }
    };
}
on_both!(
    every_caller_commits_its_own,
    one_client_key_is_one_run,
    no_run_is_claimed_by_two,
    a_claim_takes_at_most_1024_runs,
    one_of_many_saves_wins
);

// A queue of one place is a slow store, not a failing one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_beyond_the_queue_wait() {
    let dir = tempfile::tempdir().unwrap();
    let settings = weir_stores::SledSettings { queue_writes_max: 1, group_commits_max: 1, ..settings() };
    let store = weir_stores::SledStore::open(dir.path(), settings).unwrap();
    every_caller_commits_its_own(Bench::of(store, dir)).await;
}

// Values in rows stay so small that sled never writes a page to a file that it does not sync; and space is bounded.
#[tokio::test]
async fn sled_never_needs_files_of_its_own_for_large_pages() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (mut run, lease) = begin(&store, "acme", "signup").await;
    for round in 0..100 {
        let fill = |n: usize| change(&format!("connectors.c{n}"), json!("x".repeat(4_000 + round % 80)));
        let commit = step(&run, &lease, advance(), (0..40).map(fill).collect());
        run = commit.run.clone();
        store.commit_step(commit).await.unwrap();
    }
    assert_eq!(std::fs::read_dir(dir.path().join("sled/blobs")).unwrap().count(), 0);
    let context: RunContext = store.run_context(&run.tenant, run.id).await.unwrap().unwrap();
    assert_eq!(context.iter().count(), 41);
    drop(store);
    let store = open(dir.path());
    let kept = store.run_context(&run.tenant, run.id).await.unwrap();
    assert_eq!(kept, Some(context));
    drop(store);
    // The log alone holds it all, also after its segments were used again.
    for entry in std::fs::read_dir(dir.path().join("sled")).unwrap().map(Result::unwrap) {
        if entry.file_name().to_string_lossy().starts_with("snap.") {
            std::fs::write(entry.path(), b"damaged").unwrap();
        }
    }
    let store = open(dir.path());
    assert!(store.health().await.notes.iter().any(|note| note.contains("log was replayed")));
    assert_eq!(store.run(&run.tenant, run.id).await.unwrap(), Some(run.clone()));
    assert_eq!(store.run_context(&run.tenant, run.id).await.unwrap(), kept);
    assert_eq!(store.journal(&run.tenant, run.id, 0, 1_000).await.unwrap().len(), 100);
    drop(store);
    let bytes: u64 = walk(&dir.path().join("sled"));
    assert!(bytes < 64 * 1024 * 1024, "{bytes} bytes for 17 MB written, of which 170 KB live");
}

fn walk(folder: &std::path::Path) -> u64 {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}
