//! What the client of a caller gets.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::acting::Scene;
use crate::registry::Runner;
use crate::upstream::Answer;
use crate::vector::Vector;
use crate::verdict::{Check, holds, same};
use crate::world::World;

pub(crate) const RUNNERS: &[Runner] = &[Runner {
    needs: &["actionType", "answer"],
    may: &["endpoint"],
    expects: &[
        "clientStatus",
        "clientBody",
        "scimType",
        "detailContains",
        "code",
        "descriptionContains",
        "flowErrorCode",
    ],
    run: result,
}];

/// An answer of a service as a vector gives it: `{status, body}`.
pub(super) fn answer(given: &Value) -> anyhow::Result<Answer> {
    let body = given.get("body").cloned().unwrap_or_default();
    let status = given.get("status").and_then(Value::as_u64).unwrap_or(200);
    Ok(Answer { status: u16::try_from(status)?, ..Answer::json(&body) })
}

/// An endpoint's name as our types write it: `SCIM bulk/create` is `scim-bulk-create`.
fn slug(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("-")
}

fn result(world: &mut World, vector: &Vector) -> Check {
    let kind = vector.given("actionType").as_str().context("no type")?.to_owned();
    let scene = Scene {
        kind: kind.leak(),
        step: json!({ "profile": "wso2" }),
        answers: vec![answer(vector.given("answer"))?],
        ..Scene::default()
    };
    let acted = scene.run(world)?;
    let id = acted.ran.run.get("id").and_then(Value::as_str).context("no run")?;
    let query = vector.given("endpoint").as_str().map(|name| format!("?endpoint={}", slug(name))).unwrap_or_default();
    let got = world.weir()?.get(&format!("/v1/runs/{id}/client-result{query}"))?;
    let body = got.get("body").with_context(|| format!("no result: {got}"))?;
    let text = |member: &str| body.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(status) = vector.expects("clientStatus") {
        same("the status", &got.get("status"), &Some(status))?;
    }
    if let Some(expected) = vector.expects("clientBody") {
        same("the body", &body, &expected)?;
    }
    for (expected, member) in [("scimType", "scimType"), ("code", "code"), ("flowErrorCode", "code")] {
        if let Some(expected) = vector.expects_text(expected) {
            same(member, &text(member).as_str(), &expected)?;
        }
    }
    for (expected, member) in [("detailContains", "detail"), ("descriptionContains", "description")] {
        if let Some(part) = vector.expects_text(expected) {
            holds(text(member).contains(part), || format!("`{member}` is {:?} without {part:?}", text(member)))?;
        }
    }
    if acted.ran.state == "error" {
        let answered = vector.given("answer").to_string();
        let told = ["errorMessage", "errorDescription"]
            .map(|name| vector.given("answer").pointer(&format!("/body/{name}")).and_then(Value::as_str));
        let leak = told.into_iter().flatten().find(|told| !told.is_empty() && body.to_string().contains(told));
        holds(leak.is_none(), || format!("{body} tells of the error in {answered}"))?;
    }
    Ok(())
}
