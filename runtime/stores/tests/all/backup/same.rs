//! What comes back is what there was.

use weir_engine::ports::{DefinitionKind, Intervened, RunFilter, Started};
use weir_engine::run::RunStateKind;
use weir_stores::verify;

use super::*;
use crate::support::{claim, code, first_page};

// All rows and all large values: were one of them not the same, the files would differ. Export and import between back
// ends are this very thing.
#[tokio::test]
async fn from_back_end_to_back_end_every_row_stays_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let first = MemoryStore::default();
    fill(&first).await;
    back_up(&first, &path("memory"));
    let (from, to) = (path("memory"), path("store"));
    let dumped = tokio::task::spawn_blocking(move || {
        SledStore::restore(&from, &to, settings(), false).unwrap();
        back_up(&open(&to), &to.with_file_name("disk"))
    });
    assert_eq!(dumped.await.unwrap().left_out, 0);
    assert!(fs::read(path("memory")).unwrap() == fs::read(path("disk")).unwrap());
    back_up(&in_memory(&path("disk")).await, &path("again"));
    assert!(fs::read(path("memory")).unwrap() == fs::read(path("again")).unwrap());
}

#[test]
fn one_more_row_makes_another_backup() {
    let scratch = Scratch::new();
    let store = open(&scratch.path("first"));
    back_up(&store, &scratch.path("same"));
    assert!(fs::read(scratch.backup()).unwrap() == fs::read(scratch.path("same")).unwrap());
    crate::support::block_on(store.start_run(new_run("acme", "signup"))).unwrap();
    back_up(&store, &scratch.path("more"));
    assert!(fs::read(scratch.backup()).unwrap() != fs::read(scratch.path("more")).unwrap());
}

async fn goes_on(store: &dyn Store, content: &Content) {
    store.end_orphaned_leases().await.unwrap();
    let Content { leased, queued, suspended, resumed, ended, artifact } = content;
    for run in [leased, queued, suspended, resumed, ended] {
        assert_eq!(store.run(&run.tenant, run.id).await.unwrap().as_ref(), Some(run));
    }
    let claimed = claim(store, 2_500, 9).await;
    let mut ids: Vec<_> = claimed.iter().map(|claimed| claimed.run.id).collect();
    ids.sort_unstable();
    let mut expected = [leased.id, queued.id, resumed.id];
    expected.sort_unstable();
    assert_eq!(ids, expected, "leases have ended, who waits for an end user still does");
    assert!(store.intervened_with(&resumed.tenant, resumed.id, "again").await.unwrap());
    assert_eq!(code(store.intervene(resume(resumed)).await), "store.unexpected-state");
    assert_eq!(store.intervene(resume(suspended)).await.unwrap(), Intervened::Done(None));
    assert_eq!(claim(store, 2_500, 9).await.len(), 1);
    let mut same_key = new_run("globex", "login");
    same_key.client_key = Some("order-7".to_owned());
    match store.start_run(same_key).await.unwrap() {
        Started::Existing(run) => assert_eq!(*run, *queued),
        other => panic!("{other:?}"),
    }
    let acme = tenant("acme");
    let digest = weir_engine::digest::Digest::of(artifact);
    assert_eq!(store.artifact(&acme, &digest).await.unwrap().as_ref(), Some(artifact));
    let filter = RunFilter { state: Some(RunStateKind::Completed), flow: None };
    assert_eq!(store.runs(&acme, &filter, &first_page(9)).await.unwrap().items, std::slice::from_ref(ended));
    let flow = store.definition(&acme, DefinitionKind::Flow, "signup", None).await.unwrap().unwrap();
    assert_eq!(flow.version, 2);
    let calls = store.background_calls(&leased.tenant, leased.id, 0, 9).await.unwrap();
    assert_eq!(calls.len(), 3);
}

#[test]
fn restored_runs_go_on() {
    let scratch = Scratch::new();
    let disk = scratch.restore(&scratch.backup(), "second").unwrap();
    crate::support::block_on(async {
        goes_on(&disk, &scratch.content).await;
        goes_on(&in_memory(&scratch.backup()).await, &scratch.content).await;
    });
    drop(disk);
    assert!(crate::support::block_on(open(&scratch.path("second")).health()).notes.is_empty());
}

#[test]
fn the_report_counts_what_there_is() {
    let scratch = Scratch::new();
    let before = fs::read(scratch.backup()).unwrap();
    let report = verify(&scratch.backup()).unwrap();
    assert_eq!((report.made_at, report.faults_found), (at(7_000), 0));
    let expected = [
        ("runs", 5),
        // Six steps, two that suspended, one resume, one end.
        ("journal entries", 10),
        ("calls in the background", 3),
        ("versions of definitions", 2),
        ("artifacts", 1),
        ("client keys of starts", 1),
        ("client keys of resumes", 1),
    ];
    for (kind, count) in expected {
        assert_eq!(report.counts.get(kind), Some(&count), "{kind}: {report:?}");
    }
    assert!(report.blobs >= 6 && report.blob_bytes > 1_300_000, "{report:?}");
    assert_eq!(fs::read(scratch.backup()).unwrap(), before, "to verify is to read");
}
