//! Operations on tokens.
//!
//! Claims are maps in the vectors and lists of `{name, value}` in an event. What a plain step-by-step patch would give
//! (`naive_sequential_*`) is there for people: the expected result says otherwise.

use serde_json::{Map, Value, json};
use weir_engine::action::PathPattern;

use super::acting::{Acted, Scene};
use crate::registry::Runner;
use crate::upstream::Answer;
use crate::vector::Vector;
use crate::verdict::{Check, holds, same};
use crate::world::World;

pub(crate) const RUNNERS: &[Runner] = &[Runner {
    needs: &["accessToken", "operations"],
    may: &["refreshToken", "standardResponseParameters"],
    expects: &[
        "scopes_in_order",
        "claims",
        "aud_in_order",
        "perOperation",
        "validityPeriodMillis",
        "refresh",
        "responseParams",
        "suppressed",
        "naive_sequential_scopes_in_order",
        "naive_sequential_aud_in_order",
        "naive_sequential_claims",
    ],
    run: patch,
}];

fn patch(world: &mut World, vector: &Vector) -> Check {
    let mut event = json!({
        "accessToken": token(vector.given("accessToken")),
        "response": { "parameters": vector.given("standardResponseParameters") },
    });
    if let (Some(event), refresh @ Value::Object(_)) = (event.as_object_mut(), vector.given("refreshToken")) {
        event.insert("refreshToken".to_owned(), token(refresh));
    }
    let operations = vector.given("operations");
    let acted = apply(world, event, operations)?;
    let claims = claims(&acted.event, "/accessToken/claims");
    if let Some(expected) = vector.expects("scopes_in_order") {
        same("the list of scopes", &scopes(&acted.event), expected)?;
    }
    if let Some(expected) = vector.expects("aud_in_order") {
        same("the audience", claims.get("aud").unwrap_or(&Value::Null), expected)?;
    }
    if let Some(expected) = vector.expects("claims") {
        same("the token's claims", &claims, expected)?;
    }
    if let Some(expected) = vector.expects("validityPeriodMillis") {
        same("the validity", &validity(&acted.event), expected)?;
    }
    if let Some(expected) = vector.expects("refresh") {
        let refresh = json!({ "claims": self::claims(&acted.event, "/refreshToken/claims") });
        same("the refresh token", &refresh, expected)?;
    }
    response_parameters(vector, &acted.event)?;
    match vector.expects("perOperation").and_then(Value::as_array) {
        Some(expected) => per_operation(&acted.record, operations, expected),
        None => Ok(()),
    }
}

/// Runs a token action in the profile `wso2` whose service answers with operations, all of which are allowed.
pub(super) fn apply(world: &mut World, event: Value, operations: &Value) -> anyhow::Result<Acted> {
    let mut allowed = Vec::new();
    for operation in operations.as_array().into_iter().flatten() {
        let path = operation.get("path").and_then(Value::as_str).filter(|path| path.parse::<PathPattern>().is_ok());
        if let Some(path) = path {
            allowed.push(json!({ "op": operation.get("op"), "paths": [path] }));
        }
    }
    let scene = Scene {
        kind: "PRE_ISSUE_ACCESS_TOKEN",
        then: vec![show()],
        step: json!({ "profile": "wso2", "allowed-operations": allowed }),
        event,
        answers: vec![Answer::json(&json!({ "actionStatus": "SUCCESS", "operations": operations }))],
        ..Scene::default()
    };
    let mut acted = scene.run(world)?;
    holds(acted.ran.state == "completed", || format!("the run is {}: {}", acted.ran.state, acted.ran.run))?;
    acted.event = shown(&acted).unwrap_or_default();
    Ok(acted)
}

/// A step that puts the event into the run's claims: the journal shows nothing of what a member holds whose name is that
/// of a secret, such as `accessToken` or `credentials`.
pub(super) fn show() -> Value {
    json!({ "id": "show", "claims": [{ "key": "shown", "type": "array", "value": "${[event]}" }] })
}

/// The event that such a step has shown.
pub(super) fn shown(acted: &Acted) -> Option<Value> {
    acted.ran.claims().pointer("/shown/0").cloned()
}

/// A token with its claims as a list.
fn token(given: &Value) -> Value {
    let mut token = given.as_object().cloned().unwrap_or_default();
    if let Some(Value::Object(claims)) = given.get("claims") {
        let claims = claims.iter().map(|(name, value)| json!({ "name": name, "value": value }));
        token.insert("claims".to_owned(), claims.collect());
    }
    Value::Object(token)
}

/// Claims as a map.
pub(super) fn claims(event: &Value, pointer: &str) -> Value {
    let list = event.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    let pair = |claim: &Value| Some((claim.get("name")?.as_str()?.to_owned(), claim.get("value")?.clone()));
    Value::Object(list.filter_map(pair).collect())
}

pub(super) fn scopes(event: &Value) -> Value {
    event.pointer("/accessToken/scopes").cloned().unwrap_or_default()
}

/// How long the token lives, in milliseconds.
pub(super) fn validity(event: &Value) -> Value {
    let claims = claims(event, "/accessToken/claims");
    json!(claims.get("expires_in").and_then(Value::as_u64).map(|seconds| seconds * 1000))
}

/// What is added to the token's answer, and which of its standard parameters are left out.
fn response_parameters(vector: &Vector, event: &Value) -> Check {
    let parameters = event.pointer("/response/parameters").and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(expected) = vector.expects("responseParams") {
        let added: Map<String, Value> = parameters
            .iter()
            .filter_map(|it| Some((it.get("name")?.as_str()?.to_owned(), it.get("value")?.clone())))
            .collect();
        same("what is added to the answer", &Value::Object(added), expected)?;
    }
    if let Some(expected) = vector.expects("suppressed") {
        let standard = vector.given("standardResponseParameters").as_array().cloned().unwrap_or_default();
        let gone: Vec<Value> = standard.into_iter().filter(|name| !parameters.contains(name)).collect();
        same("what is left out of the answer", &Value::Array(gone), expected)?;
    }
    Ok(())
}

/// Each operation has succeeded or failed as expected. Where a replacement is told of twice, it is tried on both
/// tokens.
fn per_operation(record: &Value, operations: &Value, expected: &[Value]) -> Check {
    let results = record.get("operations").and_then(Value::as_array).cloned().unwrap_or_default();
    let kinds: Vec<&str> = operations.as_array().into_iter().flatten().map(kind).collect();
    let is_told_twice = expected.len() != kinds.len();
    let mut expected = expected.iter();
    for (index, kind) in kinds.iter().enumerate() {
        let told = if is_told_twice && *kind == "replace" { 2 } else { 1 };
        let mut statuses = expected.by_ref().take(told).filter_map(|it| it.get("status")?.as_str());
        let wanted = statuses.any(|status| status == "SUCCESS");
        // The rest of what is told of this operation is read, too.
        statuses.for_each(drop);
        let result = results.get(index).and_then(|it| it.get("result")?.as_str()).unwrap_or("missing");
        let why = results.get(index).and_then(|it| it.get("reason")?.as_str()).unwrap_or_default();
        holds((result == "applied") == wanted, || format!("operation {index} is {result}: {why}"))?;
    }
    same("the number of results", &results.len(), &kinds.len())
}

fn kind(operation: &Value) -> &str {
    operation.get("op").and_then(Value::as_str).unwrap_or_default()
}
