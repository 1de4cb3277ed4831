//! What is missing, newer, or not to be written.

use weir_engine::ports::{Removal, Retention as _};

use super::*;
use crate::support::complete;

#[test]
fn what_is_missing_is_missed() {
    let content = content();
    let copy = copies(&content);
    for (gone, expected) in [
        (&["sled/db"][..], "store.corrupt"),
        (&["sled"], "store.corrupt"),
        (&["sled", "FORMAT"], "store.corrupt"),
        (&["sled", "FORMAT", "MARK"], "store.corrupt"),
        (&["blobs"], "store.corrupt"),
        (&["FORMAT"], "whole"),
        (&["MARK"], "whole"),
        (&["weir.lock"], "whole"),
    ] {
        let damaged = copy();
        for name in gone {
            let path = damaged.path(name);
            if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
        }
        let seen = damaged.read().map_or_else(|seen| seen.code(), |()| "whole");
        assert_eq!(seen, expected, "without {gone:?}");
    }
}

// covers T-07
#[test]
fn a_newer_format_is_refused_with_words() {
    let content = content();
    fs::write(content.path("FORMAT"), "weir store, format 4000000000\n").unwrap();
    let seen = content.read().unwrap_err();
    assert_eq!(seen.code(), "store.newer-format");
    assert!(format!("{seen:?}").contains("stored: 4000000000"), "{seen:?}");
    fs::write(content.path("FORMAT"), "rubbish").unwrap();
    content.is_whole();
}

#[test]
fn the_folder_is_for_its_owner_alone() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("new/store");
    drop(open(&dir));
    for name in ["", "sled", "blobs"] {
        let mode = fs::metadata(dir.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700, "{name:?}");
    }
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    drop(open(&dir));
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_folder_that_is_none_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    let error = SledStore::open(&file, settings()).map(drop).unwrap_err();
    assert_eq!(error.code(), "store.folder");
}

// covers design 6, point 5: reads go on below the floor, writes do not
#[test]
fn below_the_floor_reads_go_on_and_writes_do_not() {
    let content = content();
    let store = open(content.dir.path());
    let free = block_on(store.health()).bytes_free.unwrap();
    drop(store);
    let slack = 1 << 30;
    for (free_bytes_min, taken) in [(free.saturating_sub(slack), true), (free.saturating_add(slack), false)] {
        let store = SledStore::open(content.dir.path(), SledSettings { free_bytes_min, ..settings() }).unwrap();
        block_on(async {
            let health = store.health().await;
            assert_eq!((health.writable, health.notes.is_empty()), (taken, taken), "{health:?}");
            let run = &content.runs[0];
            assert_eq!(store.run(&run.tenant, run.id).await.unwrap().as_ref(), Some(run));
            let outcomes = [
                store.start_run(new_run("acme", "signup")).await.map(drop),
                store.put_artifact(&tenant("acme"), Bytes::from_static(b"x")).await.map(drop),
            ];
            for outcome in outcomes {
                match outcome {
                    Ok(()) => assert!(taken),
                    Err(error) => assert_eq!((error.code(), taken), ("store.full", false)),
                }
            }
        });
    }
}

// covers F-14; design 6, point 5: what fills a disk can be removed from it
#[test]
fn below_the_floor_runs_that_have_ended_can_be_removed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (run, free) = block_on(async {
        let (run, lease) = begin(&store, "acme", "signup").await;
        store.commit_step(step(&run, &lease, complete(), vec![])).await.unwrap();
        (run, store.health().await.bytes_free.unwrap())
    });
    drop(store);
    // Other tests fill and empty the same disk meanwhile.
    let slack = 1 << 30;
    for (free_bytes_min, goes) in [(free.saturating_mul(4), false), (free.saturating_add(slack), true)] {
        let store = SledStore::open(dir.path(), SledSettings { free_bytes_min, ..settings() }).unwrap();
        block_on(async {
            let refused = store.start_run(new_run("acme", "signup")).await.unwrap_err();
            assert_eq!(refused.code(), "store.full");
            match store.remove_run(&run.tenant, run.id).await {
                Ok(removal) => assert_eq!((removal, goes), (Removal::Removed, true)),
                Err(error) => assert_eq!((error.code(), goes), ("store.full", false)),
            }
        });
    }
}

#[test]
fn health_knows_the_size() {
    let content = content();
    let store = open(content.dir.path());
    let health = block_on(store.health());
    assert_eq!((health.backend.as_str(), health.writable), ("sled", true));
    assert!(health.bytes_free.is_some_and(|free| free > 0));
    let artifact = Bytes::from(vec![1; 1 << 20]);
    block_on(store.put_artifact(&tenant("acme"), artifact)).unwrap();
    assert!(block_on(store.health()).bytes_on_disk.is_some_and(|bytes| bytes > 1 << 20));
}
