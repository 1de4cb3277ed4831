//! Before a password or a profile is updated.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::acting::Scene;
use super::extension_request::{asked, step};
use crate::registry::Runner;
use crate::upstream::Answer;
use crate::vector::Vector;
use crate::verdict::{Check, same};
use crate::world::World;

pub(crate) const RUNNERS: &[Runner] = &[
    Runner { needs: &["initiatorType", "action"], may: &[], expects: &["valid"], run: pair },
    Runner { needs: &["answer"], may: &[], expects: &["outcome", "applied"], run: answered },
    Runner { needs: &["body"], may: &[], expects: &["readNewValuesFrom"], run: changes },
    Runner { needs: &["claim"], may: &[], expects: &["fields"], run: claim },
];

fn scene(kind: &'static str) -> Scene {
    Scene { kind, trigger: "PROFILE_UPDATE".to_owned(), step: step(&[]), ..Scene::default() }
}

fn pair(world: &mut World, vector: &Vector) -> Check {
    let event = json!({ "initiatorType": vector.given("initiatorType"), "action": vector.given("action") });
    let acted = Scene { event: event.clone(), ..scene("PRE_UPDATE_PASSWORD") }.run(world)?;
    let valid = acted.ran.state == "completed" && asked(&acted)?.get("event") == Some(&event);
    same("whether the pair is taken", &Some(&json!(valid)), &vector.expects("valid"))
}

fn answered(world: &mut World, vector: &Vector) -> Check {
    let answers = vec![Answer::json(vector.given("answer"))];
    let acted = Scene { answers, ..scene("PRE_UPDATE_PASSWORD") }.run(world)?;
    let outcome = match acted.ran.state.as_str() {
        "completed" => "SUCCESS",
        "failed" => "FAILED",
        _ => "ERROR",
    };
    if let Some(expected) = vector.expects_text("outcome") {
        same("the outcome", &outcome, &expected)?;
    }
    let operations = acted.record.get("operations").and_then(Value::as_array).into_iter().flatten();
    let applied = operations.filter(|operation| operation.get("result") == Some(&json!("applied"))).count();
    match vector.expects("applied") {
        None => Ok(()),
        Some(expected) => same("the number of applied operations", &json!(applied), expected),
    }
}

fn changes(world: &mut World, vector: &Vector) -> Check {
    let event = vector.given("body").get("event").cloned().context("no event")?;
    let place = vector.expects_text("readNewValuesFrom").context("no place")?;
    let pointer = format!("/{}", place.replace('.', "/"));
    let asked = asked(&Scene { event, ..scene("PRE_UPDATE_PROFILE") }.run(world)?)?;
    let (seen, expected) = (asked.pointer(&pointer), vector.given("body").pointer(&pointer));
    anyhow::ensure!(expected.is_some(), "the vector has nothing at {place}");
    same(place, &seen, &expected)
}

fn claim(world: &mut World, vector: &Vector) -> Check {
    let event = json!({ "user": { "id": "u-1", "claims": [vector.given("claim")] } });
    let asked = asked(&Scene { event, ..scene("PRE_UPDATE_PROFILE") }.run(world)?)?;
    let seen = asked.pointer("/event/user/claims/0").context("no claim was sent")?;
    same("the claim", &seen, &vector.given("claim"))?;
    let names: Vec<Value> = seen.as_object().into_iter().flatten().map(|(name, _)| json!(name)).collect();
    let mut expected = vector.expects("fields").and_then(Value::as_array).cloned().unwrap_or_default();
    expected.sort_by_key(ToString::to_string);
    let mut names = names;
    names.sort_by_key(ToString::to_string);
    same("the members", &names, &expected)
}
