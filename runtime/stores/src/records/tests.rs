//! What is in the rows after verbs, on every back end: nothing of a run that was removed, counts that are right, and no
//! large value too few. covers F-14

use std::time::Duration;

use serde_json::json;
use weir_engine::ids::{RunId, StepId, TenantId};
use weir_engine::message::{Method, Request};
use weir_engine::ports::{
    CallRoom, CommitStep, GARBAGE_KEPT, NewRun, Outbox, OwnerId, Removal, Retention, Started, Store,
};
use weir_engine::run::{
    BackgroundProgress, BackgroundState, ContextChange, Ending, Event, JournalEntry, OutboxEntry, Parent, Part, Run,
    RunContext, StepOutcome, StepRecord,
};
use weir_engine::time::Timestamp;

use super::*;
use crate::{MemoryStore, SledSettings, SledStore};

const AT: Timestamp = Timestamp::from_millis(5_000);

fn sled(dir: &tempfile::TempDir) -> SledStore {
    SledStore::open(dir.path(), SledSettings { free_bytes_min: 0, ..SledSettings::default() }).unwrap()
}

async fn all_rows<B: Backend>(store: &Records<B>) -> Vec<Row> {
    let all = |rows: &dyn Rows| rows::take_until(rows, &[0], &[255], usize::MAX);
    store.backend.read(all, |rows, _| Ok(rows)).await.unwrap()
}

/// Rows of runs: without the store's own, and the turns of tenants.
async fn rows_of_runs<B: Backend>(store: &Records<B>) -> Vec<Row> {
    let rows = all_rows(store).await;
    rows.into_iter().filter(|(key, _)| !b"MPU".contains(&key[0])).collect()
}

fn owner() -> OwnerId {
    OwnerId("o".to_owned())
}

fn new_run(client_key: &str) -> NewRun {
    let flow = ("signup".parse().unwrap(), 1);
    let deadline = Timestamp::from_millis(900_000);
    let run = Run::new("acme".parse().unwrap(), RunId::generate(), flow, "first".parse().unwrap(), AT, deadline);
    let lease = Some((owner(), Timestamp::from_millis(9_000)));
    let context = RunContext::of_event(json!({ "body": "e".repeat(9_000) }));
    NewRun { run, context, client_key: Some(client_key.to_owned()), lease }
}

fn commit(run: &Run, lease: &weir_engine::ports::Lease, event: Event) -> CommitStep {
    let step: StepId = "first".parse().unwrap();
    let outcome = StepOutcome::Next { step: step.clone(), caught_failure: None, caught_error: None };
    let run = run.clone().apply(event, AT);
    let value = json!({ "run": run.id, "body": "b".repeat(20_000), "list": vec!["item"; 3_000] });
    let changes = vec![ContextChange { key: "connectors.risk".parse().unwrap(), value }];
    let entry = JournalEntry {
        sequence: run.revision,
        step,
        started_at: AT,
        elapsed_us: 1,
        record: StepRecord::End,
        outcome,
        changes: changes.clone(),
        diagnostics: Vec::new(),
        diagnostics_dropped: 0,
        recorded: weir_engine::run::Recorded::default(),
    };
    let (lease, keep_until) = (lease.clone(), Some(lease.until));
    CommitStep { run, lease, changes, entry, outbox: None, children: Vec::new(), family_runs_max: 20_000, keep_until }
}

fn call_of(commit: &CommitStep) -> OutboxEntry {
    OutboxEntry {
        tenant: commit.run.tenant.clone(),
        run: commit.run.id,
        sequence: commit.entry.sequence,
        step: commit.entry.step.clone(),
        connector: "mail".parse().unwrap(),
        connector_version: 2,
        function: "send".parse().unwrap(),
        request: Request {
            method: Method::Post,
            uri: "https://mail.test/".parse().unwrap(),
            headers: Vec::new(),
            body: Some(vec![b'x'; 9_000].into()),
        },
        idempotency_key: "k".to_owned(),
        created_at: AT,
        expires_at: Timestamp::from_millis(900_000),
    }
}

fn ended() -> Event {
    Event::Ended(Ending::Completed { claims: vec![] })
}

/// A run that has everything that a run can have, and has ended.
async fn lived<B: Backend>(store: &Records<B>, client_key: &str) -> Run {
    let new = new_run(client_key);
    let Started::New(Some(lease)) = store.start_run(new.clone()).await.unwrap() else { panic!("it is new") };
    let mut first = commit(&new.run, &lease, Event::Advanced("second".parse().unwrap()));
    first.outbox = Some(call_of(&first));
    let mut child = new_run("none");
    (child.client_key, child.lease) = (None, None);
    let parent = Parent {
        run: new.run.id,
        step: "first".parse().unwrap(),
        part: Part::Item,
        index: 0,
        depth: 1,
        calls: 0,
        undoes: false,
        top: new.run.id,
        deadline: new.run.deadline,
    };
    (child.run.id, child.run.parent) = (RunId::child(new.run.id, 1, 0), Some(Box::new(parent)));
    first.children = vec![child];
    store.commit_step(first.clone()).await.unwrap();
    let child = store.claim_runs(&owner(), AT, Duration::from_secs(60), 1).await.unwrap().remove(0);
    store.commit_step(commit(&child.run, &child.lease, ended())).await.unwrap();
    let call = store.claim_background_calls(&owner(), AT, Duration::from_secs(60), CallRoom::of(1)).await.unwrap();
    let progress =
        BackgroundProgress { state: BackgroundState::Succeeded { finished_at: AT }, ..BackgroundProgress::new(AT) };
    store.settle_background_call(&new.run.tenant, new.run.id, 1, &call[0].lease, progress).await.unwrap();
    let last = commit(&first.run, &lease, ended());
    store.commit_step(last.clone()).await.unwrap();
    last.run
}

async fn nothing_of_a_removed_run_is_left<B: Backend>(store: &Records<B>) {
    let kept = lived(store, "kept").await;
    let before = rows_of_runs(store).await;
    let gone = lived(store, "gone").await;
    assert_eq!(store.remove_run(&gone.tenant, gone.id).await.unwrap(), Removal::Removed);
    assert_eq!(rows_of_runs(store).await, before, "all of the other, and nothing of this one");
    assert_eq!(store.remove_run(&kept.tenant, kept.id).await.unwrap(), Removal::Removed);
    assert_eq!(rows_of_runs(store).await, []);
}

#[tokio::test]
async fn nothing_of_a_removed_run_is_left_in_memory() {
    nothing_of_a_removed_run_is_left(&MemoryStore::default()).await;
}

#[tokio::test]
async fn nothing_of_a_removed_run_is_left_on_disk() {
    nothing_of_a_removed_run_is_left(&sled(&tempfile::tempdir().unwrap())).await;
}

/// A crash between the pieces: the note is there, and rows.
#[tokio::test]
async fn a_removal_that_was_cut_off_goes_on_and_shows_nothing_meanwhile() {
    let store = MemoryStore::default();
    let run = lived(&store, "k").await;
    let key = keys::RunKey::new(&run.tenant, run.id);
    let cut_off = key.clone();
    store.backend.write(move |draft| removal::take_away(draft, &cut_off)).await.unwrap();
    assert!(all_rows(&store).await.iter().any(|(row, _)| row.starts_with(&key.journal())));
    assert_eq!(store.run(&run.tenant, run.id).await.unwrap(), None);
    assert_eq!(store.journal(&run.tenant, run.id, 0, 9).await.unwrap(), []);
    assert!(store.background_calls(&run.tenant, run.id, 0, 9).await.unwrap().is_empty());
    let turn = weir_engine::ports::RetentionTurn { after: None, ended_before: AT, per_tenant_max: 9, limit: 9 };
    store.remove_ended(turn).await.unwrap();
    assert_eq!(rows_of_runs(&store).await, []);
}

#[tokio::test]
async fn a_large_value_is_kept_while_a_verb_is_about_to_name_it() {
    let dir = tempfile::tempdir().unwrap();
    let disk = sled(&dir);
    let memory = MemoryStore::default();
    stays_while_pinned(&memory).await;
    stays_while_pinned(&disk).await;
}

async fn looked_at_all<B: Backend>(store: &Records<B>, now: Timestamp) -> usize {
    let mut removed = 0;
    for _ in 0..256 {
        removed += store.sweep(now).await.unwrap().removed;
    }
    removed
}

async fn stays_while_pinned<B: Backend>(store: &Records<B>) {
    let late = |times: u32| AT.after(GARBAGE_KEPT * times);
    let bytes = bytes::Bytes::from(vec![b'z'; 50_000]);
    let pinned = store.backend.keep_blobs(vec![bytes.clone()]).await.unwrap();
    assert_eq!((looked_at_all(store, late(0)).await, looked_at_all(store, late(1)).await), (0, 0));
    drop(pinned);
    // A verb that never came: what it kept is garbage like any other.
    assert_eq!((looked_at_all(store, late(2)).await, looked_at_all(store, late(3)).await), (0, 1));
    let tenant: TenantId = "acme".parse().unwrap();
    let digest = store.put_artifact(&tenant, bytes.clone()).await.unwrap();
    assert_eq!((looked_at_all(store, late(4)).await, looked_at_all(store, late(5)).await), (0, 0));
    assert_eq!(store.artifact(&tenant, &digest).await.unwrap(), Some(bytes));
}

/// What a program of format 1 left: neither counts nor ends nor client keys in standings.
#[tokio::test]
async fn a_store_of_format_1_is_brought_to_format_2() {
    let dir = tempfile::tempdir().unwrap();
    let store = sled(&dir);
    let run = lived(&store, "k").await;
    let before = rows_of_runs(&store).await;
    let old = before.clone();
    let strip = move |draft: &mut Draft<'_>| {
        for (key, _) in old {
            match key[0] {
                b'b' | b'e' | b'n' => draft.remove(key),
                _ => {}
            }
        }
        draft.put_record(own_record("format"), &1_u32)
    };
    store.backend.write(strip).await.unwrap();
    drop(store);
    let store = sled(&dir);
    let counts = |rows: &[Row]| rows.iter().filter(|(key, _)| key[0] == b'b').cloned().collect::<Vec<_>>();
    let after = rows_of_runs(&store).await;
    assert_eq!(counts(&after), counts(&before));
    assert!(!counts(&after).is_empty());
    assert_eq!(store.remove_run(&run.tenant, run.id).await.unwrap(), Removal::Removed);
    assert_eq!(rows_of_runs(&store).await, [], "found by its end, with its client key");
}

/// Counts of large values stay right where a commit does not read what it replaces, also for a run of an older program.
#[tokio::test]
async fn a_commit_counts_large_values_whatever_was_there() {
    for (old, event_bytes) in [(false, 10), (true, 10), (false, 9_000)] {
        let store = MemoryStore::default();
        let new = NewRun { context: RunContext::of_event(json!("e".repeat(event_bytes))), ..new_run("k") };
        let Started::New(Some(lease)) = store.start_run(new.clone()).await.unwrap() else { panic!("it is new") };
        let key = keys::RunKey::new(&new.run.tenant, new.run.id);
        let mut run = new.run;
        for (bytes, named) in [(10, 0), (50_000, 1), (10, 0), (60_000, 1), (70_000, 1), (10, 0)] {
            let mut next = commit(&run, &lease, Event::Advanced("first".parse().unwrap()));
            next.changes = vec![ContextChange { key: "event".parse().unwrap(), value: json!("v".repeat(bytes)) }];
            next.entry.changes.clear();
            run = next.run.clone();
            store.commit_step(next).await.unwrap();
            if old {
                let key = key.clone();
                store.backend.write(move |draft| forget_large(draft, &key)).await.unwrap();
            }
            let counts = all_rows(&store).await.into_iter().filter(|(key, _)| key[0] == b'b').count();
            assert_eq!(counts, named, "{bytes} bytes, of an older program: {old}");
        }
    }
}

/// Makes the standing one of a program that did not say whether there are large values.
fn forget_large(draft: &mut Draft<'_>, run: &keys::RunKey) -> Result<(), weir_engine::ports::StoreError> {
    let mut standing: serde_json::Value = record(draft, &run.standing())?.expect("the run is there");
    standing.as_object_mut().expect("an object").remove("has_large").expect("it says so");
    draft.put_record(run.standing(), &standing)
}
