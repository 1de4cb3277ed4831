//! What clients were told: all of it is there.

use std::collections::{BTreeMap, BTreeSet};

use super::journal::{Led, is_resume, led};
use super::{Findings, History, Kept, Stage, Told};

pub(super) fn check(history: &History, stage: Stage, findings: &mut Findings) {
    let mut runs_of = BTreeMap::<_, BTreeSet<_>>::new();
    for told in &history.told {
        if let Told::Started { ticket, run } = told {
            runs_of.entry(ticket).or_default().insert(run);
        }
        match (told.run(), told) {
            (None, Told::Refused { whose, what }) => findings.add("refused", format!("{whose}: {what}")),
            (None, _) => {}
            (Some(run), _) => match history.kept.get(run) {
                Some(kept) => one(run, told, kept, findings),
                None if stage == Stage::End => findings.add("lost", format!("{run} is not there: {told:?}")),
                None => {}
            },
        }
    }
    let named: BTreeSet<_> = runs_of.values().flatten().map(|run| run.as_str()).collect();
    let started = history.kept.iter().filter(|(_, kept)| !kept.is_child).map(|(run, _)| run);
    for run in started.filter(|run| stage == Stage::End && !named.contains(run.as_str())) {
        // Clients repeat a start until it is answered: a start that was not taken for a repetition made this one.
        findings.add("twice", format!("no start was answered with {run}"));
    }
    for (ticket, runs) in runs_of.into_iter().filter(|(_, runs)| runs.len() > 1) {
        findings.add("twice", format!("the start {ticket} made the runs {runs:?}"));
    }
}

fn one(run: &str, told: &Told, kept: &Kept, findings: &mut Findings) {
    let lost = |what: String| format!("{run}: {what}");
    match told {
        Told::Started { .. } | Told::Refused { .. } => {}
        Told::Resumed { mark, .. } => {
            let brought = |entry: &&serde_json::Value| is_resume(entry) && entry["record"]["input"]["mark"] == **mark;
            if !kept.journal.iter().any(|entry| brought(&entry)) {
                findings.add("lost", lost(format!("the resume {mark} was acknowledged and is not in the journal")));
            }
        }
        Told::Seen { revision, state, .. } => {
            if kept.revision < *revision {
                let what = format!("it was seen at revision {revision}, and has {}", kept.revision);
                return findings.add("lost", lost(what));
            }
            let entry = revision.checked_sub(1).and_then(|index| kept.journal.get(index as usize));
            // An end that is not the last entry was the beginning of taking back.
            let is_last = kept.journal.len() as u64 == *revision;
            let was = match entry.and_then(led) {
                Some(Led::Away) => "suspended",
                Some(Led::Again) => "waiting",
                Some(Led::End) if is_last => kept.state.as_str(),
                Some(Led::End | Led::To(_) | Led::Look) | None => "ready",
            };
            if was != state {
                findings.add("lost", lost(format!("it was seen {state} at revision {revision}, and was {was} then")));
            }
        }
        Told::Read { entries, .. } => {
            for (index, entry) in entries.iter().enumerate() {
                if kept.journal.get(index) != Some(entry) {
                    findings.add("lost", lost(format!("entry {} of its journal was another one before", index + 1)));
                }
            }
        }
    }
}
