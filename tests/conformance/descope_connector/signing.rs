//! Signed requests (C-06).

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::upstream::{Answer, Upstream};
use crate::vector::Vector;
use crate::verdict::{Check, holds, same};
use crate::world::{Running, World, connector, one_call};

/// The source's header for keyed hashes with SHA-256.
const HEADER: &str = "x-descope-webhook-s256";

/// The body is signed with the key; the source names header and hash itself, our documents do.
pub(super) fn hmac(world: &mut World, vector: &Vector) -> Check {
    let key = ["hmacSecret", "hmac_secret"].into_iter().find_map(|name| vector.given.get(name));
    let body = ["body", "payload"].into_iter().find_map(|name| vector.given.get(name)).cloned();
    let header = vector.expects_text("header").unwrap_or(HEADER);
    let signature = ["signature", "value"].into_iter().find_map(|name| vector.expects_text(name));
    let is_hex = signature.is_none_or(|text| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let weir = world.weir()?;
    let stored = weir.put("/v1/credentials/descope-hmac", &json!({ "type": "hmac-key", "key": key }))?;
    holds(stored.is_ok(), || format!("the key is refused: {stored:?}"))?;
    let upstream = Upstream::answering(vec![Answer::status(200)])?;
    let function = json!({ "method": "POST", "body": body.unwrap_or(json!({})), "response": { "format": "none" } });
    let mut document = connector(&vector.id, &upstream.url(), function);
    let encoding = if is_hex { "hex" } else { "base64" };
    let authentication =
        json!({ "type": "hmac", "credential": "descope-hmac", "header": header, "encoding": encoding });
    if let Value::Object(document) = &mut document {
        document.insert("authentication".to_owned(), authentication);
    }
    weir.run(&document, &one_call(&vector.id, &json!({})), &json!({}))?;
    let request = Running::one_request(&upstream)?;
    let seen = request.values(&header.to_ascii_lowercase());
    let seen = seen.first().with_context(|| format!("there is no header `{header}`"))?;
    match signature {
        Some(expected) => same("the signature", seen, &expected),
        None => holds(!seen.is_empty(), || "the signature is empty".to_owned()),
    }
}
