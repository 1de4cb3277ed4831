//! Answers to flow extensions.

use serde_json::{Map, Value, json};

use super::acting::Scene;
use super::encryption;
use crate::registry::Runner;
use crate::upstream::Answer;
use crate::vector::Vector;
use crate::verdict::{Check, same, unknown_rule};
use crate::world::World;

pub(crate) const RUNNERS: &[Runner] = &[Runner {
    needs: &["flowType", "claimCatalog", "modify", "userBefore", "response"],
    may: &[],
    expects: &["outcome", "claimsAfter", "droppedIndexes"],
    run: encrypted,
}];

/// Those with encrypted paths only.
fn encrypted(world: &mut World, vector: &Vector) -> Check {
    let (mut step, response) = encryption::prepare(world.weir()?, vector.given("modify"), vector.given("response"))?;
    if step.is_empty() {
        return Err(unknown_rule("an answer without encryption"));
    }
    let paths: Vec<&Value> = vector.given("modify").as_array().into_iter().flatten().map(|it| &it["path"]).collect();
    step.insert("allowed-operations".to_owned(), json!([{ "op": "replace", "paths": paths }]));
    step.insert("profile".to_owned(), json!("wso2"));
    let known = vector.given("claimCatalog").as_object().into_iter().flatten();
    let known: Map<String, Value> =
        known.map(|(uri, it)| (uri.clone(), json!({ "multi-valued": it["multiValued"] }))).collect();
    step.insert("claims".to_owned(), json!({ "known": known }));
    let before = vector.given("userBefore").pointer("/claims").and_then(Value::as_object).into_iter().flatten();
    let before: Vec<Value> = before.map(|(uri, value)| json!({ "uri": uri, "value": value })).collect();
    let acted = Scene {
        trigger: "REGISTRATION".to_owned(),
        step: Value::Object(step),
        event: json!({ "user": { "claims": before } }),
        answers: vec![Answer::json(&response)],
        ..Scene::default()
    }
    .run(world)?;
    let outcome = if acted.ran.state == "completed" { "SUCCESS" } else { "ABORT" };
    same("the outcome", &Some(outcome), &vector.expects("outcome").and_then(Value::as_str))
}
