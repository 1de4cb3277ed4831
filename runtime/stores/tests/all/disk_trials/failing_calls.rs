//! Calls to the file system fail, one or many in a row, at any point of the store's life: nothing acknowledged is lost,
//! and the store goes on by itself when the disk does. keeps D1, D3; covers F-06

use super::preload::Preload;
use super::{CUTS_USUALLY, acknowledged_in, cuts, look};

const NO_SPACE: i32 = 28;
const IO_ERROR: i32 = 5;

/// Calls that change something in the child's life, roughly.
const CALLS: usize = 900;

#[test]
fn the_store_outlives_failing_calls() {
    let scratch = tempfile::tempdir().unwrap();
    let preload = Preload::compile(scratch.path());
    let trials = if cuts() > CUTS_USUALLY { CALLS / 3 } else { 12 };
    for number in 0..trials {
        // Each of the first calls, which make the store, where there are trials for it; then points all over its life.
        let first = number * CALLS / trials;
        // More in a row would show the growing pauses between the tries to open anew, and nothing else.
        let count = [1, 2, 4][number % 3];
        let with = [NO_SPACE, IO_ERROR][number % 2];
        let (root, acks) =
            (scratch.path().join(format!("root-{number}")), scratch.path().join(format!("acks-{number}")));
        preload.run(
            &root,
            &acks,
            &[
                ("DISK_TRIAL_FAIL", &format!("{first} {count} {with}")),
                (super::CUTS, CUTS_USUALLY.to_string().as_str()),
            ],
        );
        let acknowledged = acknowledged_in(&acks);
        assert!(!acknowledged.revisions.is_empty());
        look(&root.join("store"), &acknowledged).unwrap_or_else(|lost| panic!("{count} calls from {first} on: {lost}"));
        std::fs::remove_dir_all(root).unwrap();
    }
}
