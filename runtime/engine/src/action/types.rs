//! The types of actions: where in a flow one acts, what it sees, what it may be allowed, and what its callers
//! get to see. Data, not code: each type is a document; an operator can add one without a build.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::operation::OperationKind;
use super::place::Place;
use crate::document::{Document, Faults, Format, read};

/// A type of action, as its document says it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ActionType {
    /// Its name on the wire, such as `FLOW_EXTENSION`.
    #[serde(rename = "type")]
    pub name: String,
    /// For people, in a few words.
    pub title: String,
    /// For people: where in a flow it acts.
    #[serde(default)]
    pub description: String,
    /// Whether the envelope has a `flowId`.
    #[serde(default)]
    pub flow_id: bool,
    /// The event as the action sees it: only what is listed here.
    #[serde(default)]
    pub event: Vec<EventMember>,
    /// A JSON Schema of that event.
    #[serde(default)]
    pub schema: Option<Value>,
    /// The operations that a step may allow it.
    #[serde(default)]
    pub operations: Vec<OperationKind>,
    /// What the places that operations change may hold.
    #[serde(default)]
    pub places: Vec<Place>,
    /// Where it may suspend the run with a redirect: what the URL gets besides what the action said.
    #[serde(default)]
    pub redirect: Option<RedirectRule>,
    /// Where in the event the `data` of a SUCCESS lands, as a JSON pointer; without it an answer has no `data`.
    #[serde(default)]
    pub data: Option<String>,
    /// How long one attempt of an external service may take.
    #[serde(default = "request_timeout", with = "crate::duration_text")]
    #[schemars(with = "String")]
    pub request_timeout: Duration,
    /// Reasons of a failure that are refused, whatever their case: they would pass for a technical error.
    #[serde(default)]
    pub reserved_reasons: Vec<String>,
    /// The fields that rules may speak of.
    #[serde(default)]
    pub rule_fields: BTreeMap<String, RuleField>,
    /// What callers give their clients for FAILED and ERROR, by the endpoint that they serve.
    #[serde(default)]
    pub results: Vec<ClientResults>,
}

fn request_timeout() -> Duration {
    Duration::from_secs(5)
}

/// One member of the event as the action sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EventMember {
    /// Where in the event of the envelope, as a JSON pointer.
    pub to: String,
    /// Where it comes from: a JSON pointer that begins with `/event` (the run's event), `/run` (`id`, `flow`,
    /// `trigger`, `tenant`) or `/resumed` (what came back after a redirect). What is not there is left out.
    pub from: String,
}

/// What a redirect gets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RedirectRule {
    /// Query parameters that are added to the URL, each from where [`EventMember::from`] may come.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
}

/// A field that rules may speak of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RuleField {
    /// Where its value comes from, as in [`EventMember::from`].
    pub from: String,
    /// The operators that it may be compared with.
    pub operators: Vec<RuleOperator>,
}

/// How a rule compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum RuleOperator {
    Equals,
    NotEquals,
    Contains,
}

/// What a caller gives its client, for one of the endpoints that it serves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClientResults {
    /// The endpoint; the one that is meant where none is named stands first.
    pub endpoint: String,
    /// For FAILED.
    pub failed: ClientResult,
    /// For ERROR. Never says what happened.
    pub error: ClientResult,
}

/// What a caller gives its client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClientResult {
    /// The HTTP status.
    pub status: u16,
    /// The body. Texts may hold `${reason}` and `${description}` of a failure.
    #[serde(default)]
    pub body: Value,
}

/// Every type that there is.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionTypes(BTreeMap<String, Arc<ActionType>>);

/// The documents of the types that are shipped.
const SHIPPED: [&str; 4] = [
    include_str!("../../action-types/flow-extension.yaml"),
    include_str!("../../action-types/pre-issue-access-token.yaml"),
    include_str!("../../action-types/pre-update-password.yaml"),
    include_str!("../../action-types/pre-update-profile.yaml"),
];

static SHIPPED_TYPES: LazyLock<Arc<ActionTypes>> = LazyLock::new(|| {
    let read = SHIPPED.iter().filter_map(|text| read_type(text).ok());
    Arc::new(ActionTypes(read.map(|kind| (kind.name.clone(), Arc::new(kind))).collect()))
});

impl ActionTypes {
    /// The types that are shipped.
    pub fn shipped() -> Arc<Self> {
        Arc::clone(&SHIPPED_TYPES)
    }

    /// The type of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<ActionType>> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<ActionType>> {
        self.0.values()
    }

    /// Their names.
    pub fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// The same with a further type, which stands for one of the same name.
    #[must_use]
    pub fn with(&self, kind: ActionType) -> Self {
        let mut types = self.0.clone();
        types.insert(kind.name.clone(), Arc::new(kind));
        Self(types)
    }
}

/// Reads the document of a type.
///
/// # Errors
/// Every fault at once, in the document's order.
pub fn read_type(text: &str) -> Result<ActionType, Faults> {
    let document = Document::parse(text, Format::Yaml)?;
    let mut faults = Faults::default();
    match read(&document, "", "action-type.shape", &mut faults) {
        Some(kind) if !faults.has_errors() => Ok(kind),
        _ => Err(faults.sorted()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_type_can_be_read() {
        //
        for text in SHIPPED {
            let kind = read_type(text).unwrap_or_else(|faults| panic!("{faults:?}"));
            assert_eq!(ActionTypes::shipped().get(&kind.name).map(|kind| kind.name.as_str()), Some(kind.name.as_str()));
        }
    }
}
