//! Committing steps and keeping leases. covers F-06; keeps D6

use serde_json::json;
use weir_engine::ports::{Lease, Store, StoreError};

use crate::support::{advance, at, begin, change, claim, code, commit, complete, new_run, step, tenant};

super::on_every_back_end!(
    a_step_is_committed_whole,
    a_step_is_committed_once,
    a_gap_is_refused,
    a_stale_owner_writes_nothing,
    an_unknown_run_takes_no_step,
    a_kept_lease_goes_on,
    a_lease_that_is_over_is_good_until_the_run_is_claimed,
    a_lease_that_is_over_is_prolonged_by_its_owner,
    a_run_claimed_again_by_its_owner_goes_on_under_the_new_lease_alone,
    a_lease_given_back_is_over,
    an_ended_run_takes_no_more,
    a_lease_is_prolonged,
    the_journal_is_read_in_parts,
);

async fn a_step_is_committed_whole(store: &dyn Store) {
    let (run, lease) = begin(store, "acme", "signup").await;
    let first = step(&run, &lease, advance(), vec![change("connectors.risk", json!({"score": 7}))]);
    store.commit_step(first.clone()).await.unwrap();
    let second = step(
        &first.run,
        &lease,
        advance(),
        vec![change("connectors.risk", json!(null)), change("claims.http://example.org/tier", json!("gold"))],
    );
    store.commit_step(second.clone()).await.unwrap();
    assert_eq!(store.run(&run.tenant, run.id).await.unwrap(), Some(second.run));
    assert_eq!(store.journal(&run.tenant, run.id, 0, 10).await.unwrap(), vec![first.entry, second.entry]);
    assert_eq!(
        store.run_context(&run.tenant, run.id).await.unwrap().unwrap().to_json(),
        json!({
            "event": {"user": "ada"},
            "connectors": {"risk": null},
            "steps": {},
            "claims": {"http://example.org/tier": "gold"}
        })
    );
}

async fn a_step_is_committed_once(store: &dyn Store) {
    let (run, lease) = begin(store, "acme", "signup").await;
    let commit = step(&run, &lease, advance(), vec![]);
    store.commit_step(commit.clone()).await.unwrap();
    let error = store.commit_step(commit).await.unwrap_err();
    assert!(matches!(error, StoreError::RevisionConflict { stored: 1, expected: 0, .. }), "{error:?}");
    assert_eq!(store.journal(&run.tenant, run.id, 0, 10).await.unwrap().len(), 1);
}

async fn a_gap_is_refused(store: &dyn Store) {
    let (run, lease) = begin(store, "acme", "signup").await;
    let mut ahead = step(&run, &lease, advance(), vec![]);
    ahead.run.revision = 2;
    ahead.entry.sequence = 2;
    assert_eq!(code(store.commit_step(ahead.clone()).await), "store.revision-conflict");
    ahead.run.revision = 1;
    assert_eq!(code(store.commit_step(ahead).await), "store.revision-conflict");
    assert_eq!(store.run(&run.tenant, run.id).await.unwrap(), Some(run.clone()));
    assert_eq!(store.journal(&run.tenant, run.id, 0, 10).await.unwrap(), vec![]);
}

async fn a_stale_owner_writes_nothing(store: &dyn Store) {
    let (run, lease) = begin(store, "acme", "signup").await;
    let claimed = claim(store, 3_000, 1).await;
    assert_eq!(claimed[0].lease.fence, lease.fence + 1);
    assert_eq!(code(commit(store, &run, &lease).await), "store.stale-lease");
    assert_eq!(code(store.renew_lease(&run.tenant, run.id, &lease, at(9_000)).await), "store.stale-lease");
    let forged = Lease { owner: lease.owner.clone(), ..claimed[0].lease.clone() };
    assert_eq!(code(commit(store, &run, &forged).await), "store.stale-lease");
    commit(store, &run, &claimed[0].lease).await.unwrap();
}

async fn an_unknown_run_takes_no_step(store: &dyn Store) {
    let (_, lease) = begin(store, "acme", "signup").await;
    let unknown = new_run("acme", "signup").run;
    assert_eq!(code(commit(store, &unknown, &lease).await), "store.not-found");
    assert_eq!(code(store.renew_lease(&unknown.tenant, unknown.id, &lease, at(9_000)).await), "store.not-found");
}

async fn a_kept_lease_goes_on(store: &dyn Store) {
    let (run, lease) = begin(store, "acme", "signup").await;
    let mut kept = step(&run, &lease, advance(), vec![]);
    kept.keep_until = Some(at(8_000));
    store.commit_step(kept).await.unwrap();
    assert!(claim(store, 7_999, 1).await.is_empty());
    assert_eq!(claim(store, 8_000, 1).await.len(), 1);
}

async fn a_lease_that_is_over_is_good_until_the_run_is_claimed(store: &dyn Store) {
    let (run, lease) = begin(store, "acme", "signup").await;
    assert!(claim(store, 9_000, 0).await.is_empty());
    let run = commit(store, &run, &lease).await.unwrap();
    store.end_orphaned_leases().await.unwrap();
    let longer = store.renew_lease(&run.tenant, run.id, &lease, at(9_000)).await.unwrap();
    assert!(claim(store, 8_999, 1).await.is_empty());
    assert_eq!(claim(store, 9_000, 1).await.len(), 1);
    assert_eq!(code(commit(store, &run, &longer).await), "store.stale-lease");
}

async fn a_lease_that_is_over_is_prolonged_by_its_owner(store: &dyn Store) {
    let (run, lease) = begin(store, "acme", "signup").await;
    // Over since 2,000 and nobody has looked; then queued, where anybody could claim it.
    for until in [20_000, 40_000] {
        let longer = store.renew_lease(&run.tenant, run.id, &lease, at(until)).await.unwrap();
        assert_eq!(longer, Lease { until: at(until), ..lease.clone() });
        assert!(claim(store, until - 1, 1).await.is_empty());
        assert!(claim(store, until, 0).await.is_empty());
    }
    store.end_orphaned_leases().await.unwrap();
    let longer = store.renew_lease(&run.tenant, run.id, &lease, at(60_000)).await.unwrap();
    commit(store, &run, &longer).await.unwrap();
}

async fn a_run_claimed_again_by_its_owner_goes_on_under_the_new_lease_alone(store: &dyn Store) {
    let (run, _) = begin(store, "acme", "signup").await;
    let first = claim(store, 5_000, 1).await.remove(0).lease;
    let second = claim(store, 65_000, 1).await.remove(0).lease;
    assert_eq!((&first.owner, first.fence + 1), (&second.owner, second.fence));
    assert_eq!(code(store.renew_lease(&run.tenant, run.id, &first, at(200_000)).await), "store.stale-lease");
    let longer = store.renew_lease(&run.tenant, run.id, &second, at(200_000)).await.unwrap();
    commit(store, &run, &longer).await.unwrap();
}

async fn a_lease_given_back_is_over(store: &dyn Store) {
    let (run, lease) = begin(store, "acme", "signup").await;
    let mut given_back = step(&run, &lease, advance(), vec![]);
    given_back.keep_until = None;
    store.commit_step(given_back.clone()).await.unwrap();
    assert_eq!(code(commit(store, &given_back.run, &lease).await), "store.stale-lease");
    let claimed = claim(store, 1_001, 1).await;
    assert_eq!(claimed[0].run, given_back.run);
    commit(store, &claimed[0].run, &claimed[0].lease).await.unwrap();
}

async fn an_ended_run_takes_no_more(store: &dyn Store) {
    let (run, lease) = begin(store, "acme", "signup").await;
    let last = step(&run, &lease, complete(), vec![]);
    store.commit_step(last.clone()).await.unwrap();
    assert!(claim(store, u64::MAX, 10).await.is_empty(), "an ended run leaves the queue");
    assert_eq!(code(commit(store, &run, &lease).await), "store.stale-lease");
    assert_eq!(store.run(&tenant("acme"), run.id).await.unwrap(), Some(last.run));
}

async fn a_lease_is_prolonged(store: &dyn Store) {
    let (run, lease) = begin(store, "acme", "signup").await;
    let longer = store.renew_lease(&run.tenant, run.id, &lease, at(9_000)).await.unwrap();
    assert_eq!(longer, Lease { until: at(9_000), ..lease.clone() });
    assert!(claim(store, 8_999, 1).await.is_empty());
    commit(store, &run, &longer).await.unwrap();
}

async fn the_journal_is_read_in_parts(store: &dyn Store) {
    let (mut run, lease) = begin(store, "acme", "signup").await;
    for _ in 0..5 {
        run = commit(store, &run, &lease).await.unwrap();
    }
    let sequences = async |after, limit| -> Vec<u64> {
        let entries = store.journal(&run.tenant, run.id, after, limit).await.unwrap();
        entries.iter().map(|entry| entry.sequence).collect()
    };
    assert_eq!(sequences(0, 2).await, [1, 2]);
    assert_eq!(sequences(2, 100).await, [3, 4, 5]);
    assert_eq!(sequences(5, 100).await, Vec::<u64>::new());
    assert_eq!(sequences(u64::MAX, 100).await, Vec::<u64>::new());
}
