//! Values of every size. covers F-06, P-14

use bytes::Bytes;
use serde_json::{Value, json};
use weir_engine::digest::Digest;
use weir_engine::ports::{DefinitionKind, Expectation, NewDefinition, Store};

use crate::support::{advance, at, begin, change, code, step, tenant};

super::on_every_back_end!(
    context_values_of_every_size_come_back,
    artifacts_of_every_size_come_back,
    definitions_of_every_size_come_back,
    a_large_context_comes_back,
    a_value_that_could_not_be_read_is_not_written,
);

const SIZES: [usize; 7] = [0, 4088, 4089, 4095, 4096, 4097, 1024 * 1024];

async fn context_values_of_every_size_come_back(store: &dyn Store) {
    let (mut run, lease) = begin(store, "acme", "signup").await;
    for size in SIZES {
        let value = json!("x".repeat(size));
        let commit = step(&run, &lease, advance(), vec![change("connectors.body", value.clone())]);
        store.commit_step(commit.clone()).await.unwrap();
        run = commit.run;
        let context = store.run_context(&run.tenant, run.id).await.unwrap().unwrap();
        assert_eq!(context.get(&"connectors.body".parse().unwrap()), Some(&value));
        let journal = store.journal(&run.tenant, run.id, run.revision - 1, 1).await.unwrap();
        assert_eq!(journal, vec![commit.entry]);
    }
}

async fn artifacts_of_every_size_come_back(store: &dyn Store) {
    let acme = tenant("acme");
    for size in SIZES {
        let bytes = Bytes::from(vec![0xa5; size]);
        let digest = store.put_artifact(&acme, bytes.clone()).await.unwrap();
        assert_eq!(digest, Digest::of(&bytes));
        assert_eq!(store.put_artifact(&acme, bytes.clone()).await.unwrap(), digest, "twice is once");
        assert_eq!(store.artifact(&acme, &digest).await.unwrap(), Some(bytes));
    }
    assert_eq!(store.artifact(&acme, &Digest::of(b"never kept")).await.unwrap(), None);
}

async fn definitions_of_every_size_come_back(store: &dyn Store) {
    for size in SIZES {
        let new = NewDefinition {
            tenant: tenant("acme"),
            kind: DefinitionKind::Connector,
            name: "crm".to_owned(),
            created_at: at(1),
            body: json!({ "text": "y".repeat(size) }),
        };
        let saved = store.put_definition(new, Expectation::Any).await.unwrap();
        let read = store.definition(&tenant("acme"), DefinitionKind::Connector, "crm", None).await.unwrap();
        assert_eq!(read, Some(saved));
    }
}

async fn a_large_context_comes_back(store: &dyn Store) {
    let (run, lease) = begin(store, "acme", "signup").await;
    let changes: Vec<_> =
        (0..300).map(|n| change(&format!("connectors.c{n}"), json!({ "n": n, "text": "z".repeat(n * 20) }))).collect();
    store.commit_step(step(&run, &lease, advance(), changes.clone())).await.unwrap();
    let context = store.run_context(&run.tenant, run.id).await.unwrap().unwrap();
    assert_eq!(context.iter().count(), 301);
    assert!(changes.iter().all(|change| context.get(&change.key) == Some(&change.value)));
}

async fn a_value_that_could_not_be_read_is_not_written(store: &dyn Store) {
    let nested = |levels: usize| (0..levels).fold(Value::Null, |inner, _| json!([inner]));
    let (run, lease) = begin(store, "acme", "signup").await;
    let deep = step(&run, &lease, advance(), vec![change("connectors.deep", nested(127))]);
    // The value alone could be read, but the journal holds it some levels deeper.
    assert_eq!(code(store.commit_step(deep).await), "store.too-deep");
    let fine = step(&run, &lease, advance(), vec![change("connectors.deep", nested(120))]);
    store.commit_step(fine.clone()).await.unwrap();
    assert_eq!(store.journal(&run.tenant, run.id, 0, 1).await.unwrap(), vec![fine.entry]);
}
