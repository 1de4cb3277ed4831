//! Files that are cut, changed, or of something else: never taken for a backup, never a panic. keeps D4

use proptest::prelude::*;
use weir_stores::verify;

use super::*;

fn small() -> (tempfile::TempDir, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let store = MemoryStore::default();
    crate::support::block_on(async {
        let (run, lease) = begin(&store, "acme", "signup").await;
        let changes = vec![change("connectors.last", json!("x".repeat(6_000)))];
        store.commit_step(step(&run, &lease, advance(), changes)).await.unwrap();
    });
    back_up(&store, &dir.path().join("backup"));
    let bytes = fs::read(dir.path().join("backup")).unwrap();
    (dir, bytes)
}

/// What is said of a file with these bytes. Restoring it must say the same, and leave nothing.
fn said(dir: &Path, bytes: &[u8]) -> Option<&'static str> {
    let file = dir.join("changed");
    fs::write(&file, bytes).unwrap();
    let said = verify(&file).err().map(|error| error.code());
    if said.is_some() {
        let restored = SledStore::restore(&file, &dir.join("second"), settings(), true);
        assert_eq!(restored.err().map(|error| error.code()), said);
        let left: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| !name.to_string_lossy().starts_with("second")), "{left:?}");
    }
    said
}

#[test]
fn cut_short_anywhere_it_is_refused() {
    let (dir, bytes) = small();
    assert_eq!(said(dir.path(), &bytes), None);
    let around_the_ends = (0..64).chain(bytes.len() - 200..bytes.len());
    for at in around_the_ends.chain((0..bytes.len()).step_by(512)) {
        assert_eq!(said(dir.path(), &bytes[..at]), Some("backup.cut-short"), "cut at {at} of {}", bytes.len());
    }
    // Disks leave zeros where a write did not arrive.
    for at in (0..bytes.len()).step_by(512) {
        let mut zeroed = bytes.clone();
        zeroed[at..].fill(0);
        assert_eq!(said(dir.path(), &zeroed), Some("backup.damaged"), "zeros from {at}");
    }
}

#[test]
fn something_else_or_something_more_is_refused() {
    let (dir, bytes) = small();
    let other = |text: &[u8]| said(dir.path(), text);
    assert_eq!(other(b""), Some("backup.cut-short"));
    assert_eq!(other(b"PK\x03\x04 an archive of something"), Some("backup.damaged"));
    assert_eq!(other(&[bytes.as_slice(), b"x"].concat()), Some("backup.damaged"));
    assert_eq!(other(&[bytes.as_slice(), bytes.as_slice()].concat()), Some("backup.damaged"));
    let mut newer = bytes;
    newer[12] = 2;
    assert_eq!(other(&newer), Some("backup.newer-format"));
    assert_eq!(verify(&dir.path().join("missing")).unwrap_err().code(), "backup.not-read");
    assert_eq!(verify(dir.path()).unwrap_err().code(), "backup.not-read");
}

#[test]
fn parts_that_moved_are_seen() {
    let scratch = Scratch::new();
    let bytes = fs::read(scratch.backup()).unwrap();
    let mut parts = Vec::new();
    let mut from = 16;
    while from < bytes.len() {
        let length = u32::from_le_bytes(bytes[from + 1..from + 5].try_into().unwrap()) as usize;
        let end = from + 5 + length + 32;
        parts.push(&bytes[from..end]);
        from = end;
    }
    assert!(parts.len() > 5);
    let file = |parts: &[&[u8]]| [&bytes[..16], &parts.concat()].concat();
    let code = |parts: &[&[u8]]| said(scratch.dir.path(), &file(parts));
    assert_eq!(code(&parts), None);
    for at in 1..parts.len() - 2 {
        let mut swapped = parts.clone();
        swapped.swap(at, at + 1);
        assert_eq!(code(&swapped), Some("backup.damaged"), "{at}");
        let mut without = parts.clone();
        without.remove(at);
        assert_eq!(code(&without), Some("backup.damaged"), "{at}");
        let mut twice = parts.clone();
        twice.insert(at, parts[at]);
        assert_eq!(code(&twice), Some("backup.damaged"), "{at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn a_flipped_bit_is_seen(at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let (dir, mut bytes) = small();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let file = dir.path().join("changed");
        fs::write(&file, &bytes).unwrap();
        let code = verify(&file).unwrap_err().code();
        prop_assert!(["backup.damaged", "backup.cut-short", "backup.newer-format"].contains(&code), "{}", code);
    }
}
