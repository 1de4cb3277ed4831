//! Finished runs of every kind of step, executed again from their journals alone (F-11).

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use weir_engine::action::{ActionTypes, Operation};
use weir_engine::engine::{ContinueRun, Resume};
use weir_engine::flow::json_schema;
use weir_engine::ids::RunId;
use weir_engine::message::Octets;
use weir_engine::ports::{
    ActionDecision, ConnectorError, ConnectorErrorKind, DefinitionKind, PostResponseDecision, PreCallDecision, Store,
};
use weir_engine::replay::{RecordedRun, ReplayHouse, ReplayReport, Replayed, replay_run};
use weir_engine::run::{Ending, JournalEntry, Run, StepOutcome, StepRecord};

use super::children::{at_work, ended};
use super::house::{House, Script, stored};
use super::replay_rows::{CALLED, Fate, ROWS};

fn script() -> Script {
    let mut script = Script::default();
    script.pre_call.insert("ask", Box::new(|_, request| Ok(PreCallDecision::Call(request.clone()))));
    script.post_response.insert("keep", Box::new(|_, response| Ok(PostResponseDecision::Keep(response.clone()))));
    let no = || weir_engine::message::Failure { reason: "No".to_owned(), description: None };
    script.post_response.insert("no", Box::new(move |_, _| Ok(PostResponseDecision::Fail(no()))));
    script.action.insert("p", Box::new(|_, _| Ok(ActionDecision::Success(Vec::new()))));
    let asked = std::sync::Mutex::new(false);
    let away = move || match std::mem::replace(&mut *asked.lock().unwrap(), true) {
        false => ActionDecision::Incomplete(vec![Operation::Redirect { url: "https://pin.test/enter".to_owned() }]),
        true => ActionDecision::Success(Vec::new()),
    };
    script.action.insert("away", Box::new(move |_, _| Ok(away())));
    script
}

/// A house with the definitions of a row, and nothing else.
async fn house_of(flow: &str) -> House {
    let deadline = if flow.contains("\ndeadline") || flow.starts_with("deadline") { "" } else { "deadline: 1h\n" };
    let house = House::new(&format!("flow: f\n{deadline}{flow}"), script()).await;
    house.define(DefinitionKind::Flow, "g", stored(CALLED)).await;
    house
}

/// Runs the flow of a house to its end.
async fn run(house: &House, fate: Fate) -> Run {
    let well = house.world.answer.lock().unwrap().clone();
    let broken = || Err(ConnectorError { kind: ConnectorErrorKind::Connect, message: "nobody is there".to_owned() });
    match fate {
        Fate::Answered(body) => house.world.answer.lock().unwrap().as_mut().unwrap().body = body.into(),
        Fate::Hangs => drop(house.world.answers.send_replace(0)),
        Fate::FailsOnce | Fate::Pauses => *house.world.answer.lock().unwrap() = broken(),
        Fate::Goes | Fate::Resumed(_) | Fate::Forgotten => {}
    }
    let engine = at_work(house);
    let event = json!({ "n": 7, "application": { "id": "shop" } });
    let id = engine.start(house.start_of(event)).await.expect("starts").run.id;
    let tenant = house.tenant.clone();
    match fate {
        Fate::FailsOnce => {
            house.world.sent.subscribe().wait_for(|sent| !sent.is_empty()).await.unwrap();
            *house.world.answer.lock().unwrap() = well;
        }
        Fate::Pauses => {
            engine.wait(&tenant, id, Duration::from_secs(60)).await.unwrap();
            *house.world.answer.lock().unwrap() = well;
            let wanted =
                ContinueRun { tenant, run: id, flow_version: None, revision: None, client_key: None, request_id: None };
            engine.continue_run(wanted).await.expect("it is paused");
        }
        Fate::Resumed(input) => {
            engine.wait(&tenant, id, Duration::from_secs(60)).await.unwrap();
            let input = serde_json::from_str(input).unwrap();
            let resume = Resume { tenant, run: id, input, revision: None, client_key: None, request_id: None };
            engine.resume(resume).await.expect("it is suspended");
        }
        Fate::Goes | Fate::Answered(_) | Fate::Hangs | Fate::Forgotten => {}
    }
    let run = ended(house, &engine, id).await;
    engine.drain(Duration::from_secs(5)).await;
    run
}

/// A run with its journal and the child runs that it began.
async fn recorded(house: &House, id: RunId) -> RecordedRun {
    let (store, tenant) = (&house.store, &house.tenant);
    let entries = store.journal(tenant, id, 0, 1_000).await.unwrap();
    let mut ids = BTreeSet::new();
    for entry in &entries {
        match &entry.record {
            StepRecord::Children(it) => ids.extend((0..it.begun).map(|index| RunId::child(id, it.since, index))),
            StepRecord::Compensation { run, .. } => ids.extend(*run),
            _ => {}
        }
    }
    let mut children = Vec::new();
    for id in ids {
        let run = store.run(tenant, id).await.unwrap().unwrap();
        children.push((run, store.run_context(tenant, id).await.unwrap().unwrap()));
    }
    let run = store.run(tenant, id).await.unwrap().unwrap();
    let context = store.run_context(tenant, id).await.unwrap().unwrap();
    RecordedRun { run, context, entries, children }
}

/// A run, and all that it and its child runs began.
async fn family(house: &House, id: RunId) -> Vec<RecordedRun> {
    let (mut found, mut open) = (Vec::new(), vec![id]);
    while let Some(id) = open.pop() {
        let run = recorded(house, id).await;
        open.extend(run.children.iter().map(|(child, _)| child.id));
        found.push(run);
    }
    found
}

/// Executes a run again in a house that knows nothing but the definitions.
async fn again(library: &House, run: &RecordedRun) -> ReplayReport {
    let house = ReplayHouse {
        store: library.store.clone(),
        types: ActionTypes::shipped(),
        plugins: library.script.clone(),
        connectors: library.world.clone(),
        settings: library.settings.clone(),
    };
    replay_run(run, &house).await.unwrap()
}

/// Whether an entry is nothing that a step did of itself.
fn is_taken(entry: &JournalEntry) -> bool {
    let late = match &entry.outcome {
        StepOutcome::Next { caught_error: Some(error), .. } | StepOutcome::End(Ending::Error { error, .. }) => {
            ["step.deadline", "run.deadline"].contains(&error.code.as_str())
        }
        _ => false,
    };
    let by_others = match &entry.record {
        StepRecord::Children(it) => !it.joined && it.since != entry.sequence,
        StepRecord::NotRun => !entry.recorded.instants.contains_key("done"),
        StepRecord::Resumed { .. }
        | StepRecord::Continued { .. }
        | StepRecord::Reminder(_)
        | StepRecord::Cancelled { .. }
        | StepRecord::Compensation { .. } => true,
        _ => false,
    };
    late || by_others
}

fn kind_of(entry: &JournalEntry) -> Value {
    serde_json::to_value(&entry.record).unwrap()["kind"].take()
}

#[test]
fn every_kind_of_step_has_a_row() {
    // covers F-11
    let schema = json_schema();
    let kinds = schema["properties"]["steps"]["items"]["oneOf"].as_array().unwrap().iter().map(|kind| {
        let name = kind["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
        name.strip_suffix("-step").unwrap().to_owned()
    });
    let rows = ROWS.iter().map(|row| row.0.to_owned());
    assert_eq!(kinds.collect::<BTreeSet<_>>(), rows.collect::<BTreeSet<_>>());
}

#[tokio::test(start_paused = true)]
async fn finished_runs_of_every_kind_of_step_give_the_same_bytes() {
    // covers F-11
    for (kind, record, flow, fate) in ROWS {
        let house = house_of(flow).await;
        let ended = run(&house, fate).await;
        let library = house_of(flow).await;
        let mut executed = BTreeSet::new();
        for run in family(&house, ended.id).await {
            let report = again(&library, &run).await;
            assert_eq!(report.first_difference(), None, "{kind}: {flow}\n{:#?}", run.entries);
            assert_eq!(report.steps.len(), run.entries.len());
            for (entry, step) in run.entries.iter().zip(&report.steps) {
                assert_eq!(step.how == Replayed::Taken, is_taken(entry), "{kind}: {flow}\n{entry:#?}");
                if step.how == Replayed::Same {
                    executed.insert(kind_of(entry).as_str().unwrap().to_owned());
                }
            }
        }
        assert!(executed.contains(record), "{kind}: {flow}\n{executed:?}, {ended:#?}");
        assert!(library.world.keys().is_empty(), "nothing is sent");
    }
}

/// The first member that differs once something of a recorded run was changed.
async fn difference(flow: &str, change: impl FnOnce(&mut RecordedRun)) -> Option<(u64, String)> {
    let house = house_of(flow).await;
    let ended = run(&house, Fate::Goes).await;
    let mut recorded = recorded(&house, ended.id).await;
    change(&mut recorded);
    let report = again(&house_of(flow).await, &recorded).await;
    report.first_difference().map(|(step, difference)| (step.sequence, difference.member.clone()))
}

#[tokio::test(start_paused = true)]
async fn one_other_byte_is_a_difference() {
    // covers F-11
    let of = |kind: &str| ROWS.iter().find(|row| row.0 == kind).unwrap().2;
    assert_eq!(difference(of("call"), |_| {}).await, None);
    let byte = |run: &mut RecordedRun| {
        let StepRecord::Call(call) = &mut run.entries[0].record else { panic!("no call") };
        let response = call.exchange.as_mut().unwrap().outcome.as_mut().unwrap();
        response.body = Octets::from(response.body.as_text().unwrap().replace('7', "8"));
    };
    let (sequence, member) = difference(of("call"), byte).await.unwrap();
    assert_eq!((sequence, member.starts_with("/record/")), (1, true), "{member}");
    for (kind, member) in [("parallel", "/changes/"), ("for-each", "/changes/")] {
        let of_child = |run: &mut RecordedRun| {
            let of = run.children.iter().map(|(_, context)| serde_json::to_string(context).unwrap());
            let other: Vec<String> = of.map(|context| context.replace(":2}", ":3}")).collect();
            for ((_, context), other) in run.children.iter_mut().zip(other) {
                *context = serde_json::from_str(&other).unwrap();
            }
        };
        let (_, found) = difference(of(kind), of_child).await.expect(kind);
        assert!(found.starts_with(member), "{kind}: {found}");
    }
    let ending = |run: &mut RecordedRun| {
        let Some(Ending::Completed { claims }) = run.children[0].0.ending().cloned() else { panic!("{run:?}") };
        let claims = claims.into_iter().map(|claim| weir_engine::run::Claim { value: json!(8), ..claim }).collect();
        run.children[0].0.state = weir_engine::run::RunState::Ended { ending: Ending::Completed { claims } };
    };
    let called = "steps:\n  - { id: a, call-flow: { flow: g, event: { n: '${event.n}' } } }\n";
    let (sequence, _) = difference(called, ending).await.unwrap();
    assert_eq!(sequence, 2, "the join");
}
