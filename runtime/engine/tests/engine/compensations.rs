//! What a run did is taken back where it does not complete.

use serde_json::{Value, json};
use weir_engine::ports::Store;
use weir_engine::run::{Ending, Run, RunStateKind, StepRecord};

use super::children::run;
use super::house::{House, Script};

/// A call, and the one that takes it back.
fn undone(id: &str) -> String {
    format!(
        "{{ id: {id}, call: sys.get, arguments: {{ q: {id} }}, compensate: [{{ id: un-{id}, call: sys.get, arguments: \
         {{ q: un-{id} }} }}] }}"
    )
}

fn queries(house: &House) -> Vec<String> {
    house.world.uris().iter().map(|uri| uri.rsplit('?').next().unwrap_or_default().to_owned()).collect()
}

fn compensations(run: &Run) -> Vec<(String, RunStateKind)> {
    run.compensated.iter().map(|it| (it.step.to_string(), it.state)).collect()
}

#[tokio::test(start_paused = true)]
async fn what_was_done_is_taken_back_in_reverse() {
    // covers F-02, F-10
    let steps = [undone("a"), undone("b")].join(", ");
    let flow = format!("flow: f\nsteps: [{steps}, {{ id: x, fail: {{ reason: no }} }}]\n");
    let house = House::new(&flow, Script::default()).await;
    let failed = run(&house, json!({})).await;
    let Some(Ending::Failed { failure, .. }) = failed.ending() else { panic!("{failed:?}") };
    assert_eq!(failure.reason, "no", "the ending stays what it was");
    assert_eq!(queries(&house), ["a", "b", "un-b", "un-a"]);
    let done = RunStateKind::Completed;
    assert_eq!(compensations(&failed), [("b".to_owned(), done), ("a".to_owned(), done)]);

    let house = House::new(&flow.replace("fail: { reason: no }", "end: {}"), Script::default()).await;
    let completed = run(&house, json!({})).await;
    assert_eq!((completed.state_kind(), queries(&house).len()), (done, 2), "nothing to take back");
}

#[tokio::test(start_paused = true)]
async fn a_compensation_that_fails_is_told_and_the_others_go_on() {
    // covers F-10
    let bad = "{ id: b, call: sys.get, arguments: { q: b }, compensate: [{ id: un-b, fail: { reason: no } }] }";
    let flow = format!(
        "flow: f\nsteps: [{}, {bad}, {{ id: x, claims: [{{ key: k, type: string, value: 1 }}] }}]\n",
        undone("a")
    );
    let house = House::new(&flow, Script::default()).await;
    let error = run(&house, json!({})).await;
    assert_eq!(error.state_kind(), RunStateKind::Error, "{error:?}");
    let told = [("b".to_owned(), RunStateKind::Failed), ("a".to_owned(), RunStateKind::Completed)];
    assert_eq!(compensations(&error), told);
    assert_eq!(queries(&house), ["a", "b", "un-a"]);
    let journal = house.store.journal(&house.tenant, error.id, 0, 99).await.unwrap();
    let ended = journal.iter().filter_map(|entry| match &entry.record {
        StepRecord::Compensation { state: Some(state), .. } => Some(*state),
        _ => None,
    });
    assert_eq!(ended.collect::<Vec<_>>(), [RunStateKind::Failed, RunStateKind::Completed]);
}

#[tokio::test(start_paused = true)]
async fn what_children_did_is_taken_back_when_their_parent_fails_later() {
    // covers F-02, F-10
    let each = "{ id: all, for-each: { items: \"${event.list}\", steps: [{ id: s, call: sys.get, arguments: { q: \
                \"do-${item.value}\" }, compensate: [{ id: u, call: sys.get, arguments: { q: \"un-${item.value}\" } }] }] } }";
    let flow = format!("flow: f\nsteps: [{}, {each}, {{ id: x, fail: {{ reason: no }} }}]\n", undone("a"));
    let house = House::new(&flow, Script::default()).await;
    let failed = run(&house, json!({ "list": ["1", "2", "3"] })).await;
    assert_eq!(queries(&house), ["a", "do-1", "do-2", "do-3", "un-3", "un-2", "un-1", "un-a"], "{failed:?}");
    assert!(failed.compensated.iter().all(|it| it.state == RunStateKind::Completed), "{failed:?}");
    assert_eq!(failed.compensated.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_fails_takes_back_its_own_and_those_before_it_theirs() {
    // covers F-10
    let bad = "{ id: x, condition: [{ when: item.value == '2', next: no }, { otherwise: end }] }, { id: no, fail: { reason: no } }";
    let flow = format!(
        "flow: f\nsteps: [{{ id: all, for-each: {{ items: \"${{event.list}}\", steps: [{{ id: s, call: sys.get, arguments: {{ q: \
         \"do-${{item.value}}\" }}, compensate: [{{ id: u, call: sys.get, arguments: {{ q: \"un-${{item.value}}\" }} }}] }}, {bad}] }} }}]\n"
    );
    let house = House::new(&flow, Script::default()).await;
    let failed = run(&house, json!({ "list": ["1", "2", "3"] })).await;
    assert_eq!(queries(&house), ["do-1", "do-2", "un-2", "un-1"], "{failed:?}");
    assert_eq!(failed.state_kind(), RunStateKind::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_failed_compensation_of_a_child_is_told_by_its_parent() {
    // covers F-10
    let each = "{ id: all, for-each: { items: [1], steps: [{ id: s, call: sys.get, compensate: [{ id: u, fail: { reason: no } }] }] } }";
    let house =
        House::new(&format!("flow: f\nsteps: [{each}, {{ id: x, fail: {{ reason: no }} }}]\n"), Script::default())
            .await;
    let failed = run(&house, Value::Null).await;
    assert_eq!(compensations(&failed), [("all".to_owned(), RunStateKind::Error)]);
    let told = house.store.run(&house.tenant, failed.compensated[0].run).await.unwrap().unwrap();
    let Some(Ending::Error { error, .. }) = told.ending() else { panic!("{told:?}") };
    assert_eq!(error.code, "run.compensation-failed");
}
