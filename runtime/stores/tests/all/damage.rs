//! Torn, missing and changed files: a typed error or a recovery, never a panic, never an empty store. keeps D1, D4

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::json;
use tempfile::TempDir;
use weir_engine::ports::{RunFilter, Store, StoreError};
use weir_engine::run::Run;
use weir_stores::{OpenError, SledSettings, SledStore};

use crate::support::{
    advance, begin, block_on, change, claim, code, first_page, new_run, open, settings, step, tenant,
};

/// What a store must give back, or say that it cannot.
struct Content {
    dir: TempDir,
    runs: Vec<Run>,
}

/// A closed store with some runs, large values among them.
fn content() -> Content {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let runs = block_on(async {
        let mut runs = Vec::new();
        for number in 0..5 {
            let (mut run, lease) = begin(&store, "acme", "signup").await;
            for round in 0..6 {
                let text = "x".repeat(if round == 5 { 9_000 + number } else { 300 * round });
                let commit = step(&run, &lease, advance(), vec![change("connectors.body", json!(text))]);
                run = commit.run.clone();
                store.commit_step(commit).await.unwrap();
            }
            runs.push(run);
        }
        runs
    });
    Content { dir, runs }
}

impl Content {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Opens the store, and reads everything that was acknowledged.
    fn read(&self) -> Result<(), Seen> {
        let store = SledStore::open(self.dir.path(), settings()).map_err(Seen::Opening)?;
        block_on(async {
            for run in &self.runs {
                let found = store.run(&run.tenant, run.id).await?;
                assert_eq!(found.as_ref(), Some(run), "an acknowledged run is lost in silence");
                assert_eq!(store.journal(&run.tenant, run.id, 0, 100).await?.len(), 6);
                assert_eq!(store.run_context(&run.tenant, run.id).await?.unwrap().iter().count(), 2);
            }
            Ok(())
        })
    }

    fn is_whole(&self) {
        self.read().unwrap();
    }

    fn notes(&self) -> String {
        block_on(open(self.dir.path()).health()).notes.join("; ")
    }
}

#[derive(Debug)]
enum Seen {
    Opening(OpenError),
    Reading(StoreError),
}

impl From<StoreError> for Seen {
    fn from(error: StoreError) -> Self {
        Self::Reading(error)
    }
}

impl Seen {
    fn code(&self) -> &'static str {
        match self {
            Self::Opening(error) => error.code(),
            Self::Reading(error) => error.code(),
        }
    }
}

fn flip(path: &Path, at: u64) {
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
}

fn cut(path: &Path, length: u64) {
    fs::File::options().write(true).open(path).unwrap().set_len(length).unwrap();
}

fn snapshots(content: &Content) -> Vec<PathBuf> {
    let entries = fs::read_dir(content.path("sled")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("snap.")).collect()
}

/// One closed store for each case of a table, copied, since making one takes longer.
fn copies(of: &Content) -> impl Fn() -> Content + '_ {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            let to = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                copy(&entry.path(), &to);
            } else {
                fs::copy(entry.path(), to).unwrap();
            }
        }
    }
    || {
        let dir = tempfile::tempdir().unwrap();
        copy(of.dir.path(), dir.path());
        Content { dir, runs: of.runs.clone() }
    }
}

#[test]
fn an_untouched_store_is_whole_and_has_nothing_to_say() {
    let content = content();
    content.is_whole();
    assert_eq!(content.notes(), "");
}

#[test]
fn a_torn_log_is_whole_or_says_so() {
    let content = content();
    content.is_whole();
    let copy = copies(&content);
    let length = fs::metadata(content.path("sled/db")).unwrap().len();
    let bytes = fs::read(content.path("sled/db")).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64;
    let around_the_end = (0..24).map(|n| (written / 512 + 4).saturating_sub(n) * 512);
    let everywhere = (0..24).map(|n| length * n / 24);
    let (mut whole, mut refused) = (0, 0);
    for at in around_the_end.chain(everywhere) {
        let torn = copy();
        cut(&torn.path("sled/db"), at);
        match torn.read() {
            Ok(()) => whole += 1,
            Err(seen) => {
                assert_eq!(seen.code(), "store.corrupt", "cut at {at}: {seen:?}");
                refused += 1;
            }
        }
    }
    assert!(whole > 0 && refused > 0, "{whole} whole, {refused} refused");
}

#[test]
fn a_changed_log_is_whole_or_says_so() {
    let content = content();
    let copy = copies(&content);
    let bytes = fs::read(content.path("sled/db")).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64;
    for number in 0..40 {
        let changed = copy();
        flip(&changed.path("sled/db"), written * number / 40);
        if let Err(seen) = changed.read() {
            assert_eq!(seen.code(), "store.corrupt", "{seen:?}");
        }
    }
}

#[test]
fn an_unfinished_snapshot_is_removed() {
    let content = content();
    let leftover = content.path("sled/snap.FFFFFFFFFFFFFFFF.generating");
    fs::write(&leftover, b"half of a snapshot").unwrap();
    content.is_whole();
    assert!(!leftover.exists());
}

#[test]
fn a_damaged_snapshot_is_set_aside_and_the_log_replayed() {
    let content = content();
    content.is_whole();
    let copy = copies(&content);
    for damage in ["flipped", "cut", "empty"] {
        let damaged = copy();
        let snapshot = snapshots(&damaged).pop().expect("sled writes a snapshot when it opens");
        match damage {
            "flipped" => flip(&snapshot, 3),
            "cut" => cut(&snapshot, fs::metadata(&snapshot).unwrap().len() / 2),
            _ => cut(&snapshot, 0),
        }
        assert!(damaged.notes().contains("snapshot was damaged"), "{damage}: {}", damaged.notes());
        damaged.is_whole();
    }
}

#[test]
fn damaged_settings_of_sled_are_made_anew() {
    let content = content();
    let conf = fs::read(content.path("sled/conf")).unwrap();
    let copy = copies(&content);
    for at in 0..conf.len() {
        let damaged = copy();
        flip(&damaged.path("sled/conf"), at as u64);
        damaged.is_whole();
        cut(&damaged.path("sled/conf"), at as u64);
        damaged.is_whole();
    }
    let missing = copy();
    fs::remove_file(missing.path("sled/conf")).unwrap();
    missing.is_whole();
}

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

#[test]
fn an_emptied_log_never_opens_empty() {
    let content = content();
    let copy = copies(&content);
    for keep_marker in [true, false] {
        let damaged = copy();
        cut(&damaged.path("sled/db"), 0);
        for snapshot in snapshots(&damaged) {
            fs::remove_file(snapshot).unwrap();
        }
        if !keep_marker {
            fs::remove_file(damaged.path("FORMAT")).unwrap();
        }
        assert_eq!(damaged.read().unwrap_err().code(), "store.corrupt", "with marker: {keep_marker}");
    }
}

#[test]
fn an_older_copy_of_the_log_is_not_taken_for_the_newest() {
    let content = content();
    let older = fs::read(content.path("sled/db")).unwrap();
    let store = open(content.dir.path());
    block_on(begin(&store, "acme", "signup"));
    drop(store);
    fs::write(content.path("sled/db"), older).unwrap();
    for snapshot in snapshots(&content) {
        fs::remove_file(snapshot).unwrap();
    }
    let error = SledStore::open(content.dir.path(), settings()).map(drop).unwrap_err();
    assert_eq!(error.code(), "store.corrupt");
    assert!(error.to_string().contains("remove the file `MARK`"), "{error}");
    fs::remove_file(content.path("MARK")).unwrap();
    content.is_whole();
}

// covers T-07
#[test]
fn a_newer_format_is_refused_with_words() {
    let content = content();
    fs::write(content.path("FORMAT"), "weir store, format 2\n").unwrap();
    let seen = content.read().unwrap_err();
    assert_eq!(seen.code(), "store.newer-format");
    assert!(format!("{seen:?}").contains("stored: 2"), "{seen:?}");
    fs::write(content.path("FORMAT"), "rubbish").unwrap();
    content.is_whole();
}

#[test]
fn a_changed_or_missing_large_value_is_seen() {
    let content = content();
    let copy = copies(&content);
    for missing in [false, true] {
        let damaged = copy();
        for folder in fs::read_dir(damaged.path("blobs")).unwrap().map(|entry| entry.unwrap().path()) {
            for file in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if missing { fs::remove_file(file).unwrap() } else { flip(&file, 100) }
            }
        }
        let seen = damaged.read().unwrap_err();
        assert_eq!(seen.code(), "store.corrupt");
        let store = open(damaged.dir.path());
        block_on(async {
            let listed = store.runs(&tenant("acme"), &RunFilter::default(), &first_page(10)).await.unwrap();
            assert_eq!(listed.items.len(), 5, "the records are sound");
            assert!(claim(&store, 5_000, 10).await.is_empty(), "no run begins with half a context");
        });
    }
}

#[test]
fn a_damaged_large_value_is_mended_by_writing_it_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let bytes = Bytes::from(vec![7; 10_000]);
    block_on(async {
        let digest = store.put_artifact(&tenant("acme"), bytes.clone()).await.unwrap();
        let path = dir.path().join("blobs").join(&digest.hex()[..2]).join(digest.hex());
        flip(&path, 5);
        assert_eq!(code(store.artifact(&tenant("acme"), &digest).await), "store.corrupt");
        store.put_artifact(&tenant("acme"), bytes.clone()).await.unwrap();
        assert_eq!(store.artifact(&tenant("acme"), &digest).await.unwrap(), Some(bytes));
    });
}

/// Changes one bit of the values in a table, behind the store's back.
fn spoil(content: &Content, table: u8) {
    let db = sled::open(content.path("sled")).unwrap();
    for row in db.scan_prefix([table]) {
        let (key, mut value) = row.unwrap();
        let last = value.len() - 1;
        value[last] ^= 1;
        db.insert(key, value).unwrap();
    }
    db.flush().unwrap();
}

#[test]
fn a_damaged_row_is_seen_where_it_is_read_and_passed_over_in_lists_and_claims() {
    let content = content();
    let copy = copies(&content);
    // Records, standings, contexts, journals.
    for (table, listed, claimed) in [(b'R', 0, 1), (b'O', 5, 1), (b'X', 5, 1), (b'J', 5, 6)] {
        let damaged = copy();
        spoil(&damaged, table);
        let store = open(damaged.dir.path());
        block_on(async {
            let page = store.runs(&tenant("acme"), &RunFilter::default(), &first_page(10)).await.unwrap();
            assert_eq!(page.items.len(), listed, "table {}", table as char);
            store.start_run(new_run("acme", "sound")).await.unwrap();
            assert_eq!(claim(&store, 5_000, 10).await.len(), claimed, "table {}", table as char);
            assert!(claim(&store, 5_001, 10).await.is_empty(), "what is damaged waits as long as a lease");
            let run = &damaged.runs[0];
            let seen = [
                store.run(&run.tenant, run.id).await.map(drop),
                store.run_context(&run.tenant, run.id).await.map(drop),
                store.journal(&run.tenant, run.id, 0, 9).await.map(drop),
            ];
            let damaged_at =
                seen.iter().filter_map(|seen| seen.as_ref().err()).map(StoreError::code).collect::<Vec<_>>();
            assert!(damaged_at.iter().all(|code| *code == "store.corrupt"));
            assert_eq!(damaged_at.is_empty(), table == b'O');
            if table != b'J' && table != b'O' {
                assert!(store.health().await.notes.iter().any(|note| note.contains("damaged run")));
            }
        });
    }
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
