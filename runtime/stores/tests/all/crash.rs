//! kill -9 at any moment, also while the store opens. keeps D1, D2, D6; covers F-06, F-13, F-14, C-11
//!
//! The test starts itself again as a child, which commits steps, some with a call that they hand over, settles such
//! calls, removes runs and what nothing names, and says so after each acknowledgement; the parent kills it and looks
//! whether everything is there that was acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;
use weir_engine::ids::RunId;
use weir_engine::ports::{GARBAGE_KEPT, Removal, Retention, Started, Store};
use weir_engine::run::BackgroundState;

use crate::support::{
    advance, again, at, begin, block_on, change, claim_calls, complete, new_run, open, owner, progress, settings,
    settle, step, taken, tenant, with_call,
};

const DIR: &str = "WEIR_STORES_CRASH_DIR";
/// How many kills; `make torture` asks for more.
const KILLS: &str = "WEIR_KILLS";
const KILLS_USUALLY: u64 = 20;
/// How many of them are of one store: each look is at all that it ever acknowledged.
const KILLS_OF_ONE: u64 = 50;
const WORKERS: usize = 8;

/// Every third step hands a call over.
pub(crate) const CALL_EVERY: u64 = 3;

/// What was acknowledged.
#[derive(Default)]
pub(crate) struct Acknowledged {
    /// The revision of every run.
    pub(crate) revisions: BTreeMap<RunId, u64>,
    /// The calls that were settled for good.
    settled: BTreeSet<(RunId, u64)>,
    /// The runs that have ended, and those of them that were removed.
    ended: BTreeSet<RunId>,
    removed: BTreeSet<RunId>,
    /// Runs that were suspended, resumed, and those after which a definition is named.
    pub(crate) suspended: BTreeSet<RunId>,
    pub(crate) resumed: BTreeSet<RunId>,
    pub(crate) defined: BTreeSet<RunId>,
    /// What was said of the runs of families.
    pub(crate) families: BTreeSet<(String, RunId)>,
}

/// The child. Does nothing when the tests run it as one of them.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let store = std::sync::Arc::new(open(Path::new(&dir)));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut workers: Vec<_> = (0..WORKERS).map(|n| tokio::spawn(work(std::sync::Arc::clone(&store), n))).collect();
        workers.push(tokio::spawn(send(std::sync::Arc::clone(&store))));
        workers.push(tokio::spawn(remove(std::sync::Arc::clone(&store))));
        workers.push(tokio::spawn(sweep(store)));
        for worker in workers {
            worker.await.unwrap();
        }
    });
}

async fn work(store: std::sync::Arc<weir_stores::SledStore>, worker: usize) {
    loop {
        let (mut run, lease) = begin(&*store, "acme", "signup").await;
        say(run.id, 0);
        for round in 0..12 {
            let bytes = if (round + worker).is_multiple_of(6) { 6_000 } else { 50 };
            let value = json!({ "revision": run.revision + 1, "text": "x".repeat(bytes) });
            let mut commit = step(&run, &lease, advance(), vec![change("connectors.last", value)]);
            if commit.run.revision.is_multiple_of(CALL_EVERY) {
                commit = with_call(commit, 1_500, bytes);
            }
            run = commit.run.clone();
            store.commit_step(commit).await.unwrap();
            say(run.id, run.revision);
        }
    }
}

/// Settles calls, each second one for good.
async fn send(store: std::sync::Arc<weir_stores::SledStore>) {
    let mut number: usize = 0;
    loop {
        for claimed in claim_calls(&*store, 5_000, 8).await {
            number += 1;
            let bytes = if number.is_multiple_of(6) { 6_000 } else { 50 };
            let for_good = number.is_multiple_of(2);
            let state = if for_good { taken() } else { again(5_000) };
            settle(&*store, &claimed, progress(&claimed.call.progress, state, bytes)).await.unwrap();
            if for_good {
                tell("settled", claimed.call.entry.run, claimed.call.entry.sequence);
            }
        }
        tokio::task::yield_now().await;
    }
}

/// Runs that end and are removed, and share large values with those that stay.
async fn remove(store: std::sync::Arc<weir_stores::SledStore>) {
    loop {
        let (run, lease) = begin(&*store, "globex", "signup").await;
        let body = json!({ "run": run.id.to_string(), "text": "x".repeat(6_000) });
        let commit = step(&run, &lease, complete(), vec![change("connectors.last", body)]);
        store.commit_step(commit).await.unwrap();
        tell("ended", run.id, 1);
        assert_eq!(store.remove_run(&run.tenant, run.id).await.unwrap(), Removal::Removed);
        tell("removed", run.id, 1);
    }
}

/// As if ten minutes went by with each look: what nothing names goes at the second one.
async fn sweep(store: std::sync::Arc<weir_stores::SledStore>) {
    let mut now = at(0);
    loop {
        for _ in 0..256 {
            store.sweep(now).await.unwrap();
        }
        now = now.after(GARBAGE_KEPT);
        tokio::task::yield_now().await;
    }
}

fn say(run: RunId, revision: u64) {
    tell("ack", run, revision);
}

/// One line, in one write, past the test harness.
fn tell(what: &str, run: RunId, number: u64) {
    let line = format!("\n{what} {run} {number} .\n");
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    std::io::stdout().flush().unwrap();
}

pub(crate) fn heard(output: &str, acknowledged: &mut Acknowledged) {
    for line in output.lines() {
        let words: Vec<_> = line.split(' ').collect();
        let [what, run, number, "."] = words.as_slice() else { continue };
        let (Ok(run), Ok(number)) = (run.parse::<RunId>(), number.parse::<u64>()) else { continue };
        match *what {
            "ack" => {
                let newest = acknowledged.revisions.entry(run).or_default();
                *newest = number.max(*newest);
            }
            "settled" => {
                acknowledged.settled.insert((run, number));
            }
            "ended" => {
                acknowledged.ended.insert(run);
            }
            "removed" => {
                acknowledged.removed.insert(run);
            }
            "suspended" => drop(acknowledged.suspended.insert(run)),
            "resumed" => drop(acknowledged.resumed.insert(run)),
            "defined" => drop(acknowledged.defined.insert(run)),
            what if what.starts_with("family") || what == "child-ended" => {
                acknowledged.families.insert((what.to_owned(), run));
            }
            _ => {}
        }
    }
}

/// Starts a child, and kills it.
fn round(dir: &Path, life: Duration, acknowledged: &mut Acknowledged) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = child.stdout.take().unwrap();
    let listener = std::thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).unwrap();
        text
    });
    // The moment of the kill is the test's input, not something to wait for.
    std::thread::sleep(life);
    child.kill().unwrap();
    child.wait().unwrap();
    heard(&listener.join().unwrap(), acknowledged);
}

pub(crate) async fn check(store: &dyn Store, acknowledged: &Acknowledged) {
    let acme = tenant("acme");
    let mut pending = 0;
    for (id, revision) in &acknowledged.revisions {
        let run = store.run(&acme, *id).await.unwrap().expect("an acknowledged run is there");
        assert!(run.revision >= *revision, "{id}: {revision} was acknowledged, {} is there", run.revision);
        let journal = store.journal(&acme, *id, 0, 100).await.unwrap();
        let sequences: Vec<u64> = journal.iter().map(|entry| entry.sequence).collect();
        assert_eq!(sequences, (1..=run.revision).collect::<Vec<_>>(), "{id} has a gap");
        let context = store.run_context(&acme, *id).await.unwrap().unwrap();
        let last = context.get(&"connectors.last".parse().unwrap()).and_then(|last| last.get("revision")?.as_u64());
        assert_eq!(last.unwrap_or(0), run.revision, "{id}: context and record are of one commit");
        let calls = store.background_calls(&acme, *id, 0, 100).await.unwrap();
        let sequences: Vec<u64> = calls.iter().map(|call| call.entry.sequence).collect();
        let handed_over: Vec<u64> = (1..=run.revision).filter(|number| number.is_multiple_of(CALL_EVERY)).collect();
        assert_eq!(sequences, handed_over, "{id}: a call is there with its step, and only then");
        for call in calls {
            let is_pending = matches!(call.progress.state, BackgroundState::Pending { .. });
            pending += u64::from(is_pending);
            let settled = acknowledged.settled.contains(&(*id, call.entry.sequence));
            assert!(!(settled && is_pending), "{id}: call {} was settled", call.entry.sequence);
        }
    }
    let globex = tenant("globex");
    for id in &acknowledged.ended {
        match store.run(&globex, *id).await.unwrap() {
            Some(_) => {
                assert!(!acknowledged.removed.contains(id), "{id} was removed");
                assert!(store.run_context(&globex, *id).await.unwrap().is_some(), "{id} is whole");
                assert_eq!(store.journal(&globex, *id, 0, 9).await.unwrap().len(), 1, "{id} is whole");
            }
            None => assert!(store.journal(&globex, *id, 0, 9).await.unwrap().is_empty(), "{id} is gone"),
        }
    }
    // A run that was begun and not acknowledged may have calls too.
    let backlog = store.background_backlog().await.unwrap();
    assert!(backlog.pending >= pending, "{} are counted, {pending} are pending", backlog.pending);
    crate::disk_trials::waiting::check(store, acknowledged).await;
}

/// Kills of one store, the trial's number of it, and what it acknowledged. Each kill is followed by a look at everything.
fn lives(kills: std::ops::Range<u64>, acknowledged: &mut Acknowledged) {
    let dir = tempfile::tempdir().unwrap();
    for number in kills {
        // From the midst of opening to hundreds of commits.
        round(dir.path(), Duration::from_millis(5 + (number * 67) % 300), acknowledged);
        block_on(check(&open(dir.path()), acknowledged));
    }
}

#[test]
fn nothing_acknowledged_is_lost() {
    let kills = std::env::var(KILLS).map_or(KILLS_USUALLY, |kills| kills.parse().unwrap());
    let (mut steps, mut settled, mut removed, mut number) = (0, 0, 0, 0);
    // More of them where the machine is so busy that the children hardly get to work.
    while number < kills || (number < 4 * kills && (steps <= 100 || settled <= 10 || removed <= 5)) {
        let mut acknowledged = Acknowledged::default();
        let next = number + KILLS_OF_ONE.min(kills);
        lives(number..next, &mut acknowledged);
        number = next;
        steps += acknowledged.revisions.values().sum::<u64>();
        settled += acknowledged.settled.len();
        removed += acknowledged.removed.len();
    }
    crate::support::tell(&format!(
        "{number} kills, nothing lost of {steps} steps, {settled} calls, {removed} removals"
    ));
    assert!(steps > 100, "the children did not get to work");
    assert!(removed > 5, "the children did not get to remove runs");
    assert!(settled > 10, "the children did not get to settle calls");
}

#[test]
fn a_start_is_one_run_also_after_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let mut new = new_run("acme", "signup");
    new.client_key = Some("order-7".to_owned());
    new.lease = Some((owner("starter"), at(2_000)));
    block_on(async {
        assert!(matches!(open(dir.path()).start_run(new.clone()).await.unwrap(), Started::New(Some(_))));
        round(dir.path(), Duration::from_millis(100), &mut Acknowledged::default());
        let store = open(dir.path());
        let again = new_run("acme", "signup");
        let again = weir_engine::ports::NewRun { client_key: new.client_key.clone(), ..again };
        match store.start_run(again).await.unwrap() {
            Started::Existing(run) => assert_eq!(run.id, new.run.id),
            other => panic!("{other:?}"),
        }
    });
}

// A second process, not only a second attempt in this one.
#[test]
fn a_second_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--nocapture"])
        .env(DIR, dir.path())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let error = weir_stores::SledStore::open(dir.path(), settings()).map(drop).unwrap_err();
    assert_eq!(error.code(), "store.in-use");
    assert!(error.to_string().contains(&dir.path().display().to_string()), "{error}");
    drop(store);
    open(dir.path());
}
