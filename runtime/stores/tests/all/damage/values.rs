//! Rows and large values.

use super::*;

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

/// The database of a store that was just closed: threads of sled may hold its lock a moment longer, and tell nobody.
fn closed(dir: &Path) -> sled::Db {
    loop {
        match sled::open(dir.join("sled")) {
            Err(error) if error.to_string().contains("could not acquire lock") => std::thread::yield_now(),
            opened => return opened.unwrap(),
        }
    }
}

/// Changes one bit of the values in a table under some keys, behind the store's back.
pub(crate) fn spoil(dir: &Path, table: u8, which: impl Fn(&[u8]) -> bool) {
    let db = closed(dir);
    for (key, mut value) in db.scan_prefix([table]).map(Result::unwrap).filter(|(key, _)| which(key)) {
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
        spoil(damaged.dir.path(), table, |_| true);
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
                assert!(store.health().await.notes.iter().any(|note| note.contains("left out")));
            }
        });
    }
}
