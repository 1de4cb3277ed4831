//! Definitions. covers T-05

use std::time::Duration;

use serde_json::{Value, json};
use weir_engine::ports::{
    Cursor, Definition, DefinitionKind, Expectation, NewDefinition, PageRequest, Store, StoreError,
};

use crate::support::{at, code, first_page, next_page, tenant};

super::on_every_back_end!(
    every_save_is_a_new_live_version,
    a_save_holds_to_what_it_expects,
    an_older_version_is_made_live_again,
    a_removed_name_never_gives_a_number_twice,
    live_definitions_are_listed_by_name,
    versions_are_listed_newest_first,
    only_names_are_names,
    every_change_is_a_new_edition,
);

const KIND: DefinitionKind = DefinitionKind::Flow;

fn new(name: &str, body: Value) -> NewDefinition {
    NewDefinition { tenant: tenant("acme"), kind: KIND, name: name.to_owned(), created_at: at(5), body }
}

async fn put(store: &dyn Store, name: &str, body: Value) -> Definition {
    store.put_definition(new(name, body), Expectation::Any).await.unwrap()
}

async fn get(store: &dyn Store, name: &str, version: Option<u32>) -> Option<Definition> {
    store.definition(&tenant("acme"), KIND, name, version).await.unwrap()
}

async fn every_save_is_a_new_live_version(store: &dyn Store) {
    let first = put(store, "signup", json!({"steps": 1})).await;
    let second = put(store, "signup", json!({"steps": 2})).await;
    assert_eq!((first.version, second.version, second.created_at), (1, 2, at(5)));
    assert_eq!(get(store, "signup", None).await, Some(second));
    assert_eq!(get(store, "signup", Some(1)).await, Some(first));
    assert_eq!(get(store, "signup", Some(3)).await, None);
    assert_eq!(get(store, "sign", None).await, None);
    assert_eq!(store.definition(&tenant("acme"), DefinitionKind::Plugin, "signup", None).await.unwrap(), None);
}

async fn a_save_holds_to_what_it_expects(store: &dyn Store) {
    let save = async |expected| store.put_definition(new("signup", json!(1)), expected).await;
    let stored = |error: StoreError| match error {
        StoreError::VersionConflict { stored } => stored,
        other => panic!("{other:?}"),
    };
    assert_eq!(stored(save(Expectation::Version(1)).await.unwrap_err()), None);
    assert_eq!(save(Expectation::Absent).await.unwrap().version, 1);
    assert_eq!(stored(save(Expectation::Absent).await.unwrap_err()), Some(1));
    assert_eq!(save(Expectation::Version(1)).await.unwrap().version, 2);
    assert_eq!(stored(save(Expectation::Version(1)).await.unwrap_err()), Some(2));
}

async fn an_older_version_is_made_live_again(store: &dyn Store) {
    let first = put(store, "signup", json!(1)).await;
    put(store, "signup", json!(2)).await;
    let live = async |version| store.set_live(&tenant("acme"), KIND, "signup", version).await;
    assert_eq!(live(1).await.unwrap(), first);
    assert_eq!(get(store, "signup", None).await, Some(first));
    assert_eq!(code(live(3).await), "store.not-found");
    assert_eq!(code(store.set_live(&tenant("acme"), KIND, "absent", 1).await), "store.not-found");
    let expected = Expectation::Version(2);
    let third = store.put_definition(new("signup", json!(3)), expected).await.unwrap();
    assert_eq!(get(store, "signup", None).await, Some(third), "a save goes live");
}

async fn a_removed_name_never_gives_a_number_twice(store: &dyn Store) {
    put(store, "signup", json!(1)).await;
    put(store, "signup", json!(2)).await;
    put(store, "signup-2", json!(1)).await;
    let remove = async || store.delete_definition(&tenant("acme"), KIND, "signup").await.unwrap();
    assert!(remove().await);
    assert!(!remove().await);
    for version in [None, Some(1), Some(2)] {
        assert_eq!(get(store, "signup", version).await, None);
    }
    assert!(get(store, "signup-2", None).await.is_some());
    let again = store.put_definition(new("signup", json!(3)), Expectation::Absent).await.unwrap();
    assert_eq!(again.version, 3, "a run that is pinned to version 1 must not meet another flow");
    let page = store.definition_versions(&tenant("acme"), KIND, "signup", &first_page(10)).await.unwrap();
    assert_eq!(page.items, vec![again]);
}

async fn live_definitions_are_listed_by_name(store: &dyn Store) {
    for name in ["b", "a", "a-2", "ab", "é"] {
        put(store, name, json!(name)).await;
    }
    put(store, "b", json!("newer")).await;
    store
        .put_definition(NewDefinition { kind: DefinitionKind::Plugin, ..new("aa", json!(0)) }, Expectation::Any)
        .await
        .unwrap();
    for (prefix, expected) in
        [("", &["a", "a-2", "ab", "b", "é"][..]), ("a", &["a", "a-2", "ab"]), ("x", &[]), ("a\0", &[])]
    {
        for limit in [0, 1, 2, 10] {
            let (mut names, mut request) = (Vec::new(), Some(first_page(limit)));
            while let Some(page) = request {
                let page = store.definitions(&tenant("acme"), KIND, prefix, &page).await.unwrap();
                request = next_page(limit, &page);
                names.extend(page.items.into_iter().map(|definition| definition.name));
            }
            assert_eq!(names, expected, "{prefix:?} in pages of {limit}");
        }
    }
    let page = PageRequest { limit: 1, after: Some(Cursor("nzz".to_owned())) };
    assert_eq!(code(store.definitions(&tenant("acme"), KIND, "", &page).await), "store.invalid-cursor");
}

async fn versions_are_listed_newest_first(store: &dyn Store) {
    for number in 1..=5 {
        put(store, "signup", json!(number)).await;
    }
    for limit in [1, 2, 5, 9] {
        let (mut versions, mut request) = (Vec::new(), Some(first_page(limit)));
        while let Some(page) = request {
            let page = store.definition_versions(&tenant("acme"), KIND, "signup", &page).await.unwrap();
            request = next_page(limit, &page);
            versions.extend(page.items.into_iter().map(|definition| definition.version));
        }
        assert_eq!(versions, [5, 4, 3, 2, 1]);
    }
    let page = PageRequest { limit: 1, after: Some(Cursor("v-1".to_owned())) };
    assert_eq!(code(store.definition_versions(&tenant("acme"), KIND, "signup", &page).await), "store.invalid-cursor");
    let none = store.definition_versions(&tenant("acme"), KIND, "absent", &first_page(1)).await.unwrap();
    assert!(none.items.is_empty() && none.next.is_none());
}

async fn only_names_are_names(store: &dyn Store) {
    let longest = "é".repeat(100);
    assert_eq!(put(store, &longest, json!(1)).await.version, 1);
    assert!(get(store, &longest, None).await.is_some());
    for bad in ["", "a\0", "a\n", &format!("{longest}x")] {
        assert_eq!(code(store.put_definition(new(bad, json!(1)), Expectation::Any).await), "store.invalid-name");
        assert_eq!(code(store.set_live(&tenant("acme"), KIND, bad, 1).await), "store.invalid-name");
        assert_eq!(get(store, bad, None).await, None);
        assert!(!store.delete_definition(&tenant("acme"), KIND, bad).await.unwrap());
        let versions = store.definition_versions(&tenant("acme"), KIND, bad, &first_page(1)).await.unwrap();
        assert!(versions.items.is_empty());
    }
}

async fn every_change_is_a_new_edition(store: &dyn Store) {
    let before = store.definitions_edition();
    assert_eq!(get(store, "signup", None).await, None);
    assert_eq!(store.definitions_edition(), before, "reading changes nothing");
    let mut last = before;
    let mut is_new = move |edition: Option<u64>| edition > std::mem::replace(&mut last, edition);
    put(store, "signup", json!(1)).await;
    assert!(is_new(store.definitions_edition()), "saved");
    put(store, "signup", json!(2)).await;
    assert!(is_new(store.definitions_edition()), "saved again");
    store.set_live(&tenant("acme"), KIND, "signup", 1).await.unwrap();
    assert!(is_new(store.definitions_edition()), "another version is live");
    store.delete_definition(&tenant("acme"), KIND, "signup").await.unwrap();
    assert!(is_new(store.definitions_edition()), "removed");
    // A caller that goes away does not stop the change, and others must learn of it.
    let save = store.put_definition(new("signup", json!(3)), Expectation::Any);
    let _ = tokio::time::timeout(Duration::ZERO, save).await;
    let seen = async {
        while get(store, "signup", None).await.is_none() || !is_new(store.definitions_edition()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), seen).await.expect("the change is seen, and counted");
}
