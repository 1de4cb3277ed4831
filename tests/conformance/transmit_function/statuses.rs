//! Redirects, attempts, and which statuses fail the call (C-08, C-12, C-18).

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::upstream::{Answer, Upstream};
use crate::vector::Vector;
use crate::verdict::{Check, holds, same, unknown_rule};
use crate::world::{Ran, World, connector, one_call};

/// "Stop after 5": the number, which is not our default (C-08: 10), is what the document says then.
fn hops_max(rule: &str) -> Option<u8> {
    rule.strip_prefix("stop after ")?.split(' ').next()?.parse().ok()
}

/// What the source calls valid: it fails a status "less than 200 or greater than 300", and so takes 300 itself. Our
/// default is 200 to 299 (C-12), so a document that is to behave like the source's says so.
const VALID_STATUSES: &str = "200-300";

fn follow(vector: &Vector) -> bool {
    vector.given("followRedirect").as_bool().unwrap_or(false)
}

/// A list of answers: redirects, or statuses that are tried again.
pub(super) fn answers(world: &mut World, vector: &Vector) -> Check {
    let list = vector.given("answers").as_array().context("the answers are no list")?;
    let statuses: Vec<u16> = list.iter().filter_map(Value::as_u64).filter_map(|it| it.try_into().ok()).collect();
    same("the number of statuses", &statuses.len(), &list.len())?;
    let upstream = Upstream::answering(statuses.iter().copied().map(Answer::status).collect())?;
    let hops = vector.expects_text("result").and_then(hops_max);
    let mut redirects = json!({ "follow": follow(vector) });
    if let (Some(hops), Value::Object(redirects)) = (hops, &mut redirects) {
        redirects.insert("hops-max".to_owned(), json!(hops));
    }
    let function = json!({
        "method": vector.given("method").as_str().unwrap_or("GET"),
        "redirects": redirects,
        "response": { "format": "none", "fail-on-invalid-status": false },
    });
    let connector = connector(&vector.id, &upstream.url(), function);
    let ran = world.weir()?.run(&connector, &one_call(&vector.id, &json!({})), &json!({}))?;
    let requests = upstream.heard().len();
    if let Some(rule) = vector.expects_text("result") {
        match (rule, hops) {
            (_, Some(hops)) => {
                same("the number of requests", &requests, &(usize::from(hops) + 1))?;
                same("the code", &code(&ran), &Some("connector.redirect"))?;
            }
            ("ok" | "failed", None) => result(rule, &ran)?,
            _ => return Err(unknown_rule(rule)),
        }
    }
    if let Some(expected) = vector.expects("responseStatus") {
        same("the status", ran.call().get("status").unwrap_or(&Value::Null), expected)?;
    }
    if let Some(expected) = vector.expects("requests") {
        same("the number of requests", &json!(requests), expected)?;
    }
    Ok(())
}

fn code(ran: &Ran) -> Option<&str> {
    ran.run.pointer("/error/code")?.as_str()
}

fn result(expected: &str, ran: &Ran) -> Check {
    let state = if expected == "ok" { "completed" } else { "failed" };
    same("the state of the run", &ran.state.as_str(), &state)
}

/// One status, with or without "return failure if response is invalid".
pub(super) fn one_status(world: &mut World, vector: &Vector) -> Check {
    let status: u16 = vector.given("status").as_u64().and_then(|it| it.try_into().ok()).context("no status")?;
    let body = vector.given("body").as_str().unwrap_or_default().to_owned();
    let upstream = Upstream::answering(vec![Answer { body, ..Answer::status(status) }])?;
    let fails = vector.given("returnFailureIfInvalid").as_bool().unwrap_or(false);
    let function = json!({
        "redirects": { "follow": follow(vector) },
        "response": { "format": "none", "fail-on-invalid-status": fails, "valid-statuses": VALID_STATUSES },
    });
    let connector = connector(&vector.id, &upstream.url(), function);
    let ran = world.weir()?.run(&connector, &one_call(&vector.id, &json!({})), &json!({}))?;
    let expected = vector.expects_text("result").unwrap_or("ok");
    match expected {
        // A status under 200 is never a response: HTTP has them before one (RFC 9110 section 15.2). A call that gets
        // nothing else ends as an error, not as a refusal; the journey does not go on either way.
        "failed" if status < 200 => same("the state of the run", &ran.state.as_str(), &"error")?,
        "failed" => {
            result(expected, &ran)?;
            // "With the response attached" (C-12).
            same("the attached status", ran.call().get("status").unwrap_or(&Value::Null), &json!(status))?;
        }
        "ok" => result(expected, &ran)?,
        _ => return Err(unknown_rule(expected)),
    }
    if let Some(expected) = vector.expects("responseStatus") {
        same("the status", ran.call().get("status").unwrap_or(&Value::Null), expected)?;
    }
    holds(!upstream.heard().is_empty(), || "nothing was sent".to_owned())
}
