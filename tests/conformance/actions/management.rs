//! Saving actions in the form of the reference, and what is wrong with them.

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use crate::registry::Runner;
use crate::vector::Vector;
use crate::verdict::{Check, holds, same, unknown_rule};
use crate::world::{Running, World};

const REFUSAL: &[&str] = &["status", "code", "description", "descriptionContains"];

/// What a vector may say of the action that is to be made, each in place of a sound one.
const PARTS: &[&str] =
    &["name", "nameLength", "description", "descriptionLength", "uri", "authentication", "expression", "rule"];

pub(crate) const RUNNERS: &[Runner] = &[
    Runner { needs: &["existing"], may: PARTS, expects: REFUSAL, run: one_too_many },
    Runner { needs: &["method", "id"], may: &["action", "type"], expects: REFUSAL, run: unknown_id },
    Runner { needs: &["get"], may: &["authentication"], expects: &["authentication", "propertiesReturned"], run: read },
    Runner { needs: &["type"], may: &[], expects: &["properties"], run: authentication_type },
    Runner {
        needs: &[],
        may: &[
            "type",
            "name",
            "nameLength",
            "description",
            "descriptionLength",
            "uri",
            "authentication",
            "expression",
            "rule",
        ],
        expects: REFUSAL,
        run: create,
    },
];

/// The type of the reference's own tests.
const KIND: &str = "preIssueAccessToken";

/// A secret that no answer may have.
const SECRET: &str = "c4nary-0f-th3-v3ct0rs";

/// The body that makes an action, with what the vector says of it.
fn body(vector: &Vector) -> Value {
    let given = |name: &str| vector.given.get(name).cloned();
    let long = |name: &str| given(name)?.as_u64().map(|length| json!("x".repeat(usize::try_from(length).unwrap_or(0))));
    let authentication = given("authentication")
        .unwrap_or_else(|| json!({ "type": "BASIC", "properties": { "username": "u", "password": SECRET } }));
    let mut body = Map::from_iter([
        ("name".to_owned(), given("name").or_else(|| long("nameLength")).unwrap_or_else(|| json!("Vectors"))),
        (
            "endpoint".to_owned(),
            json!({
                "uri": given("uri").unwrap_or_else(|| json!("https://service.example.test/action")),
                "authentication": authentication,
            }),
        ),
    ]);
    let description = given("description").or_else(|| long("descriptionLength"));
    let rule = given("rule").or_else(|| {
        let group = json!({ "condition": "AND", "expressions": [given("expression")?] });
        Some(json!({ "condition": "OR", "rules": [group] }))
    });
    for (name, value) in [("description", description), ("rule", rule)] {
        body.extend(value.map(|value| (name.to_owned(), value)));
    }
    Value::Object(body)
}

/// What the server answers, as the vector has it: where the two have other names, the detail is the description.
fn refused(vector: &Vector, status: u16, answer: &Value) -> Check {
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
    if let Some(expected) = vector.expects("status").and_then(Value::as_u64) {
        same("the status", &u64::from(status), &expected).map_err(|error| error.context(answer.to_string()))?;
    }
    if let Some(expected) = vector.expects("code").and_then(Value::as_str) {
        same("the reference's code", &text("reference_code"), &expected)?;
    }
    if let Some(expected) = vector.expects("description").and_then(Value::as_str) {
        same("the detail", &text("detail"), &expected)?;
    }
    match vector.expects("descriptionContains").and_then(Value::as_str) {
        None => Ok(()),
        Some(expected) => {
            holds(text("detail").contains(expected), || format!("{:?} has no {expected:?}", text("detail")))
        }
    }
}

/// Removes every action of the type, with what was made with it.
fn clear(weir: &Running, kind: &str) -> anyhow::Result<()> {
    let listed = weir.get(&format!("/v1/actions/{kind}"))?;
    for action in listed.get("items").and_then(Value::as_array).into_iter().flatten() {
        let id = action.get("id").and_then(Value::as_str).context("an action without an id")?;
        weir.ask("DELETE", &format!("/v1/actions/{kind}/{id}"), None)?;
        weir.ask("DELETE", &format!("/v1/connectors/action-{id}"), None)?;
        weir.ask("DELETE", &format!("/v1/credentials/action-{id}"), None)?;
    }
    Ok(())
}

fn create(world: &mut World, vector: &Vector) -> Check {
    let kind = vector.given("type").as_str().unwrap_or(KIND);
    let weir = world.weir()?;
    let (status, answer) = weir.ask("POST", &format!("/v1/actions/{kind}"), Some(&body(vector)))?;
    if (200..300).contains(&status) {
        clear(weir, kind)?;
    }
    refused(vector, status, &answer)
}

fn one_too_many(_: &mut World, vector: &Vector) -> Check {
    let existing = vector.given("existing").as_u64().context("`existing` is no number")?;
    let limit = existing.max(1);
    let weir = Running::start_with(&format!("[limits]\nactions-per-type = {limit}\n"))?;
    for _ in 0..existing {
        let (status, answer) = weir.ask("POST", &format!("/v1/actions/{KIND}"), Some(&body(vector)))?;
        same("the status of one that there may be", &status, &201)
            .map_err(|error| error.context(answer.to_string()))?;
    }
    let (status, answer) = weir.ask("POST", &format!("/v1/actions/{KIND}"), Some(&body(vector)))?;
    refused(vector, status, &answer)
}

fn unknown_id(world: &mut World, vector: &Vector) -> Check {
    let (method, id) = (vector.given("method").as_str().unwrap_or_default(), vector.given("id").as_str());
    let kind = vector.given("type").as_str().unwrap_or(KIND);
    let path = format!("/v1/actions/{kind}/{}", id.context("`id` is no text")?);
    let weir = world.weir()?;
    let change = json!({ "name": "Other" });
    let (status, answer) = match (method, vector.given("action").as_str()) {
        ("POST", Some(verb)) => weir.ask("POST", &format!("{path}/{verb}"), None)?,
        ("PATCH", _) => {
            let (status, answer) = weir.ask("POST", &format!("{path}/activate"), None)?;
            refused(vector, status, &answer)?;
            weir.ask("PATCH", &path, Some(&change))?
        }
        ("GET" | "DELETE", _) => weir.ask(method, &path, None)?,
        _ => return Err(unknown_rule(method)),
    };
    refused(vector, status, &answer)
}

fn read(world: &mut World, vector: &Vector) -> Check {
    let weir = world.weir()?;
    let (status, made) = weir.ask("POST", &format!("/v1/actions/{KIND}"), Some(&body(vector)))?;
    same("the status", &status, &201).map_err(|error| error.context(made.to_string()))?;
    let id = made.get("id").and_then(Value::as_str).context("the action has no id")?;
    let read = weir.get(&format!("/v1/actions/{KIND}/{id}"))?;
    clear(weir, KIND)?;
    let seen = read.pointer("/endpoint/authentication").cloned().unwrap_or_default();
    if let Some(expected) = vector.expects("authentication") {
        same("the authentication", &seen, expected)?;
    }
    let returned = seen.get("properties").is_some() || read.to_string().contains(SECRET);
    match vector.expects("propertiesReturned").and_then(Value::as_bool) {
        None => Ok(()),
        Some(expected) => same("whether its properties are shown", &returned, &expected),
    }
}

fn authentication_type(world: &mut World, vector: &Vector) -> Check {
    let listed = world.weir()?.get("/v1/action-authentication-types")?;
    let items = listed.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    let found = items.iter().find(|it| it.get("type") == Some(vector.given("type")));
    let found = found.with_context(|| format!("{} is not in {listed}", vector.given("type")))?;
    same("its properties", &found.get("properties"), &vector.expects("properties"))
}
