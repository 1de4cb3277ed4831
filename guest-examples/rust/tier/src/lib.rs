//! An action: it decides the tier of a user who registers, and asks the host to set it as a claim.
//!
//! Its `input` in a flow is `{ "age": 35, "country": "Switzerland" }`; its settings (`config`) are:
//!
//! ```yaml
//! minimum_age: 18                                        # younger: the flow stops, and the user reads why
//! tiers:                                                 # the first that fits
//!   - { name: gold, minimum_age: 30, countries: [Switzerland, Liechtenstein] }
//!   - { name: silver, minimum_age: 21 }
//! otherwise: bronze                                      # default: standard
//! claim: http://wso2.org/claims/tier                     # this is the default
//! ```
//!
//! The step must allow the operation, or the host refuses the whole answer:
//! `allowed-operations: [{ op: replace, paths: ["/user/claims[uri=http://wso2.org/claims/tier]"] }]`.

mod event; // what the flow knows of the user
mod rules; // who gets which tier

use exports::weir::plugin::action::{Decision, Event, Failure, Fault, Guest, Invocation, Operation};
use rules::{Applicant, Rules, Verdict};
use weir::plugin::log::{self, Level};
use weir::plugin::types::Change;

wit_bindgen::generate!({ path: "../../../wit", world: "action-plugin" });

struct Tier;
export!(Tier);

impl Guest for Tier {
    fn handle(invocation: Invocation, event: Event) -> Result<Decision, Fault> {
        log_panics();
        let (decision, explanation) = decide(&invocation.config, &invocation.input, &event)?;
        log::write(Level::Info, &explanation, &[]);
        Ok(decision)
    }
}

/// Decides, and says why in words for the log. Pure, so that plain `cargo test` covers it.
fn decide(config: &str, input: &str, event: &Event) -> Result<(Decision, String), Fault> {
    let rules = Rules::parse(config)?;
    let applicant = Applicant::parse(input)?;
    let tier = match rules.judge(&applicant) {
        Verdict::TooYoung => return Ok((Decision::Failed(too_young(rules.minimum_age)), "too young".to_owned())),
        Verdict::Tier(tier) => tier,
    };
    if event::claim(&event.payload, &rules.claim)?.as_deref() == Some(tier) {
        return Ok((Decision::Success(Vec::new()), format!("the tier is {tier} already")));
    }
    let path = format!("/user/claims[uri={}]", rules.claim);
    let value = serde_json::Value::from(tier).to_string();
    Ok((Decision::Success(vec![Operation::Replace(Change { path, value })]), format!("the tier is {tier}")))
}

/// What the end user reads.
fn too_young(minimum_age: u64) -> Failure {
    Failure {
        reason: "Minimum age not reached".to_owned(),
        description: Some(format!("You must be at least {minimum_age} years old to register.")),
    }
}

/// Whatever this plugin cannot work with is a fault: it stands in the diagnostic log, never before an end user.
impl From<String> for Fault {
    fn from(message: String) -> Self {
        Self { message, description: None }
    }
}

/// A panic ends the instance at once, with nothing to catch it; this says why in the run's log before it does.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("panicked");
        log::write(Level::Error, message, &[("panicked-at".to_owned(), place)]);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const PATH: &str = "/user/claims[uri=http://wso2.org/claims/tier]";
    const CONFIG: &str =
        r#"{"minimum_age": 18, "tiers": [{"name": "gold", "minimum_age": 30}], "otherwise": "bronze"}"#;

    fn event(tier: Option<&str>) -> Event {
        let claims: Vec<_> =
            tier.map(|tier| json!({ "uri": "http://wso2.org/claims/tier", "value": tier })).into_iter().collect();
        Event {
            action_type: "FLOW_EXTENSION".to_owned(),
            payload: json!({ "flow": { "flowType": "REGISTRATION", "user": { "claims": claims } } }).to_string(),
            allowed_operations: Vec::new(),
        }
    }

    fn handle(age: u64, event: &Event) -> Result<Decision, Fault> {
        decide(CONFIG, &json!({ "age": age, "country": "CH" }).to_string(), event).map(|(decision, _)| decision)
    }

    #[test]
    fn the_tier_becomes_one_replace() {
        for current in [None, Some("bronze")] {
            let Decision::Success(operations) = handle(35, &event(current)).unwrap() else { panic!("success") };
            let [Operation::Replace(change)] = operations.as_slice() else { panic!("one replace") };
            assert_eq!((change.path.as_str(), change.value.as_str()), (PATH, "\"gold\""));
        }
    }

    #[test]
    fn a_tier_that_stands_already_needs_no_operation() {
        let Decision::Success(operations) = handle(35, &event(Some("gold"))).unwrap() else { panic!("success") };
        assert!(operations.is_empty());
    }

    #[test]
    fn the_young_are_told_why() {
        let Decision::Failed(failure) = handle(17, &event(None)).unwrap() else { panic!("failed") };
        assert_eq!(failure.reason, "Minimum age not reached");
        assert!(failure.description.unwrap().contains("18"));
    }

    #[test]
    fn a_payload_that_is_no_json_is_a_fault() {
        let event = Event { payload: "{".to_owned(), ..event(None) };
        assert!(handle(35, &event).unwrap_err().message.contains("no JSON"));
    }
}
