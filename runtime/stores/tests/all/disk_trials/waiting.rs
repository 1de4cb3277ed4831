//! What else a life is made of: runs that are suspended and resumed, and definitions.

use serde_json::{Value, json};
use weir_engine::ports::{DefinitionKind, Expectation, Intervened, Intervention, Lease, NewDefinition, Store};
use weir_engine::run::{Awaits, Event, JournalEntry, Run, RunStateKind, StepOutcome, StepRecord};
use weir_stores::SledStore;

use super::{commit, wait_for_the_disk};
use crate::crash::Acknowledged;
use crate::support::{at, change, owner, step, tenant};

/// Revisions that the suspended step and the resume make: no call is handed over with either.
pub(super) const SUSPENDED_AT: u64 = 7;
const RESUMED_AT: u64 = 8;

fn key(run: &Run) -> String {
    format!("resume of {}", run.id)
}

/// Both sizes: a row, and a file of our own.
fn input(run: &Run) -> Value {
    json!({ "text": "y".repeat(if run.id.to_string().ends_with(['0', '2', '4', '6', '8']) { 40 } else { 5_000 }) })
}

/// Sends the run's end user away, and goes on when they are back; `say` hears of both.
pub(super) async fn away_and_back(
    store: &SledStore,
    run: &Run,
    lease: &Lease,
    say: impl Fn(&str, &Run),
) -> (Run, Lease) {
    let first = "first".parse().unwrap();
    let event = Event::Suspended {
        step: first,
        awaits: Awaits::Redirect("https://pin.test/".to_owned()),
        remind: None,
        until: at(900_000),
    };
    let value = |run: &Run| json!({ "revision": run.revision + 1 });
    let suspended = commit(store, step(run, lease, event, vec![change("connectors.last", value(run))])).await;
    say("suspended", &suspended);
    let resume = resume(&suspended, value(&suspended));
    let given = Lease { owner: owner("starter"), fence: lease.fence + 1, until: at(2_000) };
    let lease = loop {
        match store.intervene(resume.clone()).await {
            Ok(Intervened::Done(Some(lease))) => break lease,
            // The resume before, of which nobody knew, was there after all.
            Ok(Intervened::Before) => break given,
            Ok(other) => panic!("{other:?}"),
            Err(error) => wait_for_the_disk(&error).await,
        }
    };
    say("resumed", &resume.run);
    (resume.run, lease)
}

fn resume(run: &Run, value: Value) -> Intervention {
    let step: weir_engine::ids::StepId = "first".parse().unwrap();
    let after = run.clone().apply(Event::Resumed(step.clone()), at(1_600));
    let changes = vec![change("connectors.last", value)];
    let entry = JournalEntry {
        sequence: after.revision,
        step: step.clone(),
        started_at: at(1_600),
        elapsed_us: 0,
        record: StepRecord::Resumed { input: input(run) },
        outcome: StepOutcome::Next { step, caught_failure: None, caught_error: None },
        changes: changes.clone(),
        diagnostics: Vec::new(),
        diagnostics_dropped: 0,
        recorded: weir_engine::run::Recorded::default(),
    };
    let lease = Some((owner("starter"), at(2_000)));
    Intervention { client_key: Some(key(run)), run: after, changes, entry, lease, from: vec![RunStateKind::Suspended] }
}

/// Saves a definition that is named after the run.
pub(super) async fn define(store: &SledStore, run: &Run) {
    let (kind, name) = (DefinitionKind::Connector, run.id.to_string());
    let new = NewDefinition { tenant: tenant("acme"), kind, name, created_at: at(1), body: input(run) };
    // Saved again it is a second version, of the same text.
    while let Err(error) = store.put_definition(new.clone(), Expectation::Any).await {
        wait_for_the_disk(&error).await;
    }
}

/// All of that is there that was acknowledged.
pub(crate) async fn check(store: &dyn Store, acknowledged: &Acknowledged) {
    let acme = tenant("acme");
    for id in &acknowledged.suspended {
        let run = store.run(&acme, *id).await.unwrap().unwrap();
        let entry = store.journal(&acme, *id, SUSPENDED_AT - 1, 1).await.unwrap().pop().unwrap();
        assert!(matches!(entry.outcome, StepOutcome::Suspended { .. }), "{id}: {entry:?}");
        let waits = run.state_kind() == RunStateKind::Suspended;
        assert_eq!(waits, run.revision == SUSPENDED_AT, "{id} is {:?}", run.state);
    }
    for id in &acknowledged.resumed {
        let run = store.run(&acme, *id).await.unwrap().unwrap();
        let entry = store.journal(&acme, *id, RESUMED_AT - 1, 1).await.unwrap().pop().unwrap();
        assert_eq!(entry.record, StepRecord::Resumed { input: input(&run) }, "{id}");
        assert!(
            store.intervened_with(&acme, *id, &key(&run)).await.unwrap(),
            "{id}: a second resume would be another one"
        );
    }
    for id in &acknowledged.defined {
        let run = store.run(&acme, *id).await.unwrap().unwrap();
        let name = id.to_string();
        let definition = store.definition(&acme, DefinitionKind::Connector, &name, None).await.unwrap();
        assert_eq!(definition.map(|definition| definition.body), Some(input(&run)), "{id}");
    }
}
