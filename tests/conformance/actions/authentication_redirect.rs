//! Custom authentication that sends the end user elsewhere, and goes on when they come back.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::acting::{Acted, Scene};
use crate::upstream::{Answer, Upstream};
use crate::vector::Vector;
use crate::verdict::{Check, holds, same, unknown_rule};
use crate::world::World;

/// Where the first answer sends the end user, where the vector does not say.
const ELSEWHERE: &str = "https://svc.test/enter";

fn redirect(url: &str) -> Value {
    json!({ "actionStatus": "INCOMPLETE", "operations": [{ "op": "redirect", "url": url }] })
}

fn scene(answers: &[Value]) -> Scene {
    Scene {
        kind: "AUTHENTICATION",
        trigger: "LOGIN".to_owned(),
        step: json!({ "profile": "wso2" }),
        event: json!({ "application": { "id": "app 1", "name": "shop" } }),
        answers: answers.iter().map(Answer::json).collect(),
        ..Scene::default()
    }
}

/// Where the answer sends the end user. `...` in the expectation stands for any text.
pub(crate) fn sent_to(world: &mut World, vector: &Vector) -> Check {
    let expected = vector.expects_text("userIsSentTo").context("`userIsSentTo` is a text")?;
    let Acted { ran, .. } = scene(std::slice::from_ref(vector.given("answer"))).run(world)?;
    same("the state", &ran.state.as_str(), &"suspended")?;
    let url = ran.run.pointer("/redirect/url").and_then(Value::as_str).unwrap_or_default();
    let is_it = match expected.split_once("...") {
        Some((before, after)) => {
            url.len() > before.len() + after.len() && url.starts_with(before) && url.ends_with(after)
        }
        None => url == expected,
    };
    holds(is_it, || format!("the end user is sent to {url} instead of {expected}"))
}

/// Runs a flow that sends its end user away, and resumes it with nothing. The run afterwards, and what the service got.
fn sent_and_back(world: &mut World, second: &Value) -> anyhow::Result<(Value, Vec<Value>)> {
    let scene = scene(&[redirect(ELSEWHERE), second.clone()]);
    let upstream = Upstream::answering(scene.answers.clone())?;
    let weir = world.weir()?;
    let acted = scene.run_at(weir, &upstream)?;
    let id = acted.ran.run.get("id").and_then(Value::as_str).context("the run has no id")?;
    let (status, text) = weir.send("POST", &format!("/v1/runs/{id}/resume?wait=30s"), &json!({}))?;
    same("the status of the resume", &status, &200)?;
    let heard = upstream.heard().iter().map(|it| serde_json::from_str(&it.body)).collect::<Result<_, _>>()?;
    Ok((serde_json::from_str(&text)?, heard))
}

/// The end user comes back, and the service is called again for the same flow.
pub(crate) fn called_again(world: &mut World, vector: &Vector) -> Check {
    if vector.expects("thenServerCallsAgain") != Some(&json!(true)) {
        return Err(unknown_rule("the service is not called again"));
    }
    let (run, heard) = sent_and_back(world, &json!({ "actionStatus": "SUCCESS" }))?;
    same("the state", &run.get("state"), &Some(&json!("completed")))?;
    let [first, second] = heard.as_slice() else { anyhow::bail!("{} calls were made instead of two", heard.len()) };
    same("the flow id of the second call", &second.get("flowId"), &first.get("flowId"))?;
    same("the flow id", &first.get("flowId"), &run.get("id"))?;
    holds(first.get("requestId") != second.get("requestId"), || "both calls have one request id".to_owned())
}

/// The end user comes back with nothing done: what the service says to that is the run's end.
pub(crate) fn back_without_finishing(world: &mut World, vector: &Vector) -> Check {
    let words = vector.expects_text("sampleAnswers").unwrap_or_default();
    let Some(("FAILED", reason)) = words.split_once(' ') else { return Err(unknown_rule(words)) };
    let (run, _) = sent_and_back(world, &json!({ "actionStatus": "FAILED", "failureReason": reason }))?;
    same("the state", &run.get("state"), &Some(&json!("failed")))?;
    same("the reason", &run.pointer("/failure/reason"), &Some(&json!(reason)))
}
