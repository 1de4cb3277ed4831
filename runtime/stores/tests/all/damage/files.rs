//! Every file that a store writes, torn, emptied, filled with something else, or a folder in its place: it opens with
//! all that was acknowledged, or says what to do. keeps D4; covers T-07

use weir_engine::ports::DefinitionKind;

use super::*;
use crate::support::at;

/// What somebody may find in the place of a file.
#[derive(Debug, Clone)]
enum Found {
    Bytes(Vec<u8>),
    Folder,
    Nothing,
}

fn put(path: &Path, found: &Found) {
    if path.is_dir() {
        fs::remove_dir_all(path).unwrap();
    } else if path.exists() {
        fs::remove_file(path).unwrap();
    }
    match found {
        Found::Bytes(bytes) => fs::write(path, bytes).unwrap(),
        Found::Folder => fs::create_dir(path).unwrap(),
        Found::Nothing => {}
    }
}

/// Every way in which a small file may be torn, and a few things that were never ours.
fn torn(sound: &[u8]) -> Vec<Found> {
    let cut = (0..sound.len()).map(|at| sound[..at].to_vec());
    let zeroed = (0..sound.len()).map(|at| [&sound[..at], &vec![0; sound.len() - at]].concat());
    let others: [&[u8]; 4] = [b"rubbish\n", &[0xff; 64], &[0; 512], b"99999999999999999999999999\n"];
    let bytes = cut.chain(zeroed).chain(others.map(<[u8]>::to_vec));
    bytes.map(Found::Bytes).chain([Found::Folder, Found::Nothing]).collect()
}

/// Opens a damaged store. It is whole, or it names what is wrong.
fn whole_or_told(damaged: &Content, codes: &[&str], case: &str) -> bool {
    match damaged.read() {
        Ok(()) => true,
        Err(seen) => {
            assert!(codes.contains(&seen.code()), "{case}: {seen:?}");
            false
        }
    }
}

#[test]
fn small_files_of_ours_in_every_state() {
    let content = content();
    let copy = copies(&content);
    for name in ["MARK", "FORMAT", "weir.lock"] {
        let sound = fs::read(content.path(name)).unwrap();
        for found in torn(&sound) {
            let damaged = copy();
            put(&damaged.path(name), &found);
            let case = format!("{name}: {found:?}");
            let whole = whole_or_told(&damaged, &["store.folder", "store.corrupt"], &case);
            // None of them holds what was acknowledged: only what cannot be a file of ours keeps the store shut.
            let is_mark_of_more = name == "MARK" && matches!(&found, Found::Bytes(bytes) if bytes.starts_with(b"99"));
            assert!(whole || matches!(found, Found::Folder) || is_mark_of_more, "{case}");
        }
    }
}

#[test]
fn a_mark_that_is_ahead_is_believed() {
    let content = content();
    fs::write(content.path("MARK"), "4000000\n").unwrap();
    let error = content.read().unwrap_err();
    assert_eq!(error.code(), "store.corrupt");
    assert!(format!("{error:?}").contains("remove the file `MARK`"), "{error:?}");
}

#[test]
fn what_was_not_finished_is_in_nobodys_way() {
    let content = content();
    content.is_whole();
    let copy = copies(&content);
    let snapshot = fs::read(&snapshots(&content)[0]).unwrap();
    let halves = [Vec::new(), b"half".to_vec(), snapshot[..snapshot.len() / 2].to_vec(), snapshot.clone()];
    for name in [
        "MARK.new",
        "FORMAT.new",
        "blobs/unfinished/7",
        "blobs/unfinished",
        "sled/snap.FFFFFFFFFFFFFFFF.generating",
        "sled/snap.0000000000000000.generating",
        "sled/aside.conf",
        "sled/aside.snap.0000000000000001",
    ] {
        for half in &halves {
            let damaged = copy();
            put(&damaged.path(name), &Found::Bytes(half.clone()));
            damaged.read().unwrap_or_else(|seen| panic!("{name} of {} bytes: {seen:?}", half.len()));
            // And it takes writes.
            block_on(begin(&open(damaged.dir.path()), "acme", "after"));
        }
    }
}

#[test]
fn snapshots_and_settings_of_sled_in_every_state() {
    let content = content();
    content.is_whole();
    let copy = copies(&content);
    let names: Vec<PathBuf> = snapshots(&content).into_iter().chain([content.path("sled/conf")]).collect();
    for path in names {
        let sound = fs::read(&path).unwrap();
        let name = path.strip_prefix(content.dir.path()).unwrap();
        // Each 32nd: they are read alike.
        for found in torn(&sound).into_iter().step_by(if sound.len() > 64 { 32 } else { 1 }) {
            let damaged = copy();
            put(&damaged.dir.path().join(name), &found);
            let case = format!("{}: {found:?}", name.display());
            let whole = whole_or_told(&damaged, &["store.folder", "store.corrupt"], &case);
            assert!(whole || matches!(found, Found::Folder), "{case}");
        }
    }
}

#[test]
fn a_log_that_is_something_else_never_opens_empty() {
    let content = content();
    content.is_whole();
    let copy = copies(&content);
    let length = usize::try_from(fs::metadata(content.path("sled/db")).unwrap().len()).unwrap();
    let noise: Vec<u8> = (0..length).map(|number| (number * 7 % 251) as u8).collect();
    for (found, with_snapshots) in [
        (Found::Bytes(Vec::new()), true),
        (Found::Bytes(Vec::new()), false),
        (Found::Bytes(vec![0; length]), true),
        (Found::Bytes(vec![0; length]), false),
        (Found::Bytes(noise.clone()), true),
        (Found::Bytes(noise), false),
        (Found::Folder, true),
        (Found::Folder, false),
    ] {
        let damaged = copy();
        put(&damaged.path("sled/db"), &found);
        if !with_snapshots {
            snapshots(&damaged).iter().for_each(|path| fs::remove_file(path).unwrap());
        }
        let seen = damaged.read().unwrap_err();
        assert!(["store.corrupt", "store.folder"].contains(&seen.code()), "{seen:?}");
    }
}

/// How far apart the cuts of the log are, in sectors of 512 bytes. `make torture` cuts at each.
fn step() -> usize {
    if std::env::var_os("WEIR_EVERY_SECTOR").is_some() { 1 } else { 61 }
}

#[test]
fn a_log_torn_at_any_sector_is_whole_or_says_so() {
    let content = content();
    content.is_whole();
    let copy = copies(&content);
    let bytes = fs::read(content.path("sled/db")).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap() / 512;
    for sector in (0..=written).step_by(step()) {
        for zeros in [false, true] {
            let damaged = copy();
            let mut torn = bytes[..sector * 512].to_vec();
            if zeros {
                torn.resize(bytes.len(), 0);
            }
            fs::write(damaged.path("sled/db"), torn).unwrap();
            // A torn write is none that a snapshot was made of.
            snapshots(&damaged).iter().for_each(|path| fs::remove_file(path).unwrap());
            whole_or_told(&damaged, &["store.corrupt"], &format!("cut at sector {sector}, zeros: {zeros}"));
        }
    }
}

#[test]
fn a_large_value_in_every_state_is_seen_where_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let acme = tenant("acme");
    let bytes = Bytes::from_iter((0..9_000_u32).map(|number| (number % 251) as u8));
    let digest = block_on(store.put_artifact(&acme, bytes.clone())).unwrap();
    let path = dir.path().join("blobs").join(&digest.hex()[..2]).join(digest.hex());
    let mut flipped = bytes.to_vec();
    flipped[8_999] ^= 1;
    let longer = [&bytes[..], b"x"].concat();
    for found in [
        Found::Bytes(Vec::new()),
        Found::Bytes(bytes[..512].to_vec()),
        Found::Bytes(bytes[..8_999].to_vec()),
        Found::Bytes(flipped),
        Found::Bytes(longer),
        Found::Bytes(vec![0; 9_000]),
        Found::Nothing,
        Found::Folder,
    ] {
        put(&path, &found);
        let error = block_on(store.artifact(&acme, &digest)).unwrap_err();
        let expected = if matches!(found, Found::Folder) { "store.backend" } else { "store.corrupt" };
        assert_eq!(error.code(), expected, "{found:?}");
        // Everything else goes on.
        let flow = block_on(store.definition(&acme, DefinitionKind::Flow, "none", None)).unwrap();
        assert_eq!(flow, None, "{found:?}");
        assert!(block_on(claim_none(&store)));
    }
    put(&path, &Found::Nothing);
    block_on(store.put_artifact(&acme, bytes.clone())).unwrap();
    assert_eq!(block_on(store.artifact(&acme, &digest)).unwrap(), Some(bytes));
}

async fn claim_none(store: &SledStore) -> bool {
    let owner = crate::support::owner("worker");
    store.claim_runs(&owner, at(5_000), crate::support::LEASE, 9).await.unwrap().is_empty()
}
