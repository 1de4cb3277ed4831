//! A power cut at any moment: everything after the last real sync is dropped or torn. keeps D1, D2; covers F-06
//!
//! A child works on a store under `recorder.c`, which tapes what reaches the file system and what is synced. The test
//! plays the tape to hundreds of points, leaves of the unsynced what chance decides, opens the store from that, and
//! looks whether everything is there that was acknowledged. One recording so serves many cuts.

mod disk;
mod tape;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::json;
use weir_engine::ports::Store as _;

use self::disk::{Disk, Fate};
use self::tape::Act;
use crate::crash::{Acknowledged, check, heard};
use crate::support::{advance, begin, block_on, change, open, step};

const DIR: &str = "WEIR_STORES_POWER_CUT_DIR";
/// How many cuts; `make torture` asks for more.
const CUTS: &str = "WEIR_POWER_CUTS";
const CUTS_USUALLY: usize = 60;
const WORKERS: usize = 6;

fn cuts() -> usize {
    std::env::var(CUTS).map_or(CUTS_USUALLY, |cuts| cuts.parse().unwrap())
}

/// Runs of each worker. Many, where there are many cuts: sled then writes its log anew, and over what was freed.
fn runs() -> usize {
    if cuts() > CUTS_USUALLY { 60 } else { 4 }
}

/// The child. Does nothing when the tests run it as one of them.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else { return };
    let acks = Arc::new(Mutex::new(fs::File::create(dir.join("acks")).unwrap()));
    let store = Arc::new(open(&dir.join("store")));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let work = |worker| tokio::spawn(work(Arc::clone(&store), worker, Arc::clone(&acks)));
        for worker in (0..WORKERS).map(work).collect::<Vec<_>>() {
            worker.await.unwrap();
        }
    });
}

async fn work(store: Arc<weir_stores::SledStore>, worker: usize, acks: Arc<Mutex<fs::File>>) {
    for _ in 0..runs() {
        let (mut run, lease) = begin(&*store, "acme", "signup").await;
        let say =
            |revision| acks.lock().unwrap().write_all(format!("ack {} {revision} .\n", run.id).as_bytes()).unwrap();
        say(0);
        for round in 0..12 {
            // Rows, pages of several rows, and files of our own.
            let bytes = [50, 50, 1_500, 50, 3_900, 6_000][(round + worker) % 6];
            let value = json!({ "revision": run.revision + 1, "text": "x".repeat(bytes) });
            let commit = step(&run, &lease, advance(), vec![change("connectors.last", value)]);
            run = commit.run.clone();
            store.commit_step(commit).await.unwrap();
            let line = format!("ack {} {} .\n", run.id, run.revision);
            acks.lock().unwrap().write_all(line.as_bytes()).unwrap();
        }
    }
}

/// What happened, and where.
struct Recording {
    root: PathBuf,
    acts: Vec<Act>,
}

/// Compiles the recorder, and lets the child work under it.
fn record(scratch: &Path) -> Recording {
    let library = scratch.join("recorder.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/all/power_cut/recorder.c");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let made = Command::new(compiler).args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(source).status();
    assert!(made.unwrap().success(), "the recorder does not compile");
    let (root, tape) = (scratch.join("root"), scratch.join("tape"));
    fs::create_dir(&root).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "power_cut::child", "--test-threads=1"])
        .env(DIR, &root)
        .env("LD_PRELOAD", &library)
        .env("POWER_CUT_ROOT", &root)
        .env("POWER_CUT_TAPE", &tape)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    Recording { root, acts: tape::read(&fs::read(tape).unwrap()) }
}

/// What the child had acknowledged by some act.
#[derive(Default)]
struct Acks {
    fd: Option<u32>,
    acknowledged: Acknowledged,
}

impl Acks {
    fn hear(&mut self, act: &Act) {
        match act {
            Act::Open { fd, path, .. } if path.ends_with("acks") => self.fd = Some(*fd),
            Act::Write { fd, bytes, .. } if self.fd == Some(*fd) => {
                heard(std::str::from_utf8(bytes).unwrap(), &mut self.acknowledged);
            }
            _ => {}
        }
    }
}

/// Chance, repeatable: everything unsynced is lost, everything survives, or each part may.
struct Chance {
    rng: TestRng,
    share: u32,
}

impl Chance {
    fn of(number: usize) -> Self {
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&number.to_le_bytes());
        Self { rng: TestRng::from_seed(RngAlgorithm::ChaCha, &seed), share: [0, 100, 50, 90, 10][number % 5] }
    }
}

impl Fate for Chance {
    fn survives(&mut self) -> bool {
        self.rng.next_u32() % 100 < self.share
    }

    fn up_to(&mut self, most: usize) -> usize {
        match self.share {
            0 => 0,
            100 => most,
            _ => self.rng.next_u32() as usize % (most + 1),
        }
    }
}

/// Cuts the power that many times, at points spread over the recording. The first thing that was lost.
fn trial(recording: &Recording, cuts: usize, deaf: Option<PathBuf>) -> Result<(), String> {
    let mut disk = Disk::new(&recording.root, deaf);
    let mut acks = Acks::default();
    let mut points = Chance::of(1).rng;
    let mut cut_at: Vec<usize> = (0..cuts).map(|_| points.next_u32() as usize % recording.acts.len()).collect();
    cut_at.sort_unstable();
    let mut cut_at = cut_at.into_iter().enumerate().peekable();
    for (index, act) in recording.acts.iter().enumerate() {
        disk.play(act);
        acks.hear(act);
        while let Some((number, _)) = cut_at.next_if(|(_, at)| *at == index) {
            let left = tempfile::tempdir().unwrap();
            disk.cut(&recording.root, &mut Chance::of(number), left.path());
            look(&left.path().join("store"), &acks.acknowledged)
                .map_err(|lost| format!("cut {number} at act {index}: {lost}"))?;
        }
    }
    Ok(())
}

/// Opens what a cut left.
fn look(dir: &Path, acknowledged: &Acknowledged) -> Result<(), String> {
    let looked = std::panic::catch_unwind(|| {
        let store = open(dir);
        block_on(async {
            check(&store, acknowledged).await;
            begin(&store, "acme", "after").await;
        });
    });
    looked.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
    })
}

#[test]
fn nothing_acknowledged_is_lost() {
    let scratch = tempfile::tempdir().unwrap();
    let recording = record(scratch.path());
    let cuts = cuts();
    trial(&recording, cuts, None).unwrap();
    // The trial can fail: without our own sync of sled's log, acknowledged steps are lost.
    let log = recording.root.join("store/sled/db");
    let lost = trial(&recording, cuts.min(CUTS_USUALLY), Some(log)).expect_err("a store without syncs loses steps");
    std::io::stderr()
        .write_all(format!("{cuts} cuts, nothing lost; without the store's own syncs: {lost}\n").as_bytes())
        .unwrap();
}
