//! The types of actions: where in a flow one acts, what it sees, what it may be allowed, and what its callers
//! get to see. Data, not code: each type is a document; an operator can add one without a build.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::operation::OperationKind;
use super::place::Place;
use super::type_check::read_type;
use crate::schema::Schema;

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
    /// A JSON Schema of that event. What an action is asked is held against it first: a fault ends the step.
    #[serde(default)]
    pub schema: Option<Value>,
    /// The largest event, in bytes of JSON: 1 MiB by default, at most [`EVENT_BYTES_MOST`].
    #[serde(default = "event_bytes_max")]
    pub event_bytes_max: usize,
    /// The operations that a step may allow it.
    #[serde(default)]
    pub operations: Vec<OperationKind>,
    /// What the places that operations change may hold.
    #[serde(default)]
    pub places: Vec<Place>,
    /// What no step may let an operation change, as JSON pointers into the run's event, with all that is below them.
    #[serde(default)]
    pub read_only: Vec<String>,
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
    /// The schema, compiled when the first event is held against it.
    #[serde(skip)]
    pub(super) compiled: Compiled,
}

/// The most that a type may set as its largest event, in bytes.
pub const EVENT_BYTES_MOST: usize = 16 << 20;

fn event_bytes_max() -> usize {
    1 << 20
}

fn request_timeout() -> Duration {
    Duration::from_secs(5)
}

/// A schema that is compiled once. No part of what a type says: all are equal, and a clone compiles its own.
#[derive(Default)]
pub(super) struct Compiled(OnceLock<Option<Schema>>);

impl Compiled {
    /// The schema; none where there is none that can be used, which the check of a type refuses.
    pub(super) fn get(&self, schema: &Value) -> Option<&Schema> {
        self.0.get_or_init(|| Schema::compile(schema).ok()).as_ref()
    }
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Compiled")
    }
}

impl Clone for Compiled {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Compiled {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// One member of the event as the action sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EventMember {
    /// Where in the event of the envelope, as a JSON pointer.
    pub to: String,
    /// Where it comes from: a JSON pointer that begins with `/event` (the run's event), `/run` (`id`, `flow`,
    /// `trigger`, `tenant`) or `/resumed` (what came back after a redirect). What is not there is left out, and so is
    /// what is empty: null, empty text, an empty list or object.
    pub from: String,
    /// How what is there is read.
    #[serde(default, skip_serializing_if = "Reading::is_whole")]
    pub reads: Reading,
    /// Whether it is there only where an action's `expose` or `encryption` names it. For what nobody should get by
    /// default, such as credentials.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub listed: bool,
    /// The triggers of the flows in which it is there. All where none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<String>,
}

/// How a member of the event is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// As it is.
    #[default]
    Whole,
    /// A list of claims, `{uri, value}`: those without a value are left out, and the value of a multi-valued one is a
    /// list, also where it is kept as one text joined with commas.
    Claims,
    /// An object of credentials: a text becomes `{type: PLAIN_TEXT, value}`, unless it is to be encrypted.
    Credentials,
}

impl Reading {
    /// Whether a member is taken as it is.
    pub fn is_whole(&self) -> bool {
        *self == Self::Whole
    }
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

impl RuleOperator {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equals => "equals",
            Self::NotEquals => "notEquals",
            Self::Contains => "contains",
        }
    }
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
    /// The body. Texts may hold `${reason}` and `${description}` of a failure; a member that is nothing but one that the
    /// failure does not have is left out.
    #[serde(default)]
    pub body: Value,
}

/// Every type that there is.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionTypes(BTreeMap<String, Arc<ActionType>>);

/// The documents of the types that are shipped.
const SHIPPED: [&str; 7] = [
    include_str!("../../action-types/authentication.yaml"),
    include_str!("../../action-types/flow-extension.yaml"),
    include_str!("../../action-types/pre-issue-access-token.yaml"),
    include_str!("../../action-types/pre-issue-id-token.yaml"),
    include_str!("../../action-types/pre-registration.yaml"),
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

    /// Adds a further type. One that there is stays: flows mean it, and nobody would see that it has become another.
    ///
    /// # Errors
    /// The type, where there is one of its name.
    pub fn add(&mut self, kind: ActionType) -> Result<(), Box<ActionType>> {
        if self.0.contains_key(&kind.name) {
            return Err(Box::new(kind));
        }
        self.0.insert(kind.name.clone(), Arc::new(kind));
        Ok(())
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
            assert!(kind.compiled.get(kind.schema.as_ref().expect("a schema")).is_some(), "{}", kind.name);
            assert_eq!(ActionTypes::shipped().get(&kind.name).map(|kind| kind.name.as_str()), Some(kind.name.as_str()));
        }
    }
}
