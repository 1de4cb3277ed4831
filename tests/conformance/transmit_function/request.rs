//! What is sent: URI, body, headers, arguments (C-01, C-02, C-03, C-05).

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};
use url::Url;

use crate::templates::Names;
use crate::upstream::{Answer, Upstream};
use crate::vector::Vector;
use crate::verdict::{Check, holds, same, unknown_rule};
use crate::world::{Ran, Running, World, connector, one_call};

/// The part of an URI that decides which server gets the request, and the rest.
fn split(uri: &str) -> anyhow::Result<(&str, &str)> {
    let host = uri.find("://").context("the URI has no scheme")? + 3;
    let length = uri.get(host..).and_then(|rest| rest.find(['/', '?', '#']));
    Ok(uri.split_at(length.map_or(uri.len(), |length| host + length)))
}

/// The function of a vector, without its name, format and endpoint.
fn function(vector: &Vector, names: &Names) -> Value {
    let mut function = Map::new();
    if let Some(arguments) = vector.given.get("arguments") {
        function.insert("arguments".to_owned(), arguments.clone());
    }
    let method = match (vector.given("method").as_str(), vector.given.get("body")) {
        (Some(method), _) => method,
        (None, Some(_)) => "POST",
        (None, None) => "GET",
    };
    function.insert("method".to_owned(), json!(method));
    if let Some(body) = vector.given.get("body") {
        function.insert("body".to_owned(), names.value(body));
    }
    let content_type = vector.given.get("contentType").map(|value| ("content-type".to_owned(), value.clone()));
    let headers = pairs(vector.given("headers")).into_iter().chain(content_type);
    let headers: Vec<Value> =
        headers.map(|(name, value)| json!({ "name": name, "value": names.value(&value) })).collect();
    function.insert("headers".to_owned(), Value::Array(headers));
    function.insert("response".to_owned(), json!({ "format": "none" }));
    Value::Object(function)
}

/// Headers as an object, or as a list of `{name, value}` or `{key, value}`.
fn pairs(headers: &Value) -> Vec<(String, Value)> {
    match headers {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        Value::Array(items) => items
            .iter()
            .filter_map(|item| {
                let name = item.get("name").or(item.get("key"))?.as_str()?;
                Some((name.to_owned(), item.get("value")?.clone()))
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn call(world: &mut World, vector: &Vector, upstream: &Upstream, endpoint: &str) -> anyhow::Result<Ran> {
    let names = Names::of(&vector.given);
    let mut function = function(vector, &names);
    if let Value::Object(function) = &mut function {
        function.insert("endpoint".to_owned(), json!(names.text(endpoint)));
    }
    let connector = connector(&vector.id, &upstream.url(), function);
    // By way of the event: the types of values that stand in the flow are known at save, and refused there.
    let call = vector.given("call");
    let handed_over = call.as_object().into_iter().flatten();
    let arguments: Map<String, Value> =
        handed_over.map(|(name, _)| (name.clone(), json!(format!("${{event.call_arguments.{name}}}")))).collect();
    let mut event = names.event();
    if let Value::Object(event) = &mut event {
        event.insert("call_arguments".to_owned(), call.clone());
    }
    world.weir()?.run(&connector, &one_call(&vector.id, &Value::Object(arguments)), &event)
}

/// The server of an URI is the connector's (C-01). Ours stands in for it; path and query are compared as sent.
pub(super) fn uri(world: &mut World, vector: &Vector) -> Check {
    let uri = vector.given("uri").as_str().context("the URI is no text")?;
    let (origin, endpoint) = split(uri)?;
    let expected = vector.expects_text("url").or(vector.expects_text("result")).context("no URL is expected")?;
    if origin.contains("${") {
        // We refuse more than the rule asks for: an expression is never a part of the server's name, so there is no
        // need to hold what it gives against a list (C-01).
        holds(expected.starts_with("refuse"), || "an expression cannot choose the server".to_owned())?;
        let document = connector(&vector.id, origin, json!({ "endpoint": endpoint }));
        let saved = world.weir()?.save(&document)?;
        return holds(saved.is_err(), || format!("a base URL `{origin}` was saved"));
    }
    let upstream = Upstream::answering(vec![Answer::status(200)])?;
    let ran = call(world, vector, &upstream, endpoint)?;
    if expected.starts_with("refuse") {
        return refused(&ran, &upstream);
    }
    let expected = Url::parse(expected).map_err(|_| unknown_rule(expected))?;
    let base = Url::parse(origin)?;
    same("the server", &expected.origin(), &base.origin())?;
    let expected = expected.query().map_or(expected.path().to_owned(), |query| format!("{}?{query}", expected.path()));
    same("the path and query", &Running::one_request(&upstream)?.target, &expected)
}

fn refused(ran: &Ran, upstream: &Upstream) -> Check {
    same("the state of the run", &ran.state.as_str(), &"error")?;
    same("the number of requests", &upstream.heard().len(), &0)
}

/// Body, headers and arguments.
pub(super) fn message(world: &mut World, vector: &Vector) -> Check {
    let upstream = Upstream::answering(vec![Answer::status(200)])?;
    let ran = call(world, vector, &upstream, "/")?;
    if let Some(rule) = vector.expects_text("result") {
        match rule {
            _ if rule.starts_with("refuse") => refused(&ran, &upstream)?,
            _ if rule.starts_with("JSON-escape") => escaped(vector, &Running::one_request(&upstream)?.body)?,
            _ => return Err(unknown_rule(rule)),
        }
    }
    if let Some(sent) = vector.expects("sent") {
        let body = Running::one_request(&upstream)?.body;
        match sent {
            Value::String(sent) => same("the body", &body, sent)?,
            sent => same("the body", &serde_json::from_str(&body)?, sent)?,
        }
    }
    for (name, value) in vector.expects("headers").map(pairs).unwrap_or_default() {
        let request = Running::one_request(&upstream)?;
        let Value::String(value) = value else { bail!("the expected header `{name}` is no text") };
        let seen = request.values(&name.to_ascii_lowercase()).join(", ");
        same("the header", &seen, &value)?;
    }
    Ok(())
}

/// The body is JSON, and every text of the context stands in it as it was.
fn escaped(vector: &Vector, body: &str) -> Check {
    let json: Value = serde_json::from_str(body).with_context(|| format!("the body is not JSON: {body}"))?;
    let (mut there, mut texts) = (Vec::new(), Vec::new());
    leaves(&json, &mut there);
    leaves(vector.given("context"), &mut texts);
    holds(!texts.is_empty() && texts.iter().all(|text| there.contains(text)), || format!("{body} lacks {texts:?}"))
}

fn leaves<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| leaves(item, texts)),
        Value::Object(members) => members.values().for_each(|member| leaves(member, texts)),
        _ => {}
    }
}
