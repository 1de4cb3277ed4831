//! Runs that wait for their end user. covers F-06, F-07, F-13

use weir_engine::ports::{Intervened, Intervention, Store};
use weir_engine::run::{Ending, Event, RunStateKind};

use crate::support::suspended::{UNTIL, resume, suspended};
use crate::support::{at, begin, claim, code, commit, first_page, new_run, owner, step, tenant};

super::on_every_back_end!(
    a_suspended_run_is_nobodys_until_its_time_is_over,
    a_resumed_run_is_queued_or_leased,
    of_two_resumes_one_wins,
    a_client_key_resumes_once,
    what_is_not_suspended_is_not_resumed,
    a_resume_goes_before_the_claim_that_ends_the_run,
    an_expired_run_that_was_claimed_is_claimed_again,
);

async fn a_suspended_run_is_nobodys_until_its_time_is_over(store: &dyn Store) {
    let (run, lease) = suspended(store).await;
    assert_eq!(code(commit(store, &run, &lease).await), "store.stale-lease");
    assert_eq!(code(store.renew_lease(&run.tenant, run.id, &lease, at(9_000)).await), "store.stale-lease");
    store.end_orphaned_leases().await.unwrap();
    assert!(claim(store, UNTIL - 1, 9).await.is_empty());
    let filter = weir_engine::ports::RunFilter { state: Some(RunStateKind::Suspended), flow: None };
    let listed = store.runs(&run.tenant, &filter, &first_page(9)).await.unwrap();
    assert_eq!(listed.items, std::slice::from_ref(&run));
    let claimed = claim(store, UNTIL, 9).await;
    assert_eq!(claimed[0].run, run, "somebody must end it");
    let error = weir_engine::run::StepError { code: "c".to_owned(), message: "m".to_owned(), detail: None };
    let ending = Event::Ended(Ending::Error { step: "first".parse().unwrap(), error });
    store.commit_step(step(&run, &claimed[0].lease, ending, vec![])).await.unwrap();
    assert!(claim(store, UNTIL * 9, 9).await.is_empty());
}

async fn a_resumed_run_is_queued_or_leased(store: &dyn Store) {
    let (run, _) = suspended(store).await;
    let queued = resume(&run);
    assert_eq!(store.intervene(queued.clone()).await.unwrap(), Intervened::Done(None));
    let claimed = claim(store, 9_000, 9).await;
    assert_eq!(claimed[0].run, queued.run);
    assert_eq!(claimed[0].context.get(&queued.changes[0].key), Some(&queued.changes[0].value));
    assert_eq!(store.journal(&run.tenant, run.id, 1, 9).await.unwrap(), vec![queued.entry]);

    let (run, before) = suspended(store).await;
    let mut leased = resume(&run);
    leased.lease = Some((owner("second"), at(20_000)));
    let Intervened::Done(Some(lease)) = store.intervene(leased.clone()).await.unwrap() else { panic!("no lease") };
    assert_eq!((&lease.owner, lease.fence, lease.until), (&owner("second"), before.fence + 1, at(20_000)));
    assert!(claim(store, 19_999, 9).await.is_empty());
    commit(store, &leased.run, &lease).await.unwrap();
}

async fn of_two_resumes_one_wins(store: &dyn Store) {
    let (run, _) = suspended(store).await;
    store.intervene(resume(&run)).await.unwrap();
    assert_eq!(code(store.intervene(resume(&run)).await), "store.revision-conflict");
    assert_eq!(store.journal(&run.tenant, run.id, 0, 9).await.unwrap().len(), 2);
}

async fn a_client_key_resumes_once(store: &dyn Store) {
    let (run, _) = suspended(store).await;
    let keyed = Intervention { client_key: Some("k".to_owned()), ..resume(&run) };
    assert!(!store.intervened_with(&run.tenant, run.id, "k").await.unwrap());
    assert_eq!(store.intervene(keyed.clone()).await.unwrap(), Intervened::Done(None));
    assert_eq!(store.intervene(keyed).await.unwrap(), Intervened::Before);
    assert!(store.intervened_with(&run.tenant, run.id, "k").await.unwrap());
    assert!(!store.intervened_with(&run.tenant, run.id, "l").await.unwrap());
    assert!(!store.intervened_with(&tenant("other"), run.id, "k").await.unwrap());
    let (other, _) = suspended(store).await;
    let keyed = Intervention { client_key: Some("k".to_owned()), ..resume(&other) };
    assert_eq!(store.intervene(keyed).await.unwrap(), Intervened::Done(None), "a key is one run's");
}

async fn what_is_not_suspended_is_not_resumed(store: &dyn Store) {
    let (run, lease) = begin(store, "acme", "signup").await;
    assert_eq!(code(store.intervene(resume(&run)).await), "store.unexpected-state");
    let unknown = new_run("acme", "signup").run;
    assert_eq!(code(store.intervene(resume(&unknown)).await), "store.not-found");
    let mut gap = resume(&run);
    gap.entry.sequence = 7;
    assert_eq!(code(store.intervene(gap).await), "store.revision-conflict");
    commit(store, &run, &lease).await.unwrap();
}

async fn a_resume_goes_before_the_claim_that_ends_the_run(store: &dyn Store) {
    let (run, _) = suspended(store).await;
    let claimed = claim(store, UNTIL, 9).await;
    store.intervene(resume(&run)).await.unwrap();
    assert_eq!(code(commit(store, &run, &claimed[0].lease).await), "store.stale-lease");
    assert_eq!(claim(store, UNTIL, 9).await.len(), 1);
}

async fn an_expired_run_that_was_claimed_is_claimed_again(store: &dyn Store) {
    let (run, _) = suspended(store).await;
    let first = claim(store, UNTIL, 9).await;
    assert!(claim(store, UNTIL + 1, 9).await.is_empty());
    store.end_orphaned_leases().await.unwrap();
    let second = claim(store, UNTIL + 1, 9).await;
    assert_eq!(second[0].run, run);
    assert!(second[0].lease.fence > first[0].lease.fence);
}
