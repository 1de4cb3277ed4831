//! Formats and transformation of responses (C-13, C-15, C-17).

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::upstream::{Answer, Upstream};
use crate::vector::Vector;
use crate::verdict::{Check, holds, same, unknown_rule};
use crate::world::{Ran, World, connector, one_call};

/// The source's names of formats, and ours.
fn ours(format: &str) -> Option<&'static str> {
    match format.to_ascii_lowercase().replace([' ', '-', '_'], "").as_str() {
        "none" => Some("none"),
        "string" | "text" => Some("string"),
        "json" | "jsonobject" => Some("json-object"),
        "jsonarray" => Some("json-array"),
        "xml" => Some("xml"),
        _ => None,
    }
}

/// A body of the format, where the vector has none.
fn sample(format: &str) -> &'static str {
    match format {
        "json-object" => "{\"a\":1}",
        "json-array" => "[1]",
        "xml" => "<a>1</a>",
        _ => "text",
    }
}

/// What a transformation without words of its own does here: it shows that headers and status can be used.
const TRANSFORMATION: &str = "{'status': response.status, 'names': response.headers}";

/// The members of `response` in the source, and what they are in the result of our step (C-17).
fn member(theirs: &str) -> &str {
    match theirs {
        "data" | "response_data" => "body",
        "status_code" | "response_status" | "statusCode" => "status",
        "response_headers" => "headers",
        other => other,
    }
}

pub(super) fn format(world: &mut World, vector: &Vector) -> Check {
    let theirs = vector.given("format").as_str().context("the format is no text")?;
    let format = ours(theirs).with_context(|| format!("there is no format `{theirs}` here"))?;
    let status = vector.given("status").as_u64().and_then(|it| it.try_into().ok()).unwrap_or(200);
    let body = match vector.given("body") {
        Value::String(text) => text.clone(),
        Value::Null => sample(format).to_owned(),
        json => json.to_string(),
    };
    let headers = vector.given("headers").as_object().into_iter().flatten();
    let headers: Vec<(String, String)> =
        headers.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
    let mut response = json!({ "format": format });
    let transformation = match vector.given("transformation") {
        Value::String(expression) => Some(expression.as_str()),
        Value::Bool(true) => Some(TRANSFORMATION),
        _ => None,
    };
    if let (Value::Object(response), Some(expression)) = (&mut response, transformation) {
        response.insert("transformation".to_owned(), json!({ "expression": expression }));
    }
    if let (Value::Object(response), Some(fails)) = (&mut response, vector.given.get("returnFailureIfInvalid")) {
        response.insert("fail-on-invalid-status".to_owned(), fails.clone());
    }
    let upstream = Upstream::answering(vec![Answer { status, headers: headers.clone(), body: body.clone() }])?;
    let connector = connector(&vector.id, &upstream.url(), json!({ "response": response }));
    let ran = world.weir()?.run(&connector, &one_call(&vector.id, &json!({})), &json!({}))?;
    check(vector, &ran, &headers, &body)
}

fn check(vector: &Vector, ran: &Ran, headers: &[(String, String)], sent: &str) -> Check {
    let call = ran.call();
    let body = call.get("body").unwrap_or(&Value::Null);
    let is_parsed = !body.is_null();
    match vector.expects("parsed").or(vector.expects("body")) {
        Some(Value::Bool(expected)) => {
            same("whether the body was parsed", &is_parsed, expected)?;
            let is_text = vector.given("format").as_str().is_some_and(|format| ours(format) == Some("string"));
            holds(!expected || is_text || *body != json!(sent), || "the body is the text that was sent".to_owned())?;
        }
        Some(expected) => same("the body", body, expected)?,
        None => {}
    }
    if let Some(expected) = vector.expects("bodyParsed") {
        same("whether the body was parsed", &json!(is_parsed), expected)?;
    }
    for name in vector.expects("response.has").and_then(Value::as_array).into_iter().flatten() {
        let name = member(name.as_str().unwrap_or_default());
        let there = call.get(name).is_some_and(|value| !value.is_null());
        holds(there, || format!("the response has no `{name}`: {call}"))?;
    }
    for name in vector.expects("response.lacks").and_then(Value::as_array).into_iter().flatten() {
        let there = call.get(member(name.as_str().unwrap_or_default())).is_some_and(|value| !value.is_null());
        holds(!there, || format!("the response has {name}: {call}"))?;
    }
    if vector.expects("response") == Some(&json!({})) {
        holds(body.is_null(), || format!("the response has a body: {body}"))?;
    } else if let Some(expected) = vector.expects("response") {
        return Err(unknown_rule(&expected.to_string()));
    }
    if vector.expects("headersUsable") == Some(&json!(true)) {
        for (name, value) in headers {
            let transformed = call.pointer(&format!("/transformed_data/names/{name}"));
            for seen in [call.pointer(&format!("/headers/{name}")), transformed] {
                same("the header", &seen.and_then(Value::as_str), &Some(value.as_str()))?;
            }
        }
    }
    match vector.expects_text("result") {
        None => Ok(()),
        Some("ok") => same("the state of the run", &ran.state.as_str(), &"completed"),
        // A body that is not of its format is a technical error (C-13); the run's error says where it breaks.
        Some("failed" | "error" | "failure") => holds(ran.state != "completed", || "the call succeeded".to_owned()),
        Some(rule) if rule.starts_with("failure") || rule.starts_with("refuse") || rule.starts_with("parse error") => {
            holds(ran.state != "completed", || "the call succeeded".to_owned())
        }
        Some(rule) => Err(unknown_rule(rule)),
    }
}
