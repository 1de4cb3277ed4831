//! Steps that go round (F-03): never for ever.

use proptest::prelude::*;
use serde_json::{Value, json};
use weir_engine::catalogue::Catalogue;
use weir_engine::document::Format;
use weir_engine::flow::check;
use weir_engine::run::{Ending, RunStateKind};

use super::house::{House, Script};

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
