//! Custom authentication. What redirects has a file of its own.

use serde_json::{Value, json};

use super::acting::{Scene, set};
use super::authentication_redirect;
use super::extension_request::{asked, step};
use crate::registry::Runner;
use crate::upstream::Answer;
use crate::vector::Vector;
use crate::verdict::{Check, same, unknown_rule};
use crate::world::World;

pub(crate) const RUNNERS: &[Runner] = &[
    Runner { needs: &[], may: &["call"], expects: &["actionType", "flowId", "requestId"], run: envelope },
    Runner { needs: &["answer"], may: &["mode"], expects: &["outcome"], run: answered },
    Runner { needs: &["answer"], may: &[], expects: &["userIsSentTo", "note"], run: authentication_redirect::sent_to },
    Runner {
        needs: &["done"],
        may: &[],
        expects: &["userReturnsTo", "thenServerCallsAgain"],
        run: authentication_redirect::called_again,
    },
    Runner {
        needs: &["userReturnsWithoutPin"],
        may: &[],
        expects: &["sampleAnswers"],
        run: authentication_redirect::back_without_finishing,
    },
];

fn scene() -> Scene {
    Scene {
        kind: "AUTHENTICATION",
        trigger: "LOGIN".to_owned(),
        step: step(&[]),
        event: json!({ "tenant": { "id": "1" }, "application": { "id": "app-1" }, "currentStepIndex": 1 }),
        ..Scene::default()
    }
}

fn envelope(world: &mut World, vector: &Vector) -> Check {
    if !matches!(vector.given("call").as_u64(), None | Some(1)) {
        return Err(unknown_rule("a later call"));
    }
    let asked = asked(&scene().run(world)?)?;
    for name in ["actionType", "flowId", "requestId"] {
        match vector.expects(name) {
            None => {}
            Some(Value::String(text)) if text == "present" || text == "absent" => {
                same(name, &asked.get(name).is_some_and(Value::is_string), &(text == "present"))?;
            }
            expected => same(name, &asked.get(name), &expected)?,
        }
    }
    Ok(())
}

fn answered(world: &mut World, vector: &Vector) -> Check {
    let mut scene = scene();
    if vector.given("mode") == &json!("2FA") {
        set(&mut scene.event, "user", json!({ "id": "u-1" }));
        set(&mut scene.event, "currentStepIndex", json!(2));
    }
    scene.answers = vec![Answer::json(vector.given("answer"))];
    let acted = scene.run(world)?;
    let outcome = match acted.ran.state.as_str() {
        "completed" => "SUCCESS",
        "failed" => "FAILED",
        "suspended" => "INCOMPLETE",
        _ => "ERROR",
    };
    same("the outcome", &Some(outcome), &vector.expects_text("outcome"))
}
