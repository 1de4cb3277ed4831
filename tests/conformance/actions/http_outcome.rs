//! What the status, the content type and the body of an answer come to.

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use weir_engine::action::{Profile, ProfileName, budget_of};
use weir_engine::connector::Connection;

use super::acting::{Acted, Scene};
use crate::faults::{Turn, playing};
use crate::registry::Runner;
use crate::upstream::Answer;
use crate::vector::Vector;
use crate::verdict::{Check, holds, same, unknown_rule};
use crate::world::World;

pub(crate) const RUNNERS: &[Runner] = &[Runner {
    needs: &["serverAnswersInOrder"],
    may: &["retryCountConfigured"],
    expects: &["attempts", "outcome", "detail"],
    run: answers_in_order,
}];

/// The attempts of the reference's setting that are ours: it counts them all, not only the further ones.
const ATTEMPTS: u64 = 2;

fn answers_in_order(world: &mut World, vector: &Vector) -> Check {
    let attempts = vector.given("retryCountConfigured").as_u64();
    if attempts.is_some_and(|attempts| attempts != ATTEMPTS) {
        return Err(unknown_rule("another number of attempts than two"));
    }
    let given = vector.given("serverAnswersInOrder").as_array().context("no answers")?;
    let turns = given.iter().map(turn).collect::<anyhow::Result<Vec<_>>>()?;
    let answers = turns.iter().filter_map(|turn| if let Turn::Answer(_, answer) = turn { Some(answer) } else { None });
    let answers: Vec<Answer> = answers.cloned().collect();
    let acted = if answers.len() == turns.len() {
        Scene { answers, ..plain() }.run(world)?
    } else {
        // Long enough for a connection, short enough to wait for: the bounds themselves are the defaults' affair.
        let connection = json!({ "connect-timeout": "700ms", "request-timeout": "1s" });
        Scene { connection, ..plain() }.run_against(world.weir()?, &playing(turns)?)?
    };
    check(&acted, vector)
}

/// An action under the rules of the product that the vectors are of.
pub(super) fn plain() -> Scene {
    Scene { step: json!({ "profile": "wso2" }), ..Scene::default() }
}

fn turn(given: &Value) -> anyhow::Result<Turn> {
    if let Some(fault) = given.get("fault").and_then(Value::as_str) {
        return match fault {
            "read-timeout" => Ok(Turn::Silence),
            "connect-timeout" => Ok(Turn::NoConnection),
            "connection-refused" => Ok(Turn::Refusal),
            other => Err(unknown_rule(other)),
        };
    }
    let status = given.get("httpStatus").and_then(Value::as_u64).context("no status")?;
    let mut answer = Answer::status(u16::try_from(status)?);
    if let Some(kind) = given.get("contentType").and_then(Value::as_str) {
        answer.headers.push(("content-type".to_owned(), kind.to_owned()));
    }
    answer.body = match (given.get("json"), given.get("text")) {
        (Some(json), None) => json.to_string(),
        (None, Some(Value::String(text))) => text.clone(),
        (None, None) => String::new(),
        _ => bail!("an answer has JSON or a text"),
    };
    Ok(Turn::Answer(Duration::ZERO, answer))
}

/// Checks attempts, outcome and detail, where they are expected.
pub(super) fn check(acted: &Acted, vector: &Vector) -> Check {
    if let Some(outcome) = vector.expects("outcome") {
        holds(*outcome == acted.outcome(), || {
            format!("the outcome is {} instead of {outcome}: {:?}", acted.outcome(), acted.error())
        })?;
    }
    if let Some(attempts) = vector.expects("attempts") {
        same("the number of attempts", &Some(acted.attempts() as u64), &attempts.as_u64())?;
    }
    vector.expects_text("detail").map_or(Ok(()), |detail| check_detail(acted, detail))
}

/// The wording is the reference's; what it says must be said by ours.
fn check_detail(acted: &Acted, detail: &str) -> Check {
    let (code, message) = acted.error();
    let says = |wanted: &str, part: &str| {
        holds(code == wanted && message.contains(part), || format!("the error is `{code}`: {message}"))
    };
    if let Some(most) = detail.strip_prefix("total <= ").and_then(|rest| rest.strip_suffix(" ms")) {
        let longest = Profile::named(ProfileName::Wso2).request_timeout.context("no time-out")?;
        let longest = budget_of(longest.min(Connection::default().request_timeout));
        let most = Duration::from_millis(most.parse()?);
        return holds(longest <= most, || format!("the budget of all attempts is {longest:?} by default"));
    }
    if let Some(status) = number_after(detail, "Unexpected response received with status code: ") {
        return says("action.unexpected-status", &format!("the status {status},"))
            .or_else(|_| says("action.unexpected-status", &format!("the status {status};")));
    }
    let Some(status) = number_after(detail, "Unexpected response for status code: ") else {
        return Err(unknown_rule(detail));
    };
    let wanted = if status == "200" { "action.unusable-answer" } else { "action.unexpected-status" };
    says(wanted, &format!("the status {status},"))?;
    if detail.contains("content type is not application/json") { says(wanted, "`content-type`") } else { Ok(()) }
}

fn number_after<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    text.strip_prefix(before)?.split('.').next()
}
