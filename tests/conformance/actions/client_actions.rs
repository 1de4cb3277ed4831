//! Which action is meant, and what happens where none, or more than one, can be. The reference goes on where there is
//! no action or where it is switched off; a step of ours says so with `when-unavailable: skip`, and stops without.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::acting::{STEP, Scene};
use crate::registry::Runner;
use crate::upstream::Upstream;
use crate::vector::Vector;
use crate::verdict::{Check, same, unknown_rule};
use crate::world::World;

pub(crate) const RUNNERS: &[Runner] =
    &[Runner { needs: &["actions"], may: &[], expects: &["outcome", "called"], run: of_type }];

/// The type of the reference's own tests.
const KIND: &str = "PRE_ISSUE_ACCESS_TOKEN";

fn of_type(world: &mut World, vector: &Vector) -> Check {
    let outcome = vector.expects_text("outcome").unwrap_or_default();
    let state = match outcome {
        "SUCCESS" => "completed",
        "exception" | "ERROR" => "error",
        other => return Err(unknown_rule(other)),
    };
    let scene = Scene { kind: KIND, ..Scene::default() };
    let upstream = Upstream::answering(scene.answers.clone())?;
    let weir = world.weir()?;
    let connector = scene.connector(&upstream.url());
    weir.save(&connector)?.map_err(anyhow::Error::msg).context("the connector is refused")?;
    let service = connector.get("connector").and_then(Value::as_str).unwrap_or_default();
    let mut paths = Vec::new();
    for (index, action) in vector.given("actions").as_array().context("`actions` is no list")?.iter().enumerate() {
        let (name, status) = (format!("vector-{index}"), action.get("status").and_then(Value::as_str));
        let document = json!({
            "action": name,
            "type": KIND,
            "service": format!("{service}.f"),
            "status": status.unwrap_or("ACTIVE").to_lowercase(),
        });
        let path = format!("/v1/actions/{KIND}/{name}");
        weir.put(&path, &document)?.map_err(anyhow::Error::msg).context("the action is refused")?;
        paths.push(path);
    }
    let step = json!({ "id": STEP, "action": KIND, "when-unavailable": "skip" });
    let ran = weir.run(&connector, &json!({ "flow": "of-type", "steps": [step] }), &json!({}));
    for path in paths {
        weir.ask("DELETE", &path, None)?;
    }
    same("the run's state", &ran?.state.as_str(), &state)?;
    match vector.expects("called").and_then(Value::as_bool) {
        None => Ok(()),
        Some(called) => same("whether the service is called", &!upstream.heard().is_empty(), &called),
    }
}
