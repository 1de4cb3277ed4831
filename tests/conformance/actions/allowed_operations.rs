//! Which operations a list covers.
//!
//! Each vector runs under both settings of enforcement. Whether an operation is inside the list says the code of its
//! result: one that the event has no place for is inside it all the same.

use serde_json::{Value, json};

use super::acting::{Acted, Scene};
use crate::registry::Runner;
use crate::upstream::Answer;
use crate::vector::Vector;
use crate::verdict::{Check, holds, same, unknown_rule};
use crate::world::World;

pub(crate) const RUNNERS: &[Runner] = &[
    Runner {
        needs: &["allowedOperations", "operation"],
        may: &[],
        expects: &["kept", "flowContinues", "reference"],
        run: one_operation,
    },
    Runner {
        needs: &["allowedOperations", "response"],
        may: &[],
        expects: &["outcome", "appliedIndexes", "droppedIndexes", "droppedLogged"],
        run: response,
    },
];

const NOT_ALLOWED: &str = "action.operation-not-allowed";

fn one_operation(world: &mut World, vector: &Vector) -> Check {
    let response = json!({ "actionStatus": "SUCCESS", "operations": [vector.given("operation")] });
    let kept = vector.expects("kept").and_then(Value::as_bool);
    let goes_on = vector.expects("flowContinues").and_then(Value::as_bool);
    let dropping = act(world, vector, &response, "drop")?;
    let rejecting = act(world, vector, &response, "reject")?;
    if let Some(goes_on) = goes_on {
        same("whether the flow goes on", &(dropping.ran.state == "completed"), &goes_on)?;
    }
    let is_kept = |acted: &Acted| code(acted, 0).is_some_and(|code| code != NOT_ALLOWED);
    match kept {
        // Where the answer as a whole is none, nothing of it is kept.
        Some(kept) => {
            same("whether it is kept", &is_kept(&dropping), &kept)?;
            same("whether it is kept where others reject", &is_kept(&rejecting), &kept)?;
            holds(kept || rejecting.ran.state == "error", || format!("the run is {}", rejecting.ran.state))
        }
        None => Ok(()),
    }
}

fn response(world: &mut World, vector: &Vector) -> Check {
    let response = vector.given("response");
    let dropping = act(world, vector, response, "drop")?;
    let rejecting = act(world, vector, response, "reject")?;
    match vector.expects_text("outcome") {
        Some("SUCCESS") => same("the run", &dropping.ran.state.as_str(), &"completed")?,
        Some("ERROR") => same("the run", &dropping.ran.state.as_str(), &"error")?,
        Some(other) => return Err(unknown_rule(other)),
        None => {}
    }
    for (name, result) in [("appliedIndexes", "applied"), ("droppedIndexes", "dropped")] {
        if let Some(expected) = vector.expects(name) {
            same(name, &indexes(&dropping, result), expected)?;
        }
    }
    let dropped = vector.expects("droppedIndexes").and_then(Value::as_array).cloned().unwrap_or_default();
    if vector.expects("droppedLogged") == Some(&json!(true)) {
        for index in &dropped {
            let reason = dropping.record.pointer(&format!("/operations/{index}/reason"));
            holds(reason.is_some_and(Value::is_string), || format!("nothing says why {index} is dropped"))?;
        }
    }
    let first = dropped.first().map(Value::to_string);
    let state = if first.is_some() { "error" } else { "completed" };
    same("the run where one refuses all", &rejecting.ran.state.as_str(), &state)?;
    let rejected: Vec<String> =
        indexes(&rejecting, "rejected").as_array().into_iter().flatten().map(Value::to_string).collect();
    same("what is rejected", &rejected, &first.into_iter().collect())
}

/// Runs an action whose event has something at each path below a token.
fn act(world: &mut World, vector: &Vector, response: &Value, enforcement: &str) -> anyhow::Result<Acted> {
    let allowed = vector.given("allowedOperations");
    let has_redirect =
        allowed.as_array().is_some_and(|all| all.iter().any(|entry| entry.get("op") == Some(&json!("redirect"))));
    let scene = Scene {
        kind: if has_redirect { "AUTHENTICATION" } else { "PRE_ISSUE_ACCESS_TOKEN" },
        step: json!({
            "profile": "wso2",
            "settings": { "enforcement": enforcement },
            "allowed-operations": allowed,
        }),
        event: event(response),
        answers: vec![Answer::json(response)],
        ..Scene::default()
    };
    scene.run(world)
}

/// A token with three scopes and audiences, and every claim that an operation names.
fn event(response: &Value) -> Value {
    let mut claims =
        vec![json!({ "name": "aud", "value": ["a1", "a2", "a3"] }), json!({ "name": "expires_in", "value": 3600 })];
    for operation in response.get("operations").and_then(Value::as_array).into_iter().flatten() {
        let path = operation.get("path").and_then(Value::as_str).unwrap_or_default();
        let name =
            path.strip_prefix("/accessToken/claims/").and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let is_known = claims.iter().any(|claim| claim.get("name") == Some(&json!(name)));
        if !is_known && !["", "-"].contains(&name) {
            claims.push(json!({ "name": name, "value": "x" }));
        }
    }
    json!({ "accessToken": { "scopes": ["scope1", "scope2", "scope3"], "claims": claims } })
}

fn record(acted: &Acted, index: usize) -> Value {
    acted.record.pointer(&format!("/operations/{index}")).cloned().unwrap_or_default()
}

/// The code of a result; an empty one where it is applied, none where there is no result.
fn code(acted: &Acted, index: usize) -> Option<String> {
    let record = record(acted, index);
    record.get("result")?;
    Some(record.get("code").and_then(Value::as_str).unwrap_or_default().to_owned())
}

fn indexes(acted: &Acted, result: &str) -> Value {
    let records = acted.record.get("operations").and_then(Value::as_array).into_iter().flatten().enumerate();
    records.filter(|(_, it)| it.get("result") == Some(&json!(result))).map(|(index, _)| json!(index)).collect()
}
