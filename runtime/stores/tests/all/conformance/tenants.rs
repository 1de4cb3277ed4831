//! Nothing of one tenant is ever seen, changed or counted by another. covers T-01

use bytes::Bytes;
use serde_json::json;
use weir_engine::ports::{DefinitionKind, Expectation, NewDefinition, RunFilter, Store};

use crate::support::{advance, at, begin, code, first_page, step, tenant};

super::on_every_back_end!(
    a_run_is_its_tenants_alone,
    an_artifact_is_its_tenants_alone,
    a_definition_is_its_tenants_alone,
);

/// Tenants whose names are each other's beginnings, as keys might confuse them.
const OTHERS: [&str; 3] = ["acm", "acme-2", "globex"];

async fn a_run_is_its_tenants_alone(store: &dyn Store) {
    let (run, lease) = begin(store, "acme", "signup").await;
    store.commit_step(step(&run, &lease, advance(), vec![])).await.unwrap();
    for other in OTHERS.map(tenant) {
        assert_eq!(store.run(&other, run.id).await.unwrap(), None);
        assert_eq!(store.run_context(&other, run.id).await.unwrap(), None);
        assert!(store.journal(&other, run.id, 0, 10).await.unwrap().is_empty());
        assert!(store.runs(&other, &RunFilter::default(), &first_page(10)).await.unwrap().items.is_empty());
        let by_flow = RunFilter { flow: Some("signup".parse().unwrap()), ..RunFilter::default() };
        assert!(store.runs(&other, &by_flow, &first_page(10)).await.unwrap().items.is_empty());
        assert_eq!(code(store.renew_lease(&other, run.id, &lease, at(9_000)).await), "store.not-found");
        let mut theirs = step(&run, &lease, advance(), vec![]);
        theirs.run.tenant = other;
        assert_eq!(code(store.commit_step(theirs).await), "store.not-found");
    }
    assert_eq!(store.journal(&run.tenant, run.id, 0, 10).await.unwrap().len(), 1);
}

async fn an_artifact_is_its_tenants_alone(store: &dyn Store) {
    let bytes = Bytes::from_static(b"component");
    let digest = store.put_artifact(&tenant("acme"), bytes.clone()).await.unwrap();
    for other in OTHERS.map(tenant) {
        assert_eq!(store.artifact(&other, &digest).await.unwrap(), None, "knowing a digest is not having it");
    }
    store.put_artifact(&tenant("globex"), bytes.clone()).await.unwrap();
    assert_eq!(store.artifact(&tenant("globex"), &digest).await.unwrap(), Some(bytes));
}

async fn a_definition_is_its_tenants_alone(store: &dyn Store) {
    let new = NewDefinition {
        tenant: tenant("acme"),
        kind: DefinitionKind::Credential,
        name: "crm".to_owned(),
        created_at: at(1),
        body: json!(1),
    };
    store.put_definition(new.clone(), Expectation::Any).await.unwrap();
    for other in OTHERS.map(tenant) {
        let kind = DefinitionKind::Credential;
        assert_eq!(store.definition(&other, kind, "crm", None).await.unwrap(), None);
        assert_eq!(store.definition(&other, kind, "crm", Some(1)).await.unwrap(), None);
        assert!(store.definitions(&other, kind, "", &first_page(10)).await.unwrap().items.is_empty());
        assert!(store.definition_versions(&other, kind, "crm", &first_page(10)).await.unwrap().items.is_empty());
        assert_eq!(code(store.set_live(&other, kind, "crm", 1).await), "store.not-found");
        assert!(!store.delete_definition(&other, kind, "crm").await.unwrap());
        let theirs = NewDefinition { tenant: other, ..new.clone() };
        assert_eq!(store.put_definition(theirs, Expectation::Absent).await.unwrap().version, 1);
    }
    let live = store.definitions(&tenant("acme"), DefinitionKind::Credential, "", &first_page(10)).await.unwrap();
    assert_eq!(live.items.len(), 1);
}
