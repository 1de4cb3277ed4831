//! sled's own files.

use super::*;

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
