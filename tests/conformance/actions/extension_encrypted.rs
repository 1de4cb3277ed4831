//! What flow extensions are asked in encrypted form (A-12).

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use super::acting::{Acted, Scene, set};
use super::encryption::{IDENTITY, identity, partner};
use crate::registry::Runner;
use crate::vector::Vector;
use crate::verdict::{Check, holds, same, unknown_rule};
use crate::world::World;

pub(crate) const RUNNERS: &[Runner] = &[Runner {
    needs: &["encrypted", "certificate"],
    may: &["kind"],
    expects: &["shape", "alg", "enc", "sent", "outcome", "logged"],
    run: asked,
}];

/// Of what an action's owner sets.
pub(crate) const SETTINGS: &[Runner] =
    &[Runner { needs: &["patch"], may: &[], expects: &["certificate"], run: certificate_removed }];

const CLAIM: &str = "http://wso2.org/claims/tier";
const SECRET: &str = "the-plain-value";

/// A part of the event that is to be encrypted: its path there, and where the action sees it.
fn part(kind: &str) -> anyhow::Result<(String, &'static str)> {
    Ok(match kind {
        "claim" => (format!("/user/claims[uri={CLAIM}]"), "/event/flow/user/claims/0/value"),
        "credential" => ("/user/credentials/token".to_owned(), "/event/flow/user/credentials/token"),
        other => return Err(unknown_rule(other)),
    })
}

/// An action that is asked, in the profile of the system that the vectors are of.
fn ask(world: &mut World, encryption: &Value) -> anyhow::Result<Acted> {
    let mut step = Map::from_iter([("profile".to_owned(), json!("wso2"))]);
    step.insert("encryption".to_owned(), encryption.clone());
    let event = json!({ "user": {
        "claims": [{ "uri": CLAIM, "value": SECRET }], "credentials": { "token": SECRET },
    } });
    Scene { step: Value::Object(step), event, ..Scene::default() }.run(world)
}

/// What the action saw; `None` where it was not asked.
fn seen(acted: &Acted) -> anyhow::Result<Option<Value>> {
    acted.heard.first().map(|heard| Ok(serde_json::from_str(&heard.body)?)).transpose()
}

fn asked(world: &mut World, vector: &Vector) -> Check {
    let is_encrypted = vector.given("encrypted").as_bool().context("`encrypted` is no boolean")?;
    let has_certificate = vector.given("certificate").as_bool().context("`certificate` is no boolean")?;
    let (path, place) = part(vector.given("kind").as_str().unwrap_or("claim"))?;
    identity(world.weir()?)?;
    let mut encryption = json!({ "event": if is_encrypted { vec![path] } else { Vec::new() } });
    if let (true, Some(members)) = (has_certificate, encryption.as_object_mut()) {
        members.insert("certificate".to_owned(), json!(IDENTITY));
    }
    let acted = ask(world, &encryption)?;
    let seen = seen(&acted)?;
    let value = seen.as_ref().and_then(|seen| seen.pointer(place)).cloned();
    if is_encrypted && let Some(seen) = &seen {
        // The other one may be there in the clear: it was not to be encrypted.
        let shown = value.as_ref().map(Value::to_string).unwrap_or_default();
        holds(!shown.contains(SECRET), || format!("the plain value is in {seen}"))?;
    }
    for (name, expected) in vector.expect.as_object().into_iter().flatten() {
        expectation(name, expected, value.as_ref(), &acted)?;
    }
    Ok(())
}

fn expectation(name: &str, expected: &Value, value: Option<&Value>, acted: &Acted) -> Check {
    let header = || -> anyhow::Result<(Value, String)> {
        partner()?.decrypt(value.and_then(Value::as_str).context("the value is not sent as text")?)
    };
    match (name, expected.as_str()) {
        ("shape", Some(r"^[^.]+(\.[^.]*){4}$")) => {
            let text = value.and_then(Value::as_str).unwrap_or_default();
            same("the number of parts", &text.split('.').count(), &5)?;
            holds(header()?.1.contains(SECRET), || "it holds another value".to_owned())
        }
        ("alg" | "enc", Some(_)) => same(name, &header()?.0.get(name).cloned(), &Some(expected.clone())),
        ("sent", None) => same(name, &Value::Bool(value.is_some()), expected),
        ("outcome", Some("continue" | "SUCCESS")) => same(name, &acted.ran.state.as_str(), &"completed"),
        ("outcome", Some("ERROR")) => same(name, &acted.ran.state.as_str(), &"error"),
        ("logged", Some(level)) => {
            let entries = acted.diagnostics.as_array().into_iter().flatten();
            let mut levels = entries.filter_map(|entry| entry.get("level")?.as_str());
            holds(levels.any(|found| found == level), || format!("no {level} in {}", acted.diagnostics))
        }
        _ => Err(unknown_rule(&format!("{name}: {expected}"))),
    }
}

/// The document with the patch merged into it (RFC 7396) is saved in its place, which is how a saved document is changed.
fn certificate_removed(world: &mut World, vector: &Vector) -> Check {
    if vector.expects("certificate").and_then(Value::as_str) != Some("removed") {
        return Err(unknown_rule("certificate"));
    }
    identity(world.weir()?)?;
    let path = part("claim")?.0;
    let mut encryption = json!({ "certificate": IDENTITY, "event": [path] });
    let before = seen(&ask(world, &encryption)?)?.context("the action is not asked")?;
    holds(before.pointer(part("claim")?.1).is_some(), || "the claim is not sent at first".to_owned())?;
    let patch = vector.given("patch").get("encryption").and_then(Value::as_object);
    for (name, value) in patch.context("the patch has no `encryption`")? {
        set(&mut encryption, name, value.clone());
    }
    let after = seen(&ask(world, &encryption)?)?.context("the action is not asked")?;
    same("the claim without a certificate", &after.pointer(part("claim")?.1), &None)
}
