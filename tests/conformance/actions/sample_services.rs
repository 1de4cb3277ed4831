//! What sample services of third parties answer: the operations on tokens.

use serde_json::{Value, json};

use super::token_patch::{apply, claims, scopes, validity};
use crate::registry::Runner;
use crate::vector::Vector;
use crate::verdict::{Check, same};
use crate::world::World;

pub(crate) const RUNNERS: &[Runner] = &[Runner {
    needs: &["serviceOps"],
    may: &["scopes", "claims"],
    // What a plain patch would do is there for people.
    expects: &["scopes", "claimsAdded", "validityPeriodMillis", "sequentialRfc6902"],
    run: operations,
}];

fn operations(world: &mut World, vector: &Vector) -> Check {
    let mut list = vec![json!({ "name": "expires_in", "value": 3600 })];
    for (name, value) in vector.given("claims").as_object().into_iter().flatten() {
        list.retain(|claim| claim.get("name") != Some(&json!(name)));
        list.push(json!({ "name": name, "value": value }));
    }
    let before = json!({ "accessToken": { "scopes": vector.given("scopes"), "claims": list } });
    let acted = apply(world, before.clone(), vector.given("serviceOps"))?;
    if let Some(expected) = vector.expects("scopes") {
        same("the list of scopes", &scopes(&acted.event), expected)?;
    }
    if let Some(expected) = vector.expects("validityPeriodMillis") {
        same("the validity", &validity(&acted.event), expected)?;
    }
    if let Some(expected) = vector.expects("claimsAdded") {
        let [before, after] = [&before, &acted.event].map(|event| claims(event, "/accessToken/claims"));
        let mut added = after.as_object().cloned().unwrap_or_default();
        added.retain(|name, _| before.get(name).is_none());
        same("the added claims", &Value::Object(added), expected)?;
    }
    Ok(())
}
