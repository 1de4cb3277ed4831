//! Which texts of a failure or an error are taken.

use serde_json::Value;

use super::acting::Acted;
use super::http_outcome::plain;
use crate::registry::Runner;
use crate::upstream::Answer;
use crate::vector::Vector;
use crate::verdict::{Check, holds, same, unknown_rule};
use crate::world::World;

pub(crate) const RUNNERS: &[Runner] =
    &[Runner { needs: &["body"], may: &["httpStatus"], expects: &["bodyAccepted", "outcome"], run: a_body }];

/// Answers with the body: with the status that is given, or else with the one that it belongs to.
pub(super) fn a_body(world: &mut World, vector: &Vector) -> Check {
    let body = vector.given("body");
    let is_error = body.get("actionStatus").and_then(Value::as_str) == Some("ERROR");
    let fitting = if is_error { 500 } else { 200 };
    let status = vector.given("httpStatus").as_u64().unwrap_or(fitting);
    let answer = Answer { status: u16::try_from(status)?, ..Answer::json(body) };
    let mut scene = plain();
    scene.answers = vec![answer];
    check(&scene.run(world)?, vector)
}

fn check(acted: &Acted, vector: &Vector) -> Check {
    let accepted = acted.record.get("answer").is_some_and(|answer| !answer.is_null());
    if let Some(expected) = vector.expects("bodyAccepted") {
        same("whether the body is taken", &Some(accepted), &expected.as_bool())?;
    }
    let Some(words) = vector.expects_text("outcome") else { return Ok(()) };
    let (outcome, remark) = words.split_once(" (").unwrap_or((words, ""));
    holds(outcome == acted.outcome(), || format!("the outcome is {} instead of {words}", acted.outcome()))?;
    match remark.trim_end_matches(')') {
        "" => Ok(()),
        "body refused" => same("whether the body is taken", &accepted, &false),
        remark if remark.starts_with("body refused, call retried") => {
            same("the number of attempts", &acted.attempts(), &2)
        }
        other => Err(unknown_rule(other)),
    }
}
