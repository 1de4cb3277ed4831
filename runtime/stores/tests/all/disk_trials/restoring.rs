//! Calls fail while a store is made from a backup: it is there, whole, or there is none and everybody is told; the next
//! try makes it. keeps D3, D5; covers T-07

use std::fs;
use std::path::{Path, PathBuf};

use weir_stores::{Backups, SledStore};

use super::failing_calls::{IO_ERROR, NO_SPACE};
use super::preload::Preload;
use super::{ACKS, DIR, work};
use crate::support::{at, block_on, open, settings};

/// The child restores `acks` here, which is a backup. Does nothing when the tests run it as one of them.
#[test]
fn child() {
    let (Some(dir), Some(file)) = (std::env::var_os(DIR), std::env::var_os(ACKS)) else { return };
    let to = PathBuf::from(dir).join("store");
    if let Err(error) = SledStore::restore(Path::new(&file), &to, settings(), false) {
        assert!(["store.backend", "store.folder", "store.full"].contains(&error.code()), "{error:?}");
    }
}

/// The store of some runs, and its backup.
fn backup(scratch: &Path) -> PathBuf {
    let acks = std::sync::Arc::new(std::sync::Mutex::new(fs::File::create(scratch.join("acks")).unwrap()));
    let store = std::sync::Arc::new(open(&scratch.join("first")));
    block_on(work(std::sync::Arc::clone(&store), 0, acks));
    let file = scratch.join("backup");
    store.back_up(&mut fs::File::create(&file).unwrap(), at(7_000)).unwrap();
    file
}

fn is_whole(store: &Path, backup: &Path) {
    let mut again = Vec::new();
    open(store).back_up(&mut again, at(7_000)).unwrap();
    assert!(again == fs::read(backup).unwrap(), "a restored store is not what the backup says");
}

#[test]
fn a_restore_whose_calls_fail_leaves_a_whole_store_or_none() {
    let scratch = tempfile::tempdir().unwrap();
    let backup = backup(scratch.path());
    let preload = Preload::compile(scratch.path());
    let run = |root: &Path, variables: &[(&str, &str)]| {
        preload.run_child("disk_trials::restoring::child", root, &backup, variables);
    };
    let counted = scratch.path().join("count");
    let root = scratch.path().join("root");
    run(&root, &[("DISK_TRIAL_COUNT", counted.to_str().unwrap())]);
    is_whole(&root.join("store"), &backup);
    let calls: usize = fs::read_to_string(counted).unwrap().parse().unwrap();
    let (mut whole, mut none) = (0, 0);
    for first in 0..calls {
        let root = scratch.path().join(format!("root-{first}"));
        let with = [NO_SPACE, IO_ERROR][first % 2];
        run(&root, &[("DISK_TRIAL_FAIL", &format!("{first} 1 {with}"))]);
        let store = root.join("store");
        if store.exists() {
            whole += 1;
        } else {
            none += 1;
            SledStore::restore(&backup, &store, settings(), false).unwrap();
        }
        is_whole(&store, &backup);
        fs::remove_dir_all(root).unwrap();
    }
    assert!(whole > 0 && none > 0, "of {calls} calls that failed, {whole} left a store, {none} none");
}
