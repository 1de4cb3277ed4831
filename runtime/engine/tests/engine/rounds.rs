//! Steps that go round (F-03): never for ever.

use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use weir_engine::catalogue::Catalogue;
use weir_engine::document::Format;
use weir_engine::engine::ContinueRun;
use weir_engine::flow::check;
use weir_engine::ports::{ConnectorError, ConnectorErrorKind, DefinitionKind, PreCallDecision};
use weir_engine::run::{Ending, RunStateKind};

use super::children;
use super::house::{House, Script, stored};

const ROUND: &str = "flow: f\nsteps:\n  - id: first\n    set: { count: '${0}' }\n  - id: more\n    visits-max: 3\n    set: { steps.first.count: '${steps.first.count + 1}' }\n    on-error: more\n  - id: again\n    condition: [{ when: steps.first.count < event.n, next: more }, { otherwise: end }]\n";

#[tokio::test]
async fn a_run_goes_round_as_often_as_a_step_may_be_visited() {
    // covers F-03
    let house = House::new(ROUND, Script::default()).await;
    let (run, _) = house.run(json!({ "n": 3 })).await;
    assert_eq!(run.state_kind(), RunStateKind::Completed, "{run:?}");
    assert_eq!(house.context(&run).await["steps"]["first"]["count"], json!(3));
    let (run, journal) = house.run(json!({ "n": 4 })).await;
    let Some(Ending::Error { error, step }) = run.ending() else { panic!("{run:?}") };
    assert_eq!((error.code.as_str(), step.as_str()), ("flow.visits", "more"), "no `on-error` catches it");
    assert_eq!(journal.iter().filter(|entry| entry.step.as_str() == "more").count(), 4, "three visits, and their end");
}

/// Calls `sys.get` in each of three goes; `ask` is a hook in front of it.
const ASKED: &str = "flow: f\ndeadline: 1h\nsteps:\n  - id: first\n    set: { count: '${0}' }\n  - id: ask\n    visits-max: 3\n    call: sys.get\n    pre-call: [{ plugin: ask@1 }]\n    retry: { attempts: 2, backoff: 10s, exhausted: pause }\n  - id: more\n    set: { steps.first.count: '${steps.first.count + 1}' }\n  - id: again\n    condition: [{ when: steps.first.count < 3, next: ask }, { otherwise: end }]\n";

fn asking() -> Script {
    let mut script = Script::default();
    script.pre_call.insert("ask", Box::new(|_, request| Ok(PreCallDecision::Call(request.clone()))));
    script
}

/// The keys of as many calls of a run, and the seeds of the hooks in front of them.
fn keys_and_seeds(house: &House) -> (Vec<String>, Vec<u64>) {
    let seeds = house.script.invocations.lock().unwrap().iter().map(|it| it.seed).collect();
    (house.world.keys(), seeds)
}

#[tokio::test]
async fn each_go_of_a_loop_has_a_key_and_a_seed_of_its_own() {
    // covers F-06
    let house = House::new(ASKED, asking()).await;
    let (run, _) = house.run(json!({})).await;
    assert_eq!(run.state_kind(), RunStateKind::Completed, "{run:?}");
    let (keys, seeds) = keys_and_seeds(&house);
    let id = run.id;
    assert_eq!(keys, [format!("{id}.ask"), format!("{id}.ask@1"), format!("{id}.ask@2")]);
    assert_eq!(HashSet::<u64>::from_iter(seeds).len(), 3);
}

#[test]
fn a_crash_in_the_second_go_repeats_the_second_key() {
    // covers F-06
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let (house, id) = first.block_on(async {
        let house = House::new(ASKED, asking()).await;
        house.world.answers.send_replace(1);
        let id = house.engine().start(house.start_of(json!({}))).await.unwrap().run.id;
        house.world.sent.subscribe().wait_for(|sent| sent.len() == 2).await.unwrap();
        (house, id)
    });
    first.shutdown_background();
    house.world.answers.send_replace(usize::MAX);
    runtime().block_on(async {
        let engine = house.engine();
        assert_eq!(engine.recover().await.unwrap(), 1);
        let ended = engine.wait(&house.tenant, id, Duration::from_secs(60)).await.unwrap().unwrap();
        assert_eq!(ended.state_kind(), RunStateKind::Completed, "{ended:?}");
    });
    let (keys, seeds) = keys_and_seeds(&house);
    let wanted = ["ask", "ask@1", "ask@1", "ask@2"].map(|call| format!("{id}.{call}"));
    assert_eq!(keys, wanted);
    assert_eq!(seeds[1], seeds[2]);
}

#[tokio::test(start_paused = true)]
async fn what_is_tried_again_paused_and_continued_in_a_go_repeats_its_key_and_is_no_new_visit() {
    // covers F-03, F-06, F-10
    let house = House::new(ASKED, asking()).await;
    house.world.answers.send_replace(2);
    let engine = house.engine();
    tokio::spawn(engine.clone().work());
    let id = engine.start(house.start_of(json!({}))).await.unwrap().run.id;
    let mut sent = house.world.sent.subscribe();
    // The third go, which is the last that `visits-max` lets it have, fails as often as it may.
    sent.wait_for(|sent| sent.len() == 3).await.unwrap();
    let well = house.world.answer.lock().unwrap().clone();
    let error = ConnectorError { kind: ConnectorErrorKind::Connect, message: "nobody is there".to_owned() };
    *house.world.answer.lock().unwrap() = Err(error);
    house.world.answers.send_replace(usize::MAX);
    let paused = engine.wait(&house.tenant, id, Duration::from_secs(600)).await.unwrap().unwrap();
    assert_eq!(paused.state_kind(), RunStateKind::Paused, "{paused:?}");
    *house.world.answer.lock().unwrap() = well;
    // Another version keeps the key of the visit that goes on, and counts those before.
    house.define(DefinitionKind::Flow, "f", stored(ASKED)).await;
    let (tenant, flow_version) = (house.tenant.clone(), Some(2));
    let wanted = ContinueRun { tenant, run: id, flow_version, revision: None, client_key: None, request_id: None };
    assert!(engine.continue_run(wanted).await.unwrap().continued);
    let ended = engine.wait(&house.tenant, id, Duration::from_secs(600)).await.unwrap().unwrap();
    assert_eq!(ended.state_kind(), RunStateKind::Completed, "{ended:?}");
    let (keys, seeds) = keys_and_seeds(&house);
    let wanted = ["ask", "ask@1", "ask@2", "ask@2", "ask@2"].map(|call| format!("{id}.{call}"));
    assert_eq!(keys, wanted);
    assert_eq!((seeds[2], seeds[3]), (seeds[3], seeds[4]));
}

#[tokio::test(start_paused = true)]
async fn what_was_done_as_often_as_it_may_be_is_taken_back_all_the_same() {
    // covers F-02, F-03
    let flow = "flow: f\nsteps:\n  - id: a\n    visits-max: 1\n    call: sys.get\n    compensate: [{ id: undo, call: sys.other }]\n  - id: b\n    condition: [{ when: event.again, next: a }, { otherwise: no }]\n  - id: no\n    fail: { reason: No }\n";
    let house = House::new(flow, Script::default()).await;
    let run = children::run(&house, json!({ "again": true })).await;
    let Some(Ending::Error { error, .. }) = run.ending() else { panic!("{run:?}") };
    assert_eq!(error.code, "flow.visits");
    let states: Vec<RunStateKind> = run.compensated.iter().map(|it| it.state).collect();
    assert_eq!(states, [RunStateKind::Completed], "{run:?}");
    assert_eq!(house.world.keys().len(), 2, "the call, and what takes it back");
}

/// One step of a made-up flow: what it is, and where it leads.
#[derive(Debug, Clone)]
struct Made {
    kind: u8,
    next: usize,
    other: usize,
    has_bound: bool,
    has_when: bool,
}

fn made(most: usize) -> impl Strategy<Value = Vec<Made>> {
    let step = (0..6_u8, 0..=most, 0..=most, prop::bool::weighted(0.2), prop::bool::weighted(0.3));
    let step =
        step.prop_map(|(kind, next, other, has_bound, has_when)| Made { kind, next, other, has_bound, has_when });
    prop::collection::vec(step, 1..=most)
}

/// A step that leads to itself only where it may; the last target is the end.
fn name(index: usize, count: usize) -> String {
    if index < count { format!("s{index}") } else { "end".to_owned() }
}

fn document(steps: &[Made]) -> Value {
    let count = steps.len();
    let step = |(index, made): (usize, &Made)| {
        let (next, other) = (name(made.next, count), name(made.other, count));
        let mut step = match made.kind {
            0 => json!({ "set": { "x": 1 }, "next": next }),
            1 => json!({ "set": { "x": 1 }, "next": next, "on-error": other }),
            2 => json!({ "condition": [{ "when": "event.a", "next": next }, { "otherwise": other }] }),
            3 => json!({ "wait": { "for": "1s" }, "next": next, "on-error": other }),
            4 => json!({ "redirect": { "url": "https://a.test" }, "next": next }),
            _ => json!({ "fail": { "reason": "x" } }),
        };
        step["id"] = json!(format!("s{index}"));
        if made.has_bound {
            step["visits-max"] = json!(2);
        }
        if made.has_when {
            step["when"] = json!("event.b");
            step["otherwise"] = json!(other);
        }
        step
    };
    json!({ "flow": "f", "steps": steps.iter().enumerate().map(step).collect::<Vec<_>>() })
}

/// Every step that one may go on to, and whether the run has rested before it does.
fn ways(made: &Made) -> Vec<(usize, bool)> {
    let mut ways = match made.kind {
        0 => vec![(made.next, false)],
        1 | 2 => vec![(made.next, false), (made.other, false)],
        3 => vec![(made.next, true), (made.other, false)],
        4 => vec![(made.next, true)],
        _ => Vec::new(),
    };
    ways.extend(made.has_when.then_some((made.other, false)));
    ways
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn no_accepted_flow_goes_round_without_a_rest_or_a_bound(steps in made(5), picks in prop::collection::vec(any::<usize>(), 60)) {
        // covers F-03
        let accepted = check(&document(&steps).to_string(), Format::Json, &Catalogue::default());
        let unreachable_only = |faults: &weir_engine::document::Faults| faults.0.iter().all(|it| it.code == "flow.unreachable-step");
        let goes_round = match &accepted {
            Ok(_) => false,
            Err(faults) if unreachable_only(faults) => false,
            Err(faults) => {
                prop_assert!(faults.0.iter().any(|it| it.code == "flow.cycle"), "{:?}", faults);
                true
            }
        };
        // Whoever decides the branches wants to go round for ever.
        let longest = (0..steps.len()).map(|first| walk(&steps, first, &picks)).max().unwrap_or(0);
        if !goes_round {
            prop_assert!(longest <= steps.len(), "{} steps without a rest or a bound", longest);
        }
    }
}

/// The most steps in a row without a rest or a bounded step.
fn walk(steps: &[Made], first: usize, picks: &[usize]) -> usize {
    let (mut at, mut in_a_row, mut longest) = (first, 0, 0);
    for pick in picks {
        let Some(made) = steps.get(at) else { break };
        in_a_row = if made.has_bound { 0 } else { in_a_row + 1 };
        longest = longest.max(in_a_row);
        let ways = ways(made);
        let Some((next, rested)) = ways.get(pick % ways.len().max(1)) else { break };
        if *rested {
            in_a_row = 0;
        }
        at = *next;
    }
    longest
}

#[test]
fn the_walker_finds_what_goes_round() {
    let round = |has_bound| vec![Made { kind: 0, next: 0, other: 0, has_bound, has_when: false }];
    assert_eq!((walk(&round(false), 0, &[0; 60]), walk(&round(true), 0, &[0; 60])), (60, 0));
    let refused = check(&document(&round(false)).to_string(), Format::Json, &Catalogue::default()).unwrap_err();
    assert_eq!(refused.0[0].code, "flow.cycle");
    check(&document(&round(true)).to_string(), Format::Json, &Catalogue::default()).unwrap();
}
