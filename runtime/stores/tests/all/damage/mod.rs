//! Torn, missing and changed files: a typed error or a recovery, never a panic, never an empty store. keeps D1, D4

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::json;
use tempfile::TempDir;
use weir_engine::ports::{RunFilter, Store, StoreError};
use weir_engine::run::Run;
use weir_stores::{OpenError, SledSettings, SledStore};

use crate::support::{
    advance, begin, block_on, change, claim, code, first_page, new_run, open, settings, step, tenant,
};

mod log; // sled's own files
mod values; // rows and large values
mod left_out; // what can be read beside it
mod files; // each file beside them, torn in every way
mod suspended; // runs that wait for their end user
mod folder; // what is missing, newer, or not to be written

pub(crate) use self::values::spoil;

/// What a store must give back, or say that it cannot.
struct Content {
    dir: TempDir,
    runs: Vec<Run>,
}

/// A closed store with some runs, large values among them.
fn content() -> Content {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let runs = block_on(async {
        let mut runs = Vec::new();
        for number in 0..5 {
            let (mut run, lease) = begin(&store, "acme", "signup").await;
            for round in 0..6 {
                let text = "x".repeat(if round == 5 { 9_000 + number } else { 300 * round });
                let commit = step(&run, &lease, advance(), vec![change("connectors.body", json!(text))]);
                run = commit.run.clone();
                store.commit_step(commit).await.unwrap();
            }
            runs.push(run);
        }
        runs
    });
    Content { dir, runs }
}

impl Content {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Opens the store, and reads everything that was acknowledged.
    fn read(&self) -> Result<(), Seen> {
        let store = SledStore::open(self.dir.path(), settings()).map_err(Seen::Opening)?;
        block_on(async {
            for run in &self.runs {
                let found = store.run(&run.tenant, run.id).await?;
                assert_eq!(found.as_ref(), Some(run), "an acknowledged run is lost in silence");
                assert_eq!(store.journal(&run.tenant, run.id, 0, 100).await?.len(), 6);
                assert_eq!(store.run_context(&run.tenant, run.id).await?.unwrap().iter().count(), 2);
            }
            Ok(())
        })
    }

    fn is_whole(&self) {
        self.read().unwrap();
    }

    fn notes(&self) -> String {
        block_on(open(self.dir.path()).health()).notes.join("; ")
    }
}

#[derive(Debug)]
enum Seen {
    Opening(OpenError),
    Reading(StoreError),
}

impl From<StoreError> for Seen {
    fn from(error: StoreError) -> Self {
        Self::Reading(error)
    }
}

impl Seen {
    fn code(&self) -> &'static str {
        match self {
            Self::Opening(error) => error.code(),
            Self::Reading(error) => error.code(),
        }
    }
}

fn flip(path: &Path, at: u64) {
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
}

fn cut(path: &Path, length: u64) {
    fs::File::options().write(true).open(path).unwrap().set_len(length).unwrap();
}

fn snapshots(content: &Content) -> Vec<PathBuf> {
    let entries = fs::read_dir(content.path("sled")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("snap.")).collect()
}

/// One closed store for each case of a table, copied, since making one takes longer.
fn copies(of: &Content) -> impl Fn() -> Content + '_ {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            let to = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                copy(&entry.path(), &to);
            } else {
                fs::copy(entry.path(), to).unwrap();
            }
        }
    }
    || {
        let dir = tempfile::tempdir().unwrap();
        copy(of.dir.path(), dir.path());
        Content { dir, runs: of.runs.clone() }
    }
}
