//! `make conformance`: runs vector files against the real binary. One line for each file, a table by evidence and
//! profile, then the sum of them.
//!
//! `conformance [-v] [-m] [DIR]`: all `*.json` of the folder; `../shared/vectors` without one. `-v` also names every
//! vector that was skipped, and why; `-m` ends with tables to be pasted. Vectors that are decided against stand in
//! `decided.md`. The exit status is 1 where one failed, or that list has a fault, 2 where nothing could be run.
//!
//! A further product area is a module with a table of [`registry::Runner`]s, and a row in [`registry::AREAS`].

mod vector; // a vector, and how files of them are read
mod verdict; // what a vector comes to
mod decided; // those that are decided against
mod score; // what they come to, counted
mod profile; // which profile a vector speaks of
mod registry; // which runner takes which vector
mod upstream; // an outside system that answers as a vector says
mod faults; // one that also lets connections and answers go wrong
mod world; // the real binary with a tenant
mod templates; // interpolation of other products, written as ours
mod actions;
mod descope_connector;
mod transmit_function;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use crate::decided::Decided;
use crate::score::{Count, Scores};
use crate::vector::Vector;
use crate::verdict::Verdict;
use crate::world::World;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "conformance: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// What is asked for on the command line.
struct Options {
    verbose: bool,
    markdown: bool,
    folder: PathBuf,
    /// The folder that `decided.md` speaks of, with nothing missing.
    is_default: bool,
}

impl Options {
    fn read() -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
        let default = weir_tests::paths::root().join("../shared/vectors");
        let given = arguments.iter().find(|argument| !argument.starts_with('-')).map(PathBuf::from);
        let folder = given.unwrap_or_else(|| default.clone());
        let is_default = folder.canonicalize().ok().is_some_and(|folder| default.canonicalize().ok() == Some(folder));
        Self { verbose: has("-v"), markdown: has("-m"), folder, is_default }
    }
}

/// What everything runs in, and what it came to so far.
struct Session {
    world: World,
    decided: Decided,
    scores: Scores,
    /// The evidence of every vector, by id.
    known: BTreeMap<String, String>,
    verbose: bool,
}

/// Whether all is well.
fn run() -> anyhow::Result<bool> {
    let options = Options::read();
    let files = files(&options.folder)?;
    let mut session = Session {
        world: World::default(),
        decided: Decided::load()?,
        scores: Scores::default(),
        known: BTreeMap::new(),
        verbose: options.verbose,
    };
    let mut out = std::io::stdout().lock();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        session.scores.file(&name);
        let remarks = session.run(&file);
        writeln!(out, "{name}: {}", session.scores.last())?;
        out.write_all(remarks.as_bytes())?;
        out.flush()?;
    }
    let faults = if options.is_default { session.decided.faults(&session.known) } else { Vec::new() };
    for fault in &faults {
        writeln!(out, "{fault}")?;
    }
    let scores = &session.scores;
    if options.markdown {
        write!(out, "\n{}\n{}\n", scores.by_file().markdown(), scores.by_evidence().markdown())?;
    } else {
        write!(out, "\n{}\n", scores.by_evidence().text())?;
    }
    writeln!(out, "{}", scores.sum)?;
    Ok(scores.sum.failed == 0 && faults.is_empty())
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

impl Session {
    /// Runs a file. What is to be said of its vectors.
    fn run(&mut self, file: &Path) -> String {
        let mut remarks = String::new();
        let vectors = match vector::read(file) {
            Ok(vectors) => vectors,
            Err(error) => {
                self.scores.count("", "unknown", Count::Failed);
                return format!("  failed  {error:#}\n");
            }
        };
        for vector in vectors {
            match vector {
                Ok(vector) => remarks.push_str(&self.run_one(&vector)),
                Err(malformed) => {
                    self.scores.count("", "unknown", Count::Failed);
                    remarks.push_str(&format!("  failed  {}: no vector: {:#}\n", malformed.id, malformed.why));
                }
            }
        }
        remarks
    }

    fn run_one(&mut self, vector: &Vector) -> String {
        let verdict = registry::run(&mut self.world, vector);
        let profile = profile::of(vector, &self.world.profiles());
        let decided = self.decided.reason(&vector.id);
        self.known.insert(vector.id.clone(), vector.evidence.clone());
        let (count, why) = match (verdict, decided) {
            (Verdict::Passed, None) => (Count::Passed, None),
            (Verdict::Passed, Some(_)) => {
                (Count::Failed, Some("it passes although decided.md lists it: take it out there".to_owned()))
            }
            (Verdict::Failed(_), Some(decided)) => (Count::Decided, Some(decided.to_owned())),
            (Verdict::Failed(reason), None) => (Count::Failed, Some(reason)),
            (Verdict::Skipped(reason), _) => (Count::Skipped, self.verbose.then_some(reason)),
        };
        self.scores.count(&vector.evidence, &profile, count);
        let word = match count {
            Count::Passed => "passed",
            Count::Failed => "failed",
            Count::Skipped => "skipped",
            Count::Decided => "decided",
        };
        why.map(|why| format!("  {word:7} {} ({}): {why}\n", vector.id, vector.title)).unwrap_or_default()
    }
}
