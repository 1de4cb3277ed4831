//! How a new password travels before it is updated.

use anyhow::Context as _;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::acting::Scene;
use super::encryption::{IDENTITY, identity, partner};
use crate::registry::Runner;
use crate::vector::Vector;
use crate::verdict::{Check, holds, same, unknown_rule};
use crate::world::World;

pub(crate) const RUNNERS: &[Runner] = &[
    Runner { needs: &["sharing"], may: &["certificate"], expects: &["updatingCredential"], run: shared },
    Runner { needs: &["certificate"], may: &["sharing"], expects: &["updatingCredentialType"], run: encrypted },
    Runner { needs: &["format"], may: &[], expects: &["sampleBehaviour", "result"], run: sample },
];

const PASSWORD: &str = "correct horse battery staple";

/// What the action sees of the password.
fn credential(world: &mut World, sharing: Option<&str>, certificate: bool) -> anyhow::Result<Value> {
    let mut step = Map::new();
    if let Some(sharing) = sharing {
        let ours = match sharing {
            "PLAIN_TEXT" => "plain-text",
            "SHA256_HASHED" => "sha256-hashed",
            other => return Err(unknown_rule(other)),
        };
        step.insert("sharing".to_owned(), json!(ours));
    }
    if certificate {
        identity(world.weir()?)?;
        step.insert("encryption".to_owned(), json!({ "certificate": IDENTITY }));
    }
    let acted = Scene {
        kind: "PRE_UPDATE_PASSWORD",
        trigger: "PASSWORD_UPDATE".to_owned(),
        step: Value::Object(step),
        event: json!({
            "user": { "id": "u-1", "updatingCredential": PASSWORD }, "initiatorType": "USER", "action": "UPDATE",
        }),
        ..Scene::default()
    }
    .run(world)?;
    let heard = acted.heard.first().with_context(|| format!("the action is not asked: {:?}", acted.ran))?;
    let body: Value = serde_json::from_str(&heard.body)?;
    body.pointer("/event/user/updatingCredential").cloned().with_context(|| format!("no credential in {body}"))
}

fn digest() -> String {
    BASE64_STANDARD.encode(Sha256::digest(PASSWORD))
}

/// `<text>` and `<base64 digest>` stand for the values of this password.
fn with_values(expected: &Value) -> Value {
    match expected {
        Value::String(text) if text == "<text>" => json!(PASSWORD),
        Value::String(text) if text == "<base64 digest>" => json!(digest()),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), with_values(value))).collect(),
        other => other.clone(),
    }
}

fn shared(world: &mut World, vector: &Vector) -> Check {
    let certificate = vector.given("certificate").as_bool().unwrap_or(false);
    let mut seen = credential(world, vector.given("sharing").as_str(), certificate)?;
    if let (true, Some(compact)) = (certificate, seen.as_str()) {
        seen = serde_json::from_str(&partner()?.decrypt(compact)?.1)?;
    }
    let expected = vector.expects("updatingCredential").cloned().unwrap_or_default();
    same("the credential", &seen, &with_values(&expected))
}

fn encrypted(world: &mut World, vector: &Vector) -> Check {
    let certificate = vector.given("certificate").as_bool().context("`certificate` is no boolean")?;
    let seen = credential(world, vector.given("sharing").as_str(), certificate)?;
    match vector.expects_text("updatingCredentialType") {
        Some("string (five parts)") => {
            let (_, plain) = partner()?.decrypt(seen.as_str().with_context(|| format!("{seen} is no text"))?)?;
            let plain: Value = serde_json::from_str(&plain)?;
            same("the type within", &plain.get("type").cloned(), &Some(json!("PASSWORD")))
        }
        Some("object") => holds(seen.is_object(), || format!("{seen} is no object")),
        other => Err(unknown_rule(other.unwrap_or("updatingCredentialType"))),
    }
}

/// A service that reads a hash as if it were text can never find it: what we send is a digest and nothing else.
fn sample(world: &mut World, vector: &Vector) -> Check {
    if (vector.given("format").as_str(), vector.expects_text("result")) != (Some("HASH"), Some("check never matches")) {
        return Err(unknown_rule("format"));
    }
    let seen = credential(world, Some("SHA256_HASHED"), false)?;
    let value = seen.get("value").and_then(Value::as_str).context("there is no value")?;
    let read = BASE64_STANDARD.decode(value)?;
    holds(read != PASSWORD.as_bytes(), || "the value is the password itself".to_owned())?;
    same("the digest", &value, &digest().as_str())
}
