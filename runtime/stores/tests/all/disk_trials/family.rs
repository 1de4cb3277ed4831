//! Families: runs that begin children with a commit and rest, are woken by their ends, and go together.

use std::collections::BTreeSet;

use weir_engine::ids::RunId;
use weir_engine::ports::{ClaimedRun, CommitStep, RetentionTurn, Store, StoreError};
use weir_engine::run::Run;
use weir_stores::SledStore;

use super::wait_for_the_disk;
use crate::crash::Acknowledged;
use crate::families::{begins, child_of};
use crate::support::{LEASE, at, claim, complete, new_run, owner, step, tenant};

const TENANT: &str = "globex";
/// Before the leases of all other runs are over: nothing else is claimed.
const NOW: u64 = 1_500;
const LATE: u64 = 900_000;

fn children_of(parent: RunId) -> [RunId; 2] {
    [0, 1].map(|index| RunId::child(parent, 1, index))
}

/// Lives of families, one after the other; `say` hears of what was acknowledged.
pub(super) async fn live(store: &SledStore, families: usize, say: impl Fn(&str, RunId)) {
    let mut ended = Vec::new();
    for number in 0..families {
        let new = new_run(TENANT, "signup");
        while let Err(error) = store.start_run(new.clone()).await {
            wait_for_the_disk(&error).await;
        }
        say("family", new.run.id);
        loop {
            match store.claim_runs(&owner("parent"), at(NOW), LEASE, 8).await {
                Ok(claimed) if claimed.is_empty() => break,
                Ok(claimed) => {
                    for claimed in claimed {
                        ended.extend(work(store, claimed, &say).await);
                    }
                }
                // What such a claim took stays as it is until its lease is over.
                Err(error) => wait_for_the_disk(&error).await,
            }
        }
        if number % 3 == 1 {
            remove(store).await;
            ended.drain(..).for_each(|run| say("family-gone", run));
        }
    }
}

/// What a driver does with a run of a family. Gives a parent that has ended.
async fn work(store: &SledStore, claimed: ClaimedRun, say: impl Fn(&str, RunId)) -> Option<RunId> {
    let ClaimedRun { run, lease, .. } = claimed;
    if run.parent.is_some() {
        commit(store, step(&run, &lease, complete(), vec![])).await;
        say("child-ended", run.id);
    } else if run.revision == 0 {
        let children = [0, 1].map(|index| child_of(&run, index));
        commit(store, begins(&run, &lease, &children, at(LATE))).await;
        say("family-rests", run.id);
    } else if all_ended(store, &run).await {
        commit(store, step(&run, &lease, complete(), vec![])).await;
        say("family-ended", run.id);
        return Some(run.id);
    } else {
        loop {
            match store.release_run(&run, &lease).await {
                Ok(()) | Err(StoreError::StaleLease { .. }) => break,
                Err(error) => wait_for_the_disk(&error).await,
            }
        }
    }
    None
}

/// Commits a step that gives the lease back: without it, the commit before was there, of which nobody knew.
async fn commit(store: &SledStore, commit: CommitStep) {
    loop {
        match store.commit_step(commit.clone()).await {
            Ok(()) | Err(StoreError::StaleLease { .. }) => return,
            Err(error) => wait_for_the_disk(&error).await,
        }
    }
}

async fn all_ended(store: &SledStore, parent: &Run) -> bool {
    for child in children_of(parent.id) {
        let ended = loop {
            match store.run(&parent.tenant, child).await {
                Ok(run) => break run.expect("a child of a parent that rests is there").ending().is_some(),
                Err(error) => wait_for_the_disk(&error).await,
            }
        };
        if !ended {
            return false;
        }
    }
    true
}

/// Removes every run that has ended, and all of it.
async fn remove(store: &dyn Store) {
    let turn = RetentionTurn { after: None, ended_before: at(LATE), per_tenant_max: 100, limit: 100 };
    loop {
        match store.remove_ended(turn.clone()).await {
            Ok(retained) if retained.removed == 0 && !retained.more => return,
            Ok(_) => {}
            Err(error) => wait_for_the_disk(&error).await,
        }
    }
}

async fn is_there(store: &dyn Store, id: RunId) -> bool {
    let tenant = tenant(TENANT);
    let run = store.run(&tenant, id).await.unwrap();
    let journal = store.journal(&tenant, id, 0, 9).await.unwrap().len();
    assert_eq!(journal as u64, run.as_ref().map_or(0, |run| run.revision), "{id}: record and journal");
    assert_eq!(store.run_context(&tenant, id).await.unwrap().is_some(), run.is_some(), "{id}: record and context");
    run.is_some()
}

/// All of that is there that was acknowledged, and nobody is lost asleep. Claims and removes: the store is no other's.
pub(super) async fn check(store: &dyn Store, acknowledged: &Acknowledged) {
    let said = |what: &str, run: RunId| acknowledged.families.contains(&(what.to_owned(), run));
    let families: Vec<RunId> =
        acknowledged.families.iter().filter(|(what, _)| what == "family").map(|it| it.1).collect();
    store.end_orphaned_leases().await.unwrap();
    let mut claimable = BTreeSet::new();
    loop {
        let claimed = claim(store, NOW, 1_024).await;
        if claimed.is_empty() {
            break;
        }
        claimable.extend(claimed.into_iter().map(|claimed| claimed.run.id));
    }
    for id in &families {
        let Some(run) = store.run(&tenant(TENANT), *id).await.unwrap() else { continue };
        assert!(!said("family-gone", *id), "{id} was removed");
        assert!(run.revision > 0 || !said("family-rests", *id), "{id} has rested");
        assert!(run.ending().is_some() || !said("family-ended", *id), "{id} has ended");
        let mut ended = run.revision > 0;
        for child in children_of(*id) {
            assert_eq!(is_there(store, child).await, run.revision > 0, "{child} is there with its parent's commit");
            let child = store.run(&tenant(TENANT), child).await.unwrap();
            let has_ended = child.as_ref().is_some_and(|child| child.ending().is_some());
            assert!(has_ended || child.is_none_or(|child| !said("child-ended", child.id)), "a child of {id} has ended");
            ended &= has_ended;
        }
        assert!(!ended || run.ending().is_some() || claimable.contains(id), "{id} is lost asleep");
    }
    // What a cut left of a removal goes.
    remove(store).await;
    for id in &families {
        if !is_there(store, *id).await {
            for child in children_of(*id) {
                assert!(!is_there(store, child).await, "{child} is left of {id}");
            }
        }
    }
}
