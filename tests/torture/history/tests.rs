//! The checker finds what it is for: a sound history, and what is wrong with each that was spoilt.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{History, Kept, Served, Stage, Told, check};

fn exchange(status: u16, serial: usize) -> Value {
    let headers = json!([{ "name": "x-serial", "value": serial.to_string() }]);
    json!({ "outcome": { "Ok": { "status": status, "headers": headers } } })
}

fn entry(sequence: u64, step: &str, record: Value, outcome: Value) -> Value {
    json!({ "sequence": sequence, "step": step, "record": record, "outcome": outcome, "changes": [] })
}

fn next(step: &str) -> Value {
    json!({ "next": { "step": step } })
}

/// One run that was away for its end user, made a call that waited, and handed one over; each call came twice.
fn sound() -> History {
    let service = |key: &str, serial| json!({ "kind": "action", "service": { "idempotency_key": key, "exchanges": [exchange(200, serial)] } });
    let call = json!({ "kind": "call", "idempotency_key": "r.pay", "exchange": exchange(200, 3) });
    let handed_over = json!({ "kind": "call", "mode": "background", "idempotency_key": "r.mail" });
    let resumed = json!({ "kind": "resumed", "input": { "mark": "m1" } });
    let mut pay = entry(4, "pay", call, next("mail"));
    pay["changes"] = json!([{ "key": "connectors.pay", "value": 7 }]);
    let journal = vec![
        entry(1, "pin", service("r.pin", 0), json!({ "suspended": { "redirect": "https://pin.test" } })),
        entry(2, "pin", resumed, next("pin")),
        entry(3, "pin", service("r.pin~1", 1), next("pay")),
        pay,
        entry(5, "mail", handed_over, json!({ "end": { "result": "completed" } })),
    ];
    let mail =
        json!({ "sequence": 5, "idempotency_key": "r.mail", "state": "succeeded", "exchange": exchange(200, 5) });
    let kept = Kept {
        is_child: false,
        first: "pin".to_owned(),
        goes: 1,
        state: "completed".to_owned(),
        revision: 5,
        journal: journal.clone(),
        background: vec![mail],
        context: json!({ "connectors": { "pay": 7 } }),
    };
    let served = |key: &str, place: &str, status| {
        let [key, whose, place] = [key, "r", place].map(str::to_owned);
        Arc::new(Served { key, whose, place, status })
    };
    let (ticket, run, mark) = (|| "t1".to_owned(), || "r".to_owned(), "m1".to_owned());
    let seen = |revision, state: &str| Told::Seen { run: run(), revision, state: state.to_owned() };
    History {
        told: vec![
            Told::Started { ticket: ticket(), run: run() },
            seen(0, "ready"),
            seen(1, "suspended"),
            Told::Resumed { run: run(), mark },
            Told::Started { ticket: ticket(), run: run() },
            Told::Read { run: run(), entries: journal[..3].to_vec() },
            seen(5, "completed"),
        ],
        served: vec![
            served("r.pin", "/check", 200),
            served("r.pin~1", "/check", 200),
            served("r.pay", "/pay", 503),
            served("r.pay", "/pay", 200),
            served("r.mail", "/mail", 503),
            served("r.mail", "/mail", 200),
        ],
        kept: [("r".to_owned(), kept)].into(),
    }
}

fn run(history: &mut History) -> &mut Kept {
    history.kept.get_mut("r").unwrap()
}

/// Numbers the entries anew, as a store would that lost one and went on.
fn renumber(kept: &mut Kept) {
    for (index, entry) in kept.journal.iter_mut().enumerate() {
        entry["sequence"] = json!(index + 1);
    }
    kept.revision = kept.journal.len() as u64;
}

/// The rules that a spoilt history breaks.
fn broken(spoil: impl FnOnce(&mut History)) -> Vec<&'static str> {
    let mut history = sound();
    spoil(&mut history);
    let mut rules: Vec<_> = check(&history, Stage::End).into_iter().map(|broken| broken.rule).collect();
    rules.dedup();
    rules
}

#[test]
fn a_sound_history_is_sound() {
    assert_eq!(broken(|_| {}), Vec::<&str>::new());
}

#[test]
fn a_lost_run_step_resume_or_end_is_found() {
    assert!(broken(|history| history.kept.clear()).contains(&"lost"));
    let last_step = |history: &mut History| {
        let kept = run(history);
        kept.journal.pop();
        renumber(kept);
        kept.state = "ready".to_owned();
    };
    assert!(broken(last_step).contains(&"lost"), "an end that was seen");
    let a_step_between = |history: &mut History| drop(run(history).journal.remove(3));
    assert!(broken(a_step_between).contains(&"gap"));
    let and_renumbered = |history: &mut History| {
        run(history).journal.remove(3);
        renumber(run(history));
    };
    assert!(broken(and_renumbered).contains(&"order"));
    let resume = |history: &mut History| run(history).journal[1]["record"]["input"]["mark"] = json!("another");
    assert!(broken(resume).contains(&"lost"));
    let seen_before = |history: &mut History| run(history).journal[2]["elapsed_us"] = json!(1);
    assert_eq!(broken(seen_before), ["lost"], "a step that was seen, lost, and run again");
}

#[test]
fn a_refusal_is_found() {
    let refused = Told::Refused { whose: "r".to_owned(), what: "404".to_owned() };
    assert_eq!(broken(|history| history.told.push(refused)), ["refused"]);
}

#[test]
fn a_double_commit_is_found() {
    let step = |history: &mut History| {
        let again = run(history).journal[3].clone();
        run(history).journal.insert(4, again);
        renumber(run(history));
        run(history).background[0]["sequence"] = json!(6);
    };
    assert!(broken(step).contains(&"twice"));
    let resume = |history: &mut History| {
        let again = run(history).journal[1].clone();
        run(history).journal.insert(2, again);
        renumber(run(history));
        run(history).background[0]["sequence"] = json!(6);
    };
    assert!(broken(resume).contains(&"twice"));
    let start = |history: &mut History| {
        let mut other = run(history).clone();
        (other.journal, other.background, other.revision) = (Vec::new(), Vec::new(), 0);
        (other.state, other.context) = ("completed".to_owned(), Value::Null);
        history.kept.insert("s".to_owned(), other);
        history.told.push(Told::Started { ticket: "t1".to_owned(), run: "s".to_owned() });
    };
    assert!(broken(start).contains(&"twice"));
    let unanswered = |history: &mut History| {
        start(history);
        history.told.pop();
    };
    assert!(broken(unanswered).contains(&"twice"));
    let handed_over = |history: &mut History| {
        let again = run(history).background[0].clone();
        run(history).background.push(again);
    };
    assert!(broken(handed_over).contains(&"twice"));
}

#[test]
fn a_changed_or_shared_key_is_found() {
    let changed = |history: &mut History| Arc::make_mut(&mut history.served[2]).key = "r.pay.before".to_owned();
    assert_eq!(broken(changed), ["key"]);
    let shared = |history: &mut History| {
        run(history).journal[3]["record"]["idempotency_key"] = json!("r.pin");
        Arc::make_mut(&mut history.served[3]).key = "r.pin".to_owned();
    };
    assert!(broken(shared).contains(&"key"));
    let of_the_call = |history: &mut History| run(history).background[0]["idempotency_key"] = json!("other");
    assert_eq!(broken(of_the_call), ["key"]);
}

/// A run that called in each of two goes; the call of the second one came twice.
fn looped() -> History {
    let call = |key: &str, serial| json!({ "kind": "call", "idempotency_key": key, "exchange": exchange(200, serial) });
    let journal = vec![
        entry(1, "go", call("r.go", 0), next("again")),
        entry(2, "again", json!({ "kind": "condition" }), next("go")),
        entry(3, "go", call("r.go@1", 2), next("again")),
        entry(4, "again", json!({ "kind": "condition" }), json!({ "end": { "result": "completed" } })),
    ];
    let (first, state) = ("go".to_owned(), "completed".to_owned());
    let kept = Kept { first, goes: 2, state, revision: 4, journal, ..Kept::default() };
    let served = |key: &str, status| {
        let [key, whose, place] = [key, "r", "/go"].map(str::to_owned);
        Arc::new(Served { key, whose, place, status })
    };
    History {
        told: vec![Told::Started { ticket: "t1".to_owned(), run: "r".to_owned() }],
        served: vec![served("r.go", 200), served("r.go@1", 503), served("r.go@1", 200)],
        kept: [("r".to_owned(), kept)].into(),
    }
}

#[test]
fn a_key_of_another_go_and_a_go_too_many_are_found() {
    let rules = |spoil: &dyn Fn(&mut History)| {
        let mut history = looped();
        spoil(&mut history);
        let mut rules: Vec<_> = check(&history, Stage::End).into_iter().map(|broken| broken.rule).collect();
        rules.dedup();
        rules
    };
    assert_eq!(rules(&|_| {}), Vec::<&str>::new());
    let shared = |history: &mut History| {
        run(history).journal[2]["record"]["idempotency_key"] = json!("r.go");
        (1..3).for_each(|index| Arc::make_mut(&mut history.served[index]).key = "r.go".to_owned());
    };
    assert_eq!(rules(&shared), ["key"], "both goes have one key");
    let moved = |history: &mut History| Arc::make_mut(&mut history.served[1]).key = "r.go@2".to_owned();
    assert_eq!(rules(&moved), ["key"], "the key moved when the call was made again");
    assert_eq!(rules(&|history| run(history).goes = 1), ["twice"]);
}

#[test]
fn an_outcome_that_was_never_given_is_found() {
    let status = |history: &mut History| Arc::make_mut(&mut history.served[3]).status = 500;
    assert_eq!(broken(status), ["outcome"]);
    let of_another = |history: &mut History| {
        run(history).journal[3]["record"]["exchange"] = exchange(200, 1);
    };
    assert_eq!(broken(of_another), ["outcome"]);
    let never_sent = |history: &mut History| history.served.truncate(4);
    assert_eq!(broken(never_sent), ["outcome"], "a call in the background that nobody received");
}

#[test]
fn a_context_of_another_commit_is_found() {
    assert_eq!(broken(|history| run(history).context = json!({})), ["context"]);
}

#[test]
fn a_run_or_a_call_that_never_ends_is_found() {
    let run_at_work = |history: &mut History| {
        let kept = run(history);
        kept.journal.pop();
        kept.background.clear();
        (kept.revision, kept.state) = (4, "ready".to_owned());
        history.told.pop();
        history.served.truncate(4);
    };
    assert_eq!(broken(run_at_work), ["unended"]);
    let call = |history: &mut History| run(history).background[0]["state"] = json!("pending");
    assert_eq!(broken(call), ["unended"]);
    let mut midway = sound();
    call(&mut midway);
    assert_eq!(check(&midway, Stage::Midway), [], "it may still be made");
}
