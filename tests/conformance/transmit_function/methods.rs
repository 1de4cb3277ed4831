//! Which methods take a body (C-04).

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::upstream::{Answer, Upstream};
use crate::vector::Vector;
use crate::verdict::{Check, holds, same, unknown_rule};
use crate::world::{Running, World, connector, one_call};

/// The source tells of a form with a field for the body; we have documents, so its words mean here:
/// * the field is shown: a document with a body is saved, and the body is sent; not shown: it is refused at save;
/// * the field must be filled: each request of the method says how long its body is, also where it is empty. C-04 asks
///   for no more, and for good reason: HTTP has requests of these methods without content (RFC 9110 section 9.3.3), and
///   there are services that want them.
pub(crate) fn method(world: &mut World, vector: &Vector) -> Check {
    let method = vector.given("method").as_str().context("the method is no text")?;
    let upstream = Upstream::answering(vec![Answer::status(200)])?;
    let document = |body: Option<Value>| {
        let mut function = json!({ "method": method, "endpoint": "/", "response": { "format": "none" } });
        if let (Value::Object(function), Some(body)) = (&mut function, body) {
            function.insert("body".to_owned(), body);
        }
        connector(&vector.id, &upstream.url(), function)
    };
    let weir = world.weir()?;
    let body = vector.given.get("body").cloned().unwrap_or_else(|| json!({ "a": 1 }));
    let with_body = weir.save(&document(Some(body.clone())))?;
    for name in ["bodyFieldShown", "valid"] {
        // A method is valid by itself; with a body, where the vector has one.
        let seen = match name == "valid" && vector.given.get("body").is_none() {
            true => weir.save(&document(None))?.is_ok(),
            false => with_body.is_ok(),
        };
        if let Some(expected) = vector.expects(name) {
            same(name, &json!(seen), expected)?;
        }
    }
    if let Some(rule) = vector.expects_text("result") {
        match rule {
            _ if rule.starts_with("refuse") || rule.starts_with("reject") => {
                holds(with_body.is_err(), || format!("a {method} with a body was saved"))?;
            }
            _ => return Err(unknown_rule(rule)),
        }
    }
    let flow = one_call(&vector.id, &json!({}));
    let required = vector.expects("bodyRequired") == Some(&json!(true));
    if with_body.is_ok() {
        weir.run(&document(Some(body.clone())), &flow, &json!({}))?;
        same("the body", &serde_json::from_str(&Running::one_request(&upstream)?.body)?, &body)?;
    }
    weir.run(&document(None), &flow, &json!({}))?;
    let bare = upstream.heard().pop().context("nothing was sent")?;
    same("whether a body is announced", &!bare.values("content-length").is_empty(), &(required || with_body.is_ok()))
}

/// Each of them can be saved.
pub(crate) fn all(world: &mut World, vector: &Vector) -> Check {
    for method in vector.expects("methods").and_then(Value::as_array).context("no methods are expected")? {
        let saved =
            world.weir()?.save(&connector(&vector.id, "https://upstream.example", json!({ "method": method })))?;
        holds(saved.is_ok(), || format!("{method} is refused: {saved:?}"))?;
    }
    Ok(())
}
