//! Real keys for vectors that speak of JWE: identities in the running server, and texts made for them.

use std::sync::LazyLock;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};
use weir_tests::partner::Partner;

use crate::world::Running;

/// The identity whose private key opens operations, and whose certificate events are encrypted to.
pub(crate) const IDENTITY: &str = "extension";

/// What stands before the text of `<JWE of "text">`.
const JWE_OF: &str = "<JWE of \"";

static PARTNER: LazyLock<Option<Partner>> = LazyLock::new(|| Partner::new().ok());

/// The other side of every action here.
pub(crate) fn partner() -> anyhow::Result<&'static Partner> {
    PARTNER.as_ref().context("no RSA key could be made")
}

/// Stores the identity.
pub(crate) fn identity(weir: &Running) -> anyhow::Result<()> {
    match weir.put(&format!("/v1/identities/{IDENTITY}"), &partner()?.identity())? {
        Ok(()) => Ok(()),
        Err(faults) => bail!("the identity is refused: {faults}"),
    }
}

/// The members of the step for the paths of `modify` that are encrypted, and the response with every `<JWE of "x">` and
/// `<JWE>` made real.
pub(crate) fn prepare(weir: &Running, modify: &Value, response: &Value) -> anyhow::Result<(Map<String, Value>, Value)> {
    let listed = modify.as_array().into_iter().flatten();
    let encrypted = listed.filter(|entry| entry.get("encrypted").and_then(Value::as_bool) == Some(true));
    let paths: Vec<&str> = encrypted.filter_map(|entry| entry.get("path")?.as_str()).collect();
    let mut members = Map::new();
    if !paths.is_empty() {
        identity(weir)?;
        members.insert("encryption".to_owned(), json!({ "key": IDENTITY, "operations": paths }));
    }
    Ok((members, real(response)?))
}

fn real(value: &Value) -> anyhow::Result<Value> {
    Ok(match value {
        Value::String(text) => match text.strip_prefix(JWE_OF).and_then(|text| text.strip_suffix("\">")) {
            Some(plain) => Value::String(partner()?.encrypt(plain)?),
            None if text == "<JWE>" => Value::String(partner()?.encrypt("chess,tea")?),
            None => value.clone(),
        },
        Value::Array(items) => Value::Array(items.iter().map(real).collect::<Result<_, _>>()?),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| Ok((name.clone(), real(value)?));
            Value::Object(members.iter().map(member).collect::<anyhow::Result<_>>()?)
        }
        other => other.clone(),
    })
}
