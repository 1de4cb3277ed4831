//! Prompts: the answer and its form, tokens, reminders, expiry.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use weir_engine::engine::{Engine, PromptError};
use weir_engine::ports::Store as _;
use weir_engine::run::{Run, RunStateKind, StepOutcome, StepRecord};
use weir_engine::sensitive::SensitiveNames;

use super::house::{House, Script, until};

const ASK: &str = "flow: f\nsteps:\n  - id: ask\n    prompt:\n      form: { type: object, required: [pin], properties: { pin: { type: integer } }, additionalProperties: false }\n      text: 'Hello ${event.name}'\n      time-to-live: 10m\n      notify: { call: sys.get, arguments: { q: 'n=${prompt.token}' } }\n      reminders:\n        - { after: 2m, call: sys.get, arguments: { q: 'r=${prompt.url}' } }\n        - { after: 5m, call: sys.get, arguments: { q: 'late' } }\n  - id: said\n    claims: [{ key: pin, type: number, value: '${steps.ask.input.pin}' }]\n";

/// A run that asks, and the engine that works on it.
async fn asking(house: &House) -> (Arc<Engine>, Run) {
    let engine = house.engine();
    tokio::spawn(engine.clone().work());
    let started = engine.start(house.start_of(json!({ "name": "Ada" }))).await.unwrap();
    let run = engine.wait(&house.tenant, started.run.id, Duration::from_secs(60)).await.unwrap().unwrap();
    assert_eq!(run.state_kind(), RunStateKind::Suspended, "{run:?}");
    (engine, run)
}

async fn stored(house: &House, run: &Run) -> Run {
    house.store.run(&house.tenant, run.id).await.unwrap().unwrap()
}

async fn records(house: &House, run: &Run) -> Vec<StepRecord> {
    let journal = house.store.journal(&house.tenant, run.id, 0, 50).await.unwrap();
    journal.into_iter().map(|entry| entry.record).collect()
}

async fn sent(house: &House, calls: usize) {
    house.world.sent.subscribe().wait_for(|sent| sent.len() >= calls).await.unwrap();
}

/// The revision is the one after so many reminders.
async fn reminded(house: &House, run: &Run, reminders: u64) {
    until(async || stored(house, run).await.revision == run.suspension().unwrap().id + reminders).await;
}

fn token_of(engine: &Engine, run: &Run) -> String {
    engine.prompt_token(run).expect("a prompt").token
}

async fn answer(engine: &Arc<Engine>, token: &str, input: Value) -> Result<(), PromptError> {
    let prompt = engine.prompt_of(token)?;
    engine.answer_prompt(prompt, input, None).await.map(|_| ())
}

#[tokio::test(start_paused = true)]
async fn a_prompt_asks_tells_reminds_and_goes_on_with_the_answer() {
    // covers F-02, F-07
    let house = House::new(ASK, Script::default()).await;
    let (engine, run) = asking(&house).await;
    let token = token_of(&engine, &run);
    reminded(&house, &run, 1).await;
    tokio::time::sleep(Duration::from_secs(110)).await;
    assert_eq!(house.world.uris(), [format!("https://sys.test/?n={token}")]);
    reminded(&house, &run, 2).await;
    assert_eq!(token_of(&engine, &stored(&house, &run).await), token, "reminders change no token");
    assert_eq!(house.world.uris()[1], format!("https://sys.test/?r=https://weir.test/{token}"));
    let since = run.suspension().unwrap().id;
    let keys = [0, 1].map(|index| format!("{}.ask.{since}.reminder.{index}", run.id));
    assert_eq!(house.world.keys(), keys, "each call has a key of its own");
    let open = engine.prompt(&engine.prompt_of(&token).unwrap()).await.unwrap();
    assert_eq!(open.prompt.text.as_deref(), Some("Hello Ada"));
    answer(&engine, &token, json!({ "pin": 7 })).await.unwrap();
    let ended = engine.wait(&house.tenant, run.id, Duration::from_secs(60)).await.unwrap().unwrap();
    assert_eq!(ended.state_kind(), RunStateKind::Completed, "{ended:?}");
    assert_eq!(house.context(&ended).await.pointer("/claims/pin"), Some(&json!(7)));
    let journal = house.store.journal(&house.tenant, run.id, 0, 50).await.unwrap();
    let resumed = journal.iter().find(|entry| matches!(entry.record, StepRecord::Resumed { .. })).unwrap();
    let stood_still = resumed.started_at.since(run.updated_at);
    assert_eq!(ended.deadline.since(run.deadline), stood_still, "the deadline stood still");
    let records = records(&house, &run).await;
    let [
        StepRecord::Prompt { answered: false },
        StepRecord::Reminder(first),
        StepRecord::Reminder(second),
        StepRecord::Resumed { .. },
        StepRecord::Prompt { answered: true },
        StepRecord::Claims(_),
    ] = records.as_slice()
    else {
        panic!("{records:#?}")
    };
    assert_eq!((first.index, &first.error, second.index), (0, &None, 1));
    assert!(!serde_json::to_string(&records).unwrap().contains(&token), "no journal has the token");
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(house.world.keys().len(), 2, "nobody is reminded any more");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_the_form_does_not_take_changes_nothing() {
    // covers F-02
    let house = House::new(ASK, Script::default()).await;
    let (engine, run) = asking(&house).await;
    reminded(&house, &run, 1).await;
    let token = token_of(&engine, &run);
    let before = stored(&house, &run).await;
    let Err(PromptError::Resume(weir_engine::engine::ResumeError::Form { violations })) =
        answer(&engine, &token, json!({ "pin": "my secret" })).await
    else {
        panic!("it was taken")
    };
    assert_eq!(violations[0].0, "/pin");
    assert!(!violations[0].1.contains("my secret"));
    for bad in [json!({}), json!(null), json!([]), json!({ "pin": 1, "more": 2 })] {
        assert_eq!(answer(&engine, &token, bad).await.unwrap_err().code(), "run.invalid-input");
    }
    assert_eq!(stored(&house, &run).await, before);
    answer(&engine, &token, json!({ "pin": 1 })).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_token_opens_one_prompt_once() {
    // covers F-02, keeps A1
    let house = House::new(ASK, Script::default()).await;
    let (engine, run) = asking(&house).await;
    let token = token_of(&engine, &run);
    for wrong in ["", "x", &token.replacen("acme", "other", 1), &token.replacen(&run.id.to_string(), "x", 1)] {
        let found = match engine.prompt_of(wrong) {
            Ok(prompt) => engine.prompt(&prompt).await.map(|_| ()),
            Err(error) => Err(error),
        };
        assert_eq!(found.unwrap_err().code(), "prompt.unknown", "{wrong}");
    }
    answer(&engine, &token, json!({ "pin": 1 })).await.unwrap();
    assert_eq!(answer(&engine, &token, json!({ "pin": 2 })).await.unwrap_err().code(), "prompt.answered");
    let prompt = engine.prompt_of(&token).unwrap();
    assert_eq!(engine.prompt(&prompt).await.unwrap_err().code(), "prompt.answered");
    engine.wait(&house.tenant, run.id, Duration::from_secs(60)).await.unwrap();
    assert_eq!(answer(&engine, &token, json!({ "pin": 2 })).await.unwrap_err().code(), "prompt.answered");
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(answer(&engine, &token, json!({ "pin": 2 })).await.unwrap_err().code(), "prompt.expired");
}

#[tokio::test(start_paused = true)]
async fn of_many_answers_at_once_one_counts() {
    // covers F-07
    let house = House::new(ASK, Script::default()).await;
    let (engine, run) = asking(&house).await;
    let token = token_of(&engine, &run);
    let answers = (0..8).map(|pin| {
        let (engine, token) = (engine.clone(), token.clone());
        tokio::spawn(async move { answer(&engine, &token, json!({ "pin": pin })).await.map_err(|error| error.code()) })
    });
    let mut results = Vec::new();
    for answer in answers.collect::<Vec<_>>() {
        results.push(answer.await.unwrap());
    }
    results.sort_unstable();
    assert_eq!(results[0], Ok(()));
    assert!(results[1..].iter().all(|result| *result == Err("prompt.answered")), "{results:?}");
    engine.wait(&house.tenant, run.id, Duration::from_secs(60)).await.unwrap();
    let resumed = records(&house, &run).await.into_iter().filter(|it| matches!(it, StepRecord::Resumed { .. }));
    assert_eq!(resumed.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_during_a_reminder_does_not_wait_for_it() {
    // covers F-07
    let house = House::new(ASK, Script::default()).await;
    house.world.answers.send_replace(0);
    let (engine, run) = asking(&house).await;
    sent(&house, 1).await;
    let before = tokio::time::Instant::now();
    answer(&engine, &token_of(&engine, &run), json!({ "pin": 1 })).await.unwrap();
    let ended = engine.wait(&house.tenant, run.id, Duration::from_secs(60)).await.unwrap().unwrap();
    assert_eq!(ended.state_kind(), RunStateKind::Completed, "{ended:?}");
    assert_eq!(before.elapsed(), Duration::ZERO);
    assert!(!records(&house, &run).await.iter().any(|it| matches!(it, StepRecord::Reminder(_))));
}

#[tokio::test(start_paused = true)]
async fn a_reminder_that_fails_is_told_and_changes_nothing() {
    // covers F-02
    let house = House::new(ASK, Script::default()).await;
    *house.world.answer.lock().unwrap() = Err(weir_engine::ports::ConnectorError {
        kind: weir_engine::ports::ConnectorErrorKind::Connect,
        message: "nobody is there".to_owned(),
    });
    let (engine, run) = asking(&house).await;
    reminded(&house, &run, 1).await;
    let after = stored(&house, &run).await;
    assert_eq!((after.state_kind(), after.attempts), (RunStateKind::Suspended, 0));
    let records = records(&house, &run).await;
    let StepRecord::Reminder(first) = &records[1] else { panic!("{records:?}") };
    assert_eq!(first.error.as_ref().map(|error| error.code.as_str()), Some("connector.connect"));
    answer(&engine, &token_of(&engine, &run), json!({ "pin": 1 })).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_token_that_a_template_encodes_is_in_no_journal() {
    // keeps D-04, A1
    for (made, encoded) in [
        ("n=${base64.encode(bytes(prompt.token))}", |token: &str| STANDARD.encode(token)),
        ("n=${prompt.token.split('~').join('-')}", |token: &str| token.replace('~', "-")),
        ("n=${prompt.token.substring(20)}", |token: &str| token[20..].to_owned()),
    ] as [(&str, fn(&str) -> String); 3]
    {
        let flow = ASK.replace("n=${prompt.token}", &made.replace('\'', "''"));
        assert_ne!(flow, ASK);
        let house = House::new(&flow, Script::default()).await;
        let (engine, run) = asking(&house).await;
        reminded(&house, &run, 1).await;
        let token = encoded(&token_of(&engine, &run));
        let sent = url::Url::parse(&house.world.uris()[0]).unwrap();
        assert!(sent.as_str().contains(&token), "{sent}");
        let journal = house.store.journal(&house.tenant, run.id, 0, 50).await.unwrap();
        let StepRecord::Reminder(told) = &journal[1].record else { panic!("{journal:#?}") };
        let call = told.call.as_ref().unwrap();
        let request = call.sent_request.as_ref().unwrap();
        assert_eq!((request.uri.as_str(), request.headers.len(), &request.body), ("https://sys.test/", 0, &None));
        assert_eq!(call.exchange.as_ref().unwrap().outcome.as_ref().unwrap().status, 200);
        let text = serde_json::to_string(&journal).unwrap();
        assert!(!text.contains(&token) && !text.contains(sent.query().unwrap()), "{made}: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_not_answered_in_time_goes_on_elsewhere_or_ends() {
    // covers F-02, F-10
    for (on_expiry, state) in [("", RunStateKind::Error), ("    on-expiry: late\n", RunStateKind::Completed)] {
        let late = if on_expiry.is_empty() {
            ""
        } else {
            "  - id: end-here\n    end: {}\n  - id: late\n    claims: [{ key: code, type: string, value: '${steps.ask.error.code}' }]\n"
        };
        let flow = ASK.replace("  - id: said", &format!("{on_expiry}  - id: said"));
        let house = House::new(&format!("{flow}{late}"), Script::default()).await;
        let (_engine, run) = asking(&house).await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        until(async || stored(&house, &run).await.ending().is_some()).await;
        let ended = stored(&house, &run).await;
        assert_eq!(ended.state_kind(), state, "{ended:?}");
        assert_eq!(house.world.keys().len(), 3, "all calls were made");
        if state == RunStateKind::Completed {
            let code = house.context(&ended).await.pointer("/claims/code").cloned();
            assert_eq!(code, Some(json!("run.suspension-expired")));
        }
    }
}

/// The process dies while the first call is out: the next one makes it again, with its key.
#[test]
fn a_crash_repeats_a_reminder_with_the_same_key_and_tokens_outlive_it() {
    // covers F-06
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let (house, run, token) = first.block_on(async {
        let house = House::new(ASK, Script::default()).await;
        house.world.answers.send_replace(0);
        let (engine, run) = asking(&house).await;
        sent(&house, 1).await;
        let token = token_of(&engine, &run);
        (house, run, token)
    });
    first.shutdown_background();
    house.world.answers.send_replace(usize::MAX);
    runtime().block_on(async {
        let engine = house.engine();
        assert_eq!(engine.recover().await.unwrap(), 1);
        reminded(&house, &run, 1).await;
        answer(&engine, &token, json!({ "pin": 1 })).await.unwrap();
        let ended = engine.wait(&house.tenant, run.id, Duration::from_secs(60)).await.unwrap().unwrap();
        assert_eq!(ended.state_kind(), RunStateKind::Completed);
    });
    let key = format!("{}.ask.{}.reminder.0", run.id, run.suspension().unwrap().id);
    assert_eq!(house.world.keys(), [key.clone(), key]);
}

#[tokio::test(start_paused = true)]
async fn diagnostics_tell_of_an_answer_without_what_is_sensitive() {
    // covers D-01, keeps D-04
    let flow = ASK.replace("additionalProperties: false", "additionalProperties: true");
    let house = House::new(&flow, Script::default()).await;
    let (engine, run) = asking(&house).await;
    let token = token_of(&engine, &run);
    answer(&engine, &token, json!({ "pin": 1, "password": "c4nary" })).await.unwrap();
    engine.wait(&house.tenant, run.id, Duration::from_secs(60)).await.unwrap();
    let mut journal = house.store.journal(&house.tenant, run.id, 0, 50).await.unwrap();
    let resumed = journal.iter().find(|entry| matches!(entry.record, StepRecord::Resumed { .. })).unwrap();
    let told = serde_json::to_string(&resumed.diagnostics).unwrap();
    assert!(told.contains("run-resumed") && told.contains("***") && !told.contains("c4nary"), "{told}");
    assert!(journal.iter().any(|entry| matches!(entry.outcome, StepOutcome::Suspended { .. })));
    journal.iter_mut().for_each(|entry| entry.mask(&SensitiveNames::default().and_standard()));
    assert!(!serde_json::to_string(&journal).unwrap().contains("c4nary"));
}

#[test]
fn a_prompt_is_checked_at_save() {
    // covers F-03
    use weir_engine::catalogue::Catalogue;
    use weir_engine::document::Format;
    let codes = |flow: &str| -> Vec<String> {
        let catalogue = Catalogue::new(weir_engine::action::ActionTypes::shipped());
        match weir_engine::flow::check(flow, Format::Yaml, &catalogue) {
            Ok(_) => Vec::new(),
            Err(faults) => faults.0.into_iter().map(|fault| fault.code).collect(),
        }
    };
    let flow = |prompt: &str| format!("flow: f\nsteps:\n  - id: ask\n    prompt: {prompt}\n");
    for (prompt, code) in [
        ("{ form: { type: string } }", "flow.prompt-form"),
        ("{ form: { type: object, properties: 1 } }", "flow.prompt-form"),
        ("{ form: { type: object }, time-to-live: 0s }", "flow.prompt-time"),
        ("{ form: { type: object }, text: '${prompt.token}' }", "flow.expression"),
        ("{ form: { type: object }, notify: { call: gone.get } }", "flow.unknown-connector"),
        ("{ form: { type: object }, reminders: [{ after: 2h, call: gone.get }] }", "flow.prompt-time"),
        ("{ form: { type: object }, more: 1 }", "flow.shape"),
    ] {
        let found = codes(&flow(prompt));
        assert!(found.iter().any(|found| found == code), "{prompt}: {found:?}");
    }
    assert_eq!(codes(&flow("{ form: { type: object } }")), Vec::<String>::new());
}
