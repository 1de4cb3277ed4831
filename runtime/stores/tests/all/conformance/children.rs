//! Child runs: begun with a commit, and their ends told to their parents. covers F-02, F-06

use weir_engine::ports::{ClaimedRun, CommitStep, NewRun, RunFilter, Store};
use weir_engine::run::{Part, Run};

use crate::families::{begins, child_of, end};
use crate::support::{advance, at, begin, claim, code, first_page, step, tenant};

super::on_every_back_end!(
    children_begin_with_the_commit_or_not_at_all,
    a_child_that_is_there_is_left_alone,
    a_family_has_only_so_many_runs_at_any_depth,
    children_show_in_no_listing,
    the_end_of_a_child_wakes_its_parent_once,
    an_end_told_during_a_claim_is_not_lost_by_the_commit,
    an_end_told_during_a_claim_is_not_lost_by_the_release,
    an_end_told_during_a_claim_outlives_the_lease,
    an_end_told_before_the_parent_rests_is_not_lost,
    a_run_released_without_news_rests_until_its_time,
    ten_thousand_timers_go_off_at_their_time_and_not_before,
);

/// Far away from every other instant of these tests.
const LATE: u64 = 900_000;

async fn parent_of(store: &dyn Store, count: u32) -> (Run, Vec<NewRun>) {
    let (run, lease) = begin(store, "acme", "signup").await;
    let children: Vec<NewRun> = (0..count).map(|index| child_of(&run, index)).collect();
    let commit = begins(&run, &lease, &children, at(LATE));
    let after = commit.run.clone();
    store.commit_step(commit).await.unwrap();
    (after, children)
}

fn find(claimed: &[ClaimedRun], run: &Run) -> ClaimedRun {
    claimed.iter().find(|claimed| claimed.run.id == run.id).cloned().expect("the run is claimed")
}

async fn children_begin_with_the_commit_or_not_at_all(store: &dyn Store) {
    let (run, mut lease) = begin(store, "acme", "signup").await;
    let children = [child_of(&run, 0), child_of(&run, 1)];
    lease.fence += 1;
    assert_eq!(code(store.commit_step(begins(&run, &lease, &children, at(LATE))).await), "store.stale-lease");
    for child in &children {
        assert!(store.run(&run.tenant, child.run.id).await.unwrap().is_none());
    }
    lease.fence -= 1;
    store.commit_step(begins(&run, &lease, &children, at(LATE))).await.unwrap();
    let claimed = claim(store, 5_000, 10).await;
    assert_eq!(claimed.len(), 2, "both children, and not the parent that rests");
    for child in &children {
        let found = find(&claimed, &child.run);
        assert_eq!((found.run, found.context), (child.run.clone(), child.context.clone()));
    }
}

async fn a_family_has_only_so_many_runs_at_any_depth(store: &dyn Store) {
    let (run, lease) = begin(store, "acme", "signup").await;
    let children = [child_of(&run, 0), child_of(&run, 1)];
    let within = |most: u64, commit: CommitStep| CommitStep { family_runs_max: most, ..commit };
    let two = begins(&run, &lease, &children, at(LATE));
    assert_eq!(code(store.commit_step(within(1, two.clone())).await), "flow.family-too-large");
    assert!(store.run(&run.tenant, children[0].run.id).await.unwrap().is_none(), "nothing of it was written");
    store.commit_step(within(2, two)).await.unwrap();
    let child = find(&claim(store, 5_000, 10).await, &children[0].run);
    let below = begins(&child.run, &child.lease, &[child_of(&child.run, 0)], at(LATE));
    assert_eq!(code(store.commit_step(within(2, below.clone())).await), "flow.family-too-large", "they are one family");
    let mut takes_back = below.clone();
    takes_back.children[0].run.parent.as_mut().unwrap().part = Part::Compensation;
    store.commit_step(within(2, takes_back)).await.unwrap();
    let (other, lease) = begin(store, "acme", "signup").await;
    let of_other = begins(&other, &lease, &[child_of(&other, 0), child_of(&other, 1)], at(LATE));
    store.commit_step(within(2, of_other)).await.unwrap();
}

async fn a_child_that_is_there_is_left_alone(store: &dyn Store) {
    let (run, lease) = begin(store, "acme", "signup").await;
    let child = child_of(&run, 0);
    store.start_run(child.clone()).await.unwrap();
    let claimed = claim(store, 1_500, 10).await.remove(0);
    let there = step(&claimed.run, &claimed.lease, advance(), vec![]);
    store.commit_step(there.clone()).await.unwrap();
    store.commit_step(begins(&run, &lease, &[child], at(LATE))).await.unwrap();
    assert_eq!(store.run(&run.tenant, there.run.id).await.unwrap().as_ref(), Some(&there.run));
    assert!(claim(store, 1_600, 10).await.is_empty(), "it is still worked on");
}

async fn children_show_in_no_listing(store: &dyn Store) {
    let (run, children) = parent_of(store, 2).await;
    let claimed = claim(store, 5_000, 10).await;
    end(store, &children[0].run, &find(&claimed, &children[0].run).lease).await;
    let flow = Some(run.flow.clone());
    for filter in [RunFilter::default(), RunFilter { flow, ..RunFilter::default() }] {
        let listed = store.runs(&tenant("acme"), &filter, &first_page(10)).await.unwrap();
        assert_eq!(listed.items.iter().map(|run| run.id).collect::<Vec<_>>(), [run.id]);
    }
}

async fn the_end_of_a_child_wakes_its_parent_once(store: &dyn Store) {
    let (parent, children) = parent_of(store, 2).await;
    let claimed = claim(store, 5_000, 10).await;
    assert_eq!(claimed.len(), 2);
    end(store, &children[0].run, &find(&claimed, &children[0].run).lease).await;
    end(store, &children[1].run, &find(&claimed, &children[1].run).lease).await;
    let woken = claim(store, 5_000, 10).await;
    assert_eq!(woken.len(), 1, "once for both");
    store.release_run(&parent, &woken[0].lease).await.unwrap();
    assert!(claim(store, 5_000, 10).await.is_empty(), "and not again");
    assert_eq!(claim(store, LATE, 10).await.len(), 1, "but at its time");
}

/// A parent that is claimed because its first child ended, and the claim of the second child.
async fn woken(store: &dyn Store) -> (ClaimedRun, ClaimedRun) {
    let (parent, children) = parent_of(store, 2).await;
    let claimed = claim(store, 5_000, 10).await;
    end(store, &children[0].run, &find(&claimed, &children[0].run).lease).await;
    let parent = find(&claim(store, 5_000, 10).await, &parent);
    (parent, find(&claimed, &children[1].run))
}

async fn an_end_told_during_a_claim_is_not_lost_by_the_commit(store: &dyn Store) {
    let (parent, child) = woken(store).await;
    end(store, &child.run, &child.lease).await;
    let rests = begins(&parent.run, &parent.lease, &[], at(LATE));
    store.commit_step(rests).await.unwrap();
    let again = claim(store, 5_000, 10).await;
    assert_eq!((again.len(), again[0].run.id), (1, parent.run.id));
}

async fn an_end_told_during_a_claim_is_not_lost_by_the_release(store: &dyn Store) {
    let (parent, child) = woken(store).await;
    end(store, &child.run, &child.lease).await;
    store.release_run(&parent.run, &parent.lease).await.unwrap();
    let again = claim(store, 5_000, 10).await;
    assert_eq!((again.len(), again[0].run.id), (1, parent.run.id));
    store.release_run(&parent.run, &again[0].lease).await.unwrap();
    assert!(claim(store, 5_000, 10).await.is_empty(), "it was looked at");
}

async fn an_end_told_during_a_claim_outlives_the_lease(store: &dyn Store) {
    let (parent, child) = woken(store).await;
    end(store, &child.run, &child.lease).await;
    store.end_orphaned_leases().await.unwrap();
    let again = claim(store, 5_000, 10).await;
    assert_eq!((again.len(), again[0].run.id), (1, parent.run.id));
    assert_eq!(code(store.release_run(&parent.run, &parent.lease).await), "store.stale-lease");
}

async fn an_end_told_before_the_parent_rests_is_not_lost(store: &dyn Store) {
    let (run, lease) = begin(store, "acme", "signup").await;
    let child = child_of(&run, 0);
    let mut begun = step(&run, &lease, advance(), vec![]);
    begun.children = vec![child.clone()];
    store.commit_step(begun.clone()).await.unwrap();
    let claimed = claim(store, 1_500, 10).await.remove(0);
    end(store, &child.run, &claimed.lease).await;
    store.commit_step(begins(&begun.run, &lease, &[], at(LATE))).await.unwrap();
    assert_eq!(claim(store, 5_000, 10).await.len(), 1);
}

async fn a_run_released_without_news_rests_until_its_time(store: &dyn Store) {
    let (parent, _) = parent_of(store, 0).await;
    let claimed = claim(store, LATE, 1).await.remove(0);
    let mut later = parent.clone();
    later.state = begins(&parent, &claimed.lease, &[], at(LATE + 10)).run.state;
    store.release_run(&later, &claimed.lease).await.unwrap();
    assert!(claim(store, LATE + 9, 1).await.is_empty());
    assert_eq!(claim(store, LATE + 10, 1).await.len(), 1);
}

async fn ten_thousand_timers_go_off_at_their_time_and_not_before(store: &dyn Store) {
    // Begun by one commit, as a store that syncs would take long for each.
    let (parent, lease) = begin(store, "acme", "signup").await;
    let children: Vec<NewRun> = (0..10_000).map(|index| child_of(&parent, index)).collect();
    for (number, piece) in children.chunks(2_500).enumerate() {
        let mut commit = step(&Run { revision: number as u64, ..parent.clone() }, &lease, advance(), vec![]);
        commit.children = piece.to_vec();
        store.commit_step(commit).await.unwrap();
    }
    let mut resting = 0;
    loop {
        let claimed = claim(store, 1_500, 1_024).await;
        if claimed.is_empty() {
            break;
        }
        resting += claimed.len();
        let rest = claimed.into_iter().map(|claimed| {
            let commit = begins(&claimed.run, &claimed.lease, &[], at(LATE));
            async move { store.commit_step(commit).await.unwrap() }
        });
        for rests in rest.collect::<Vec<_>>() {
            rests.await;
        }
    }
    assert_eq!(resting, 10_000);
    assert!(claim(store, LATE - 1, 1_024).await.iter().all(|claimed| claimed.run.id == parent.id));
    let mut gone_off = 0;
    loop {
        match claim(store, LATE, 1_024).await.len() {
            0 => break,
            count => gone_off += count,
        }
    }
    assert_eq!(gone_off, 10_000);
}
