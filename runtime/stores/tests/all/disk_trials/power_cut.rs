//! A power cut at any moment: everything after the last real sync is dropped or torn. keeps D1, D2; covers F-06
//!
//! The child's tape is played to hundreds of points; of the unsynced, chance decides what is left; the store is opened
//! from that, and everything must be there that was acknowledged. One recording so serves many cuts.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};

use super::preload::Preload;
use super::tape::{self, Act};
use super::volatile_disk::{Disk, Fate};
use super::{CUTS_USUALLY, cuts, look};
use crate::crash::{Acknowledged, heard};

/// What happened, and where.
struct Recording {
    root: PathBuf,
    acts: Vec<Act>,
}

fn record(scratch: &Path) -> Recording {
    let preload = Preload::compile(scratch);
    let (root, tape) = (scratch.join("root"), scratch.join("tape"));
    preload.run(&root, &root.join("acks"), &[("DISK_TRIAL_TAPE", tape.to_str().unwrap())]);
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
