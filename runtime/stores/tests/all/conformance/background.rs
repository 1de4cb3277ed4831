//! Calls in the background. covers C-11, F-06, T-01; keeps D6

use std::collections::HashMap;

use weir_engine::ids::TenantId;
use weir_engine::ports::{Backlog, CallRoom, ClaimedCall, Lease, Store};
use weir_engine::run::{BackgroundProgress, BackgroundState, OutboxEntry, Run, StepError};

use crate::support::{
    LEASE, advance, again, at, begin, calls_of, claim_calls, code, complete, new_run, owner, progress, settle, step,
    taken, tenant, with_call,
};

super::on_every_back_end!(
    a_call_is_handed_over_with_its_step_or_not_at_all,
    a_large_call_reads_back,
    a_call_is_claimed_once,
    a_call_put_off_comes_back_when_it_is_due,
    a_call_that_is_done_is_never_claimed_again,
    a_stale_sender_writes_nothing,
    the_claims_without_an_outcome_are_counted,
    orphaned_leases_of_calls_end_at_a_start,
    a_call_outlives_the_end_of_its_run,
    one_tenants_calls_do_not_stand_before_anothers,
    calls_that_become_due_again_do_not_stand_before_anothers,
    a_tenant_with_as_many_out_as_it_may_stands_before_nobody,
    calls_are_listed_in_parts_and_to_their_tenant_alone,
    the_backlog_counts_what_is_pending,
);

/// A run with one call, handed over at that instant.
async fn hand_over(store: &dyn Store, name: &str, created_at: u64) -> (Run, OutboxEntry) {
    let (run, lease) = begin(store, name, "signup").await;
    let commit = with_call(step(&run, &lease, advance(), vec![]), created_at, 10);
    let (run, entry) = (commit.run.clone(), commit.outbox.clone().unwrap());
    store.commit_step(commit).await.unwrap();
    (run, entry)
}

fn tenants(claimed: &[ClaimedCall]) -> Vec<&TenantId> {
    claimed.iter().map(|claimed| &claimed.call.entry.tenant).collect()
}

async fn a_call_is_handed_over_with_its_step_or_not_at_all(store: &dyn Store) {
    let (run, lease) = begin(store, "acme", "signup").await;
    let stale = Lease { fence: lease.fence + 1, ..lease.clone() };
    let refused = with_call(step(&run, &stale, advance(), vec![]), 1_500, 10);
    assert_eq!(code(store.commit_step(refused).await), "store.stale-lease");
    assert_eq!(calls_of(store, &run).await, []);
    assert!(claim_calls(store, 5_000, 10).await.is_empty());
    let commit = with_call(step(&run, &lease, advance(), vec![]), 1_500, 10);
    let entry = commit.outbox.clone().unwrap();
    store.commit_step(commit.clone()).await.unwrap();
    assert_eq!(code(store.commit_step(commit).await), "store.revision-conflict");
    let calls = calls_of(store, &run).await;
    assert_eq!(calls.len(), 1);
    assert_eq!((&calls[0].entry, &calls[0].progress), (&entry, &BackgroundProgress::new(at(1_500))));
}

async fn a_large_call_reads_back(store: &dyn Store) {
    let (run, lease) = begin(store, "acme", "signup").await;
    let commit = with_call(step(&run, &lease, advance(), vec![]), 1_500, 100_000);
    let entry = commit.outbox.clone().unwrap();
    store.commit_step(commit).await.unwrap();
    let claimed = claim_calls(store, 5_000, 1).await.remove(0);
    assert_eq!(claimed.call.entry, entry);
    let outcome = progress(&claimed.call.progress, taken(), 50_000);
    settle(store, &claimed, outcome.clone()).await.unwrap();
    assert_eq!(calls_of(store, &run).await[0].progress, outcome);
}

async fn a_call_is_claimed_once(store: &dyn Store) {
    let (_, entry) = hand_over(store, "acme", 1_500).await;
    assert!(claim_calls(store, 5_000, 0).await.is_empty());
    let claimed = claim_calls(store, 5_000, 10).await;
    assert_eq!((claimed.len(), &claimed[0].call.entry), (1, &entry));
    assert_eq!((&claimed[0].lease.owner, claimed[0].lease.until), (&owner("sender"), at(5_000).after(LEASE)));
    assert!(claim_calls(store, 5_000, 10).await.is_empty());
    assert_eq!(claim_calls(store, 65_000, 10).await.len(), 1, "the lease is over");
}

async fn a_call_put_off_comes_back_when_it_is_due(store: &dyn Store) {
    let (run, _) = hand_over(store, "acme", 1_500).await;
    let claimed = claim_calls(store, 5_000, 1).await.remove(0);
    let first = progress(&claimed.call.progress, again(8_000), 10);
    settle(store, &claimed, first.clone()).await.unwrap();
    assert!(claim_calls(store, 7_999, 1).await.is_empty());
    // The start of a process ends leases, and makes nothing due.
    store.end_orphaned_leases().await.unwrap();
    assert!(claim_calls(store, 7_999, 1).await.is_empty());
    let claimed = claim_calls(store, 8_000, 1).await.remove(0);
    assert_eq!((&claimed.call.progress, claimed.claims), (&first, 1));
    let second = progress(&claimed.call.progress, taken(), 10);
    settle(store, &claimed, second.clone()).await.unwrap();
    assert_eq!(calls_of(store, &run).await[0].progress, second);
    assert_eq!(second.sends, 2);
}

async fn a_call_that_is_done_is_never_claimed_again(store: &dyn Store) {
    let error = StepError { code: "run.background-expired".to_owned(), message: "late".to_owned(), detail: None };
    for state in [taken(), BackgroundState::Failed { finished_at: at(6_000), error }] {
        hand_over(store, "acme", 1_500).await;
        let claimed = claim_calls(store, 5_000, 1).await.remove(0);
        let done = progress(&claimed.call.progress, state, 10);
        settle(store, &claimed, done.clone()).await.unwrap();
        store.end_orphaned_leases().await.unwrap();
        assert!(claim_calls(store, 1 << 50, 10).await.is_empty());
        assert_eq!(code(settle(store, &claimed, done).await), "store.stale-lease", "it is recorded once");
    }
}

async fn a_stale_sender_writes_nothing(store: &dyn Store) {
    let (run, _) = hand_over(store, "acme", 1_500).await;
    let slow = claim_calls(store, 5_000, 1).await.remove(0);
    let quick = claim_calls(store, 65_000, 1).await.remove(0);
    assert_eq!(quick.lease.fence, slow.lease.fence + 1);
    let outcome = progress(&slow.call.progress, taken(), 10);
    assert_eq!(code(settle(store, &slow, outcome.clone()).await), "store.stale-lease");
    let forged = ClaimedCall { lease: Lease { owner: owner("thief"), ..quick.lease.clone() }, ..quick.clone() };
    assert_eq!(code(settle(store, &forged, outcome.clone()).await), "store.stale-lease");
    assert_eq!(calls_of(store, &run).await[0].progress, quick.call.progress);
    settle(store, &quick, outcome).await.unwrap();
    let unknown = new_run("acme", "signup").run;
    let nothing = store.settle_background_call(&unknown.tenant, unknown.id, 1, &quick.lease, quick.call.progress).await;
    assert_eq!(code(nothing), "store.not-found");
}

async fn the_claims_without_an_outcome_are_counted(store: &dyn Store) {
    hand_over(store, "acme", 1_500).await;
    for (claims, now) in [(1, 5_000), (2, 65_000), (3, 125_000)] {
        let claimed = claim_calls(store, now, 1).await.remove(0);
        assert_eq!(claimed.claims, claims);
        if claims == 3 {
            let outcome = progress(&claimed.call.progress, again(130_000), 10);
            settle(store, &claimed, outcome).await.unwrap();
        }
    }
    assert_eq!(claim_calls(store, 130_000, 1).await.remove(0).claims, 1);
}

async fn orphaned_leases_of_calls_end_at_a_start(store: &dyn Store) {
    hand_over(store, "acme", 1_500).await;
    let lost = claim_calls(store, 5_000, 1).await.remove(0);
    assert!(claim_calls(store, 5_000, 1).await.is_empty());
    store.end_orphaned_leases().await.unwrap();
    let claimed = claim_calls(store, 5_000, 1).await.remove(0);
    assert_eq!((claimed.lease.fence, claimed.claims), (lost.lease.fence + 1, 2));
    assert_eq!(claimed.call, lost.call);
}

async fn a_call_outlives_the_end_of_its_run(store: &dyn Store) {
    let (run, lease) = begin(store, "acme", "signup").await;
    let last = with_call(step(&run, &lease, complete(), vec![]), 1_500, 10);
    store.commit_step(last).await.unwrap();
    let claimed = claim_calls(store, 5_000, 1).await;
    assert_eq!(claimed[0].call.entry.run, run.id);
}

async fn one_tenants_calls_do_not_stand_before_anothers(store: &dyn Store) {
    for _ in 0..50 {
        hand_over(store, "acme", 1_500).await;
    }
    hand_over(store, "globex", 1_600).await;
    let claimed = claim_calls(store, 5_000, 2).await;
    assert!(tenants(&claimed).contains(&&tenant("globex")), "{:?}", tenants(&claimed));
}

async fn calls_that_become_due_again_do_not_stand_before_anothers(store: &dyn Store) {
    for _ in 0..50 {
        hand_over(store, "acme", 1_500).await;
    }
    for claimed in claim_calls(store, 5_000, 50).await {
        settle(store, &claimed, progress(&claimed.call.progress, again(6_000), 10)).await.unwrap();
    }
    hand_over(store, "globex", 7_000).await;
    let claimed = claim_calls(store, 8_000, 2).await;
    assert!(tenants(&claimed).contains(&&tenant("globex")), "{:?}", tenants(&claimed));
}

async fn a_tenant_with_as_many_out_as_it_may_stands_before_nobody(store: &dyn Store) {
    // keeps S-10: more calls than one claim looks at wait before the other tenant's
    let (mut run, lease) = begin(store, "acme", "signup").await;
    for _ in 0..1_100 {
        let commit = with_call(step(&run, &lease, advance(), vec![]), 1_500, 10);
        run = commit.run.clone();
        store.commit_step(commit).await.unwrap();
    }
    // Calls of the other tenant come and are claimed all the time, and bring the turns of the first one to the front.
    let acme = tenant("acme");
    let room = |out| CallRoom { calls: 8, per_tenant: 2, out: HashMap::from([(acme.clone(), out)]) };
    let claim = async |out| store.claim_background_calls(&owner("sender"), at(5_000), LEASE, room(out)).await.unwrap();
    assert_eq!(tenants(&claim(0).await), [&acme, &acme]);
    assert_eq!(tenants(&claim(1).await), [&acme], "one came back");
    assert!(claim(2).await.is_empty());
    for _ in 0..20 {
        hand_over(store, "globex", 1_600).await;
        assert_eq!(tenants(&claim(2).await), [&tenant("globex")]);
    }
    assert_eq!(store.background_backlog().await.unwrap().pending, 1_120, "nothing is lost");
}

async fn calls_are_listed_in_parts_and_to_their_tenant_alone(store: &dyn Store) {
    let (mut run, lease) = begin(store, "acme", "signup").await;
    for round in 0..4 {
        let mut commit = step(&run, &lease, advance(), vec![]);
        if round != 1 {
            commit = with_call(commit, 1_500, 10);
        }
        run = commit.run.clone();
        store.commit_step(commit).await.unwrap();
    }
    let sequences = async |name: &str, after, limit| -> Vec<u64> {
        let calls = store.background_calls(&tenant(name), run.id, after, limit).await.unwrap();
        calls.iter().map(|call| call.entry.sequence).collect()
    };
    assert_eq!(sequences("acme", 0, 2).await, [1, 3]);
    assert_eq!(sequences("acme", 3, 100).await, [4]);
    assert_eq!(sequences("acme", u64::MAX, 100).await, Vec::<u64>::new());
    assert_eq!(sequences("globex", 0, 100).await, Vec::<u64>::new());
    // No name of a tenant is the beginning of another one's keys.
    assert_eq!(sequences("acm", 0, 100).await, Vec::<u64>::new());
}

async fn the_backlog_counts_what_is_pending(store: &dyn Store) {
    assert_eq!(store.background_backlog().await.unwrap(), Backlog::default());
    hand_over(store, "acme", 1_700).await;
    hand_over(store, "globex", 1_600).await;
    let backlog = |pending, oldest: Option<u64>| Backlog { pending, oldest: oldest.map(at) };
    assert_eq!(store.background_backlog().await.unwrap(), backlog(2, Some(1_600)));
    for claimed in claim_calls(store, 5_000, 2).await {
        let state = if claimed.call.entry.tenant == tenant("globex") { taken() } else { again(6_000) };
        settle(store, &claimed, progress(&claimed.call.progress, state, 10)).await.unwrap();
    }
    assert_eq!(store.background_backlog().await.unwrap(), backlog(1, Some(1_700)));
    let claimed = claim_calls(store, 6_000, 1).await.remove(0);
    settle(store, &claimed, progress(&claimed.call.progress, taken(), 10)).await.unwrap();
    assert_eq!(store.background_backlog().await.unwrap(), backlog(0, None));
}
