//! Claiming runs. covers F-06, T-01

use weir_engine::ids::TenantId;
use weir_engine::ports::{NewRun, Store};

use crate::support::{advance, at, begin, claim, commit, new_run, owner, step, tenant};

super::on_every_back_end!(
    a_queued_run_is_claimed_with_its_context,
    no_run_is_claimed_twice,
    a_claim_takes_no_more_than_its_limit,
    one_tenants_queue_does_not_stand_before_anothers,
    a_tenant_that_comes_later_is_not_served_first_for_long,
    orphaned_leases_end_at_a_start,
    a_run_given_back_is_served_before_its_tenants_backlog,
    a_claim_over_a_lease_that_is_over_keeps_its_turn,
);

async fn queue(store: &dyn Store, name: &str, count: usize) -> Vec<NewRun> {
    let mut queued = Vec::new();
    for _ in 0..count {
        let new = new_run(name, "signup");
        store.start_run(new.clone()).await.unwrap();
        queued.push(new);
    }
    queued
}

fn tenants(claimed: &[weir_engine::ports::ClaimedRun]) -> Vec<&TenantId> {
    claimed.iter().map(|claimed| &claimed.run.tenant).collect()
}

async fn a_queued_run_is_claimed_with_its_context(store: &dyn Store) {
    let new = queue(store, "acme", 1).await.remove(0);
    let claimed = claim(store, 5_000, 10).await;
    assert_eq!(claimed.len(), 1);
    assert_eq!((&claimed[0].run, &claimed[0].context), (&new.run, &new.context));
    assert_eq!((&claimed[0].lease.owner, claimed[0].lease.until), (&owner("worker"), at(65_000)));
    commit(store, &claimed[0].run, &claimed[0].lease).await.unwrap();
}

async fn no_run_is_claimed_twice(store: &dyn Store) {
    queue(store, "acme", 3).await;
    assert_eq!(claim(store, 5_000, 10).await.len(), 3);
    assert!(claim(store, 5_000, 10).await.is_empty());
    let again = claim(store, 65_000, 10).await;
    assert_eq!(again.len(), 3, "the leases are over");
    assert!(again.iter().all(|claimed| claimed.lease.fence == 2));
}

async fn a_claim_takes_no_more_than_its_limit(store: &dyn Store) {
    let queued = queue(store, "acme", 5).await;
    assert!(claim(store, 5_000, 0).await.is_empty());
    let first = claim(store, 5_000, 2).await;
    let second = claim(store, 5_000, 10).await;
    let order: Vec<_> = first.iter().chain(&second).map(|claimed| claimed.run.id).collect();
    assert_eq!((first.len(), second.len()), (2, 3));
    assert_eq!(order, queued.iter().map(|new| new.run.id).collect::<Vec<_>>(), "first come, first served");
}

async fn one_tenants_queue_does_not_stand_before_anothers(store: &dyn Store) {
    queue(store, "acme", 100).await;
    queue(store, "globex", 1).await;
    let claimed = claim(store, 5_000, 2).await;
    assert!(tenants(&claimed).contains(&&tenant("globex")), "{:?}", tenants(&claimed));
}

async fn a_tenant_that_comes_later_is_not_served_first_for_long(store: &dyn Store) {
    queue(store, "acme", 40).await;
    assert_eq!(claim(store, 5_000, 20).await.len(), 20);
    queue(store, "globex", 20).await;
    let claimed = claim(store, 5_000, 10).await;
    let theirs = tenants(&claimed).iter().filter(|name| ***name == tenant("globex")).count();
    assert_eq!(theirs, 5, "{:?}", tenants(&claimed));
}

async fn orphaned_leases_end_at_a_start(store: &dyn Store) {
    let (run, lease) = begin(store, "acme", "signup").await;
    assert!(claim(store, 1_000, 1).await.is_empty());
    store.end_orphaned_leases().await.unwrap();
    let claimed = claim(store, 1_000, 1).await;
    assert_eq!((claimed[0].run.id, claimed[0].lease.fence), (run.id, lease.fence + 1));
}

async fn a_run_given_back_is_served_before_its_tenants_backlog(store: &dyn Store) {
    queue(store, "acme", 10).await;
    let claimed = claim(store, 5_000, 1).await.remove(0);
    let mut given_back = step(&claimed.run, &claimed.lease, advance(), vec![]);
    given_back.keep_until = None;
    store.commit_step(given_back).await.unwrap();
    let next = claim(store, 5_000, 2).await;
    assert!(next.iter().any(|next| next.run.id == claimed.run.id));
}

async fn a_claim_over_a_lease_that_is_over_keeps_its_turn(store: &dyn Store) {
    queue(store, "acme", 3).await;
    let first = claim(store, 5_000, 1).await.remove(0);
    let again = claim(store, 65_000, 1).await.remove(0);
    assert_eq!(first.run.id, again.run.id);
}
