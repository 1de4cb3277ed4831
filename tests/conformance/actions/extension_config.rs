//! What the set-up of an extension may name.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::acting::{STEP, Scene, set};
use super::extension_request::{asked, step};
use crate::registry::Runner;
use crate::upstream::Answer;
use crate::vector::Vector;
use crate::verdict::{Check, holds, same, unknown_rule};
use crate::world::World;

pub(crate) const RUNNERS: &[Runner] = &[
    Runner { needs: &["modify"], may: &[], expects: &["status", "messageContains", "accepted"], run: saved },
    Runner { needs: &["expose"], may: &[], expects: &["status", "messageContains", "accepted"], run: saved },
    Runner {
        needs: &["modify"],
        may: &[],
        expects: &["path", "type", "attributes", "maxAttributes", "maxItems", "maxNesting"],
        run: annotated,
    },
    Runner { needs: &["exposeCount"], may: &[], expects: &["cap"], run: cap },
];

/// What the server says against a flow with such a step; nothing where it takes it.
fn refusal(world: &mut World, step: Value) -> anyhow::Result<Option<String>> {
    let scene = Scene { step, ..Scene::default() };
    let weir = world.weir()?;
    if let Err(faults) = weir.save(&scene.connector("http://127.0.0.1:9"))? {
        anyhow::bail!("the connector is refused: {faults}");
    }
    Ok(weir.put("/v1/flows/acting", &scene.flow())?.err())
}

fn modifying(paths: &Value) -> Value {
    step(&[("allowed-operations", json!([{ "op": "replace", "paths": paths }]))])
}

/// A document with faults is 422 here (RFC 9110), where the reference answers 400: both say that it is the client's.
fn saved(world: &mut World, vector: &Vector) -> Check {
    let step = match vector.given("modify") {
        Value::Null => step(&[("expose", vector.given("expose").clone())]),
        paths => modifying(paths),
    };
    let refusal = refusal(world, step)?;
    let accepted = match (vector.expects("accepted"), vector.expects("status").and_then(Value::as_u64)) {
        (Some(accepted), _) => accepted.as_bool().context("no truth value")?,
        (None, Some(status)) => status < 400,
        (None, None) => false,
    };
    same("whether it is taken", &refusal.is_none(), &accepted)?;
    if let Some(part) = vector.expects_text("messageContains") {
        let said = refusal.unwrap_or_default();
        holds(said.contains(part), || format!("{said} does not say {part:?}"))?;
    }
    Ok(())
}

fn annotated(world: &mut World, vector: &Vector) -> Check {
    let path = vector.expects_text("path").context("no path")?;
    let replace = |value: &Value| {
        Answer::json(&json!({
            "actionStatus": "SUCCESS", "operations": [{ "op": "replace", "path": path, "value": value }]
        }))
    };
    let mut run = |wrong: &Value| {
        let answers = vec![replace(wrong)];
        // A value that does not fit refuses the answer, so that the journal says why.
        let mut step = modifying(vector.given("modify"));
        set(&mut step, "settings", json!({ "enforcement": "reject" }));
        Scene { step, answers, ..Scene::default() }.run(world)
    };
    let kind = vector.expects_text("type").unwrap_or_default();
    let wrong = match (kind, vector.expects("attributes")) {
        ("", Some(_)) => json!({ "no such attribute": "x" }),
        ("String", _) => json!(["x"]),
        ("Integer" | "Float" | "Boolean", _) => json!("x"),
        (list, _) if list.starts_with('[') => json!("x"),
        (other, _) => return Err(unknown_rule(other)),
    };
    let acted = run(&wrong)?;
    same("the path", &asked(&acted)?.pointer("/allowedOperations/0/paths"), &Some(&json!([path])))?;
    same("the state after a value of another type", &acted.ran.state.as_str(), &"error")?;
    let said = acted.ran.run.to_string();
    if !kind.is_empty() {
        holds(said.contains(&format!("{{{kind}}}")), || format!("{said} does not name the type `{kind}`"))?;
    }
    for (name, of) in vector.expects("attributes").and_then(Value::as_object).into_iter().flatten() {
        let attribute = format!("{name}: {}", of.as_str().unwrap_or_default());
        holds(said.contains(&attribute), || format!("{said} does not name `{attribute}`"))?;
    }
    limits(world, vector)
}

fn limits(world: &mut World, vector: &Vector) -> Check {
    let most = |name: &str| vector.expects(name).and_then(Value::as_u64);
    if let Some(most) = most("maxAttributes") {
        for (count, taken) in [(most, true), (most + 1, false)] {
            let fields: Vec<String> = (0..count).map(|index| format!("a{index}: String")).collect();
            let path = format!("/properties/p{{{}}}", fields.join(", "));
            same(
                "whether so many attributes are taken",
                &refusal(world, modifying(&json!([path])))?.is_none(),
                &taken,
            )?;
        }
    }
    if let Some(most) = most("maxNesting") {
        same("levels of objects", &most, &1)?;
        let nested = refusal(world, modifying(&json!(["/properties/p{a: {b: String}}"])))?;
        holds(nested.is_some(), || "an object in an object is taken".to_owned())?;
    }
    if let Some(most) = most("maxItems") {
        let value = vec!["x"; usize::try_from(most)? + 1];
        let answer = json!({
            "actionStatus": "SUCCESS", "operations": [{ "op": "replace", "path": "/properties/p", "value": value }]
        });
        let mut step = modifying(&json!(["/properties/p{[String]}"]));
        set(&mut step, "settings", json!({ "enforcement": "reject" }));
        let acted = Scene { step, answers: vec![Answer::json(&answer)], ..Scene::default() }.run(world)?;
        let said = acted.ran.run.to_string();
        holds(said.contains(&format!("at most {most}")) && said.contains(STEP), || format!("{said} names no limit"))?;
    }
    Ok(())
}

fn cap(world: &mut World, vector: &Vector) -> Check {
    let cap = vector.expects("cap").and_then(Value::as_u64).context("no cap")?;
    let given = vector.given("exposeCount").as_u64().context("no count")?;
    for count in [cap, given] {
        let paths: Vec<String> = (0..count).map(|index| format!("/user/claims[uri=http://a.test/{index}]")).collect();
        let refusal = refusal(world, step(&[("expose", json!(paths))]))?;
        same("whether so many paths are taken", &refusal.is_none(), &(count <= cap))?;
    }
    Ok(())
}
