//! One journal by itself: numbers without gaps, each step the one to which the one before it led, each committed once,
//! and the context that its changes make.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Findings, Kept};

/// Where an entry led.
pub(super) enum Led<'a> {
    To(&'a str),
    /// The run is suspended, and its step runs again after a resume.
    Away,
    /// The step waits for something else, and runs again by itself.
    Again,
    /// The run is ready for another look at its child runs.
    Look,
    End,
}

pub(super) fn led(entry: &Value) -> Option<Led<'_>> {
    let outcome = &entry["outcome"];
    let (name, value) = outcome.as_object()?.iter().next()?;
    match name.as_str() {
        "next" if is_of_family(entry) && value["step"] == entry["step"] => Some(Led::Look),
        "next" => value["step"].as_str().map(Led::To),
        "suspended" => Some(Led::Away),
        "waiting" => Some(Led::Again),
        "end" => Some(Led::End),
        _ => None,
    }
}

/// A look at child runs, a compensation, or the end behind them: the run stays at its step meanwhile.
fn is_of_family(entry: &Value) -> bool {
    ["children", "compensation", "not-run"].iter().any(|kind| entry["record"]["kind"] == *kind)
}

pub(super) fn step(entry: &Value) -> &str {
    entry["step"].as_str().unwrap_or_default()
}

pub(super) fn is_resume(entry: &Value) -> bool {
    entry["record"]["kind"] == "resumed"
}

pub(super) fn check(run: &str, kept: &Kept, findings: &mut Findings) {
    for (index, entry) in kept.journal.iter().enumerate() {
        let expected = index as u64 + 1;
        if entry["sequence"] != expected {
            findings.add("gap", format!("{run}: entry {expected} of the journal has number {}", entry["sequence"]));
        }
    }
    if (kept.journal.len() as u64) < kept.revision {
        let (entries, revision) = (kept.journal.len(), kept.revision);
        findings.add("gap", format!("{run} has revision {revision} and {entries} entries"));
    }
    chain(run, kept, findings);
    once(run, kept, findings);
    context(run, kept, findings);
}

fn chain(run: &str, kept: &Kept, findings: &mut Findings) {
    let mut due = kept.first.as_str();
    let mut is_away = false;
    let mut is_winding_down = false;
    for entry in &kept.journal {
        let (number, step) = (&entry["sequence"], step(entry));
        if is_winding_down && is_of_family(entry) {
            continue;
        }
        if step != due || is_resume(entry) != is_away {
            let found = if is_resume(entry) { "a resume of" } else { "the step" };
            findings.add("order", format!("{run}: entry {number} is {found} `{step}`, `{due}` was due"));
        }
        is_away = false;
        due = match led(entry) {
            Some(Led::To(next)) => next,
            Some(Led::Away) => {
                is_away = true;
                step
            }
            Some(Led::Again | Led::Look) => step,
            Some(Led::End) => {
                is_winding_down = true;
                "no step: the run was over"
            }
            None => "unknown: the entry before led nowhere",
        };
    }
    let is_over = matches!(kept.journal.last().and_then(led), Some(Led::End));
    if is_over != matches!(kept.state.as_str(), "completed" | "failed" | "error") {
        findings.add("order", format!("{run} is {}, which is not where its journal ends", kept.state));
    }
}

/// A step is there once for each go of its flow's loop, and once more for each time that it waited.
fn once(run: &str, kept: &Kept, findings: &mut Findings) {
    let (mut times, mut away, mut marks) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for entry in &kept.journal {
        if is_resume(entry) {
            *marks.entry(entry["record"]["input"]["mark"].to_string()).or_insert(0) += 1;
            continue;
        }
        // The end behind what was taken back is not the step's own.
        if entry["record"]["kind"] != "not-run" {
            *times.entry(step(entry)).or_insert(0) += 1;
        }
        if matches!(led(entry), Some(Led::Away | Led::Again | Led::Look)) {
            *away.entry(step(entry)).or_insert(0) += 1;
        }
    }
    for (step, times) in times {
        let most = kept.goes + away.get(step).copied().unwrap_or(0);
        if times > most {
            findings.add("twice", format!("{run}: the step `{step}` is there {times} times, {most} at most are right"));
        }
    }
    for (mark, times) in marks.into_iter().filter(|(_, times)| *times > 1) {
        findings.add("twice", format!("{run}: the resume {mark} is there {times} times"));
    }
}

/// The last change of a key is its value: context and journal are of one commit.
fn context(run: &str, kept: &Kept, findings: &mut Findings) {
    let mut last = BTreeMap::new();
    for change in kept.journal.iter().filter_map(|entry| entry["changes"].as_array()).flatten() {
        last.insert(change["key"].as_str().unwrap_or_default(), &change["value"]);
    }
    for (key, value) in last {
        let place = key.split('.').fold(&kept.context, |place, part| &place[part]);
        if place != value {
            findings.add("context", format!("{run}: `{key}` is {place}, the journal says {value}"));
        }
    }
}
