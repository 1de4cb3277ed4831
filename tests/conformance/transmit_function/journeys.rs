//! Calls in a flow, and the test of a function (C-11, C-16, F-02, F-10).

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::templates::Names;
use crate::upstream::{Answer, Upstream};
use crate::vector::Vector;
use crate::verdict::{Check, holds, same, unknown_rule};
use crate::world::{World, connector, one_call};

/// In the background the run ends although nothing was answered yet; the call is made all the same.
pub(super) fn mode(world: &mut World, vector: &Vector) -> Check {
    let theirs = vector.given("mode").as_str().context("the mode is no text")?.to_ascii_lowercase();
    let mode = if theirs.starts_with("background") { "background" } else { "wait" };
    let status = vector.given("status").as_u64().and_then(|it| it.try_into().ok()).unwrap_or(200);
    let upstream = Upstream::answering(vec![Answer { status, ..Answer::json(&json!({ "a": 1 })) }])?;
    let waits = mode == "wait";
    if !waits {
        upstream.hold();
    }
    let connector = connector(&vector.id, &upstream.url(), json!({ "mode": mode }));
    let ran = world.weir()?.run(&connector, &one_call(&vector.id, &json!({})), &json!({}))?;
    let made = upstream.arrived(1).len();
    upstream.release();
    same("the number of requests", &made, &1)?;
    if let Some(expected) = vector.expects("waits") {
        // A run that had waited would have ended in an error: the answer was held longer than any time-out.
        same("whether the step waits", &json!(waits), expected)?;
        same("the state of the run", &ran.state.as_str(), &"completed")?;
    }
    match vector.expects_text("result") {
        None => {}
        Some("ok") => same("the state of the run", &ran.state.as_str(), &"completed")?,
        Some("failed") => same("the state of the run", &ran.state.as_str(), &"failed")?,
        Some(rule) => return Err(unknown_rule(rule)),
    }
    let body = ran.call().get("body").cloned().unwrap_or_default();
    match vector.expects("response") {
        // Empty: no status (0), no headers, and the empty value of the function's format.
        Some(Value::Object(expected)) if expected.is_empty() => {
            let empty = |name: &str| match ran.call().get(name) {
                None | Some(Value::Null) => true,
                Some(Value::Number(number)) => number.as_u64() == Some(0),
                Some(Value::Object(members)) => members.is_empty(),
                Some(_) => false,
            };
            holds(["status", "headers", "body"].into_iter().all(empty), || format!("the response is {}", ran.call()))
        }
        Some(expected) => same("the response", &body, expected),
        None => Ok(()),
    }
}

/// Functions one after the other: one that fails ends the journey, and what stands after it is not called.
pub(super) fn functions(world: &mut World, vector: &Vector) -> Check {
    let functions = vector.given("functions").as_array().context("the functions are no list")?;
    let fails = |function: &Value| function.as_str().is_some_and(|name| name.starts_with("fail"));
    let status = |function: &Value| if fails(function) { 400 } else { 200 };
    let upstream = Upstream::answering(functions.iter().map(|function| Answer::status(status(function))).collect())?;
    let connector = connector(&vector.id, &upstream.url(), json!({ "response": { "format": "none" } }));
    let step = |number: usize| json!({ "id": format!("s{number}"), "call": format!("{}.f", vector.id) });
    let steps: Vec<Value> = (0..functions.len()).map(step).collect();
    let ran = world.weir()?.run(&connector, &json!({ "flow": vector.id, "steps": steps }), &json!({}))?;
    let journey = if ran.state == "completed" { "ok" } else { ran.state.as_str() };
    same("the journey", &Some(journey), &vector.expects_text("journey"))?;
    let called = functions.iter().position(fails).map_or(functions.len(), |index| index + 1);
    same("the number of calls", &upstream.heard().len(), &called)
}

/// The source leads an expression that throws to a branch of its own, `Otherwise`. Here it is an error of the step, and
/// `on-error` says where it leads; a document that is to behave like the source's names the branch there.
pub(super) fn condition(world: &mut World, vector: &Vector) -> Check {
    let names = Names::of(&vector.given);
    let when = names.expression(vector.given("expression").as_str().context("the expression is no text")?);
    let branch = |id: &str, next: &str| json!({ "id": id, "claims": [{ "key": "branch", "type": "string", "value": id }], "next": next });
    let flow = json!({ "flow": vector.id, "steps": [
        { "id": "choose", "condition": [{ "when": when, "next": "holds" }, { "otherwise": "does-not" }], "on-error": "throws" },
        branch("holds", "end"),
        branch("does-not", "end"),
        branch("throws", "end"),
    ] });
    let unused = connector(&vector.id, "https://upstream.example", json!({}));
    let ran = world.weir()?.run(&unused, &flow, &names.event())?;
    let last = ran.steps.last().map(String::as_str).unwrap_or_default();
    match vector.expects_text("branch") {
        // Which of the two it is follows from the expression, so both are the source's `Otherwise`.
        Some("Otherwise" | "otherwise") => {
            holds(["throws", "does-not"].contains(&last), || format!("it went to {last}"))
        }
        Some(rule) => Err(unknown_rule(rule)),
        None => Ok(()),
    }
}

/// The test button is `weir connector test` here.
pub(super) fn test(world: &mut World, vector: &Vector) -> Check {
    let answered = json!({ "a": 1 });
    let weir = world.weir()?;
    for (status, code) in [(200, Some(0)), (400, Some(1))] {
        let upstream = Upstream::answering(vec![Answer { status, ..Answer::json(&answered) }])?;
        let saved = weir.save(&connector(&vector.id, &upstream.url(), json!({})))?;
        holds(saved.is_ok(), || format!("the connector is refused: {saved:?}"))?;
        let function = format!("{}.f", vector.id);
        let (exit, printed) = weir.cli(&["connector", "test", &function, "-o", "json"], "")?;
        holds((exit == Some(0)) == (code == Some(0)), || format!("status {status} exits with {exit:?}: {printed}"))?;
        let json: Value = serde_json::from_str(&printed).with_context(|| printed.clone())?;
        for shown in vector.expects("shows").and_then(Value::as_array).into_iter().flatten() {
            match shown.as_str().unwrap_or_default() {
                // The exit code says it to programs, the text of the table to people.
                "success or fail message" => {
                    let (_, table) = weir.cli(&["connector", "test", &function], "")?;
                    holds(!table.trim().is_empty(), || "nothing is shown".to_owned())?;
                }
                "JSON object with the response data" => {
                    holds(has(&json, &answered), || format!("{json} does not show the response"))?;
                }
                other => return Err(unknown_rule(other)),
            }
        }
    }
    Ok(())
}

/// Whether a value stands anywhere in another one, also as a text of JSON.
fn has(value: &Value, wanted: &Value) -> bool {
    value == wanted
        || match value {
            Value::Array(items) => items.iter().any(|item| has(item, wanted)),
            Value::Object(members) => members.values().any(|member| has(member, wanted)),
            Value::String(text) => serde_json::from_str::<Value>(text).is_ok_and(|inner| inner == *wanted),
            _ => false,
        }
}
