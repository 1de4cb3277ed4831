//! Which runner takes which vector: by product, area, and the shape of what is given and expected.

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

/// Product, area, and the runners for them, tried in order. An area may have several rows.
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

/// Runs a vector.
pub(crate) fn run(world: &mut World, vector: &Vector) -> Verdict {
    let (product, area) = (vector.product.as_str(), vector.area.as_str());
    let rows = || AREAS.iter().filter(|(of, in_area, _)| (*of, *in_area) == (product, area));
    if rows().next().is_none() {
        return Verdict::Skipped(format!("no runner for `{product}`, `{area}`"));
    }
    match rows().flat_map(|(_, _, runners)| runners.iter()).find(|runner| runner.takes(vector)) {
        Some(runner) => (runner.run)(world, vector).into(),
        None => {
            let [given, expected] = [vector.given_names(), vector.expect_names()].map(|names| names.join(", "));
            Verdict::Skipped(format!("no runner for given [{given}] with expected [{expected}]"))
        }
    }
}
