//! A power cut at any moment: everything after the last real sync is dropped or torn. keeps D1, D2; covers F-06
//!
//! The child's tape is played to hundreds of points; of the unsynced, chance decides what is left; the store is opened
//! from that, and everything must be there that was acknowledged. One recording so serves many cuts.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};

use super::preload::Preload;
use super::tape::{self, Act};
use super::volatile_disk::{Disk, Fate};
use super::{CUTS_USUALLY, cuts, look};
use crate::crash::{Acknowledged, heard};
use crate::support::tell;

/// What happened, and where.
struct Recording {
    root: PathBuf,
    acts: Vec<Act>,
}

/// A life of the child. With `deaf`, the `fdatasync` of that file below the root does nothing: as if the store were
/// built without it.
fn record(scratch: &Path, deaf: Option<&str>) -> Recording {
    let preload = Preload::compile(scratch);
    let (root, tape) = (scratch.join("root"), scratch.join("tape"));
    let deaf = deaf.map(|path| root.join(path));
    let mut variables = vec![("DISK_TRIAL_TAPE", tape.to_str().unwrap())];
    variables.extend(deaf.as_ref().map(|path| ("DISK_TRIAL_DEAF", path.to_str().unwrap())));
    preload.run(&root, &root.join("acks"), &variables);
    Recording { acts: tape::read(&fs::read(&tape).unwrap()), root }
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

/// Chance, repeatable.
struct Chance {
    rng: TestRng,
    survivors: Survivors,
    /// Parts that were asked for.
    asked: usize,
}

/// Which of the unsynced parts survive.
enum Survivors {
    /// So many in a hundred, wherever they are: 0 is none of them, 100 all.
    Share(u32),
    /// Those that were written before this one: a write is torn at some 512 bytes.
    Before(usize),
    /// Those that were written from this one on: the disk has done the later ones first.
    From(usize),
}

impl Chance {
    /// What the cut of that number leaves of so many unsynced parts.
    fn of(number: usize, parts: usize) -> Self {
        let mut rng = rng(number);
        let point = rng.next_u32() as usize % (parts + 1);
        let survivors = match number % 8 {
            0 => Survivors::Share(0),
            1 => Survivors::Share(100),
            2 => Survivors::Share(50),
            3 => Survivors::Share(90),
            4 => Survivors::Share(10),
            5 => Survivors::From(point),
            _ => Survivors::Before(point),
        };
        Self { rng, survivors, asked: 0 }
    }
}

fn rng(number: usize) -> TestRng {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &seed)
}

impl Fate for Chance {
    fn survives(&mut self) -> bool {
        self.asked += 1;
        match self.survivors {
            Survivors::Share(share) => self.rng.next_u32() % 100 < share,
            Survivors::Before(point) => self.asked <= point,
            Survivors::From(point) => self.asked > point,
        }
    }

    fn up_to(&mut self, most: usize) -> usize {
        match self.survivors {
            Survivors::Share(0) => 0,
            Survivors::Share(100) => most,
            _ => self.rng.next_u32() as usize % (most + 1),
        }
    }
}

/// Cuts the power that many times, at points spread over the recording. The first thing that was lost.
fn trial(recording: &Recording, cuts: usize) -> Result<(), String> {
    let mut disk = Disk::new(&recording.root);
    let mut acks = Acks::default();
    let mut points = rng(1);
    let mut cut_at: Vec<usize> = (0..cuts).map(|_| points.next_u32() as usize % recording.acts.len()).collect();
    cut_at.sort_unstable();
    let mut cut_at = cut_at.into_iter().enumerate().peekable();
    for (index, act) in recording.acts.iter().enumerate() {
        disk.play(act);
        acks.hear(act);
        while let Some((number, _)) = cut_at.next_if(|(_, at)| *at == index) {
            let left = tempfile::tempdir().unwrap();
            let mut chance = Chance::of(number, disk.unsynced_parts());
            disk.cut(&recording.root, &mut chance, left.path());
            look(&left.path().join("store"), &acks.acknowledged)
                .map_err(|lost| format!("cut {number} at act {index}: {lost}"))?;
        }
    }
    Ok(())
}

/// Everything that the child acknowledged in its life.
fn all_acknowledged(recording: &Recording) -> Acknowledged {
    let mut acks = Acks::default();
    recording.acts.iter().for_each(|act| acks.hear(act));
    acks.acknowledged
}

#[test]
fn nothing_acknowledged_is_lost() {
    let scratch = tempfile::tempdir().unwrap();
    let recording = record(scratch.path(), None);
    let all = all_acknowledged(&recording);
    let kinds = [all.revisions.len(), all.suspended.len(), all.resumed.len(), all.defined.len()];
    assert!(kinds.iter().all(|count| *count > 0), "{kinds:?} runs, suspended, resumed, definitions");
    for what in ["family-rests", "child-ended", "family-ended", "family-gone"] {
        assert!(all.families.iter().any(|(said, _)| said == what), "nobody said {what}");
    }
    let cuts = cuts();
    trial(&recording, cuts).unwrap();
    tell(&format!("{cuts} cuts, nothing lost of {} acts; {kinds:?}", recording.acts.len()));
}

/// The trial can fail: sled's own `flush` is no sync.
#[test]
fn a_store_without_its_own_syncs_loses_what_it_acknowledged() {
    let scratch = tempfile::tempdir().unwrap();
    let recording = record(scratch.path(), Some("store/sled/db"));
    assert!(!all_acknowledged(&recording).revisions.is_empty());
    let lost = trial(&recording, cuts().min(CUTS_USUALLY)).expect_err("a store without syncs loses steps");
    tell(&format!("without the store's own syncs: {lost}"));
}

/// What the layer leaves of a file: 512 bytes that were synced, and three parts of 512 bytes that were not.
#[test]
fn what_no_sync_has_covered_is_dropped_torn_or_reordered() {
    let root = PathBuf::from("/root-of-the-trial");
    let write = |offset, letter: u8, parts: usize| Act::Write { fd: 3, offset, bytes: vec![letter; 512 * parts] };
    let mut disk = Disk::new(&root);
    for act in [
        Act::Open { fd: 3, path: root.join("file"), created: true, truncated: false },
        Act::Open { fd: 4, path: root.clone(), created: false, truncated: false },
        Act::Sync { fd: 4 },
        write(0, b'a', 1),
        Act::Sync { fd: 3 },
        write(512, b'b', 2),
        write(1536, b'c', 1),
    ] {
        disk.play(&act);
    }
    assert_eq!(disk.unsynced_parts(), 3);
    let left = |survivors| {
        let into = tempfile::tempdir().unwrap();
        disk.cut(&root, &mut Chance { rng: rng(0), survivors, asked: 0 }, into.path());
        let bytes = fs::read(into.path().join("file")).unwrap();
        bytes.chunks(512).map(|part| if part[0] == 0 { '0' } else { part[0].into() }).collect::<String>()
    };
    assert_eq!(left(Survivors::Share(0)), "a", "dropped");
    assert_eq!(left(Survivors::Share(100)), "abbc");
    assert_eq!(left(Survivors::Before(1)), "ab", "a torn write");
    assert_eq!(left(Survivors::From(2)), "a00c", "a later write without the one before it");
}
