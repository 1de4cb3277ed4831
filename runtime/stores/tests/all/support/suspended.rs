//! Runs that wait for their end user.

use serde_json::json;
use weir_engine::ports::{Intervention, Lease, Store};
use weir_engine::run::{Awaits, Event, JournalEntry, Run, RunStateKind, StepOutcome, StepRecord};

use super::{at, begin, change, step};

/// Until when runs are suspended.
pub(crate) const UNTIL: u64 = 50_000;

/// A run that waits for its end user, and the lease of who suspended it.
pub(crate) async fn suspended(store: &dyn Store) -> (Run, Lease) {
    let (run, lease) = begin(store, "acme", "signup").await;
    let event = Event::Suspended {
        step: "first".parse().unwrap(),
        awaits: Awaits::Redirect("https://pin.test/".to_owned()),
        remind: None,
        until: at(UNTIL),
    };
    let commit = step(&run, &lease, event, vec![]);
    store.commit_step(commit.clone()).await.unwrap();
    (commit.run, lease)
}

/// A resume with a large input.
pub(crate) fn resume(run: &Run) -> Intervention {
    let step: weir_engine::ids::StepId = "first".parse().unwrap();
    let after = run.clone().apply(Event::Resumed(step.clone()), at(9_000));
    let changes = vec![change("steps.first", json!({ "resumed": { "text": "x".repeat(9_000) } }))];
    let entry = JournalEntry {
        sequence: after.revision,
        step: step.clone(),
        started_at: at(9_000),
        elapsed_us: 0,
        record: StepRecord::Resumed { input: json!({ "a": 1 }) },
        outcome: StepOutcome::Next { step, caught_failure: None, caught_error: None },
        changes: changes.clone(),
        diagnostics: Vec::new(),
        diagnostics_dropped: 0,
        recorded: weir_engine::run::Recorded::default(),
    };
    Intervention { run: after, changes, entry, client_key: None, lease: None, from: vec![RunStateKind::Suspended] }
}
