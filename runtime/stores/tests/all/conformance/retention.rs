//! Runs that have ended are removed with all that they held, and nothing else is. covers F-14

use serde_json::json;
use weir_engine::ports::{GARBAGE_KEPT, NewRun, Removal, RetentionTurn, RunFilter, Started, Store};
use weir_engine::run::Run;

use crate::families::{begins, child_of, end, ended};
use crate::support::{
    at, begin, calls_of, change, claim, claim_calls, complete, first_page, new_run, progress, settle, step, taken,
    tenant, with_call,
};

super::on_every_back_end!(
    a_run_is_removed_after_its_time_and_not_before,
    of_more_runs_than_are_kept_the_first_ended_go,
    each_tenant_has_its_turn,
    a_turn_removes_no_more_than_its_limit,
    a_removed_run_is_nowhere_and_its_client_key_is_free,
    a_run_with_a_call_that_is_not_done_is_kept,
    a_run_behind_many_that_are_held_goes,
    a_family_is_looked_at_in_pieces,
    a_run_goes_with_its_children,
    a_run_that_goes_on_is_not_removed,
    what_nothing_names_is_removed_after_a_while,
    what_is_kept_for_a_verb_again_is_not_removed,
);

fn turn(ended_before: u64, per_tenant_max: u64) -> RetentionTurn {
    RetentionTurn { after: None, ended_before: at(ended_before), per_tenant_max, limit: 100 }
}

async fn ids(store: &dyn Store, name: &str) -> Vec<weir_engine::ids::RunId> {
    let listed = store.runs(&tenant(name), &RunFilter::default(), &first_page(100)).await.unwrap();
    listed.items.iter().map(|run| run.id).collect()
}

async fn a_run_is_removed_after_its_time_and_not_before(store: &dyn Store) {
    let run = ended(store, new_run("acme", "signup"), at(5_000)).await;
    let (goes_on, _) = begin(store, "acme", "signup").await;
    let before = store.remove_ended(turn(5_000, 100)).await.unwrap();
    assert_eq!((before.tenant, before.removed, before.more), (Some(tenant("acme")), 0, false));
    let after = store.remove_ended(turn(5_001, 100)).await.unwrap();
    assert_eq!((after.removed, after.more), (1, false));
    assert_eq!(store.run(&run.tenant, run.id).await.unwrap(), None);
    assert_eq!(ids(store, "acme").await, [goes_on.id]);
    assert_eq!(store.remove_ended(turn(5_001, 100)).await.unwrap().tenant, None);
}

async fn of_more_runs_than_are_kept_the_first_ended_go(store: &dyn Store) {
    let mut runs = Vec::new();
    for ended_at in [5_000, 7_000, 6_000, 8_000] {
        runs.push(ended(store, new_run("acme", "signup"), at(ended_at)).await.id);
    }
    assert_eq!(store.remove_ended(turn(0, 2)).await.unwrap().removed, 2);
    assert_eq!(ids(store, "acme").await, [runs[3], runs[1]]);
    assert_eq!(store.remove_ended(turn(0, 2)).await.unwrap().removed, 0);
}

async fn each_tenant_has_its_turn(store: &dyn Store) {
    for name in ["acme", "acm", "globex"] {
        ended(store, new_run(name, "signup"), at(5_000)).await;
    }
    let mut next = turn(9_000, 100);
    let mut seen = Vec::new();
    while let Some(name) = store.remove_ended(next.clone()).await.unwrap().tenant {
        seen.push(name.clone());
        next.after = Some(name);
    }
    assert_eq!(seen, [tenant("acm"), tenant("acme"), tenant("globex")]);
}

async fn a_turn_removes_no_more_than_its_limit(store: &dyn Store) {
    for _ in 0..5 {
        ended(store, new_run("acme", "signup"), at(5_000)).await;
    }
    let limited = RetentionTurn { limit: 3, ..turn(9_000, 100) };
    let first = store.remove_ended(limited.clone()).await.unwrap();
    assert_eq!((first.removed, first.more), (3, true));
    let second = store.remove_ended(limited).await.unwrap();
    assert_eq!((second.removed, second.more), (2, false));
}

async fn a_removed_run_is_nowhere_and_its_client_key_is_free(store: &dyn Store) {
    let keyed = |text: &str| NewRun { client_key: Some(text.to_owned()), ..new_run("acme", "signup") };
    let run = ended(store, keyed("order-7"), at(5_000)).await;
    assert!(matches!(store.start_run(keyed("order-7")).await.unwrap(), Started::Existing(there) if there.id == run.id));
    assert_eq!(store.remove_run(&run.tenant, run.id).await.unwrap(), Removal::Removed);
    assert_eq!(store.run(&run.tenant, run.id).await.unwrap(), None);
    assert_eq!(store.run_context(&run.tenant, run.id).await.unwrap(), None);
    assert_eq!(store.journal(&run.tenant, run.id, 0, 10).await.unwrap(), []);
    assert_eq!(ids(store, "acme").await, []);
    assert_eq!(store.remove_run(&run.tenant, run.id).await.unwrap(), Removal::Unknown);
    assert!(matches!(store.start_run(keyed("order-7")).await.unwrap(), Started::New(_)));
}

async fn a_run_with_a_call_that_is_not_done_is_kept(store: &dyn Store) {
    let (run, lease) = begin(store, "acme", "signup").await;
    let commit = with_call(step(&run, &lease, complete(), vec![]), 1_000, 10);
    let run = commit.run.clone();
    store.commit_step(commit).await.unwrap();
    assert_eq!(store.remove_run(&run.tenant, run.id).await.unwrap(), Removal::Held);
    assert_eq!(store.remove_ended(turn(900_000, 0)).await.unwrap().removed, 0);
    let claimed = claim_calls(store, 5_000, 1).await.remove(0);
    settle(store, &claimed, progress(&claimed.call.progress, taken(), 9_000)).await.unwrap();
    assert_eq!(store.remove_ended(turn(900_000, 0)).await.unwrap().removed, 1);
    assert!(calls_of(store, &run).await.is_empty());
    assert_eq!(store.background_backlog().await.unwrap().pending, 0);
}

/// A run that has ended and has a call that is not done.
async fn held(store: &dyn Store) {
    let (run, lease) = begin(store, "acme", "signup").await;
    store.commit_step(with_call(step(&run, &lease, complete(), vec![]), 1_000, 10)).await.unwrap();
}

async fn a_run_behind_many_that_are_held_goes(store: &dyn Store) {
    for _ in 0..300 {
        held(store).await;
    }
    let free = ended(store, new_run("acme", "signup"), at(500_000)).await;
    let first = store.remove_ended(turn(900_000, 0)).await.unwrap();
    assert_eq!((first.removed, first.more), (0, true), "it is not among the first");
    let second = store.remove_ended(turn(900_000, 0)).await.unwrap();
    assert_eq!((second.removed, second.more), (1, false));
    assert_eq!(store.run(&free.tenant, free.id).await.unwrap(), None);
    // Of those that are kept for their number the held ones count too.
    let kept = ended(store, new_run("acme", "signup"), at(600_000)).await;
    for _ in 0..4 {
        assert_eq!(store.remove_ended(turn(0, 1)).await.unwrap().removed, 0);
    }
    assert!(store.run(&kept.tenant, kept.id).await.unwrap().is_some());
    // What is held no more goes when its turn comes again.
    for claimed in claim_calls(store, 5_000, 10).await {
        settle(store, &claimed, progress(&claimed.call.progress, taken(), 9_000)).await.unwrap();
    }
    let (mut removed, mut turns) = (0, 0);
    while removed < 10 && turns < 4 {
        removed += store.remove_ended(turn(0, 1)).await.unwrap().removed;
        turns += 1;
    }
    assert_eq!(removed, 10);
}

async fn a_family_is_looked_at_in_pieces(store: &dyn Store) {
    let (parent, lease) = begin(store, "acme", "signup").await;
    let children: Vec<_> = (0..1_200).map(|index| child_of(&parent, index)).collect();
    store.commit_step(begins(&parent, &lease, &children, at(900_000))).await.unwrap();
    let mut left = children.len() + 1;
    while left > 0 {
        for claimed in claim(store, 5_000, 1_000).await {
            end(store, &claimed.run, &claimed.lease).await;
            left -= 1;
        }
    }
    let first = store.remove_ended(turn(900_000, 0)).await.unwrap();
    assert_eq!((first.removed, first.more), (0, true));
    let mut removed = 0;
    for _ in 0..2 {
        removed += store.remove_ended(turn(900_000, 0)).await.unwrap().removed;
    }
    assert_eq!(removed, 1);
    assert_eq!(store.run(&parent.tenant, parent.id).await.unwrap(), None);
}

async fn family(store: &dyn Store) -> (Run, Run, Run) {
    let (parent, lease) = begin(store, "acme", "signup").await;
    let child = child_of(&parent, 0);
    store.commit_step(begins(&parent, &lease, std::slice::from_ref(&child), at(900_000))).await.unwrap();
    let claimed = claim(store, 5_000, 1).await.remove(0);
    let grandchild = child_of(&claimed.run, 0);
    let rests = begins(&claimed.run, &claimed.lease, std::slice::from_ref(&grandchild), at(900_000));
    store.commit_step(rests).await.unwrap();
    let claimed = claim(store, 5_000, 1).await.remove(0);
    end(store, &claimed.run, &claimed.lease).await;
    let claimed = claim(store, 5_000, 1).await.remove(0);
    assert_eq!(claimed.run.id, child.run.id);
    end(store, &claimed.run, &claimed.lease).await;
    let claimed = claim(store, 5_000, 1).await.remove(0);
    assert_eq!(store.remove_run(&parent.tenant, child.run.id).await.unwrap(), Removal::Unknown);
    (end(store, &claimed.run, &claimed.lease).await, child.run, grandchild.run)
}

async fn a_run_goes_with_its_children(store: &dyn Store) {
    let (parent, child, grandchild) = family(store).await;
    let (other, ..) = family(store).await;
    assert_eq!(store.remove_run(&parent.tenant, parent.id).await.unwrap(), Removal::Removed);
    for run in [&parent, &child, &grandchild] {
        assert_eq!(store.run(&run.tenant, run.id).await.unwrap(), None);
        assert_eq!(store.run_context(&run.tenant, run.id).await.unwrap(), None);
    }
    assert_eq!(ids(store, "acme").await, [other.id]);
}

async fn a_run_that_goes_on_is_not_removed(store: &dyn Store) {
    let (run, _) = begin(store, "acme", "signup").await;
    assert!(matches!(store.remove_run(&run.tenant, run.id).await.unwrap(), Removal::NotEnded(_)));
    assert_eq!(store.remove_run(&tenant("globex"), run.id).await.unwrap(), Removal::Unknown);
    assert!(store.run(&run.tenant, run.id).await.unwrap().is_some());
}

/// Looks at everything once.
async fn sweep(store: &dyn Store, now: u64) -> usize {
    let mut removed = 0;
    for _ in 0..256 {
        removed += store.sweep(at(now)).await.unwrap().removed;
    }
    removed
}

const KEPT: u64 = GARBAGE_KEPT.as_millis() as u64;

/// A run that has ended, with that body in its context and its journal.
async fn with_body(store: &dyn Store, body: &str) -> Run {
    let (run, lease) = begin(store, "acme", "signup").await;
    let changes = vec![change("connectors.risk", json!({ "status": run.id.to_string(), "body": body }))];
    let commit = step(&run, &lease, complete(), changes);
    let run = commit.run.clone();
    store.commit_step(commit).await.unwrap();
    run
}

async fn what_nothing_names_is_removed_after_a_while(store: &dyn Store) {
    let body = "x".repeat(100_000);
    let (one, other) = (with_body(store, &body).await, with_body(store, &body).await);
    store.remove_run(&one.tenant, one.id).await.unwrap();
    assert_eq!((sweep(store, 1_000).await, sweep(store, 1_000 + KEPT).await), (0, 0), "the other one has it too");
    let context = store.run_context(&other.tenant, other.id).await.unwrap().unwrap();
    let found = context.get(&"connectors.risk".parse().unwrap()).unwrap();
    assert_eq!(found["body"], json!(body));
    store.remove_run(&other.tenant, other.id).await.unwrap();
    assert_eq!(sweep(store, 2_000).await, 0, "not at once");
    assert_eq!(sweep(store, 1_999 + KEPT).await, 0);
    assert_eq!(sweep(store, 2_000 + KEPT).await, 1, "one file for both, in context and journal");
    assert_eq!(sweep(store, 9_000 + 2 * KEPT).await, 0);
}

async fn what_is_kept_for_a_verb_again_is_not_removed(store: &dyn Store) {
    let body = "y".repeat(100_000);
    let one = with_body(store, &body).await;
    store.remove_run(&one.tenant, one.id).await.unwrap();
    assert_eq!(sweep(store, 1_000).await, 0);
    let other = with_body(store, &body).await;
    assert_eq!(sweep(store, 1_000 + KEPT).await, 0);
    assert!(store.run_context(&other.tenant, other.id).await.is_ok());
}
