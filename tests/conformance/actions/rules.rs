//! When an action runs: the rule of a vector on a saved action, and a run whose event holds the vector's context.

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use super::acting::Scene;
use crate::registry::Runner;
use crate::vector::Vector;
use crate::verdict::{Check, same, unknown_rule};
use crate::world::World;

pub(crate) const RUNNERS: &[Runner] =
    &[Runner { needs: &["rule", "context"], may: &[], expects: &["actionRuns", "flowContinues"], run: evaluate }];

/// The type of the reference's own tests, and where its event has what a rule speaks of.
const KIND: &str = "PRE_ISSUE_ACCESS_TOKEN";

/// Where the event holds a field of a rule.
fn place(field: &str) -> Option<&'static str> {
    match field {
        "application" => Some("clientId"),
        "grantType" => Some("grantType"),
        _ => None,
    }
}

fn evaluate(world: &mut World, vector: &Vector) -> Check {
    let mut request = Map::new();
    for (field, value) in vector.given("context").as_object().context("the context is no object")? {
        let place = place(field).ok_or_else(|| unknown_rule(field))?;
        request.insert(place.to_owned(), value.clone());
    }
    let rule = match vector.given("rule") {
        Value::Null => json!({}),
        rule => json!({ "rule": rule }),
    };
    let scene = Scene { kind: KIND, step: rule, event: json!({ "request": request }), ..Scene::default() };
    let acted = scene.run(world)?;
    let runs = vector.expects("actionRuns").and_then(Value::as_bool);
    if let Some(runs) = runs {
        same("whether the service is called", &!acted.heard.is_empty(), &runs)?;
        let skipped = acted.record.get("skipped").and_then(Value::as_str);
        same("what the journal says", &skipped, &(!runs).then_some("condition-not-met"))?;
    }
    match vector.expects("flowContinues").and_then(Value::as_bool) {
        None => Ok(()),
        Some(goes_on) => same("whether the run goes on", &(acted.ran.state == "completed"), &goes_on),
    }
}
