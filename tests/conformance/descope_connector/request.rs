//! URL and headers (C-01, C-05).

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde_json::{Value, json};
use url::Url;

use crate::upstream::{Answer, Heard, Upstream};
use crate::vector::Vector;
use crate::verdict::{Check, same};
use crate::world::{Running, World, connector, one_call};

/// Ours stands in for the base URL's server; the path is compared as sent.
pub(super) fn url(world: &mut World, vector: &Vector) -> Check {
    let given = Url::parse(vector.given("baseUrl").as_str().context("the base URL is no text")?)?;
    let expected = Url::parse(vector.expects_text("url").context("no URL is expected")?)?;
    same("the server", &given.origin(), &expected.origin())?;
    let upstream = Upstream::answering(vec![Answer::status(200)])?;
    let base = format!("{}{}", upstream.url(), given.path());
    let endpoint = vector.given("endpoint").as_str().unwrap_or_default();
    let function = json!({ "endpoint": endpoint, "response": { "format": "none" } });
    world.weir()?.run(&connector(&vector.id, &base, function), &one_call(&vector.id, &json!({})), &json!({}))?;
    let expected = expected.query().map_or(expected.path().to_owned(), |query| format!("{}?{query}", expected.path()));
    same("the path and query", &Running::one_request(&upstream)?.target, &expected)
}

fn send(world: &mut World, vector: &Vector, headers: &Value) -> anyhow::Result<(Value, Heard)> {
    let upstream = Upstream::answering(vec![Answer::status(200)])?;
    let function = json!({ "headers": headers, "response": { "format": "none" } });
    let document = connector(&vector.id, &upstream.url(), function);
    let weir = world.weir()?;
    weir.run(&document, &one_call(&vector.id, &json!({})), &json!({}))?;
    let stored = weir.get(&format!("/v1/connectors/{}", vector.id))?;
    let stored = stored.pointer("/document/functions/0/headers").cloned().context("no headers are stored")?;
    Ok((stored, Running::one_request(&upstream)?))
}

/// Stored and sent as a list of pairs: our `name` is the source's `key`.
pub(super) fn headers(world: &mut World, vector: &Vector) -> Check {
    let given = vector.given("headers").as_object().context("the headers are no object")?;
    let ours: Vec<Value> = given.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    let (stored, sent) = send(world, vector, &Value::Array(ours))?;
    let pair = |header: &Value| Some(json!({ "key": header.get("name")?, "value": header.get("value")? }));
    let stored: Value = stored.as_array().into_iter().flatten().filter_map(pair).collect();
    for name in ["stored", "sent"] {
        if let Some(expected) = vector.expects(name) {
            same(name, &stored, expected)?;
        }
    }
    for (name, value) in given {
        same("the header", &sent.values(&name.to_ascii_lowercase()).first().copied(), &value.as_str())?;
    }
    Ok(())
}

/// The source reads its list into a map, where the last of two headers of one name stays. Ours keeps both in order
/// (C-05), in the document and on the wire; whoever reads them into a map sees the same as there.
pub(super) fn stored(world: &mut World, vector: &Vector) -> Check {
    let given = vector.given("stored").as_array().context("the headers are no list")?;
    let ours = |header: &Value| Some(json!({ "name": header.get("key")?, "value": header.get("value")? }));
    let ours: Value = given.iter().filter_map(ours).collect();
    let (stored, sent) = send(world, vector, &ours)?;
    same("the stored headers", &stored, &ours)?;
    let pairs = stored.as_array().into_iter().flatten();
    let pairs = pairs.filter_map(|header| Some((header.get("name")?.as_str()?, header.get("value")?.as_str()?)));
    let pairs: Vec<(&str, &str)> = pairs.collect();
    let read: BTreeMap<&str, &str> = pairs.iter().copied().collect();
    same("the map", &json!(read), vector.expects("read").context("nothing is expected")?)?;
    for name in read.keys() {
        let all: Vec<&str> = pairs.iter().filter(|(other, _)| other == name).map(|(_, value)| *value).collect();
        same("the values on the wire", &sent.values(&name.to_ascii_lowercase()), &all)?;
    }
    Ok(())
}
