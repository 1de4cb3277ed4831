//! Which profile a vector speaks of: for the table.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::vector::Vector;

/// The profiles of the actions in a document that is saved: of a flow's steps, or of a saved action.
pub(crate) fn of_document(document: &Value) -> BTreeSet<String> {
    let steps = document.get("steps").and_then(Value::as_array).into_iter().flatten();
    let acts = |step: &&Value| step.get("action").is_some() && (step.get("plugin").or(step.get("service"))).is_some();
    let saved = document.get("type").is_some().then_some(document).into_iter();
    let profile = |action: &Value| action.get("profile").and_then(Value::as_str).unwrap_or("strict").to_owned();
    steps.filter(acts).chain(saved).map(profile).collect()
}

/// The profile of a vector: those that its runner ran it under; where no action ran, the one that its source speaks of.
pub(crate) fn of(vector: &Vector, ran_under: &BTreeSet<String>) -> String {
    if !ran_under.is_empty() {
        return ran_under.iter().map(String::as_str).collect::<Vec<_>>().join(" and ");
    }
    let is_contract = vector.area.starts_with("flow-extension") && vector.evidence == "doc";
    let speaks_of_actions = vector.product.split('/').any(|product| ["wso2-is", "asgardeo"].contains(&product));
    match (speaks_of_actions, vector.evidence.as_str()) {
        (false, _) => "no action",
        (true, "seed") => "strict",
        (true, _) if is_contract => "strict",
        (true, _) => "wso2",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn actions_of_flows_and_saved_ones_say_their_profile() {
        let flow = json!({ "steps": [
            { "action": "A", "service": "s.f" }, { "action": "A", "plugin": "p@1", "profile": "wso2" }, { "action": "A" }, { "call": "c.f" },
        ] });
        assert_eq!(of_document(&flow), BTreeSet::from(["strict".to_owned(), "wso2".to_owned()]));
        assert_eq!(of_document(&json!({ "action": "a", "type": "A" })), BTreeSet::from(["strict".to_owned()]));
        assert_eq!(of_document(&json!({ "connector": "c" })), BTreeSet::new());
    }

    #[test]
    fn where_nothing_ran_the_source_says_it() {
        let profile = |product: &str, area: &str, evidence: &str| {
            let vector = json!({ "id": "v", "product": product, "area": area, "evidence": evidence });
            of(&serde_json::from_value(vector).unwrap(), &BTreeSet::new())
        };
        assert_eq!(profile("wso2-is/asgardeo", "seed-example", "seed"), "strict");
        assert_eq!(profile("wso2-is", "flow-extension/config", "doc"), "strict");
        assert_eq!(profile("wso2-is", "flow-extension/config", "code"), "wso2");
        assert_eq!(profile("descope", "connector", "seed"), "no action");
    }
}
