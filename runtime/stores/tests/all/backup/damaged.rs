//! Made of a damaged store: what there is comes into the backup, and everybody is told what does not. keeps D4

use weir_stores::verify;

use super::*;
use crate::support::block_on;

#[test]
fn a_large_value_that_is_missing_is_told_three_times() {
    let scratch = Scratch::new();
    let digest = weir_engine::digest::Digest::of(&scratch.content.artifact).hex();
    let blob = scratch.path("first/blobs").join(&digest[..2]).join(&digest);
    for damage in [|path: &Path| fs::write(path, "other").unwrap(), |path: &Path| fs::remove_file(path).unwrap()] {
        damage(&blob);
        let file = scratch.path("damaged");
        assert_eq!(back_up(&open(&scratch.path("first")), &file).left_out, 1);
        let report = verify(&file).unwrap();
        assert_eq!(report.faults_found, 1);
        assert!(report.faults[0].contains(&digest) && report.faults[0].contains("missing"), "{report:?}");
        let error = scratch.restore(&file, "second").map(drop).unwrap_err();
        assert_eq!(error.code(), "backup.damaged-content");
        assert!(error.to_string().contains(&digest) && error.to_string().contains("--despite-damage"), "{error}");
        assert!(!scratch.path("second").exists());
        SledStore::restore(&file, &scratch.path("second"), settings(), true).unwrap();
        let restored = open(&scratch.path("second"));
        block_on(async {
            let run = &scratch.content.leased;
            assert_eq!(restored.run(&run.tenant, run.id).await.unwrap().as_ref(), Some(run));
            let digest = weir_engine::digest::Digest::of(&scratch.content.artifact);
            let missing = restored.artifact(&tenant("acme"), &digest).await.unwrap_err();
            assert_eq!(missing.code(), "store.corrupt");
        });
        drop(restored);
        fs::remove_dir_all(scratch.path("second")).unwrap();
    }
}

#[test]
fn a_damaged_row_is_copied_as_it_is_and_told() {
    let scratch = Scratch::new();
    crate::damage::spoil(&scratch.path("first"), b'J', |_| true);
    let file = scratch.path("damaged");
    back_up(&open(&scratch.path("first")), &file);
    let report = verify(&file).unwrap();
    assert_eq!(report.faults_found, report.counts["journal entries"]);
    assert!(report.faults[0].contains("checksum"), "{report:?}");
    let refused = block_on(MemoryStore::restored(&file)).map(drop).unwrap_err();
    assert_eq!(refused.code(), "backup.damaged-content");
    SledStore::restore(&file, &scratch.path("second"), settings(), true).unwrap();
    back_up(&open(&scratch.path("second")), &scratch.path("again"));
    assert!(fs::read(&file).unwrap() == fs::read(scratch.path("again")).unwrap(), "not mended, not made worse");
}
