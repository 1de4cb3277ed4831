//! An action in the middle of a flow: it asks a risk service about the user, and sets the tier and the risk as claims.
//!
//! ```yaml
//! grants: [risk.score]
//! input: { user: "${event.user.id}", ip: "${event.ip}" }     # the arguments of the function
//! config:
//!   function: risk.score                                     # this is the default
//!   tiers:                                                   # by the score, the first that fits
//!     - { name: gold, score_max: 20 }
//!     - { name: silver, score_max: 60 }
//!   otherwise: bronze                                        # default: standard
//!   refuse_above: 90                                         # the flow stops; without it, nobody is refused
//!   when_unavailable: error                                  # default; or `{ tier: bronze }`, without a score
//!   tier_claim: http://wso2.org/claims/tier                  # this is the default
//!   risk_claim: http://wso2.org/claims/risk                  # without it, the score is not set
//! allowed-operations:
//!   - op: replace
//!     paths: ["/user/claims[uri=http://wso2.org/claims/tier]", "/user/claims[uri=http://wso2.org/claims/risk]"]
//! ```
//!
//! The function is one of a connector from the template `risk-api`, or any whose `transformed_data` or body has a
//! `score` from 0 to 100.

mod score; // what the risk service says
mod settings; // what the flow's author wrote

use exports::weir::plugin::action::{Decision, Event, Failure, Fault, Guest, Invocation, Operation};
use settings::{Settings, Verdict};
use weir::plugin::connectors;
use weir::plugin::log::{self, Level};
use weir::plugin::types::Change;

wit_bindgen::generate!({ path: "../../../wit", world: "action-plugin" });

struct TierEnrichment;
export!(TierEnrichment);

impl Guest for TierEnrichment {
    fn handle(invocation: Invocation, _: Event) -> Result<Decision, Fault> {
        log_panics();
        let settings = Settings::parse(&invocation.config)?;
        let score = ask(&settings, &invocation.input);
        if let Err(problem) = &score {
            log::write(Level::Warning, "the risk service gave no score", &[("problem".to_owned(), problem.clone())]);
        }
        Ok(decide(&settings, score)?)
    }
}

/// Asks the risk service, through the connector that the step grants.
fn ask(settings: &Settings, arguments: &str) -> Result<f64, String> {
    let (connector, function) = settings.function();
    let response = connectors::call(connector, function, arguments).map_err(|error| format!("{error:?}"))?;
    score::read(response.status, response.transformed_data.as_deref(), &response.body)
}

/// What a score comes to. Pure, so that plain `cargo test` covers it.
fn decide(settings: &Settings, score: Result<f64, String>) -> Result<Decision, String> {
    let (tier, score) = match score {
        Ok(score) => match settings.judge(score) {
            Verdict::Refused => return Ok(Decision::Failed(refused())),
            Verdict::Tier(tier) => (tier, Some(score)),
        },
        Err(problem) => (settings.without_score().ok_or(problem)?, None),
    };
    let mut operations = vec![replace(&settings.tier_claim, tier)];
    if let (Some(uri), Some(score)) = (&settings.risk_claim, score) {
        operations.push(replace(uri, &score.to_string()));
    }
    Ok(Decision::Success(operations))
}

/// Values of claims are texts.
fn replace(uri: &str, text: &str) -> Operation {
    let path = format!("/user/claims[uri={uri}]");
    Operation::Replace(Change { path, value: serde_json::Value::from(text).to_string() })
}

/// What the end user reads.
fn refused() -> Failure {
    Failure {
        reason: "User not allowed".to_owned(),
        description: Some("We cannot complete this just now. Please contact our support.".to_owned()),
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

    const CONFIG: &str = r#"{
        "tiers": [{"name": "gold", "score_max": 20}, {"name": "silver", "score_max": 60}],
        "refuse_above": 90, "risk_claim": "risk"
    }"#;

    fn handle(config: &str, score: Result<f64, String>) -> Result<Decision, String> {
        decide(&Settings::parse(config).unwrap(), score)
    }

    fn claims(decision: Decision) -> Vec<(String, String)> {
        let Decision::Success(operations) = decision else { panic!("success") };
        let change = |operation| match operation {
            Operation::Replace(change) => (change.path, change.value),
            _ => panic!("a replace"),
        };
        operations.into_iter().map(change).collect()
    }

    #[test]
    fn a_score_becomes_a_tier_and_a_risk() {
        for (score, tier, risk) in [(20.0, "gold", "20"), (20.5, "silver", "20.5"), (90.0, "standard", "90")] {
            let expected = [
                ("/user/claims[uri=http://wso2.org/claims/tier]".to_owned(), format!("\"{tier}\"")),
                ("/user/claims[uri=risk]".to_owned(), format!("\"{risk}\"")),
            ];
            assert_eq!(claims(handle(CONFIG, Ok(score)).unwrap()), expected);
        }
        assert_eq!(claims(handle("null", Ok(3.0)).unwrap()).len(), 1, "no risk claim without its URI");
    }

    #[test]
    fn too_high_a_risk_stops_the_flow() {
        let Decision::Failed(failure) = handle(CONFIG, Ok(90.5)).unwrap() else { panic!("failed") };
        assert_eq!(failure.reason, "User not allowed");
    }

    #[test]
    fn without_a_score_the_step_ends_in_an_error_unless_the_settings_name_a_tier() {
        assert_eq!(handle(CONFIG, Err("timeout".to_owned())).unwrap_err(), "timeout");
        let decision = handle(r#"{"when_unavailable": {"tier": "bronze"}}"#, Err("timeout".to_owned())).unwrap();
        assert_eq!(claims(decision)[0].1, "\"bronze\"");
    }
}
