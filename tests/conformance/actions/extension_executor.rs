//! What becomes of a run with an extension.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::acting::{Acted, STEP, Scene, set};
use super::extension_request::{claim_list, step};
use crate::registry::Runner;
use crate::upstream::{Answer, Upstream};
use crate::vector::Vector;
use crate::verdict::{Check, holds, same, unknown_rule};
use crate::world::World;

pub(crate) const RUNNERS: &[Runner] = &[
    Runner { needs: &["metadata"], may: &[], expects: &["outcome", "message"], run: not_configured },
    Runner { needs: &["typeEnabled"], may: &[], expects: &["outcome", "called"], run: switched_off },
    Runner {
        needs: &["status"],
        may: &["failureReason", "failureDescription", "errorMessage", "errorDescription"],
        expects: &["outcome", "http", "userSees", "errorTextHidden", "executorStatus"],
        run: status,
    },
    Runner { needs: &["ops", "secondAborts"], may: &[], expects: &["claimsChanged"], run: all_or_none },
    Runner { needs: &["rollback"], may: &[], expects: &["compensation"], run: rollback },
];

const CLAIM: &str = "/user/claims[uri=http://a.test/tier]";

fn changing(value: &str) -> Value {
    json!({ "op": "replace", "path": CLAIM, "value": value })
}

fn tiered() -> Value {
    json!({ "user": { "claims": claim_list(&json!({ "http://a.test/tier": "silver" })) } })
}

/// The outcome as the reference's executor names it.
fn outcome(state: &str) -> &'static str {
    match state {
        "completed" => "COMPLETE",
        "failed" => "FAILED",
        "suspended" => "EXTERNAL_REDIRECTION",
        _ => "ERROR",
    }
}

/// Runs a step that names nobody who serves it. How the run ended, and whether a service was asked.
fn unserved(world: &mut World, step: Value) -> anyhow::Result<(String, Value, bool)> {
    let scene = Scene { step, ..Scene::default() };
    let upstream = Upstream::answering(scene.answers.clone())?;
    let mut flow = scene.flow();
    let served = flow.pointer_mut("/steps/0").and_then(Value::as_object_mut).context("no step")?;
    served.remove("service");
    let ran = world.weir()?.run(&scene.connector(&upstream.url()), &flow, &json!({}))?;
    Ok((ran.state, ran.run, !upstream.heard().is_empty()))
}

/// The words of the message are the reference's own; ours says which action is missing and how to save one.
fn not_configured(world: &mut World, vector: &Vector) -> Check {
    let (state, run, called) = unserved(world, json!({}))?;
    same("the outcome", &outcome(&state), &vector.expects_text("outcome").unwrap_or("ERROR"))?;
    holds(!called, || "a service was asked".to_owned())?;
    let message = run.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
    holds(message.contains("action"), || format!("{run} does not say that there is no action"))
}

/// A type cannot be switched off here; what nobody serves is passed over only where the step says so.
fn switched_off(world: &mut World, vector: &Vector) -> Check {
    if vector.given("typeEnabled") != &json!(false) {
        return Err(unknown_rule("a type that is on"));
    }
    let (state, _, called) = unserved(world, json!({ "when-unavailable": "skip" }))?;
    same("the outcome", &outcome(&state), &vector.expects_text("outcome").unwrap_or("COMPLETE"))?;
    same("whether a service was asked", &Some(&json!(called)), &vector.expects("called"))
}

fn status(world: &mut World, vector: &Vector) -> Check {
    let status = vector.given("status");
    let text = |name: &str, otherwise: &str| vector.given(name).as_str().unwrap_or(otherwise).to_owned();
    let (reason, description) = (text("failureReason", "Not allowed"), text("failureDescription", "Ask somebody."));
    let (message, detail) = (text("errorMessage", "Database gone"), text("errorDescription", "At host db."));
    let (http, body) = match status.as_str() {
        Some("SUCCESS") => (200, json!({})),
        Some("FAILED") => (200, json!({ "failureReason": reason, "failureDescription": description })),
        Some("ERROR") => (500, json!({ "errorMessage": message, "errorDescription": detail })),
        Some("INCOMPLETE") => {
            (200, json!({ "operations": [{ "op": "redirect", "url": "https://elsewhere.test/page" }] }))
        }
        Some(other) => return Err(unknown_rule(other)),
        None => (200, json!({})),
    };
    let mut body = body;
    if !status.is_null() {
        set(&mut body, "actionStatus", status.clone());
    }
    let answers = vec![Answer { status: http, ..Answer::json(&body) }];
    let acted = Scene { step: step(&[]), answers, ..Scene::default() }.run(world)?;
    let seen = outcome(&acted.ran.state);
    if let Some(expected) = vector.expects_text("outcome") {
        same("the outcome", &seen.replace("COMPLETE", "SUCCESS"), &expected.replace("COMPLETE", "SUCCESS"))?;
    }
    if let Some(expected) = vector.expects_text("executorStatus") {
        same("the outcome", &seen, &expected)?;
    }
    client(world, vector, &acted, &[message, detail])
}

/// What the client gets, and so the end user.
fn client(world: &mut World, vector: &Vector, acted: &Acted, hidden: &[String]) -> Check {
    if vector.expects("http").is_none() && vector.expects("userSees").is_none() {
        return Ok(());
    }
    let id = acted.ran.run.get("id").and_then(Value::as_str).context("no run")?;
    let got = world.weir()?.get(&format!("/v1/runs/{id}/client-result"))?;
    if let Some(http) = vector.expects("http") {
        same("the status", &got.get("status"), &Some(http))?;
    }
    let body = got.get("body").cloned().unwrap_or_default().to_string();
    for text in vector.expects("userSees").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        holds(body.contains(text), || format!("{body} without {text:?}"))?;
    }
    if vector.expects("errorTextHidden") == Some(&json!(true)) {
        let leak = hidden.iter().find(|text| body.contains(text.as_str()));
        holds(leak.is_none(), || format!("{body} tells of the error"))?;
    }
    Ok(())
}

fn all_or_none(world: &mut World, vector: &Vector) -> Check {
    let count = vector.given("ops").as_u64().context("no count")?;
    let aborts = vector.given("secondAborts") == &json!(true);
    let operations: Vec<Value> = (0..count)
        .map(|index| match index {
            1 if aborts => json!({ "op": "replace", "path": "/user/id", "value": "x" }),
            _ => changing("gold"),
        })
        .collect();
    let answers = vec![Answer::json(&json!({ "actionStatus": "SUCCESS", "operations": operations }))];
    let step = json!({ "allowed-operations": [{ "op": "replace", "paths": [CLAIM] }] });
    let acted = Scene { step, event: tiered(), answers, ..Scene::default() }.run(world)?;
    let changed = acted.event != tiered();
    same("whether claims are changed", &Some(&json!(changed)), &vector.expects("claimsChanged"))
}

/// A flow that ends later undoes nothing of an action: its service is not asked again, and what it changed stays.
fn rollback(world: &mut World, vector: &Vector) -> Check {
    if !vector.expects("compensation").is_some_and(Value::is_null) {
        return Err(unknown_rule("a compensation"));
    }
    let answers = vec![Answer::json(&json!({ "actionStatus": "SUCCESS", "operations": [changing("gold")] }))];
    let step = json!({ "allowed-operations": [{ "op": "replace", "paths": [CLAIM] }] });
    let scene = Scene { step, answers, ..Scene::default() };
    let upstream = Upstream::answering(scene.answers.clone())?;
    let mut flow = scene.flow();
    let steps = flow.get_mut("steps").and_then(Value::as_array_mut).context("no steps")?;
    steps.push(json!({ "id": "later", "fail": { "reason": "Later" } }));
    let ran = world.weir()?.run(&scene.connector(&upstream.url()), &flow, &tiered())?;
    same("the state", &ran.state.as_str(), &"failed")?;
    same("the steps", &ran.steps, &vec![STEP.to_owned(), "later".to_owned()])?;
    same("the number of calls", &upstream.heard().len(), &1)?;
    let value = ran.context.get("event").and_then(|event| event.pointer("/user/claims/0/value"));
    same("the claim", &value, &Some(&json!("gold")))
}
