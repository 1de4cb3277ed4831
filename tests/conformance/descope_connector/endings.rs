//! What a call that fails leads to (F-10).

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::upstream::{Answer, Upstream};
use crate::vector::Vector;
use crate::verdict::{Check, same, unknown_rule};
use crate::world::{World, connector};

/// The source's kinds of error handling, in our words:
/// * `automatic`, back to the last screen with a message: no transition, and the run ends as failed with words that its
///   caller shows; screens are the caller's;
/// * `custom`, a branch of its own: `on-failure` (and `on-error`) names its first step;
/// * `ignore`, go on: `on-failure` names the step that would have come next.
pub(super) fn kinds(world: &mut World, vector: &Vector) -> Check {
    for kind in vector.expects("kinds").and_then(Value::as_array).context("no kinds are expected")? {
        let kind = kind.as_str().unwrap_or_default();
        let (transition, state, last) = match kind {
            "automatic" => (json!({}), "failed", "call"),
            "custom" => (json!({ "on-failure": "own" }), "completed", "own"),
            "ignore" => (json!({ "on-failure": "next" }), "completed", "next"),
            _ => return Err(unknown_rule(kind)),
        };
        let mut call = json!({ "id": "call", "call": format!("{}.f", vector.id) });
        if let (Value::Object(call), Value::Object(transition)) = (&mut call, transition) {
            call.extend(transition);
        }
        let claim = json!([{ "key": "k", "type": "number", "value": 1 }]);
        let mut steps = vec![call, json!({ "id": "next", "claims": claim, "next": "end" })];
        if kind == "custom" {
            steps.push(json!({ "id": "own", "claims": claim }));
        }
        let upstream = Upstream::answering(vec![Answer::status(400)])?;
        let connector = connector(&vector.id, &upstream.url(), json!({ "response": { "format": "none" } }));
        let ran = world.weir()?.run(&connector, &json!({ "flow": vector.id, "steps": steps }), &json!({}))?;
        same(kind, &ran.state.as_str(), &state)?;
        same(kind, &ran.steps.last().map(String::as_str), &Some(last))?;
        let has_words = ran.run.pointer("/failure/reason").and_then(Value::as_str).is_some_and(|it| !it.is_empty());
        same("whether there are words for the end user", &has_words, &(kind == "automatic"))?;
    }
    Ok(())
}
