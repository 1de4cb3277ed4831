//! What cannot be read, for whatever reason, does not stand in the way of what can.

use weir_engine::digest::Digest;
use weir_engine::ports::{DefinitionKind, Expectation, NewDefinition};

use super::*;
use crate::support::{at, next_page};

const KIND: DefinitionKind = DefinitionKind::Flow;

/// How a file may be beyond reading.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// Damage.
    Missing,
    /// An error of the system, as one of rights, the disk or too many open files would be.
    Unreadable,
}

impl Trouble {
    fn strike(self, file: &Path) {
        fs::remove_file(file).unwrap();
        if matches!(self, Self::Unreadable) {
            fs::create_dir(file).unwrap();
        }
    }

    fn mend(self, file: &Path, bytes: &[u8]) {
        if matches!(self, Self::Unreadable) {
            fs::remove_dir(file).unwrap();
        }
        fs::write(file, bytes).unwrap();
    }

    fn code(self) -> &'static str {
        match self {
            Self::Missing => "store.corrupt",
            Self::Unreadable => "store.backend",
        }
    }
}

fn blob(dir: &Path, bytes: &[u8]) -> PathBuf {
    let name = Digest::of(bytes).hex();
    dir.join("blobs").join(&name[..2]).join(name)
}

/// The only large value of a store.
fn only_blob(dir: &Path) -> PathBuf {
    let folders = fs::read_dir(dir.join("blobs")).unwrap().map(|entry| entry.unwrap().path());
    let mut files = folders.flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    let only = files.next().unwrap();
    assert_eq!(files.next(), None);
    only
}

fn words(error: &StoreError) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    format!("{error}: {}", source.unwrap_or_default())
}

async fn left_out(store: &SledStore) -> bool {
    store.health().await.notes.iter().any(|note| note.contains("left out"))
}

#[test]
fn a_run_whose_context_cannot_be_read_is_left_out_of_a_claim() {
    let content = content();
    let copy = copies(&content);
    for trouble in [Trouble::Missing, Trouble::Unreadable] {
        let damaged = copy();
        let value = serde_json::to_vec(&"x".repeat(9_002)).unwrap();
        let file = blob(damaged.dir.path(), &value);
        trouble.strike(&file);
        let store = open(damaged.dir.path());
        block_on(async {
            let run = &damaged.runs[2];
            let claimed = claim(&store, 5_000, 10).await;
            assert_eq!(claimed.len(), 4, "{trouble:?}");
            assert!(claimed.iter().all(|claimed| claimed.run.id != run.id));
            assert!(left_out(&store).await);
            assert!(claim(&store, 5_001, 10).await.is_empty(), "its lease runs out by itself");
            let error = store.run_context(&run.tenant, run.id).await.unwrap_err();
            assert_eq!(error.code(), trouble.code());
            assert!(words(&error).contains(&file.display().to_string()), "{error:?}");
            trouble.mend(&file, &value);
            assert_eq!(claim(&store, 65_000, 10).await.len(), 5, "it is mended");
        });
    }
}

fn definition(name: &str, body: serde_json::Value) -> NewDefinition {
    NewDefinition { tenant: tenant("acme"), kind: KIND, name: name.to_owned(), created_at: at(5), body }
}

/// A store with the definitions `a`, `b` and `c`, of which `b` has a second, large version.
fn defined() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    block_on(async {
        let large = definition("b", json!("x".repeat(9_000)));
        for new in [definition("a", json!(1)), definition("b", json!(1)), large, definition("c", json!(1))] {
            store.put_definition(new, Expectation::Any).await.unwrap();
        }
    });
    dir
}

/// The names that are listed, page after page.
async fn names(store: &SledStore) -> Vec<String> {
    let (mut names, mut next) = (Vec::new(), Some(first_page(1)));
    while let Some(page) = next {
        let found = store.definitions(&tenant("acme"), KIND, "", &page).await.unwrap();
        names.extend(found.items.iter().map(|found| found.name.clone()));
        next = next_page(1, &found);
    }
    names
}

#[test]
fn a_definition_that_cannot_be_read_is_left_out_of_listings() {
    for trouble in [Trouble::Missing, Trouble::Unreadable] {
        let dir = defined();
        trouble.strike(&only_blob(dir.path()));
        let store = open(dir.path());
        block_on(async {
            let edition = store.definitions_edition();
            assert_eq!(names(&store).await, ["a", "c"], "{trouble:?}");
            assert!(left_out(&store).await);
            assert!(store.definitions_edition() > edition, "{trouble:?}: nobody keeps the listing");
            let versions = store.definition_versions(&tenant("acme"), KIND, "b", &first_page(5)).await.unwrap();
            assert_eq!(versions.items.iter().map(|found| found.version).collect::<Vec<_>>(), [1]);
            assert_eq!(code(store.definition(&tenant("acme"), KIND, "b", None).await), trouble.code());
            assert!(store.definition(&tenant("acme"), KIND, "b", Some(1)).await.unwrap().is_some());
        });
    }
}

#[test]
fn a_definition_with_a_damaged_row_is_left_out_of_listings() {
    for (table, versions) in [(b'N', Err("store.corrupt")), (b'D', Ok(0))] {
        let dir = defined();
        spoil(dir.path(), table, |key| key.windows(3).any(|part| part == [5, b'b', 0]));
        let store = open(dir.path());
        block_on(async {
            assert_eq!(names(&store).await, ["a", "c"], "table {}", table as char);
            assert!(left_out(&store).await);
            assert_eq!(code(store.definition(&tenant("acme"), KIND, "b", None).await), "store.corrupt");
            let listed = store.definition_versions(&tenant("acme"), KIND, "b", &first_page(5)).await;
            assert_eq!(listed.map(|page| page.items.len()).map_err(|error| error.code()), versions);
        });
    }
}
