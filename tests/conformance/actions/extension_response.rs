//! What the answers of flow extensions do.
//!
//! Each vector runs under both settings of enforcement: where operations are dropped in the one, the whole answer is
//! refused in the other. Claims are maps in the vectors and lists of `{uri, value}` in an event.

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use super::acting::{Acted, Scene};
use super::encryption;
use super::token_patch::{show, shown};
use crate::registry::Runner;
use crate::upstream::Answer;
use crate::vector::Vector;
use crate::verdict::{Check, holds, same, unknown_rule};
use crate::world::World;

pub(crate) const RUNNERS: &[Runner] = &[
    Runner {
        needs: &["modify", "response"],
        may: &["flowType", "claimCatalog", "userBefore", "serverNonModifiablePaths"],
        expects: &["outcome", "claimsAfter", "credentialsAfter", "usernameChanged", "droppedIndexes", "url"],
        run: response,
    },
    Runner {
        needs: &["modify", "response"],
        may: &["flowType", "claimCatalog", "userBefore", "serverNonModifiablePaths", "claimService", "flowContext"],
        expects: &["outcome"],
        run: without_counterpart,
    },
];

/// A catalogue is a part of the action's document and an answer a part of a run: neither can be away.
fn without_counterpart(_: &mut World, vector: &Vector) -> Check {
    let missing = ["claimService", "flowContext"].into_iter().find(|name| vector.given_names().contains(name));
    Err(unknown_rule(&format!("{}: absent", missing.unwrap_or_default())))
}

fn response(world: &mut World, vector: &Vector) -> Check {
    dropping(&act(world, vector, "drop")?, vector).context("with `drop`")?;
    rejecting(&act(world, vector, "reject")?, vector).context("with `reject`")
}

fn dropping(acted: &Acted, vector: &Vector) -> Check {
    outcome(acted, vector, vector.expects_text("outcome"))?;
    if let Some(expected) = vector.expects("claimsAfter") {
        same("the claims", &claims(&acted.event), expected)?;
    }
    if let Some(expected) = vector.expects("credentialsAfter") {
        same("the credentials", acted.event.pointer("/user/credentials").unwrap_or(&Value::Null), expected)?;
    }
    if let Some(expected) = vector.expects("usernameChanged") {
        same("whether the username is changed", &json!(username_changed(acted, vector)), expected)?;
    }
    match vector.expects("droppedIndexes") {
        Some(expected) => same("the dropped operations", &indexes(acted, "dropped"), expected),
        None => Ok(()),
    }
}

/// What was dropped refuses the whole answer now; what was not comes to the same as before.
fn rejecting(acted: &Acted, vector: &Vector) -> Check {
    let asked = vector.given("response").get("operations").and_then(Value::as_array).map_or(0, Vec::len);
    if vector.expects("url").is_some() && asked > 1 {
        // What stands beside the redirect is outside the list.
        return holds(acted.ran.state == "error", || format!("the run is {}", acted.ran.state));
    }
    let dropped = vector.expects("droppedIndexes").and_then(Value::as_array);
    let Some(first) = dropped.and_then(|dropped| dropped.first()) else {
        return match vector.expects("usernameChanged") {
            Some(expected) => same("the username", &json!(username_changed(acted, vector)), expected),
            None => dropping(acted, vector),
        };
    };
    holds(acted.ran.state == "error", || format!("the run is {}", acted.ran.state))?;
    same("what is rejected", &indexes(acted, "rejected"), &json!([first]))?;
    same("the event", &acted.event, &event(vector))
}

fn outcome(acted: &Acted, vector: &Vector, expected: Option<&str>) -> Check {
    let state = match expected {
        None => return Ok(()),
        Some("SUCCESS") => "completed",
        Some("ERROR" | "ABORT") => "error",
        Some("EXTERNAL_REDIRECTION") => "suspended",
        Some(other) => return Err(unknown_rule(other)),
    };
    holds(acted.ran.state == state, || format!("the run is {}: {}", acted.ran.state, acted.ran.run))?;
    match vector.expects("url") {
        Some(url) => same("the redirect", acted.ran.run.pointer("/redirect/url").unwrap_or(&Value::Null), url),
        None => Ok(()),
    }
}

fn act(world: &mut World, vector: &Vector, enforcement: &str) -> anyhow::Result<Acted> {
    let modify = vector.given("modify");
    let entries = modify.as_array().into_iter().flatten();
    let is_encrypted = entries.clone().any(|entry| entry.get("encrypted") == Some(&json!(true)));
    let paths: Vec<&Value> = entries.filter_map(|entry| entry.get("path")).collect();
    let mut step = Map::from_iter([
        ("profile".to_owned(), json!("wso2")),
        ("settings".to_owned(), json!({ "enforcement": enforcement })),
        ("allowed-operations".to_owned(), json!([{ "op": "replace", "paths": paths }])),
        ("claims".to_owned(), rules(vector)),
    ]);
    let mut response = vector.given("response").clone();
    if is_encrypted {
        let (members, encrypted) = encryption::prepare(world.weir()?, modify, &response)?;
        step.extend(members);
        response = encrypted;
    }
    let scene = Scene {
        kind: "FLOW_EXTENSION",
        trigger: vector.given("flowType").as_str().unwrap_or("REGISTRATION").to_owned(),
        step: Value::Object(step),
        event: event(vector),
        then: vec![show()],
        answers: vec![Answer::json(&response)],
        ..Scene::default()
    };
    let mut acted = scene.run(world)?;
    if let Some(event) = shown(&acted) {
        acted.event = event;
    }
    Ok(acted)
}

/// What the product of the vectors knows of claims.
fn rules(vector: &Vector) -> Value {
    let mut rules = json!({
        "dialect": "http://wso2.org/claims/",
        "refused": ["http://wso2.org/claims/identity/"],
        "read-only": vector.given("serverNonModifiablePaths").as_array().cloned().unwrap_or_default(),
    });
    let entry = |(uri, it): (&String, &Value)| {
        (uri.clone(), json!({ "multi-valued": it.get("multiValued") == Some(&json!(true)) }))
    };
    let known = vector.given("claimCatalog").as_object().map(|known| known.iter().map(entry).collect::<Map<_, _>>());
    if let (Some(rules), Some(known)) = (rules.as_object_mut(), known) {
        rules.insert("known".to_owned(), Value::Object(known));
    }
    rules
}

fn event(vector: &Vector) -> Value {
    let mut user = vector.given("userBefore").as_object().cloned().unwrap_or_default();
    if let Some(Value::Object(claims)) = user.get("claims").cloned() {
        let claims = claims.iter().map(|(uri, value)| json!({ "uri": uri, "value": value }));
        user.insert("claims".to_owned(), claims.collect());
    }
    json!({ "user": user })
}

fn claims(event: &Value) -> Value {
    let list = event.pointer("/user/claims").and_then(Value::as_array).into_iter().flatten();
    let pair = |claim: &Value| Some((claim.get("uri")?.as_str()?.to_owned(), claim.get("value")?.clone()));
    Value::Object(list.filter_map(pair).collect())
}

fn username_changed(acted: &Acted, vector: &Vector) -> bool {
    acted.event.pointer("/user/username") != vector.given("userBefore").get("username")
}

fn indexes(acted: &Acted, result: &str) -> Value {
    let records = acted.record.get("operations").and_then(Value::as_array).into_iter().flatten().enumerate();
    records.filter(|(_, it)| it.get("result") == Some(&json!(result))).map(|(index, _)| json!(index)).collect()
}
