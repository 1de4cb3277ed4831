//! Where a restore goes: never over a store, and never half.

use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let scratch = Scratch::new();
    let error = scratch.restore(&scratch.backup(), "first").map(drop).unwrap_err();
    assert_eq!(error.code(), "backup.target-in-use");
    fs::create_dir(scratch.path("other")).unwrap();
    fs::write(scratch.path("other/file"), "mine").unwrap();
    let error = scratch.restore(&scratch.backup(), "other").map(drop).unwrap_err();
    assert_eq!(error.code(), "backup.target-in-use");
    assert_eq!(fs::read_to_string(scratch.path("other/file")).unwrap(), "mine");
    fs::create_dir(scratch.path("empty")).unwrap();
    scratch.restore(&scratch.backup(), "empty").unwrap();
    let mode = fs::metadata(scratch.path("empty")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700);
}

// What a crash in the middle of a restore leaves.
#[test]
fn an_unfinished_restore_is_no_store_and_says_what_to_do() {
    let scratch = Scratch::new();
    let (to, unfinished) = (scratch.path("second"), scratch.path("second.restoring"));
    drop(open(&unfinished));
    let error = SledStore::open(&to, settings()).map(drop).unwrap_err();
    assert_eq!(error.code(), "store.unfinished-restore");
    assert!(error.to_string().contains("weir restore"), "{error}");
    assert!(!to.exists(), "no empty store is begun in silence");
    // Another restore is at work.
    let at_work = open(&unfinished);
    let error = scratch.restore(&scratch.backup(), "second").map(drop).unwrap_err();
    assert_eq!(error.code(), "store.in-use");
    drop(at_work);
    scratch.restore(&scratch.backup(), "second").unwrap();
    assert!(!unfinished.exists());
}

#[test]
fn beside_a_store_a_leftover_does_no_harm() {
    let scratch = Scratch::new();
    drop(open(&scratch.path("first.restoring")));
    open(&scratch.path("first"));
}
