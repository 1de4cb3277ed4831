//! What a response leaves in the context, and claims made of it (C-17, F-08).

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::upstream::{Answer, Upstream};
use crate::vector::Vector;
use crate::verdict::{Check, holds, same};
use crate::world::{Ran, World, connector};

/// The source puts a response's body under the context key itself; ours is one of several members there (C-17).
fn ours(path: &str, context_key: &str) -> String {
    match path.strip_prefix(context_key).and_then(|rest| rest.strip_prefix('.')) {
        Some(rest) => format!("{context_key}.body.{rest}"),
        None => path.to_owned(),
    }
}

/// Calls a function whose response is `body`, then sets the claim. A claim whose value is not there is not written, and
/// `on-error` says that the flow goes on all the same.
fn run(world: &mut World, vector: &Vector, context_key: &str, body: &Value, claim: &Value) -> anyhow::Result<Ran> {
    let upstream = Upstream::answering(vec![Answer::json(body)])?;
    let connector = connector(&vector.id, &upstream.url(), json!({ "response": { "format": "json-object" } }));
    let flow = json!({ "flow": vector.id, "steps": [
        { "id": "call", "call": format!("{}.f", vector.id), "context-key": context_key },
        { "id": "claim", "claims": [claim], "on-error": "done" },
        { "id": "done", "end": {} },
    ] });
    let ran = world.weir()?.run(&connector, &flow, &json!({}))?;
    same("the state of the run", &ran.state.as_str(), &"completed")?;
    Ok(ran)
}

/// The first `connectors.NAME` of a context, and what is there.
fn connector_value(context: &Value) -> Option<(String, &Value)> {
    let (name, value) = context.get("connectors")?.as_object()?.iter().next()?;
    Some((format!("connectors.{name}"), value))
}

pub(super) fn claims(world: &mut World, vector: &Vector) -> Check {
    let nothing = json!({});
    let (context_key, body) =
        connector_value(vector.given("context")).unwrap_or_else(|| ("connectors.none".to_owned(), &nothing));
    let value = match vector.given("value") {
        Value::String(path) if vector.given("type") == "dynamic" => json!(format!("${{{}}}", ours(path, &context_key))),
        literal => literal.clone(),
    };
    let claim = json!({ "key": vector.given("key"), "type": vector.given("type"), "value": value });
    let ran = run(world, vector, &context_key, body, &claim)?;
    same("the claims", &ran.claims(), vector.expects("claims").context("no claims are expected")?)
}

pub(super) fn path(world: &mut World, vector: &Vector) -> Check {
    let context_key = vector.given("contextKey").as_str().context("the context key is no text")?;
    let path = vector.given("path").as_str().context("the path is no text")?;
    let claim = json!({ "key": "c", "type": "dynamic", "value": format!("${{{}}}", ours(path, context_key)) });
    let ran = run(world, vector, context_key, vector.given("responseBody"), &claim)?;
    let claims = ran.claims();
    match vector.expects_text("result") {
        Some(rule) if rule.starts_with("absent") => {
            holds(claims.get("c").is_none(), || format!("the claims are {claims}"))
        }
        _ => same("the value", &claims.get("c"), &vector.expects("value").or(vector.expects("result"))),
    }
}

/// Asked for or not, the headers are in the context (C-17); a flow that does not want them does not read them.
pub(super) fn headers(world: &mut World, vector: &Vector) -> Check {
    let answer = Answer { headers: vec![("x-id".to_owned(), "7".to_owned())], ..Answer::status(200) };
    let upstream = Upstream::answering(vec![answer])?;
    let connector = connector(&vector.id, &upstream.url(), json!({ "response": { "format": "none" } }));
    let flow = crate::world::one_call(&vector.id, &json!({}));
    let ran = world.weir()?.run(&connector, &flow, &json!({}))?;
    let name = vector.expects_text("contextHas").context("nothing is expected")?;
    holds(ran.call().get(name).is_some_and(|value| !value.is_null()), || format!("no `{name}` in {}", ran.call()))?;
    same("the header", &ran.call().pointer("/headers/x-id"), &Some(&json!("7")))
}
