//! Listing runs. covers F-07, T-05

use weir_engine::ids::RunId;
use weir_engine::message::Failure;
use weir_engine::ports::{Cursor, PageRequest, RunFilter, Store};
use weir_engine::run::{Ending, Event, RunStateKind};

use crate::support::{at, begin, code, complete, first_page, new_run, next_page, step, tenant};

super::on_every_back_end!(
    runs_are_listed_newest_first_in_pages,
    runs_are_filtered_by_flow_and_state,
    runs_are_found_by_time_and_by_client_key,
    a_run_that_moves_on_is_neither_lost_nor_doubled,
    a_foreign_cursor_is_refused,
);

async fn list(store: &dyn Store, filter: &RunFilter, limit: usize) -> Vec<RunId> {
    let (mut listed, mut request) = (Vec::new(), Some(first_page(limit)));
    while let Some(page) = request {
        let page = store.runs(&tenant("acme"), filter, &page).await.unwrap();
        assert!(page.items.len() <= limit.max(1));
        listed.extend(page.items.iter().map(|run| run.id));
        request = next_page(limit, &page);
    }
    listed
}

/// Six runs of two flows, which ended in every way or not at all; newest first.
async fn six(store: &dyn Store) -> Vec<RunId> {
    let failed = || {
        Event::Ended(Ending::Failed {
            step: "first".parse().unwrap(),
            failure: Failure { reason: "no".to_owned(), description: None },
        })
    };
    let mut runs = Vec::new();
    for (flow, event) in [
        ("signup", None),
        ("login", Some(complete())),
        ("signup", Some(failed())),
        ("signup", Some(complete())),
        ("login", None),
        ("signup", None),
    ] {
        let (run, lease) = begin(store, "acme", flow).await;
        runs.insert(0, run.id);
        if let Some(event) = event {
            store.commit_step(step(&run, &lease, event, vec![])).await.unwrap();
        }
    }
    runs
}

/// Ids of six runs that were started a second apart; newest first.
async fn a_second_apart(store: &dyn Store) -> Vec<RunId> {
    let mut runs = Vec::new();
    for second in 0..6 {
        let mut new = new_run("acme", "signup");
        let mut id = *RunId::first_of(at(second * 1_000)).as_bytes();
        id[15] = 7;
        (new.run.id, new.client_key) = (RunId::from_bytes(id), Some(format!("key-{second}")));
        runs.insert(0, new.run.id);
        store.start_run(new).await.unwrap();
    }
    runs
}

async fn runs_are_found_by_time_and_by_client_key(store: &dyn Store) {
    let runs = a_second_apart(store).await;
    let mid = |tenths: u64| Some(at(tenths * 100));
    for (since, until, found) in [
        (None, None, 0..6),
        (mid(0), mid(60), 0..6),
        (mid(20), None, 0..4),
        (mid(21), None, 0..3),
        (None, mid(20), 4..6),
        (None, mid(21), 3..6),
        (mid(10), mid(40), 2..5),
        (mid(11), mid(19), 4..4),
        (mid(40), mid(10), 0..0),
        (mid(99), None, 0..0),
    ] {
        for flow in [None, Some("signup".parse().unwrap())] {
            let filter = RunFilter { since, until, flow, ..RunFilter::default() };
            for limit in [1, 2, 9] {
                assert_eq!(list(store, &filter, limit).await, runs[found.clone()], "{filter:?} in pages of {limit}");
            }
        }
    }
    let of_key = |key: &str| RunFilter { client_key: Some(key.to_owned()), ..RunFilter::default() };
    assert_eq!(list(store, &of_key("key-5"), 1).await, runs[..1]);
    assert_eq!(list(store, &of_key("key-6"), 1).await, []);
    assert_eq!(list(store, &RunFilter { until: mid(20), ..of_key("key-5") }, 1).await, []);
    assert_eq!(list(store, &RunFilter { state: Some(RunStateKind::Error), ..of_key("key-5") }, 1).await, []);
    let theirs = store.runs(&tenant("other"), &of_key("key-5"), &first_page(5)).await.unwrap();
    assert!(theirs.items.is_empty());
}

async fn runs_are_listed_newest_first_in_pages(store: &dyn Store) {
    let runs = six(store).await;
    for limit in [0, 1, 2, 5, 6, 7] {
        assert_eq!(list(store, &RunFilter::default(), limit).await, runs, "in pages of {limit}");
    }
    let exact = store.runs(&tenant("acme"), &RunFilter::default(), &first_page(6)).await.unwrap();
    assert_eq!(exact.next, None, "a full page is not followed by an empty one");
    assert!(store.runs(&tenant("nobody"), &RunFilter::default(), &first_page(6)).await.unwrap().items.is_empty());
}

async fn runs_are_filtered_by_flow_and_state(store: &dyn Store) {
    let runs = six(store).await;
    let of = |flow: Option<&str>, state| RunFilter {
        flow: flow.map(|flow| flow.parse().unwrap()),
        state,
        ..RunFilter::default()
    };
    for (filter, expected) in [
        (of(Some("signup"), None), vec![runs[0], runs[2], runs[3], runs[5]]),
        (of(Some("login"), Some(RunStateKind::Completed)), vec![runs[4]]),
        (of(None, Some(RunStateKind::Ready)), vec![runs[0], runs[1], runs[5]]),
        (of(None, Some(RunStateKind::Failed)), vec![runs[3]]),
        (of(None, Some(RunStateKind::Error)), vec![]),
        (of(Some("absent"), None), vec![]),
    ] {
        for limit in [1, 10] {
            assert_eq!(list(store, &filter, limit).await, expected, "{filter:?}");
        }
    }
}

async fn a_run_that_moves_on_is_neither_lost_nor_doubled(store: &dyn Store) {
    let mut begun = Vec::new();
    for _ in 0..4 {
        begun.push(begin(store, "acme", "signup").await);
    }
    let first = store.runs(&tenant("acme"), &RunFilter::default(), &first_page(2)).await.unwrap();
    for (run, lease) in &begun {
        store.commit_step(step(run, lease, complete(), vec![])).await.unwrap();
    }
    let rest = store.runs(&tenant("acme"), &RunFilter::default(), &next_page(9, &first).unwrap()).await.unwrap();
    let listed: Vec<_> = first.items.iter().chain(&rest.items).map(|run| run.id).collect();
    assert_eq!(listed, begun.iter().rev().map(|(run, _)| run.id).collect::<Vec<_>>());
}

async fn a_foreign_cursor_is_refused(store: &dyn Store) {
    for text in ["", "r", "rubbish", "v1", "n00", "r00000000-0000-0000-0000-00000000000g", "é"] {
        let page = PageRequest { limit: 1, after: Some(Cursor(text.to_owned())) };
        assert_eq!(code(store.runs(&tenant("acme"), &RunFilter::default(), &page).await), "store.invalid-cursor");
    }
}
