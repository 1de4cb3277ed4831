//! How much a family may be, and how what its branches changed comes together.

use serde_json::{Value, json};
use weir_engine::ids::RunId;
use weir_engine::ports::{DefinitionKind, Store};
use weir_engine::run::{ContextKey, Ending, Run, RunStateKind, StepRecord};

use super::children::{at_work, ended, run};
use super::families_after_crashes::none_runs_on;
use super::house::{House, Script, stored, until};

#[tokio::test(start_paused = true)]
async fn branches_that_change_other_members_of_one_value_both_keep_theirs() {
    // covers F-02
    let branch = |name: &str, set: &str| format!("{{ branch: {name}, steps: [{{ id: s-{name}, set: {set} }}] }}");
    let branches =
        [branch("a", "{ event.a: 1, event.o.x: 1 }"), branch("b", "{ event.b: 2, event.o.x: 2 }")].join(", ");
    let flow = format!("flow: f\nsteps:\n  - {{ id: both, parallel: {{ branches: [{branches}] }} }}\n");
    let house = House::new(&flow, Script::default()).await;
    let run = run(&house, json!({ "a": 0, "b": 0, "o": { "x": 0, "y": 0 } })).await;
    let context = house.context(&run).await;
    assert_eq!(context.get("event"), Some(&json!({ "a": 1, "b": 2, "o": { "x": 2, "y": 0 } })), "{run:?}");
}

/// How many children each commit of the run began.
async fn begun_at_once(house: &House, run: &Run) -> Vec<u32> {
    let journal = house.store.journal(&house.tenant, run.id, 0, 1000).await.unwrap();
    let known = journal.iter().filter_map(|entry| match &entry.record {
        StepRecord::Children(known) => Some(known.begun),
        _ => None,
    });
    let mut before = 0;
    let mut begun: Vec<u32> = known.map(|known| known - std::mem::replace(&mut before, known)).collect();
    begun.retain(|number| *number > 0);
    begun
}

const MIB: usize = 1 << 20;

#[tokio::test(start_paused = true)]
async fn children_are_begun_by_as_many_as_fit_in_memory() {
    // covers F-02
    let items: Vec<String> = (0..20).map(|item| item.to_string()).collect();
    let each =
        format!("for-each: {{ items: [{}], concurrency: 64, steps: [{{ id: e, end: {{}} }}] }}", items.join(", "));
    let branches: Vec<String> =
        (0..12).map(|branch| format!("{{ branch: b{branch}, steps: [{{ id: e{branch}, end: {{}} }}] }}")).collect();
    let parallel = format!("parallel: {{ branches: [{}] }}", branches.join(", "));
    for (step, total, context, bytes) in [(each, 20, 4 * MIB, 32 * MIB), (parallel, 12, MIB / 8, MIB)] {
        let mut house = House::new(&format!("flow: f\nsteps:\n  - {{ id: all, {step} }}\n"), Script::default()).await;
        house.settings.event_bytes_max = 5 * MIB;
        house.settings.step_bytes_max = bytes;
        let run = run(&house, json!("x".repeat(context))).await;
        assert_eq!(run.state_kind(), RunStateKind::Completed, "{run:?}");
        let begun = begun_at_once(&house, &run).await;
        assert_eq!(begun.iter().sum::<u32>(), total);
        assert!(
            begun.iter().all(|number| *number < 8),
            "{bytes} bytes are for less than 8 contexts of {context} and a little: {begun:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn any_branch_will_do_also_where_not_all_are_begun_at_once() {
    // covers F-02
    let branch = |name: &str| format!("{{ branch: {name}, steps: [{{ id: e-{name}, end: {{}} }}] }}");
    let branches = ["a", "b", "c"].map(branch).join(", ");
    let flow = format!("flow: f\nsteps:\n  - {{ id: all, parallel: {{ wait-for: any, branches: [{branches}] }} }}\n");
    let mut house = House::new(&flow, Script::default()).await;
    house.settings.step_bytes_max = 1000;
    let run = run(&house, json!("x".repeat(900))).await;
    assert_eq!(run.state_kind(), RunStateKind::Completed, "{run:?}");
    let context = house.context(&run).await;
    let state = |name: &str| context.pointer(&format!("/steps/all/branches/{name}/state")).cloned();
    assert!(["a", "b", "c"].iter().all(|name| state(name).is_some()), "the flow can ask for each: {context}");
    assert!(["a", "b", "c"].iter().any(|name| state(name) == Some(json!("completed"))));
}

#[tokio::test(start_paused = true)]
async fn the_list_of_a_for_each_is_that_of_its_beginning_and_goes_with_it() {
    // covers F-02
    let flow = "flow: f\nsteps:\n  - id: all\n    for-each:\n      items: \"${[1, run.deadline]}\"\n      steps: [{ id: w, wait: { for: 10m } }]\n      result: \"${item.value}\"\n  - { id: c, call: sys.get }\n";
    let house = House::new(flow, Script::default()).await;
    let engine = at_work(&house);
    let started = engine.start(house.start_of(json!({}))).await.unwrap().run;
    let kept = async || {
        let context = house.store.run_context(&house.tenant, started.id).await.unwrap().unwrap();
        context.get(&ContextKey::items()).cloned()
    };
    until(async || kept().await.is_some_and(|items| items.as_array().is_some_and(|items| items.len() == 2))).await;
    assert!(!house.context(&started).await.to_string().contains("for-each"), "no view has it");
    let child = house.store.run_context(&house.tenant, RunId::child(started.id, 1, 0)).await.unwrap().unwrap();
    assert!(!child.has_items(), "no child has a copy");
    tokio::time::sleep(std::time::Duration::from_secs(1300)).await;
    let run = ended(&house, &engine, started.id).await;
    assert_eq!(kept().await, Some(Value::Null));
    let context = house.context(&run).await;
    let results = context.pointer("/steps/all/results").unwrap();
    assert_eq!(results.pointer("/1/result"), Some(&json!(started.deadline)), "what it was at first: {run:?}");
    let journal = house.store.journal(&house.tenant, run.id, 0, 99).await.unwrap();
    assert!(journal.iter().flat_map(|entry| &entry.changes).all(|change| change.key != ContextKey::items()));
}

#[tokio::test(start_paused = true)]
async fn the_list_of_a_for_each_in_a_branch_does_not_come_to_the_parent() {
    let each = "{ id: all, for-each: { items: [1, 2], concurrency: 1, steps: [{ id: w, set: { event.x: 1 } }] } }";
    let flow = format!(
        "flow: f\nsteps:\n  - {{ id: both, parallel: {{ branches: [{{ branch: a, steps: [{each}] }}, {{ branch: b, steps: [{{ id: y, set: {{ event.y: 1 }} }}] }}] }} }}\n"
    );
    let house = House::new(&flow, Script::default()).await;
    let run = run(&house, json!({})).await;
    assert_eq!(run.state_kind(), RunStateKind::Completed, "{run:?}");
    let journal = house.store.journal(&house.tenant, run.id, 0, 99).await.unwrap();
    assert!(journal.iter().flat_map(|entry| &entry.changes).all(|change| change.key != ContextKey::items()));
    let context = house.store.run_context(&house.tenant, run.id).await.unwrap().unwrap();
    assert_eq!(context.get(&ContextKey::items()), None);
}

const FAMILY: &str = "flow: f\nsteps:\n  - { id: a, call: sys.get, compensate: [{ id: un, call-flow: { flow: g } }, { id: un-a, call: sys.get, arguments: { q: un-a } }] }\n  - { id: all, for-each: { items: [1, 2, 3], concurrency: 3, steps: [{ id: in, call-flow: { flow: g } }] } }\n";

#[tokio::test(start_paused = true)]
async fn a_family_is_only_so_large_and_takes_back_all_the_same() {
    // covers F-02, F-10
    for (most, ends) in [(6, RunStateKind::Completed), (5, RunStateKind::Error), (2, RunStateKind::Error)] {
        let mut house = House::new(FAMILY, Script::default()).await;
        house.define(DefinitionKind::Flow, "g", stored("flow: g\nsteps: [{ id: e, end: {} }]\n")).await;
        house.settings.family_runs_max = most;
        let run = run(&house, json!({})).await;
        assert_eq!(run.state_kind(), ends, "{run:?}");
        let taken_back = usize::from(ends == RunStateKind::Error);
        assert_eq!(house.world.uris().iter().filter(|uri| uri.ends_with("un-a")).count(), taken_back);
        assert!(none_runs_on(&house, &run).await <= usize::try_from(most).unwrap() + 2 * taken_back);
        if let Some(Ending::Error { error, .. }) = run.ending() {
            assert!(
                error.code == "flow.family-too-large" && error.message.contains("engine.family-runs-max"),
                "{error}"
            );
        }
    }
}
