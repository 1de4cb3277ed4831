//! Which runner takes which vector: by product, area, and the shape of what is given and expected.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::vector::Vector;
use crate::verdict::{Check, Verdict};
use crate::world::World;
use crate::{actions, descope_connector, transmit_function};

/// Runs vectors of one shape.
pub(crate) struct Runner {
    /// Members of `given` that there must be.
    pub(crate) needs: &'static [&'static str],
    /// Further members that there may be.
    pub(crate) may: &'static [&'static str],
    /// Members of `expect` that it checks; at least one of them is there.
    pub(crate) expects: &'static [&'static str],
    /// Checks every expectation.
    pub(crate) run: fn(&mut World, &Vector) -> Check,
}

impl Runner {
    fn takes(&self, vector: &Vector) -> bool {
        let (given, expected) = (vector.given_names(), vector.expect_names());
        self.needs.iter().all(|name| given.contains(name))
            && given.iter().all(|name| self.needs.contains(name) || self.may.contains(name))
            && !expected.is_empty()
            && expected.iter().all(|name| self.expects.contains(name))
    }
}

/// Product, area, and the runners for them, tried in order.
const AREAS: &[(&str, &str, &[Runner])] = &[
    ("descope", "connector", descope_connector::RUNNERS),
    ("transmit", "web-service-function", transmit_function::RUNNERS),
    ("wso2-is/asgardeo", "action-call/http-outcome", actions::http_outcome::RUNNERS),
    ("wso2-is/asgardeo", "action-call/response-strings", actions::response_strings::RUNNERS),
    ("wso2-is/asgardeo", "action-call/allowed-operations", actions::allowed_operations::RUNNERS),
    ("wso2-is", "pre-issue-access-token/patch", actions::token_patch::RUNNERS),
    ("wso2-is", "action-call/client-result", actions::client_result::RUNNERS),
    ("wso2-is", "action-call/client-result", actions::client_actions::RUNNERS),
    ("wso2-is/asgardeo", "action-rules/evaluate", actions::rules::RUNNERS),
    ("wso2-is/asgardeo", "action-management", actions::management::RUNNERS),
    ("wso2-is", "flow-extension/response", actions::extension_response::RUNNERS),
    ("wso2-is", "flow-extension/request", actions::extension_request::RUNNERS),
    ("wso2-is", "flow-extension/request", actions::extension_encrypted::RUNNERS),
    ("wso2-is", "flow-extension/config", actions::extension_encrypted::SETTINGS),
    ("wso2-is", "flow-extension/config", actions::extension_config::RUNNERS),
    ("wso2-is", "flow-extension/executor", actions::extension_executor::RUNNERS),
    ("wso2-is", "flow-engine", actions::flow_engine::RUNNERS),
    ("wso2-is/asgardeo", "custom-authentication", actions::custom_authentication::RUNNERS),
    ("wso2-is/asgardeo", "pre-update", actions::pre_update::RUNNERS),
    ("wso2-is/asgardeo", "pre-update", actions::pre_update_answers::RUNNERS),
    ("wso2-is/asgardeo", "pre-update", actions::pre_update_credential::RUNNERS),
    ("asgardeo", "third-party-service-conformance", actions::sample_services::RUNNERS),
    ("asgardeo", "third-party-service-conformance", actions::sample_services_http::RUNNERS),
    ("wso2-is/asgardeo", "seed-example", actions::seed_examples::RUNNERS),
    ("wso2-is/asgardeo", "seed-example", actions::seed_attempts::RUNNERS),
];

/// Whether a row is for a product: `wso2-is/asgardeo` stands for either, and for both.
fn is_for(row: &str, product: &str) -> bool {
    row == product || row.split('/').any(|part| product.split('/').any(|other| part == other))
}

/// Runs a vector.
pub(crate) fn run(world: &mut World, vector: &Vector) -> Verdict {
    let (product, area) = (vector.product.as_str(), vector.area.as_str());
    let rows = AREAS.iter().filter(|(of, in_area, _)| *in_area == area && is_for(of, product));
    let runners: Vec<&Runner> = rows.flat_map(|(_, _, runners)| runners.iter()).collect();
    if !AREAS.iter().any(|(of, in_area, _)| *in_area == area && is_for(of, product)) {
        return Verdict::Skipped(format!("no runner for `{product}`, `{area}`"));
    }
    match runners.into_iter().find(|runner| runner.takes(vector)) {
        // A runner that trips over what nobody thought of fails its vector, not the others.
        Some(runner) => match catch_unwind(AssertUnwindSafe(|| (runner.run)(world, vector))) {
            Ok(check) => check.into(),
            Err(panic) => Verdict::Failed(format!("the runner panicked: {}", words(&*panic))),
        },
        None => {
            let [given, expected] = [vector.given_names(), vector.expect_names()].map(|names| names.join(", "));
            Verdict::Skipped(format!("no runner for given [{given}] with expected [{expected}]"))
        }
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words")
}
