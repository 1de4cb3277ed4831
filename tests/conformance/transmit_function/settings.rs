//! Time-outs, kinds of authentication, log levels: what a document can say (C-06, C-09, C-10).

use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Map, Value, json};
use weir_engine::connector::ConnectorDocument;

use crate::vector::Vector;
use crate::verdict::{Check, holds, same, unknown_rule};
use crate::world::{World, connector};

/// Saved, and read as the runtime reads it.
fn read(world: &mut World, document: &Value) -> anyhow::Result<ConnectorDocument> {
    if let Err(faults) = world.weir()?.save(document)? {
        anyhow::bail!("the connector is refused: {faults}");
    }
    Ok(serde_json::from_value(document.clone())?)
}

fn with(document: &mut Value, name: &str, value: Value) {
    if let Value::Object(document) = document {
        document.insert(name.to_owned(), value);
    }
}

fn base(vector: &Vector) -> Value {
    connector(&vector.id, "https://upstream.example", json!({}))
}

pub(super) fn timeouts(world: &mut World, vector: &Vector) -> Check {
    let unit = match vector.given("unit").as_str().unwrap_or("milliseconds") {
        "seconds" | "s" => "s",
        "milliseconds" | "millis" | "ms" => "ms",
        "minutes" | "m" => "m",
        unit => return Err(unknown_rule(unit)),
    };
    let mut connection = Map::new();
    for (theirs, ours) in [("requestTimeout", "request-timeout"), ("connectionTimeout", "connect-timeout")] {
        if let Some(number) = vector.given.get(theirs) {
            connection.insert(ours.to_owned(), json!(format!("{number}{unit}")));
        }
    }
    let mut document = base(vector);
    with(&mut document, "connection", Value::Object(connection));
    if vector.expects("valid") == Some(&json!(false)) {
        return holds(world.weir()?.save(&document)?.is_err(), || format!("{document} was saved"));
    }
    let connection = read(world, &document)?.connection;
    let whole = ("the request time-out", connection.request_timeout);
    let connect = ("the connection time-out", connection.connect_timeout);
    for (name, (what, seen)) in [
        ("millis", if vector.given.get("requestTimeout").is_some() { whole } else { connect }),
        ("requestMillis", whole),
        ("requestTimeout", whole),
        ("connectMillis", connect),
        ("connectionTimeout", connect),
    ] {
        if let Some(expected) = vector.expects(name) {
            let expected = expected.as_u64().context("the expected time-out is no number")?;
            same(what, &seen, &Duration::from_millis(expected))?;
        }
    }
    Ok(())
}

/// The source's name of a kind, and a document's `authentication` of it.
fn authentication(kind: &str) -> Option<Value> {
    let token = json!({ "url": "https://upstream.example/token" });
    let assertion = json!({ "algorithm": "RS256", "issuer": "us" });
    let normal: String = kind.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    Some(match normal.as_str() {
        "none" => json!({ "type": "none" }),
        "basic" => json!({ "type": "basic", "credential": "c" }),
        "bearer" => json!({ "type": "bearer", "credential": "c" }),
        "digest" => json!({ "type": "digest", "credential": "c" }),
        "apikey" => json!({ "type": "api-key", "credential": "c", "in": "header", "name": "x-key" }),
        "hmac" => json!({ "type": "hmac", "credential": "c", "header": "x-signature" }),
        "awssignaturev4" => {
            json!({ "type": "aws-sigv4", "credential": "c", "region": "eu-central-1", "service": "execute-api" })
        }
        "oauth2clientcredentialsgrant" | "oauth2clientcredentials" => {
            json!({ "type": "oauth2-client-credentials", "client": "c", "token": token })
        }
        "oauth2passwordgrant" | "oauth2password" => {
            json!({ "type": "oauth2-password", "credential": "c", "client": "c", "token": token })
        }
        "oauth2jwtbearer" | "oauth2jwtbearergrant" => {
            json!({ "type": "oauth2-jwt-bearer", "identity": "i", "assertion": assertion, "token": token })
        }
        _ => return None,
    })
}

pub(super) fn authentication_kinds(world: &mut World, vector: &Vector) -> Check {
    let kinds = vector.expects("kinds").and_then(Value::as_array).context("the kinds are no list")?;
    holds(!kinds.is_empty(), || "no kinds are expected".to_owned())?;
    for kind in kinds {
        let kind = kind.as_str().context("a kind is no text")?;
        let authentication = authentication(kind).with_context(|| format!("there is no kind `{kind}` here"))?;
        let mut document = base(vector);
        with(&mut document, "authentication", authentication);
        read(world, &document).with_context(|| kind.to_owned())?;
    }
    Ok(())
}

/// Names of log levels (C-10) and formats (C-13), and the level that stands where a document names none.
pub(super) fn names(world: &mut World, vector: &Vector) -> Check {
    for level in
        vector.expects("levels").or(vector.expects("logLevels")).and_then(Value::as_array).into_iter().flatten()
    {
        let level = level.as_str().context("a level is no text")?.to_ascii_lowercase();
        let level = if level == "disabled" { "disable".to_owned() } else { level };
        let log = json!({ "request": level, "success": level, "failure": level });
        read(world, &connector(&vector.id, "https://upstream.example", json!({ "log": log })))?;
    }
    for format in vector.expects("formats").and_then(Value::as_array).into_iter().flatten() {
        let format = format.as_str().context("a format is no text")?.to_ascii_lowercase().replace(' ', "-");
        read(world, &connector(&vector.id, "https://upstream.example", json!({ "response": { "format": format } })))?;
    }
    if let Some(default) = vector.expects_text("default").or(vector.expects_text("defaultLevel")) {
        let document = read(world, &base(vector))?;
        let log = document.functions.first().map(|function| serde_json::to_value(function.log)).transpose()?;
        let default = default.to_ascii_lowercase();
        let default = if default.starts_with("disable") { "disable" } else { default.as_str() };
        same("the default", &log, &Some(json!({ "request": default, "success": default, "failure": default })))?;
    }
    Ok(())
}
