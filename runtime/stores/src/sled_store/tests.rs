//! A disk that fails: nothing is acknowledged, the store opens anew and says what it did. keeps D3

use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use serde_json::json;
use weir_engine::ports::{DefinitionKind, Expectation, NewDefinition, Store};
use weir_engine::time::Timestamp;

use super::*;

const KIND: DefinitionKind = DefinitionKind::Flow;

fn new(name: &str) -> NewDefinition {
    let created_at = Timestamp::from_millis(1);
    NewDefinition { tenant: "acme".parse().unwrap(), kind: KIND, name: name.to_owned(), created_at, body: json!(1) }
}

fn open(dir: &Path) -> SledStore {
    SledStore::open(dir, SledSettings { free_bytes_min: 0, ..SledSettings::default() }).unwrap()
}

async fn put(store: &SledStore, name: &str) -> Result<u32, StoreError> {
    store.put_definition(new(name), Expectation::Any).await.map(|definition| definition.version)
}

#[tokio::test]
async fn a_failed_sync_is_not_acknowledged_and_the_store_opens_anew() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert_eq!(put(&store, "before").await.unwrap(), 1);
    store.backend.shared.faults.failing_syncs.store(1, SeqCst);
    assert_eq!(put(&store, "during").await.unwrap_err().code(), "store.backend");
    // The next write waits for the store to open anew, which it tries at once.
    assert_eq!(put(&store, "after").await.unwrap(), 1);
    let tenant = "acme".parse().unwrap();
    for name in ["before", "after"] {
        assert!(store.definition(&tenant, KIND, name, None).await.unwrap().is_some(), "{name}");
    }
    assert!(store.health().await.writable);
    drop(store);
    let store = open(dir.path());
    assert!(store.definition(&tenant, KIND, "after", None).await.unwrap().is_some());
}

#[tokio::test]
async fn while_the_disk_fails_everything_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    put(&store, "before").await.unwrap();
    store.backend.shared.faults.failing_syncs.store(u32::MAX, SeqCst);
    assert_eq!(put(&store, "during").await.unwrap_err().code(), "store.backend");
    let refused = put(&store, "refused").await.unwrap_err();
    assert_eq!(refused.code(), "store.backend");
    let health = store.health().await;
    assert!(!health.writable && health.notes.iter().any(|note| note.contains("the disk failed")), "{health:?}");
    let tenant = "acme".parse().unwrap();
    let read = store.definition(&tenant, KIND, "before", None).await.unwrap_err();
    assert_eq!(read.code(), "store.backend", "what is in memory is not to be trusted");
    drop(store);
    let store = open(dir.path());
    assert!(store.definition(&tenant, KIND, "before", None).await.unwrap().is_some());
    assert!(store.definition(&tenant, KIND, "refused", None).await.unwrap().is_none());
}

// A disk that was full for longer than anybody likes to wait.
#[tokio::test]
async fn the_store_opens_anew_however_long_the_disk_fails() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    put(&store, "before").await.unwrap();
    let faults = &store.backend.shared.faults;
    *faults.pause.lock().unwrap() = Some(Duration::from_millis(1));
    faults.failing_syncs.store(40, SeqCst);
    put(&store, "during").await.unwrap_err();
    let opened = async {
        while put(&store, "after").await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), opened).await.unwrap();
    assert!(store.health().await.writable);
    let tenant = "acme".parse().unwrap();
    assert!(store.definition(&tenant, KIND, "before", None).await.unwrap().is_some());
}

#[tokio::test]
async fn a_store_that_waits_to_open_anew_says_so_and_stops_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let faults = &store.backend.shared.faults;
    *faults.pause.lock().unwrap() = Some(Duration::from_secs(3_600));
    faults.failing_syncs.store(u32::MAX, SeqCst);
    put(&store, "during").await.unwrap_err();
    put(&store, "refused").await.unwrap_err();
    let notes = store.health().await.notes.join("; ");
    assert!(notes.contains("attempt 1, the next is made 3600 s after it"), "{notes}");
    let dropped_at = Instant::now();
    drop(store);
    assert!(dropped_at.elapsed() < Duration::from_secs(30));
}

// The mark may never be ahead of the disk.
#[tokio::test]
async fn the_mark_counts_only_what_is_durable() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for name in ["a", "b", "c"] {
        put(&store, name).await.unwrap();
    }
    store.backend.shared.faults.failing_syncs.store(u32::MAX, SeqCst);
    put(&store, "d").await.unwrap_err();
    drop(store);
    assert_eq!(std::fs::read_to_string(dir.path().join("MARK")).unwrap(), "3\n");
}

#[tokio::test]
async fn a_verb_that_panics_fails_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let panicking = store.backend.write(|draft| -> Result<(), StoreError> {
        draft.put_key(b"Z".to_vec());
        panic!("a fault of ours")
    });
    assert_eq!(panicking.await.unwrap_err().code(), "store.backend");
    assert_eq!(put(&store, "after").await.unwrap(), 1);
    let left = store.backend.read(|rows| rows.get(b"Z"), |left, _| Ok(left)).await.unwrap();
    assert_eq!(left, None);
}

/// The format that the database says it has.
fn stored_format(dir: &Path) -> Option<u32> {
    let database = database::Database::open(&dir.join("sled"), 1 << 20).unwrap();
    crate::records::record(&database, &crate::records::own_record("format")).unwrap()
}

fn refusal(dir: &Path) -> &'static str {
    SledStore::open(dir, SledSettings::default()).err().map_or("opens", |error| error.code())
}

async fn older(dir: &Path) {
    let store = open(dir);
    put(&store, "a").await.unwrap();
    let format = crate::records::own_record("format");
    store.backend.write(move |draft| draft.put_record(format, &3_u32)).await.unwrap();
}

// covers F-07: else a program of the old format could open what is half of the new one, and remove what it cannot read
#[tokio::test]
async fn an_older_store_says_its_new_format_before_its_rows_change() {
    let dir = tempfile::tempdir().unwrap();
    older(dir.path()).await;
    std::fs::create_dir(dir.path().join("FORMAT.new")).unwrap();
    assert_eq!(refusal(dir.path()), "store.folder");
    assert_eq!(stored_format(dir.path()), Some(3));
    std::fs::remove_dir(dir.path().join("FORMAT.new")).unwrap();
    drop(open(dir.path()));
    assert_eq!(stored_format(dir.path()), Some(crate::records::FORMAT));
}

#[tokio::test]
async fn an_older_store_with_something_missing_is_refused_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    older(dir.path()).await;
    std::fs::write(dir.path().join("MARK"), "900\n").unwrap();
    assert_eq!(refusal(dir.path()), "store.corrupt");
    assert_eq!(stored_format(dir.path()), Some(3));
}
