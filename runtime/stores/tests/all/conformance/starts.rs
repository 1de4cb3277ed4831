//! Starting runs. covers F-07, F-13

use weir_engine::ports::{Started, Store};

use crate::support::{at, begin, claim, code, commit, new_run, owner};

super::on_every_back_end!(
    a_started_run_is_there_whole,
    a_start_with_a_lease_is_the_starters,
    a_client_key_starts_one_run,
    a_client_key_is_one_for_each_tenant,
    a_repeated_start_of_the_same_id_changes_nothing,
);

async fn a_started_run_is_there_whole(store: &dyn Store) {
    let new = new_run("acme", "signup");
    assert!(matches!(store.start_run(new.clone()).await.unwrap(), Started::New(None)));
    assert_eq!(store.run(&new.run.tenant, new.run.id).await.unwrap(), Some(new.run.clone()));
    assert_eq!(store.run_context(&new.run.tenant, new.run.id).await.unwrap(), Some(new.context));
    assert_eq!(store.journal(&new.run.tenant, new.run.id, 0, 10).await.unwrap(), vec![]);
    let other = new_run("acme", "signup").run.id;
    assert_eq!(store.run(&new.run.tenant, other).await.unwrap(), None);
    assert_eq!(store.run_context(&new.run.tenant, other).await.unwrap(), None);
}

async fn a_start_with_a_lease_is_the_starters(store: &dyn Store) {
    let (run, lease) = begin(store, "acme", "signup").await;
    assert_eq!((lease.owner.clone(), lease.until), (owner("starter"), at(2_000)));
    assert!(claim(store, 1_999, 10).await.is_empty(), "the lease is not over");
    commit(store, &run, &lease).await.unwrap();
    assert_eq!(claim(store, 2_000, 10).await.len(), 1, "the lease is over at its very end");
}

async fn a_client_key_starts_one_run(store: &dyn Store) {
    let mut first = new_run("acme", "signup");
    first.client_key = Some("order-7".to_owned());
    let mut second = new_run("acme", "other");
    second.client_key.clone_from(&first.client_key);
    second.lease = Some((owner("starter"), at(2_000)));
    let (first_id, second_id, tenant) = (first.run.id, second.run.id, first.run.tenant.clone());
    assert!(matches!(store.start_run(first).await.unwrap(), Started::New(None)));
    match store.start_run(second).await.unwrap() {
        Started::Existing(run) => assert_eq!(run.id, first_id),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.run(&tenant, second_id).await.unwrap(), None);
    assert_eq!(claim(store, 5_000, 10).await.len(), 1);
}

async fn a_client_key_is_one_for_each_tenant(store: &dyn Store) {
    for tenant in ["acme", "globex"] {
        let mut new = new_run(tenant, "signup");
        new.client_key = Some("order-7".to_owned());
        assert!(matches!(store.start_run(new).await.unwrap(), Started::New(None)));
    }
}

async fn a_repeated_start_of_the_same_id_changes_nothing(store: &dyn Store) {
    let mut new = new_run("acme", "signup");
    new.lease = Some((owner("starter"), at(2_000)));
    let Started::New(Some(lease)) = store.start_run(new.clone()).await.unwrap() else { panic!("no lease") };
    let after = commit(store, &new.run, &lease).await.unwrap();
    match store.start_run(new.clone()).await.unwrap() {
        Started::Existing(run) => assert_eq!(*run, after),
        other => panic!("{other:?}"),
    }
    assert_eq!(code(commit(store, &new.run, &lease).await), "store.revision-conflict");
}
