//! What the product pages say of statuses, time-outs and attempts.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use weir_engine::connector::Connection;

use super::acting::{Acted, Scene};
use super::http_outcome::{check, plain};
use crate::faults::{Turn, playing};
use crate::registry::Runner;
use crate::upstream::Answer;
use crate::vector::Vector;
use crate::verdict::{Check, holds, same, unknown_rule};
use crate::world::World;

pub(crate) const RUNNERS: &[Runner] = &[
    Runner { needs: &["httpStatus", "response"], may: &[], expects: &["outcome", "changes"], run: a_response },
    Runner { needs: &["answerAfterMillis"], may: &[], expects: &[EXTENSION_PAGE, ACTIONS_PAGE], run: a_late_answer },
    Runner { needs: &["statuses"], may: &[], expects: &["maxRetries"], run: statuses },
    Runner { needs: &["connectAfterMillis"], may: &[], expects: &["attemptFailsWith"], run: a_late_connection },
];

const EXTENSION_PAGE: &str = "flow-extension (3 s page)";
const ACTIONS_PAGE: &str = "actions (5 s page)";

fn a_response(world: &mut World, vector: &Vector) -> Check {
    let status = u16::try_from(vector.given("httpStatus").as_u64().context("no status")?)?;
    let answers = vec![Answer { status, ..Answer::json(vector.given("response")) }];
    let acted = Scene { answers, ..plain() }.run(world)?;
    check(&acted, vector)?;
    let Some(changes) = vector.expects("changes") else { return Ok(()) };
    same("the number of changes", &Some(applied(&acted)), &changes.as_u64())
}

fn applied(acted: &Acted) -> u64 {
    let operations = acted.record.get("operations").and_then(Value::as_array).into_iter().flatten();
    operations.filter(|operation| operation.get("result") == Some(&json!("applied"))).count() as u64
}

/// With the time-outs that are there by default: the pages differ, and so do the profiles.
fn a_late_answer(world: &mut World, vector: &Vector) -> Check {
    let after = Duration::from_millis(vector.given("answerAfterMillis").as_u64().context("no time")?);
    for (page, profile) in [(EXTENSION_PAGE, "strict"), (ACTIONS_PAGE, "wso2")] {
        let Some(expected) = vector.expects(page) else { continue };
        let turn = Turn::Answer(after, Answer::json(&json!({ "actionStatus": "SUCCESS" })));
        let scene = Scene { step: json!({ "profile": profile }), ..Scene::default() };
        let acted = scene.run_against(world.weir()?, &playing(vec![turn.clone(), turn])?)?;
        holds(*expected == acted.outcome(), || {
            format!("{page}: the outcome is {} instead of {expected}", acted.outcome())
        })?;
    }
    Ok(())
}

fn statuses(world: &mut World, vector: &Vector) -> Check {
    let most = vector.expects("maxRetries").and_then(Value::as_u64).context("no number")?;
    for status in vector.given("statuses").as_array().into_iter().flatten() {
        let status = u16::try_from(status.as_u64().context("no status")?)?;
        let body = if status == 200 { json!({ "actionStatus": "SUCCESS" }) } else { json!({ "error": "busy" }) };
        let answers = vec![Answer { status, ..Answer::json(&body) }];
        let acted = Scene { answers, ..plain() }.run(world)?;
        same(&format!("the number of attempts at {status}"), &(acted.attempts() as u64), &(most + 1))?;
    }
    Ok(())
}

fn a_late_connection(world: &mut World, vector: &Vector) -> Check {
    let after = Duration::from_millis(vector.given("connectAfterMillis").as_u64().context("no time")?);
    if after <= Connection::default().connect_timeout {
        return Err(unknown_rule("a connection in time"));
    }
    let scene = plain();
    let acted = scene.run_against(world.weir()?, &playing(vec![Turn::NoConnection, Turn::NoConnection])?)?;
    let kind = acted.record.pointer("/service/exchanges/0/outcome/Err/kind").cloned().unwrap_or_default();
    same("what the attempt fails with", &Some(&kind), &vector.expects("attemptFailsWith"))
}
