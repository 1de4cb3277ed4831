//! The history of a trial, and what must hold of it. Written for this purpose, and from the promises alone: it reads the
//! API's answers as any client would and knows nothing of the product's types.
//!
//! | rule | what it finds |
//! | --- | --- |
//! | `lost` | somebody was told of a start, a step, a resume or an end that is not there |
//! | `gap` | numbers of a journal that do not follow one another |
//! | `order` | a step that is not the one to which the entry before it led |
//! | `twice` | a step, a resume or a start that was committed twice |
//! | `key` | a call whose repetition had another key, or two calls with one key |
//! | `outcome` | a recorded answer that the outside system never gave to that key |
//! | `context` | a context that is not what the journal's changes make of it |
//! | `refused` | a start, a resume or a look that was refused although it was right |
//! | `unended` | a run or a call in the background that does not end, or ends as an error |

mod calls; // keys and outcomes, against the outside system's log
mod journal; // one journal by itself
mod told; // what clients were told
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

/// Everything that is known of a trial.
#[derive(Debug, Default, Clone)]
pub(crate) struct History {
    /// What clients were told.
    pub(crate) told: Vec<Told>,
    /// What the outside system was sent and answered, in order.
    pub(crate) served: Vec<Arc<Served>>,
    /// What the server has at the end, by run.
    pub(crate) kept: BTreeMap<String, Kept>,
}

/// One thing that a client was told.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    /// The answer of a start. `ticket` is what makes the start this one and no other.
    Started { ticket: String, run: String },
    /// The answer of a resume that brought `mark`.
    Resumed { run: String, mark: String },
    /// A run was seen so.
    Seen { run: String, revision: u64, state: String },
    /// The beginning of a journal was read.
    Read { run: String, entries: Vec<Value> },
    /// What is right was refused: to go on with a run, to look at it, or to start the one of a ticket.
    Refused { whose: String, what: String },
}

impl Told {
    /// The run that it is about, where it is about one.
    pub(crate) fn run(&self) -> Option<&str> {
        match self {
            Self::Started { run, .. } | Self::Resumed { run, .. } | Self::Seen { run, .. } | Self::Read { run, .. } => {
                Some(run)
            }
            Self::Refused { .. } => None,
        }
    }
}

/// One request to the outside system; its number in the log is the answer's.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) key: String,
    /// The ticket, or the run, that it was made for.
    pub(crate) whose: String,
    /// The path.
    pub(crate) place: String,
    pub(crate) status: u16,
}

/// A run as the server has it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Kept {
    /// Whether another run began it.
    pub(crate) is_child: bool,
    /// The step that runs of its flow begin with.
    pub(crate) first: String,
    /// How often runs of its flow come to the same step at most.
    pub(crate) goes: usize,
    pub(crate) state: String,
    pub(crate) revision: u64,
    pub(crate) journal: Vec<Value>,
    /// Its calls in the background.
    pub(crate) background: Vec<Value>,
    pub(crate) context: Value,
}

/// Whether the load is over: only then must everything have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Midway,
    End,
}

/// A rule that was broken, and how.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Broken {
    pub(crate) rule: &'static str,
    pub(crate) what: String,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.rule, self.what)
    }
}

/// What was found.
#[derive(Default)]
pub(crate) struct Findings(BTreeSet<Broken>);

impl Findings {
    fn add(&mut self, rule: &'static str, what: String) {
        self.0.insert(Broken { rule, what });
    }
}

/// Checks a history. Midway, `kept` may have a few runs only, and what was told of others is not looked at.
pub(crate) fn check(history: &History, stage: Stage) -> Vec<Broken> {
    let mut findings = Findings::default();
    for (run, kept) in &history.kept {
        journal::check(run, kept, &mut findings);
        calls::check(run, kept, &history.served, stage, &mut findings);
        if stage == Stage::End && !matches!(kept.state.as_str(), "completed" | "failed") {
            findings.add("unended", format!("{run} is {} at the end", kept.state));
        }
    }
    told::check(history, stage, &mut findings);
    if stage == Stage::End {
        calls::check_all(history, &mut findings);
    }
    findings.0.into_iter().collect()
}

/// What a history is made of, for the report.
#[derive(Debug, Default, serde::Serialize)]
pub(crate) struct Counts {
    pub(crate) runs: usize,
    pub(crate) steps: usize,
    pub(crate) acknowledgements: usize,
    pub(crate) resumes: usize,
    pub(crate) calls: usize,
    pub(crate) background_calls: usize,
    /// Calls that were made again although an answer had been given: what a kill costs.
    pub(crate) repeated_calls: usize,
}

pub(crate) fn count(history: &History) -> Counts {
    let mut last_status = BTreeMap::new();
    let mut repeated_calls = 0;
    for served in &history.served {
        let before = last_status.insert(&served.key, served.status);
        repeated_calls += usize::from(before.is_some_and(|status| status != 503));
    }
    let entries = || history.kept.values().flat_map(|kept| &kept.journal);
    let resumes = entries().filter(|entry| entry["record"]["kind"] == "resumed").count();
    Counts {
        runs: history.kept.len(),
        steps: entries().count() - resumes,
        acknowledgements: history.told.len(),
        resumes,
        calls: history.served.len(),
        background_calls: history.kept.values().map(|kept| kept.background.len()).sum(),
        repeated_calls,
    }
}
