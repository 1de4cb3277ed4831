//! Made under load: one instant, and nobody waits for it.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::crash::{Acknowledged, CALL_EVERY, check};
use crate::support::block_on;

/// A taker who takes nothing more after the first bytes until it is told to, and says so.
struct Slow {
    file: fs::File,
    full: Option<Sender<()>>,
    goes_on: Receiver<()>,
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.file.metadata()?.len() > 300_000
            && let Some(full) = self.full.take()
        {
            full.send(()).unwrap();
            self.goes_on.recv().unwrap();
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Commits steps until told to stop. What was acknowledged.
async fn work(store: Arc<SledStore>, stop: Arc<AtomicBool>) -> Vec<Run> {
    let mut runs = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        runs.push(one_run(&*store, 6).await);
    }
    runs
}

/// A run of so many steps, of the kind that `crash::check` knows.
async fn one_run(store: &dyn Store, steps: usize) -> Run {
    let (mut run, lease) = begin(store, "acme", "signup").await;
    for round in 0..steps {
        let text = "x".repeat([50, 3_000, 6_000][round % 3]);
        let value = json!({ "revision": run.revision + 1, "text": text });
        let mut next = step(&run, &lease, advance(), vec![change("connectors.last", value)]);
        if next.run.revision.is_multiple_of(CALL_EVERY) {
            next = with_call(next, 1_500, 50);
        }
        run = next.run.clone();
        store.commit_step(next).await.unwrap();
    }
    run
}

fn acknowledged(runs: &[Run]) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    let lines: String = runs.iter().map(|run| format!("ack {} {} .\n", run.id, run.revision)).collect();
    crate::crash::heard(&lines, &mut acknowledged);
    acknowledged
}

#[test]
fn under_load_it_is_of_one_instant_and_work_goes_on() {
    // covers T-07: rows of every run fit together, whenever the copy passed them
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(&dir.path().join("first")));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let before: Vec<Run> = runtime.block_on(async {
        let mut runs = Vec::new();
        for _ in 0..60 {
            runs.push(one_run(&*store, 12).await);
        }
        runs
    });
    let stop = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = (0..4).map(|_| runtime.spawn(work(Arc::clone(&store), Arc::clone(&stop)))).collect();
    let (full, is_full) = channel();
    let (go_on, goes_on) = channel();
    let file = dir.path().join("backup");
    let backup = std::thread::spawn({
        let (store, file) = (Arc::clone(&store), fs::File::create(&file).unwrap());
        move || store.back_up(&mut Slow { file, full: Some(full), goes_on }, at(7_000)).unwrap()
    });
    is_full.recv().unwrap();
    // While nobody takes the backup, steps are acknowledged, also of runs whose rows were copied already.
    let mut during = runtime.block_on(async {
        let mut runs = Vec::new();
        for _ in 0..20 {
            runs.push(one_run(&*store, 12).await);
        }
        runs
    });
    go_on.send(()).unwrap();
    backup.join().unwrap();
    stop.store(true, Ordering::Relaxed);
    during.extend(workers.into_iter().flat_map(|worker| runtime.block_on(worker).unwrap()));
    SledStore::restore(&file, &dir.path().join("second"), settings(), false).unwrap();
    let restored = open(&dir.path().join("second"));
    block_on(async {
        check(&restored, &acknowledged(&before)).await;
        // Those that had begun at that instant are there as they were then; the others are not.
        let mut there = Vec::new();
        for run in &during {
            there.extend(restored.run(&run.tenant, run.id).await.unwrap());
        }
        check(&restored, &acknowledged(&there)).await;
        check(&*store, &acknowledged(&during)).await;
    });
}

#[test]
fn one_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(&dir.path().join("first")));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for _ in 0..40 {
            one_run(&*store, 12).await;
        }
    });
    let (full, is_full) = channel();
    let (go_on, goes_on) = channel();
    let slow = Slow { file: fs::File::create(dir.path().join("backup")).unwrap(), full: Some(full), goes_on };
    let backup = std::thread::spawn({
        let (store, mut slow) = (Arc::clone(&store), slow);
        move || store.back_up(&mut slow, at(7_000)).unwrap()
    });
    is_full.recv().unwrap();
    let mut second = Vec::new();
    assert_eq!(store.back_up(&mut second, at(7_000)).unwrap_err().code(), "backup.in-progress");
    go_on.send(()).unwrap();
    backup.join().unwrap();
    back_up(&*store, &dir.path().join("another"));
}

/// A taker that has no room.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::from_raw_os_error(28))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_taker_that_fails_is_told_so_and_the_store_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    block_on(fill(&store));
    let error = store.back_up(&mut Full, at(7_000)).unwrap_err();
    assert_eq!(error.code(), "backup.not-written");
    block_on(one_run(&store, 3));
    assert!(block_on(store.health()).writable);
}
