//! Runs of `acme` whose steps a test commits itself.

use serde_json::json;
use weir_engine::ids::RunId;
use weir_engine::ports::{CommitStep, Lease, NewRun, OwnerId, Started};
use weir_engine::run::{Event, JournalEntry, Recorded, Run, RunContext, StepOutcome, StepRecord};
use weir_engine::time::Timestamp;

use super::house::House;

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_000);

pub(super) async fn begun(house: &House) -> (Run, Lease) {
    let (tenant, step) = ("acme".parse().unwrap(), "a".parse().unwrap());
    let run = Run::new(tenant, RunId::generate(), ("hello".parse().unwrap(), 1), step, NOW, NOW);
    let lease = Some((OwnerId("test".to_owned()), NOW));
    let new = NewRun { run: run.clone(), context: RunContext::of_event(json!(null)), client_key: None, lease };
    let Started::New(Some(lease)) = house.app.store.start_run(new).await.unwrap() else { panic!("not started") };
    (run, lease)
}

/// A step of the run that changes nothing of the context.
pub(super) fn step(run: Run, lease: &Lease, event: Event) -> CommitStep {
    let outcome = match &event {
        Event::Ended(ending) => StepOutcome::End(ending.clone()),
        _ => StepOutcome::Next { step: "a".parse().unwrap(), caught_failure: None, caught_error: None },
    };
    let run = run.apply(event, NOW);
    let entry = JournalEntry {
        sequence: run.revision,
        step: "a".parse().unwrap(),
        started_at: NOW,
        elapsed_us: 0,
        record: StepRecord::Set,
        outcome,
        changes: Vec::new(),
        diagnostics: Vec::new(),
        diagnostics_dropped: 0,
        recorded: Recorded::default(),
    };
    CommitStep {
        run,
        lease: lease.clone(),
        changes: Vec::new(),
        entry,
        outbox: None,
        children: Vec::new(),
        family_runs_max: 20_000,
        keep_until: Some(NOW),
    }
}
