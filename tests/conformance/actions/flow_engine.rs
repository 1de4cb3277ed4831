//! Flows: what a user of Weir sees where the reference's engine has a code of its own.

use serde_json::{Value, json};

use super::acting::Scene;
use crate::registry::Runner;
use crate::upstream::Answer;
use crate::vector::Vector;
use crate::verdict::{Check, holds, same, unknown_rule};
use crate::world::World;

pub(crate) const RUNNERS: &[Runner] = &[
    Runner { needs: &["flowId"], may: &[], expects: &["code", "meaning"], run: unknown_run },
    Runner { needs: &["executorStatus"], may: &[], expects: &["code"], run: unknown_status },
    Runner { needs: &["graph"], may: &[], expects: &["reference", "wanted"], run: cycle },
    Runner { needs: &["executor"], may: &[], expects: &["code", "status"], run: unknown_type },
];

/// A flow that nobody knows, or whose time is over, is not resumed.
fn unknown_run(world: &mut World, vector: &Vector) -> Check {
    if vector.expects_text("code") != Some("FE-60001") {
        return Err(unknown_rule("another code for an unknown flow"));
    }
    let weir = world.weir()?;
    // What cannot be an id, and an id of no run.
    let given = vector.given("flowId").as_str().unwrap_or_default().to_owned();
    for (id, expected) in [(given.as_str(), vec![400, 404]), ("019b0000-0000-7000-8000-000000000000", vec![404])] {
        let (status, text) = weir.send("POST", &format!("/v1/runs/{id}/resume"), &json!({}))?;
        holds(expected.contains(&status), || format!("the resume of `{id}` answered {status}: {text}"))?;
    }
    Ok(())
}

/// A status that the contract does not know is a technical error, never a success.
fn unknown_status(world: &mut World, vector: &Vector) -> Check {
    let answer = json!({ "actionStatus": vector.given("executorStatus") });
    let acted = Scene { answers: vec![Answer::json(&answer)], ..Scene::default() }.run(world)?;
    same("the state", &acted.ran.state.as_str(), &"error")
}

/// A cycle is refused when the flow is saved: no run ever needs the budget of steps.
fn cycle(world: &mut World, vector: &Vector) -> Check {
    let graph = vector.given("graph").as_str().unwrap_or_default();
    let names: Vec<String> = graph.split("->").map(|node| node.trim().to_ascii_lowercase().replace(' ', "-")).collect();
    let mut steps: Vec<Value> = Vec::new();
    for pair in names.windows(2) {
        let [from, to] = pair else { continue };
        steps.push(json!({ "id": from, "claims": [{ "key": "k", "type": "string", "value": "v" }], "next": to }));
    }
    let refused = world.weir()?.put("/v1/flows/cycle", &json!({ "flow": "cycle", "steps": steps }))?;
    holds(refused.as_ref().is_err_and(|text| text.contains("flow.cycle")), || format!("saving came to {refused:?}"))
}

/// A flow whose step is of a type that nobody knows is not saved.
fn unknown_type(world: &mut World, vector: &Vector) -> Check {
    if vector.expects("status") != Some(&json!(400)) {
        return Err(unknown_rule("another status for an unknown executor"));
    }
    let step = json!({ "id": "act", "action": vector.given("executor"), "plugin": "p@1" });
    let refused = world.weir()?.put("/v1/flows/unknown-type", &json!({ "flow": "unknown-type", "steps": [step] }))?;
    let is_said = refused.as_ref().is_err_and(|text| text.contains("flow.unknown-action-type"));
    holds(is_said, || format!("saving came to {refused:?}"))
}
