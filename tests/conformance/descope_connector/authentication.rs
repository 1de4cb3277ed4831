//! Methods of authentication, which settings they need, and who can read them (C-06, D-04, T-03).

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::upstream::{Answer, Upstream};
use crate::vector::Vector;
use crate::verdict::{Check, holds, same};
use crate::world::{Running, World, connector, one_call};

fn with(document: &mut Value, name: &str, value: Value) {
    if let Value::Object(document) = document {
        document.insert(name.to_owned(), value);
    }
}

/// A method in our words: its name there, the stored credential, the document's part, and the header that it sets.
struct Method {
    theirs: &'static str,
    credential: Option<Value>,
    document: Value,
    sends: Option<(String, String)>,
}

fn member<'a>(value: &'a Value, names: [&str; 2]) -> Option<&'a Value> {
    names.into_iter().find_map(|name| value.get(name))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Each method that is given.
fn methods(given: &Value) -> Vec<Method> {
    let mut methods = Vec::new();
    if let Some(token) = member(given, ["bearerToken", "bearer_token"]) {
        methods.push(Method {
            theirs: "bearerToken",
            credential: Some(json!({ "type": "bearer", "token": token })),
            document: json!({ "type": "bearer", "credential": "descope" }),
            sends: Some(("authorization".to_owned(), format!("Bearer {}", token.as_str().unwrap_or_default()))),
        });
    }
    if let Some(basic) = member(given, ["basic", "basicAuth"]) {
        let [username, password] = ["username", "password"].map(|name| text(basic, name));
        let encoded = base64_of(&format!("{username}:{password}"));
        methods.push(Method {
            theirs: "basic",
            credential: Some(json!({ "type": "basic", "username": username, "password": password })),
            document: json!({ "type": "basic", "credential": "descope" }),
            sends: Some(("authorization".to_owned(), format!("Basic {encoded}"))),
        });
    }
    if let Some(api_key) = member(given, ["apiKey", "api_key"]) {
        let [key, token] = ["key", "token"].map(|name| text(api_key, name));
        methods.push(Method {
            theirs: "apiKey",
            credential: Some(json!({ "type": "api-key", "key": token })),
            document: json!({ "type": "api-key", "credential": "descope", "in": "header", "name": key }),
            sends: Some((key.to_ascii_lowercase(), token.to_owned())),
        });
    }
    if methods.is_empty() {
        methods.push(Method { theirs: "none", credential: None, document: json!({ "type": "none" }), sends: None });
    }
    methods
}

fn base64_of(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// No method, or one. The source's code takes none at all, although its label says "exactly one": so do we. Two cannot
/// be written: a document's `authentication` is one.
pub(super) fn method(world: &mut World, vector: &Vector) -> Check {
    let weir = world.weir()?;
    let upstream = Upstream::answering(vec![Answer::status(200)])?;
    let mut document = connector(&vector.id, &upstream.url(), json!({ "response": { "format": "none" } }));
    let methods = methods(vector.given("authentication"));
    let [method] = methods.as_slice() else {
        let all: Vec<&Value> = methods.iter().map(|method| &method.document).collect();
        with(&mut document, "authentication", json!(all));
        return same(
            "whether it is saved",
            &json!(weir.save(&document)?.is_ok()),
            vector.expects("valid").unwrap_or(&Value::Null),
        );
    };
    with(&mut document, "authentication", method.document.clone());
    let credential = match &method.credential {
        Some(credential) => weir.put("/v1/credentials/descope", credential)?,
        None => Ok(()),
    };
    let saved = credential.and(weir.save(&document)?);
    if let Some(expected) = vector.expects("valid") {
        same(&format!("whether it is saved ({saved:?})"), &json!(saved.is_ok()), expected)?;
    }
    if saved.is_err() {
        return Ok(());
    }
    if let Some(expected) = vector.expects_text("method") {
        let same_method = [method.theirs, method.theirs.trim_end_matches("Token")].contains(&expected);
        holds(same_method, || format!("the method is {} instead of {expected}", method.theirs))?;
    }
    weir.run(&document, &one_call(&vector.id, &json!({})), &json!({}))?;
    let request = Running::one_request(&upstream)?;
    match &method.sends {
        Some((name, value)) => same("the header", &request.values(name), &vec![value.as_str()]),
        None => same("the header", &request.values("authorization"), &Vec::new()),
    }
}

/// The settings of AWS signatures, by the source's names.
pub(super) const AWS: &[&str] = &[
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_region",
    "aws_service",
    "aws_role_arn",
    "aws_external_id",
];

/// Whether a credential and a document with these settings are saved. A role is assumed with stored keys, which the
/// source has of its own.
fn aws_is_saved(weir: &Running, id: &str, kind: &str, settings: &[&str]) -> anyhow::Result<bool> {
    let mut credential = json!({ "type": "aws" });
    let mut authentication = json!({ "type": "aws-sigv4", "credential": "descope-aws" });
    let mut role = json!({});
    if kind == "assumeRole" {
        with(&mut credential, "access_key_id", json!("AKIDEXAMPLE"));
        with(&mut credential, "secret_access_key", json!("a-secret"));
    }
    for name in settings {
        match *name {
            "aws_access_key_id" => with(&mut credential, "access_key_id", json!("AKIDEXAMPLE")),
            "aws_secret_access_key" => with(&mut credential, "secret_access_key", json!("a-secret")),
            "aws_session_token" => with(&mut credential, "session_token", json!("a-token")),
            "aws_region" => with(&mut authentication, "region", json!("eu-central-1")),
            "aws_service" => with(&mut authentication, "service", json!("execute-api")),
            "aws_role_arn" => with(&mut role, "role-arn", json!("arn:aws:iam::123456789012:role/caller")),
            "aws_external_id" => with(&mut role, "external-id", json!("an-external-id")),
            other => anyhow::bail!("there is no `{other}` here"),
        }
    }
    if kind == "assumeRole" {
        with(&mut authentication, "assume-role", role);
    }
    let mut document = connector(id, "https://upstream.example", json!({}));
    with(&mut document, "authentication", authentication);
    let credential = weir.put("/v1/credentials/descope-aws", &credential)?;
    Ok(credential.is_ok() && weir.save(&document)?.is_ok())
}

/// With all settings it is saved, without any one of them it is not. The external id is the exception: to AWS it is a
/// condition that a role's trust policy may have, so we take a role without one, where the source wants it always.
pub(super) fn aws(world: &mut World, vector: &Vector) -> Check {
    let weir = world.weir()?;
    let kind = vector.given("aws_auth_type").as_str().context("the type is no text")?;
    let given: Vec<&str> = vector.given_names().into_iter().filter(|name| AWS.contains(name)).collect();
    let missing = vector.expects("missing").and_then(Value::as_array).into_iter().flatten();
    let missing: Vec<&str> = missing.filter_map(Value::as_str).collect();
    let is_known = ["credentials", "assumeRole"].contains(&kind);
    if let Some(expected) = vector.expects("valid") {
        let is_saved = if is_known {
            aws_is_saved(weir, &vector.id, kind, &given)?
        } else {
            // Any other word would have to be a type of authentication here.
            let mut document = connector(&vector.id, "https://upstream.example", json!({}));
            with(&mut document, "authentication", json!({ "type": kind.to_ascii_lowercase() }));
            weir.save(&document)?.is_ok()
        };
        let only_external_id = missing.iter().all(|name| *name == "aws_external_id") && !missing.is_empty();
        same("whether it is saved", &json!(is_saved && !only_external_id), expected)?;
    }
    let all = [given, missing.clone()].concat();
    if is_known && !missing.is_empty() {
        holds(aws_is_saved(weir, &vector.id, kind, &all)?, || "it is refused with all settings".to_owned())?;
    }
    for name in missing.into_iter().filter(|name| *name != "aws_external_id") {
        let others: Vec<&str> = all.iter().copied().filter(|other| *other != name).collect();
        holds(!aws_is_saved(weir, &vector.id, kind, &others)?, || format!("it is saved without {name}"))?;
    }
    Ok(())
}

/// A text that stands nowhere but in the stored secrets.
const CANARY: &str = "canary-that-nobody-reads-back";

/// Nothing reads a secret back: not its owner, by no route that shows the credential.
pub(super) fn secrets(world: &mut World, vector: &Vector) -> Check {
    let weir = world.weir()?;
    for (name, secret) in [
        ("secret-bearer", json!({ "type": "bearer", "token": CANARY })),
        ("secret-basic", json!({ "type": "basic", "username": "u", "password": CANARY })),
        ("secret-key", json!({ "type": "api-key", "key": CANARY })),
        ("secret-hmac", json!({ "type": "hmac-key", "key": CANARY })),
        ("secret-aws", json!({ "type": "aws", "access_key_id": CANARY, "secret_access_key": CANARY })),
    ] {
        let put = weir.put(&format!("/v1/credentials/{name}"), &secret)?;
        holds(put.is_ok(), || format!("{name} is refused: {put:?}"))?;
    }
    let (_, shown) = weir.cli(&["credential", "list", "-o", "json"], "")?;
    let listed = weir.get("/v1/credentials?limit=200")?;
    for text in [&shown, &listed.to_string()] {
        holds(text.contains("secret-hmac"), || format!("the credentials are not listed: {text}"))?;
        holds(!text.contains(CANARY), || format!("a secret is shown: {text}"))?;
    }
    for name in vector.expect_names() {
        same(name, vector.expects(name).unwrap_or(&Value::Null), &Value::Null)?;
        holds(!shown.contains(name), || format!("`{name}` is shown: {shown}"))?;
    }
    Ok(())
}

/// Certificates are always checked: that is the source's default, and there is no setting here that says otherwise.
pub(super) fn insecure(world: &mut World, vector: &Vector) -> Check {
    let mut document = connector(&vector.id, "https://upstream.example", json!({}));
    with(&mut document, "tls", json!({ "insecure": true }));
    let is_saved = world.weir()?.save(&document)?.is_ok();
    for name in ["insecure", "valid"] {
        if let Some(expected) = vector.expects(name) {
            same(name, &json!(is_saved), expected)?;
        }
    }
    Ok(())
}
