//! Claims with room for so many runs of one tenant. covers F-06; keeps S-10

use weir_engine::ids::TenantId;
use weir_engine::ports::{CallRoom, ClaimedRun, Store};
use weir_engine::run::{Event, Waits};

use crate::families::{begins, child_of};
use crate::support::{LEASE, at, begin, claim, new_run, owner, step, tenant};

super::on_every_back_end!(
    one_run_is_next_behind_ten_thousand_of_another_tenant,
    the_children_of_one_tenant_do_not_starve_another,
    a_tenant_without_room_waits_and_others_go_on,
    runs_that_wait_for_room_never_fill_the_front_of_the_queue,
    runs_that_are_woken_at_once_do_not_stand_before_another_tenant,
);

async fn claim_within(store: &dyn Store, runs: usize, per_tenant: usize, out: &[(&str, usize)]) -> Vec<ClaimedRun> {
    let out = out.iter().map(|(name, count)| (tenant(name), *count)).collect();
    store.claim_runs_within(&owner("w"), at(5_000), LEASE, CallRoom { calls: runs, per_tenant, out }).await.unwrap()
}

fn of(claimed: &[ClaimedRun], name: &str) -> usize {
    let name: TenantId = tenant(name);
    claimed.iter().filter(|claimed| claimed.run.tenant == name).count()
}

/// Queued runs of `acme`, in a few writes.
async fn queue(store: &dyn Store, count: u32) {
    let (parent, lease) = begin(store, "acme", "signup").await;
    let children: Vec<_> = (0..count).map(|index| child_of(&parent, index)).collect();
    store.commit_step(begins(&parent, &lease, &children, at(900_000))).await.unwrap();
}

async fn one_run_is_next_behind_ten_thousand_of_another_tenant(store: &dyn Store) {
    queue(store, 10_000).await;
    store.start_run(new_run("globex", "signup")).await.unwrap();
    assert_eq!(of(&claim(store, 5_000, 2).await, "globex"), 1);
}

async fn the_children_of_one_tenant_do_not_starve_another(store: &dyn Store) {
    queue(store, 500).await;
    assert_eq!(claim(store, 5_000, 50).await.len(), 50);
    for _ in 0..10 {
        store.start_run(new_run("globex", "signup")).await.unwrap();
        assert_eq!(of(&claim(store, 5_000, 3).await, "globex"), 1);
    }
}

async fn a_tenant_without_room_waits_and_others_go_on(store: &dyn Store) {
    queue(store, 10).await;
    store.start_run(new_run("globex", "signup")).await.unwrap();
    let claimed = claim_within(store, 8, 3, &[("acme", 2)]).await;
    assert_eq!((of(&claimed, "acme"), of(&claimed, "globex")), (1, 1));
    assert!(claim_within(store, 8, 3, &[("acme", 3)]).await.is_empty());
    assert_eq!(claim_within(store, 8, 100, &[("acme", 3)]).await.len(), 8);
}

async fn runs_that_wait_for_room_never_fill_the_front_of_the_queue(store: &dyn Store) {
    queue(store, 600).await;
    for number in 0..400 {
        store.start_run(new_run("globex", "signup")).await.unwrap();
        let claimed = claim_within(store, 1, 1, &[("acme", 1)]).await;
        assert_eq!(of(&claimed, "globex"), 1, "after {number}");
    }
}

/// Lets every run of `acme` that is queued rest until then.
async fn rest_all(store: &dyn Store, until: u64) {
    loop {
        let claimed = claim(store, 5_000, 1_000).await;
        if claimed.is_empty() {
            return;
        }
        for ClaimedRun { run, lease, .. } in claimed {
            let event = Event::Waiting { step: "first".parse().unwrap(), on: Waits::Timer, until: at(until) };
            store.commit_step(step(&run, &lease, event, vec![])).await.unwrap();
        }
    }
}

async fn runs_that_are_woken_at_once_do_not_stand_before_another_tenant(store: &dyn Store) {
    queue(store, 5_000).await;
    rest_all(store, 6_000).await;
    store.start_run(new_run("globex", "signup")).await.unwrap();
    rest_all(store, 7_000).await;
    let room = |full: usize| CallRoom { calls: 8, per_tenant: 3, out: [(tenant("acme"), full)].into() };
    let full = store.claim_runs_within(&owner("w"), at(8_000), LEASE, room(3)).await.unwrap();
    assert_eq!((of(&full, "acme"), of(&full, "globex")), (0, 1), "its timer was over last");
    store.start_run(new_run("globex", "signup")).await.unwrap();
    let full = store.claim_runs_within(&owner("w"), at(8_000), LEASE, room(3)).await.unwrap();
    assert_eq!((of(&full, "acme"), of(&full, "globex")), (0, 1));
    let roomy = store.claim_runs_within(&owner("w"), at(8_000), LEASE, room(2)).await.unwrap();
    assert_eq!(of(&roomy, "acme"), 1);
}
