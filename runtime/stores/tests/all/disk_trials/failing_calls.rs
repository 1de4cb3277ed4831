//! Calls to the file system fail, one or many in a row, at any point of the store's life: nothing acknowledged is lost,
//! nothing is done twice, and the store goes on by itself when the disk does. keeps D1, D3; covers F-06

use std::path::Path;

use super::preload::Preload;
use super::{CUTS, CUTS_USUALLY, acknowledged_in, cuts, look};

pub(super) const NO_SPACE: i32 = 28;
pub(super) const IO_ERROR: i32 = 5;

/// Trials where nobody asks for every call.
const TRIALS_USUALLY: usize = 12;

/// What fails: so many calls from one on, with that error.
#[derive(Debug, Clone, Copy)]
struct Failure {
    first: usize,
    count: usize,
    with: i32,
}

#[test]
fn the_store_outlives_failing_calls() {
    let scratch = tempfile::tempdir().unwrap();
    let preload = Preload::compile(scratch.path());
    let calls = count(&preload, scratch.path());
    assert!(calls > 300, "{calls} calls that write, sync, rename, make or remove something");
    let failures: Vec<Failure> = if cuts() > CUTS_USUALLY {
        // Every call in turn, with one error and then the other; and rows of them.
        let with = |first: usize| [NO_SPACE, IO_ERROR][first % 2];
        let every = (0..calls).map(|first| Failure { first, count: 1, with: with(first) });
        every.chain(spread(calls, calls / 8)).collect()
    } else {
        spread(calls, TRIALS_USUALLY).collect()
    };
    for (number, failure) in failures.into_iter().enumerate() {
        let (root, acks) = (scratch.path().join(format!("root-{number}")), scratch.path().join("acks"));
        let Failure { first, count, with } = failure;
        let fail = format!("{first} {count} {with}");
        preload.run(&root, &acks, &[("DISK_TRIAL_FAIL", fail.as_str()), (CUTS, CUTS_USUALLY.to_string().as_str())]);
        let acknowledged = acknowledged_in(&acks);
        assert!(!acknowledged.revisions.is_empty());
        look(&root.join("store"), &acknowledged).unwrap_or_else(|lost| panic!("{failure:?}: {lost}"));
        std::fs::remove_dir_all(root).unwrap();
    }
}

/// Points all over the store's life. More in a row would show the growing pauses between the tries to open anew, and
/// nothing else.
fn spread(calls: usize, trials: usize) -> impl Iterator<Item = Failure> {
    let failure = move |number: usize| Failure {
        first: number * calls / trials,
        count: [1, 2, 4][number % 3],
        with: [NO_SPACE, IO_ERROR][number % 2],
    };
    (0..trials).map(failure)
}

/// How many calls the child makes where none fails.
fn count(preload: &Preload, scratch: &Path) -> usize {
    let counted = scratch.join("count");
    let root = scratch.join("root");
    let variables = [("DISK_TRIAL_COUNT", counted.to_str().unwrap()), (CUTS, &CUTS_USUALLY.to_string())];
    preload.run(&root, &scratch.join("acks"), &variables);
    std::fs::remove_dir_all(root).unwrap();
    std::fs::read_to_string(counted).unwrap().parse().unwrap()
}
