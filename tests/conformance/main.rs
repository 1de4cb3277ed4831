//! `make conformance`: runs vector files against the real binary. One line for each file, then the sum of them.
//!
//! `conformance [-v] [DIR]`: all `*.json` of the folder; `../shared/vectors` without one. `-v` also names every vector
//! that failed or was skipped, and why. The exit status is 1 where one failed, 2 where nothing could be run.
//!
//! A further product area is a module with a table of [`registry::Runner`]s, and a row in [`registry::AREAS`].

mod vector; // a vector, and how files of them are read
mod verdict; // what a vector comes to
mod registry; // which runner takes which vector
mod upstream; // an outside system that answers as a vector says
mod faults; // one that also lets connections and answers go wrong
mod world; // the real binary with a tenant
mod templates; // interpolation of other products, written as ours
mod actions;
mod descope_connector;
mod transmit_function;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use crate::vector::Vector;
use crate::verdict::Verdict;
use crate::world::World;

fn main() -> ExitCode {
    match run() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "conformance: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// What one file, or all of them, came to.
#[derive(Default)]
struct Score {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl std::fmt::Display for Score {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// The number of vectors that failed.
fn run() -> anyhow::Result<usize> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let verbose = arguments.iter().any(|argument| argument == "-v");
    let folder = match arguments.iter().find(|argument| *argument != "-v") {
        Some(folder) => PathBuf::from(folder),
        None => weir_tests::paths::root().join("../shared/vectors"),
    };
    let files = files(&folder)?;
    let mut world = World::default();
    let mut out = std::io::stdout().lock();
    let mut sum = Score::default();
    for file in files {
        let vectors = vector::read(&file)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let (score, remarks) = score(&mut world, &vectors, verbose);
        writeln!(out, "{name}: {score}")?;
        out.write_all(remarks.as_bytes())?;
        sum.passed += score.passed;
        sum.failed += score.failed;
        sum.skipped += score.skipped;
    }
    writeln!(out, "{sum}")?;
    Ok(sum.failed)
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    if files.is_empty() {
        bail!("{} has no `*.json` files", folder.display());
    }
    files.sort();
    Ok(files)
}

fn score(world: &mut World, vectors: &[Vector], verbose: bool) -> (Score, String) {
    let (mut score, mut remarks) = (Score::default(), String::new());
    for vector in vectors {
        let remark = match registry::run(world, vector) {
            Verdict::Passed => {
                score.passed += 1;
                continue;
            }
            Verdict::Failed(reason) => {
                score.failed += 1;
                format!("  failed  {} ({}): {reason}\n", vector.id, vector.title)
            }
            Verdict::Skipped(reason) if verbose => {
                score.skipped += 1;
                format!("  skipped {} ({}): {reason}\n", vector.id, vector.title)
            }
            Verdict::Skipped(_) => {
                score.skipped += 1;
                continue;
            }
        };
        remarks.push_str(&remark);
    }
    (score, remarks)
}
