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

fn ended_event() -> Event {
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
    store.commit_step(commit(&child.run, &child.lease, ended_event())).await.unwrap();
    let call = store.claim_background_calls(&owner(), AT, Duration::from_secs(60), CallRoom::of(1)).await.unwrap();
    let progress =
        BackgroundProgress { state: BackgroundState::Succeeded { finished_at: AT }, ..BackgroundProgress::new(AT) };
    store.settle_background_call(&new.run.tenant, new.run.id, 1, &call[0].lease, progress).await.unwrap();
    let last = commit(&first.run, &lease, ended_event());
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
async fn a_store_of_format_1_is_brought_to_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let store = sled(&dir);
    let run = lived(&store, "k").await;
    let before = rows_of_runs(&store).await;
    let old = before.clone();
    make_format_3(&store, 1).await;
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

/// A key as it was before format 4: with the run's partition in front of its tenant.
fn with_partition(key: &[u8]) -> Vec<u8> {
    let before = match key[0] {
        b'R' | b'O' | b'X' | b'J' | b'C' | b'B' | b'E' | b'G' | b'c' | b'd' => 1,
        b'W' | b'Z' | b'L' | b'Y' | b'V' => 9,
        b'Q' | b'H' => 17,
        _ => return key.to_vec(),
    };
    [&key[..before], &[0x0f, 0xff], &key[before..]].concat()
}

#[test]
fn every_key_that_had_a_partition_is_found_without_it() {
    let run = keys::RunKey::new(&"acme".parse().unwrap(), RunId::generate());
    let call = outbox::CallKey::new(run.clone(), 3);
    let of_run = [run.record(), run.standing(), run.context(), run.journal_entry(7), run.intervened_with("k")];
    let found = [run.child(run.run), run.removed(), run.queued(9, AT), run.leased(AT), run.resting(AT)];
    let of_call = [call.entry(), call.progress(), call.standing(), call.queued(9, AT), call.leased(AT)];
    for key in of_run.into_iter().chain(found).chain(of_call).chain([call.put_off(AT), call.pending(AT)]) {
        let old = with_partition(&key);
        assert_ne!(old, key);
        assert_eq!(as_written_now(3, (old.clone(), vec![])).0, key);
        assert_eq!(as_written_now(3, (key.clone(), vec![])).0, key, "once is enough");
        assert_eq!(as_written_now(FORMAT, (old.clone(), vec![])).0, old);
    }
}

/// As a program of format 3 left it, or, from `every` other row on, as an upgrade that was cut off did.
async fn make_format_3(store: &SledStore, every: usize) {
    let rows = rows_of_runs(store).await;
    let rekey = move |draft: &mut Draft<'_>| {
        for (key, framed) in rows.into_iter().step_by(every) {
            let old = with_partition(&key);
            let framed = frame::under_another_key(framed, &key, &old);
            draft.remove(key);
            draft.put_framed(old, framed);
        }
        draft.put_record(own_record("format"), &3_u32)
    };
    store.backend.write(rekey).await.unwrap();
}

// covers F-07: what waits, is worked on or has ended under the old layout is found under the new one
#[tokio::test]
async fn a_store_of_format_3_is_brought_to_format_4() {
    for every in [1, 2] {
        let dir = tempfile::tempdir().unwrap();
        let store = sled(&dir);
        let (ended, leased) = (lived(&store, "ended").await, new_run("leased"));
        let Started::New(Some(lease)) = store.start_run(leased.clone()).await.unwrap() else { panic!("it is new") };
        let mut step = commit(&leased.run, &lease, Event::Advanced("second".parse().unwrap()));
        step.outbox = Some(call_of(&step));
        store.commit_step(step.clone()).await.unwrap();
        let queued = NewRun { lease: None, ..new_run("queued") };
        store.start_run(queued.clone()).await.unwrap();
        let before = all_rows(&store).await;
        make_format_3(&store, every).await;
        assert_ne!(all_rows(&store).await, before);
        drop(store);
        let store = sled(&dir);
        let commits = own_record("commits");
        let content = |rows: Vec<Row>| rows.into_iter().filter(|(key, _)| *key != commits).collect::<Vec<_>>();
        assert_eq!(content(all_rows(&store).await), content(before), "row by row, with every second one: {every}");
        assert_eq!(store.journal(&ended.tenant, ended.id, 0, 9).await.unwrap().len(), 2);
        store.commit_step(commit(&step.run, &lease, ended_event())).await.unwrap();
        let claimed = store.claim_runs(&owner(), AT, Duration::from_secs(60), 9).await.unwrap();
        assert_eq!(claimed.iter().map(|claimed| claimed.run.id).collect::<Vec<_>>(), [queued.run.id]);
    }
}

// covers F-07: damage is neither hidden nor spread by the upgrade
#[tokio::test]
async fn what_was_damaged_before_an_upgrade_is_so_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = sled(&dir);
    let run = lived(&store, "k").await;
    let key = keys::RunKey::new(&run.tenant, run.id).record();
    let spoiled = key.clone();
    let spoil = move |draft: &mut Draft<'_>| {
        let mut framed = draft.get(&spoiled)?.expect("it is there");
        *framed.last_mut().expect("it is not empty") ^= 1;
        draft.put_framed(spoiled, framed);
        Ok(())
    };
    store.backend.write(spoil).await.unwrap();
    make_format_3(&store, 1).await;
    drop(store);
    let store = sled(&dir);
    assert_eq!(store.run(&run.tenant, run.id).await.unwrap_err().code(), "store.corrupt");
    assert_eq!(store.journal(&run.tenant, run.id, 0, 9).await.unwrap().len(), 2);
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
