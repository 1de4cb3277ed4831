//! What an extension of a flow is asked.

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use super::acting::{Acted, Scene};
use crate::registry::Runner;
use crate::vector::Vector;
use crate::verdict::{Check, holds, same};
use crate::world::World;

pub(crate) const RUNNERS: &[Runner] = &[
    Runner {
        needs: &["flowType"],
        may: &[],
        expects: &["topLevelKeys", "actionType", "method", "contentType"],
        run: envelope,
    },
    Runner { needs: &["applicationId"], may: &[], expects: &["event.application.id"], run: application },
    Runner { needs: &["expose", "user"], may: &["flowType"], expects: &["claimsSent"], run: claims },
    Runner { needs: &["user", "multiValued"], may: &[], expects: &["value"], run: multi_valued },
    Runner { needs: &["modify"], may: &[], expects: &["allowedOperations"], run: allowed_operations },
    Runner { needs: &["flowType", "expose"], may: &[], expects: &["usernameSent"], run: username },
];

/// The list of claims that a map stands for.
pub(super) fn claim_list(claims: &Value) -> Value {
    let claims = claims.as_object().into_iter().flatten();
    claims.map(|(uri, value)| json!({ "uri": uri, "value": value })).collect()
}

/// What the service was asked.
pub(super) fn asked(acted: &Acted) -> anyhow::Result<Value> {
    let heard = acted.heard.first().with_context(|| format!("nothing was asked: {}", acted.ran.run))?;
    Ok(serde_json::from_str(&heard.body)?)
}

/// A step member of that name.
pub(super) fn step(members: &[(&str, Value)]) -> Value {
    let wso2 = [("profile".to_owned(), json!("wso2"))];
    let members = members.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    Value::Object(members.chain(wso2).collect::<Map<_, _>>())
}

fn trigger(vector: &Vector) -> String {
    vector.given("flowType").as_str().unwrap_or("REGISTRATION").to_owned()
}

fn envelope(world: &mut World, vector: &Vector) -> Check {
    let acted = Scene { trigger: trigger(vector), ..Scene::default() }.run(world)?;
    let asked = asked(&acted)?;
    if let Some(keys) = vector.expects("topLevelKeys").and_then(Value::as_array) {
        let mut expected: Vec<&str> = keys.iter().filter_map(Value::as_str).collect();
        let mut seen: Vec<&str> = asked.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        expected.sort_unstable();
        seen.sort_unstable();
        same("the members", &seen, &expected)?;
    }
    if let Some(expected) = vector.expects("actionType") {
        same("actionType", &asked.get("actionType"), &Some(expected))?;
    }
    if let Some(expected) = vector.expects("method") {
        let sent = acted
            .record
            .pointer("/service/sent_request/method")
            .or(acted.record.pointer("/service/sent-request/method"));
        same("the method", &sent, &Some(expected))?;
    }
    if let Some(expected) = vector.expects_text("contentType") {
        let seen = acted.heard.first().map(|heard| heard.values("content-type")).unwrap_or_default();
        same("the content type", &seen, &vec![expected])?;
    }
    same("flowType", &asked.pointer("/event/flow/flowType"), &Some(&json!(trigger(vector))))
}

fn application(world: &mut World, vector: &Vector) -> Check {
    let event = json!({ "application": { "id": vector.given("applicationId") } });
    let asked = asked(&Scene { event, ..Scene::default() }.run(world)?)?;
    let seen = asked.pointer("/event/application/id");
    match vector.expects("event.application.id") {
        Some(Value::String(absent)) if absent == "absent" => same("the id", &seen, &None),
        Some(Value::String(present)) if present == "present" => holds(seen.is_some(), || "there is no id".to_owned()),
        expected => same("the id", &seen, &expected),
    }
}

fn claims(world: &mut World, vector: &Vector) -> Check {
    let event = json!({ "user": { "claims": claim_list(&vector.given("user")["claims"]) } });
    let step = step(&[("expose", vector.given("expose").clone())]);
    let asked = asked(&Scene { trigger: trigger(vector), event, step, ..Scene::default() }.run(world)?)?;
    let sent = asked.pointer("/event/flow/user/claims").and_then(Value::as_array).cloned().unwrap_or_default();
    let expected = vector.expects("claimsSent").and_then(Value::as_array).context("no list")?;
    let by_name = expected.iter().any(Value::is_string);
    let seen = sent.iter().map(|claim| if by_name { claim["uri"].clone() } else { claim.clone() });
    same("the claims", &seen.collect::<Vec<_>>(), expected)
}

fn multi_valued(world: &mut World, vector: &Vector) -> Check {
    let claims = &vector.given("user")["claims"];
    let known: Map<String, Value> = claims
        .as_object()
        .into_iter()
        .flatten()
        .map(|(uri, _)| (uri.clone(), json!({ "multi-valued": vector.given("multiValued") })))
        .collect();
    let step = step(&[("claims", json!({ "known": known }))]);
    let event = json!({ "user": { "claims": claim_list(claims) } });
    let asked = asked(&Scene { event, step, ..Scene::default() }.run(world)?)?;
    same("the value", &asked.pointer("/event/flow/user/claims/0/value"), &vector.expects("value"))
}

fn allowed_operations(world: &mut World, vector: &Vector) -> Check {
    let paths = vector.given("modify");
    let is_empty = paths.as_array().is_none_or(Vec::is_empty);
    let allowed = if is_empty { json!([]) } else { json!([{ "op": "replace", "paths": paths }]) };
    let step = step(&[("allowed-operations", allowed)]);
    let asked = asked(&Scene { step, ..Scene::default() }.run(world)?)?;
    same("allowedOperations", &asked.get("allowedOperations"), &vector.expects("allowedOperations"))
}

fn username(world: &mut World, vector: &Vector) -> Check {
    let step = step(&[("expose", vector.given("expose").clone())]);
    let event = json!({ "user": { "username": "ada" } });
    let asked = asked(&Scene { trigger: trigger(vector), event, step, ..Scene::default() }.run(world)?)?;
    let sent = asked.pointer("/event/flow/user/username").is_some();
    same("whether the name is sent", &Some(&json!(sent)), &vector.expects("usernameSent"))
}
