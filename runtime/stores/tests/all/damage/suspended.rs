//! Runs that wait for their end user: what is damaged of one is seen where it is read, is not resumed twice, and does
//! not stand in the way of another.

use weir_engine::ports::{Intervened, Intervention, Retention, RetentionTurn, RunFilter};
use weir_engine::run::RunStateKind;

use super::*;
use crate::support::suspended::{UNTIL, resume, suspended};
use crate::support::{at, complete, first_page};

/// A run that waits, one that waits and one that was resumed with the key `k`.
struct Waiting {
    dir: TempDir,
    damaged: Run,
    resumed: Run,
}

fn waiting() -> Waiting {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (damaged, resumed) = block_on(async {
        let (damaged, _) = suspended(&store).await;
        let (run, _) = suspended(&store).await;
        let keyed = keyed(&run);
        store.intervene(keyed.clone()).await.unwrap();
        (damaged, keyed.run)
    });
    Waiting { dir, damaged, resumed }
}

fn keyed(run: &Run) -> Intervention {
    Intervention {
        client_key: Some("k".to_owned()),
        lease: Some((crate::support::owner("second"), at(20_000))),
        ..resume(run)
    }
}

#[test]
fn a_damaged_row_of_a_suspended_run_stands_in_nobodys_way() {
    // covers F-07: records, standings, contexts, journals, rows of the time until which it waits
    for table in *b"ROXJZ" {
        let Waiting { dir, damaged, resumed } = waiting();
        let id = *damaged.id.as_bytes();
        spoil(dir.path(), table, |key| key.windows(16).any(|part| part == id));
        let store = open(dir.path());
        let word = char::from(table);
        block_on(async {
            let (sound, _) = suspended(&store).await;
            assert_eq!(store.intervene(resume(&sound)).await.unwrap(), Intervened::Done(None), "{word}");
            assert_eq!(store.run(&resumed.tenant, resumed.id).await.unwrap().as_ref(), Some(&resumed), "{word}");
            let filter = RunFilter { state: Some(RunStateKind::Suspended), ..RunFilter::default() };
            let listed = store.runs(&damaged.tenant, &filter, &first_page(9)).await.unwrap();
            assert_eq!(listed.items.len(), usize::from(table != b'R'), "{word}");
            // Its time is over: who claims gets the others, and it where what is damaged is not needed for that.
            let claimed = claim(&store, UNTIL, 9).await;
            assert!(claimed.iter().any(|claimed| claimed.run.id == sound.id), "{word}");
            let gets_it = claimed.iter().any(|claimed| claimed.run.id == damaged.id);
            assert_eq!(gets_it, matches!(table, b'J' | b'Z'), "{word}");
        });
    }
}

#[test]
fn a_damaged_standing_is_not_resumed_and_says_so() {
    let Waiting { dir, damaged, .. } = waiting();
    spoil(dir.path(), b'O', |_| true);
    let store = open(dir.path());
    block_on(async {
        assert_eq!(code(store.intervene(resume(&damaged)).await), "store.corrupt");
        assert_eq!(store.journal(&damaged.tenant, damaged.id, 0, 9).await.unwrap().len(), 1);
    });
}

// covers F-14: what is damaged is not removed, and holds up nobody else's removal
#[test]
fn a_damaged_standing_stands_before_no_other_removal() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (damaged, other) = block_on(async {
        let mut runs = Vec::new();
        for tenant in ["acme", "globex"] {
            let (run, lease) = begin(&store, tenant, "signup").await;
            store.commit_step(step(&run, &lease, complete(), Vec::new())).await.unwrap();
            runs.push(run);
        }
        (runs.remove(0), runs.remove(0))
    });
    drop(store);
    let id = *damaged.id.as_bytes();
    spoil(dir.path(), b'O', |key| key.windows(16).any(|part| part == id));
    let store = open(dir.path());
    block_on(async {
        let mut turn = RetentionTurn { after: None, ended_before: at(u64::MAX), per_tenant_max: 0, limit: 100 };
        loop {
            turn.after = store.remove_ended(turn.clone()).await.unwrap().tenant;
            if turn.after.is_none() {
                break;
            }
        }
        assert_eq!(store.journal(&damaged.tenant, damaged.id, 0, 9).await.unwrap().len(), 1);
        assert_eq!(store.run(&other.tenant, other.id).await.unwrap(), None);
    });
}

// The row that keeps a client key from resuming twice.
#[test]
fn a_damaged_client_key_of_a_resume_resumes_nothing() {
    // covers F-13
    let Waiting { dir, damaged, resumed } = waiting();
    spoil(dir.path(), b'C', |_| true);
    let store = open(dir.path());
    block_on(async {
        assert_eq!(code(store.intervened_with(&resumed.tenant, resumed.id, "k").await), "store.corrupt");
        let mut again = keyed(&resumed);
        (again.run.revision, again.entry.sequence) = (resumed.revision, resumed.revision);
        assert_eq!(code(store.intervene(again).await), "store.corrupt");
        assert_eq!(store.journal(&resumed.tenant, resumed.id, 0, 9).await.unwrap().len(), 2, "once, not twice");
        // A key is one run's: the other goes on.
        assert!(matches!(store.intervene(keyed(&damaged)).await.unwrap(), Intervened::Done(Some(_))));
    });
}

#[test]
fn a_torn_log_with_suspended_runs_is_whole_or_says_so() {
    // keeps D4
    let Waiting { dir, damaged, resumed } = waiting();
    let path = dir.path().join("sled/db");
    let bytes = fs::read(&path).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let of = Content { dir, runs: Vec::new() };
    let copy = copies(&of);
    for at in (0..=written / 512).rev().step_by(1 + written / 512 / 24).map(|number| number as u64 * 512) {
        let torn = copy();
        cut(&torn.path("sled/db"), at);
        for snapshot in snapshots(&torn) {
            fs::remove_file(snapshot).unwrap();
        }
        let Ok(store) = SledStore::open(torn.dir.path(), settings()).inspect_err(|error| {
            assert_eq!(error.code(), "store.corrupt", "cut at {at}: {error}");
        }) else {
            continue;
        };
        block_on(async {
            for (run, was_resumed) in [(&damaged, false), (&resumed, true)] {
                assert_eq!(store.run(&run.tenant, run.id).await.unwrap().as_ref(), Some(run), "cut at {at}");
                assert_eq!(store.intervened_with(&run.tenant, run.id, "k").await.unwrap(), was_resumed, "cut at {at}");
            }
        });
    }
}
