//! Actions whose event and operations are encrypted, over an encryption that a test can read.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};
use weir_engine::action::Operation;
use weir_engine::ids::{IdentityName, TenantId};
use weir_engine::ports::{ActionDecision, DefinitionKind, Encryption, EncryptionError, Store as _};
use weir_engine::run::{Ending, OperationResult, StepRecord};

use super::house::{House, Script, stored};

/// Writes texts backwards, in five parts.
pub(crate) struct Mirror;

fn mirrored(identity: &str, plain: &str) -> String {
    format!("h.{identity}.n.{}.t", plain.chars().rev().collect::<String>())
}

#[async_trait]
impl Encryption for Mirror {
    async fn encrypt(&self, _: &TenantId, identity: &IdentityName, plain: &[u8]) -> Result<String, EncryptionError> {
        Ok(mirrored(identity.as_str(), std::str::from_utf8(plain).unwrap()))
    }

    async fn decrypt(&self, _: &TenantId, identity: &IdentityName, text: &str) -> Result<Vec<u8>, EncryptionError> {
        let sealed = text.strip_prefix(&format!("h.{identity}.n.")).and_then(|rest| rest.strip_suffix(".t"));
        let sealed = sealed.ok_or(EncryptionError { code: "action.not-decrypted", message: "not for us".to_owned() });
        Ok(sealed?.chars().rev().collect::<String>().into_bytes())
    }
}

const FLOW: &str = "flow: f\nsteps:\n  - id: a\n    action: FLOW_EXTENSION\n    plugin: p@1\n    allowed-operations: [{ op: replace, paths: ['/user/claims[uri=x/tier]', '/user/claims[uri=x/rank]', '/user/claims[uri=x/nick]'] }]\n    encryption:\n      certificate: theirs\n      event: ['/user/claims[uri=x/mobile]', /user/credentials/pin]\n      key: ours\n      operations: ['/user/claims[uri=x/tier]', '/user/claims[uri=x/rank]']\n  - id: b\n    condition: [{ when: \"event.user.claims[2].value == 'gold'\", next: end }, { otherwise: c }]\n  - id: c\n    fail: { reason: not gold }\n";

fn replace(path: &str, value: &Value) -> Operation {
    Operation::Replace { path: path.to_owned(), value: Some(value.clone()) }
}

/// A plugin that answers so, and the events that it has seen.
fn answering(operations: Vec<Operation>) -> (Script, Arc<Mutex<Vec<Value>>>) {
    let (mut script, seen) = (Script::default(), Arc::<Mutex<Vec<Value>>>::default());
    let kept = seen.clone();
    let decide = move |_: &_, event: &weir_engine::ports::ActionEvent| {
        kept.lock().unwrap().push(event.payload.clone());
        Ok(ActionDecision::Success(operations.clone()))
    };
    script.action.insert("p", Box::new(decide));
    (script, seen)
}

fn event() -> Value {
    json!({"user": {"claims": [{"uri": "x/mobile", "value": ["0796660", "0795550"]}], "credentials": {"pin": "4711"}}})
}

#[tokio::test]
async fn a_plugin_sees_what_is_encrypted_and_the_journal_keeps_what_came_encrypted() {
    // covers A-02, A-12, D-04
    let sealed = mirrored("ours", "gold");
    let operations =
        vec![replace("/user/claims[uri=x/nick]", &json!("ann")), replace("/user/claims[uri=x/tier]", &json!(sealed))];
    let (script, seen) = answering(operations.clone());
    let house = House::new(FLOW, script).await;
    let (run, journal) = house.run(event()).await;
    assert_eq!(run.ending(), Some(&Ending::Completed { claims: Vec::new() }), "the plain value is in the event");
    let user = json!({
        "claims": [{"uri": "x/mobile", "value": mirrored("theirs", "0796660,0795550")}],
        "credentials": {"pin": mirrored("theirs", r#"{"type":"PLAIN_TEXT","value":"4711"}"#)},
    });
    assert_eq!(seen.lock().unwrap()[0]["flow"]["user"], user);
    let StepRecord::Action(action) = &journal[0].record else { panic!("{journal:?}") };
    assert_eq!(action.event.payload["flow"]["user"], user);
    let kept: Vec<_> = action.operations.iter().map(|record| record.operation.clone()).collect();
    assert_eq!(kept, operations, "as they came");
    let shown = serde_json::to_string(&action).unwrap();
    assert!(!shown.contains("gold") && !shown.contains("4711"), "{shown}");
    // What the run needs is in its context, and nobody is shown it.
    let names = house.engine().hidden_names(&run).await.unwrap();
    let mut context = house.context(&run).await;
    assert_eq!(context["event"]["user"]["claims"][2]["value"], "gold");
    names.mask_context(&mut context);
    let mut entry = journal[0].clone();
    entry.mask(&names);
    for shown in [context.to_string(), serde_json::to_string(&entry).unwrap()] {
        for secret in ["gold", "4711", "0796660"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
        assert!(shown.contains("ann"), "what is not encrypted is shown: {shown}");
    }
}

#[tokio::test]
async fn another_spelling_of_an_encrypted_path_is_that_path() {
    // covers A-05, D-04
    for path in ["/user/claims[uri=x/tier]", "/user/claims[uri=x/tier]/", "/user/claims[uri=x/tier]/value"] {
        let (script, _) = answering(vec![replace(path, &json!("gold"))]);
        let house = House::new(FLOW, script).await;
        let (run, _) = house.run(event()).await;
        let Some(Ending::Error { error, .. }) = run.ending() else { panic!("{run:?}") };
        assert_eq!(error.code, "action.not-encrypted", "{path}");
        assert!(!error.message.contains("gold"), "{error}");
        assert_eq!(house.context(&run).await["event"], event(), "nothing is applied");
    }
}

#[tokio::test]
async fn of_a_refused_answer_each_operation_is_kept_as_it_came() {
    // covers A-06, D-04
    for (second, code) in [("gold", "action.not-encrypted"), ("h.else.n.dlog.t", "action.not-decrypted")] {
        let good = replace("/user/claims[uri=x/rank]", &json!(mirrored("ours", "silver")));
        let operations = vec![good, replace("/user/claims[uri=x/tier]", &json!(second))];
        let (script, _) = answering(operations.clone());
        let house = House::new(FLOW, script).await;
        let (run, journal) = house.run(event()).await;
        let Some(Ending::Error { error, .. }) = run.ending() else { panic!("{run:?}") };
        assert_eq!(error.code, code);
        let StepRecord::Action(action) = &journal[0].record else { panic!("{journal:?}") };
        let results: Vec<_> = action.operations.iter().map(|record| record.result).collect();
        assert_eq!(results, [OperationResult::Dropped, OperationResult::Rejected], "{code}");
        assert_eq!(action.operations[1].code.as_deref(), Some(code));
        let kept: Vec<_> = action.operations.iter().map(|record| record.operation.clone()).collect();
        assert_eq!(kept, operations, "the plaintext of what did decrypt is not kept");
    }
}

#[tokio::test]
async fn null_takes_an_encrypted_value_away_as_it_does_any_other() {
    // covers A-06
    let (script, _) = answering(vec![replace("/user/claims[uri=x/tier]", &Value::Null)]);
    let house = House::new(FLOW, script).await;
    let (run, _) = house.run(event()).await;
    assert_eq!(house.context(&run).await["event"]["user"]["claims"][1], json!({"uri": "x/tier", "value": ""}));
}

/// What the plugin saw of the claims, where they are encrypted at this path.
async fn claims_seen(path: &str, claims: Value) -> Value {
    let (script, seen) = answering(Vec::new());
    let house = House::new(&FLOW.replace("/user/claims[uri=x/mobile]", path), script).await;
    house.run(json!({"user": {"claims": claims}})).await;
    let seen = seen.lock().unwrap();
    seen[0]["flow"]["user"]["claims"].clone()
}

#[tokio::test]
async fn an_index_and_a_repeated_claim_are_encrypted_too() {
    // covers A-12
    let claim = |uri: &str, value: &str| json!({"uri": uri, "value": value});
    let seen = claims_seen("/user/claims/0", json!([claim("x/a", "one"), claim("x/b", "two")])).await;
    assert_eq!(seen[0], mirrored("theirs", r#"{"uri":"x/a","value":"one"}"#), "the element is what stands there");
    assert_eq!(seen[1], claim("x/b", "two"));
    let seen = claims_seen("/user/claims[uri=x/a]", json!([claim("x/a", "one"), claim("x/a", "two")])).await;
    let expected = json!([claim("x/a", &mirrored("theirs", "one")), claim("x/a", &mirrored("theirs", "two"))]);
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn more_encrypted_values_than_anybody_needs_are_not_decrypted() {
    // covers A-05
    let value = json!(mirrored("ours", "gold"));
    let (script, _) = answering(vec![replace("/user/claims[uri=x/tier]", &value); 2]);
    let house = House::new(FLOW, script).await;
    let (run, journal) = house.run(event()).await;
    let Some(Ending::Error { error, .. }) = run.ending() else { panic!("{run:?}") };
    assert_eq!(error.code, "action.encrypted-values");
    let StepRecord::Action(action) = &journal[0].record else { panic!("{journal:?}") };
    assert_eq!(action.operations[1].result, OperationResult::Rejected);
}

#[tokio::test]
async fn what_a_run_has_encrypted_stays_masked_when_its_action_is_gone() {
    // covers D-04
    let flow = "flow: f\nsteps:\n  - { id: a, action: FLOW_EXTENSION, uses: gate }\n  - { id: done, end: {} }\n";
    let gate = "action: gate\ntype: FLOW_EXTENSION\nplugin: p@1\nallowed-operations: [{ op: replace, paths: ['/user/claims[uri=x/tier]'] }]\nencryption: { certificate: theirs, event: ['/user/claims[uri=x/mobile]'], key: ours, operations: ['/user/claims[uri=x/tier]'] }\n";
    let (script, _) = answering(vec![replace("/user/claims[uri=x/tier]", &json!(mirrored("ours", "gold")))]);
    let house = House::new(flow, script).await;
    house.define(DefinitionKind::Action, "FLOW_EXTENSION/gate", stored(gate)).await;
    let (run, _) = house.run(event()).await;
    assert_eq!(run.ending(), Some(&Ending::Completed { claims: Vec::new() }));
    house.store.delete_definition(&house.tenant, DefinitionKind::Action, "FLOW_EXTENSION/gate").await.unwrap();
    let names = house.engine().hidden_names(&run).await.unwrap();
    let mut context = house.context(&run).await;
    assert!(context.to_string().contains("gold"));
    names.mask_context(&mut context);
    assert!(!context.to_string().contains("gold") && !context.to_string().contains("0796660"), "{context}");
}
