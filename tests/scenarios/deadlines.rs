//! Runs and steps over their deadlines, inside a call that hangs and inside a hook that never answers.

use serde_json::{Value, json};

use crate::hostile_guests::action;
use crate::house::House;

/// Longer than any deadline here: nothing but a deadline ends the call.
const PATIENT: &str = "60s";

/// A tenant with a connector whose system takes requests in and answers none, and a plugin that never ends.
async fn house() -> House {
    let house = House::with_config("[plugins.ceiling]\ntime-ms = 60000\n").await;
    house.upstream.hold();
    let connector = json!({
        "connector": "slow",
        "base-url": house.upstream.url(),
        "connection": { "request-timeout": PATIENT },
        "functions": [{ "name": "answer", "endpoint": "/" }],
    });
    put(&house, "/v1/connectors/slow", "application/json", connector.to_string().as_bytes());
    let endless = action("", "(loop $l (br $l)) unreachable");
    put(&house, "/v1/plugins/guest/versions/1.0.0", "application/wasm", &endless);
    house
}

#[track_caller]
fn put(house: &House, path: &str, kind: &str, body: &[u8]) {
    let answer = house.api().put(path, kind, body);
    assert!((200..300).contains(&answer.status), "{path}: {}", answer.text);
}

/// The run of a flow, and its journal.
#[track_caller]
fn run(house: &House, deadline: &str, steps: &Value) -> (Value, Vec<Value>) {
    let flow = json!({ "flow": "f", "deadline": deadline, "steps": steps }).to_string();
    put(house, "/v1/flows/f", "application/json", flow.as_bytes());
    let run = house.run("f", &json!({}));
    let journal = house.journal(&run);
    (run, journal)
}

fn call() -> Value {
    json!({ "id": "asks", "call": "slow.answer" })
}

fn hook() -> Value {
    let limits = json!({ "time-ms": 60_000, "fuel": 2_000_000_000_000_u64 });
    json!({ "id": "acts", "action": "FLOW_EXTENSION", "plugin": "guest@1", "limits": limits })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_over_its_deadline_ends_so_inside_a_call_and_inside_a_hook() {
    // covers F-12
    let house = house().await;
    for (step, within) in [(call(), "asks"), (hook(), "acts")] {
        let (run, _) = run(&house, "1s", &json!([step]));
        assert_eq!(run["state"], "error", "{within}: {run:#}");
        assert_eq!((&run["error"]["code"], &run["error"]["step"]), (&json!("run.deadline"), &json!(within)), "{run:#}");
    }
    // No `on-error` gives a run time that it has not.
    let mut caught = call();
    caught["on-error"] = json!("sorry");
    let sorry = json!({ "id": "sorry", "end": {} });
    let (run, journal) = run(&house, "1s", &json!([caught, sorry]));
    assert_eq!(run["error"]["code"], "run.deadline", "{run:#}");
    assert_eq!(journal.len(), 1, "{journal:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_over_its_own_deadline_leads_to_its_on_error() {
    // covers F-12
    let house = house().await;
    for step in [call(), hook()] {
        let mut step = step;
        (step["deadline"], step["on-error"]) = (json!("500ms"), json!("sorry"));
        let sorry = json!({ "id": "sorry", "claims": [{ "key": "late", "type": "boolean", "value": true }] });
        let (run, journal) = run(&house, "5m", &json!([step, sorry]));
        assert_eq!((&run["state"], &run["claims"][0]["key"]), (&json!("completed"), &json!("late")), "{run:#}");
        let outcome = journal[0]["outcome"].to_string();
        assert!(outcome.contains("\"step.deadline\""), "{outcome}");
    }
}
