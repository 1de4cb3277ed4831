//! What an author writes (F-01, F-02). Each kind of step is its own type; the key that names the kind decides.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::action::ActionDocument;
use super::common::CommonDocument;
use super::kinds::claims::ClaimsDocument;
use super::kinds::redirect::RedirectDocument;
use super::kinds::set::SetDocument;
use super::kinds::transform::TransformDocument;
use super::kinds::wait::WaitDocument;
use super::prompt::PromptStepDocument;
use super::reference::{FunctionRef, PluginRequirement};
use crate::document::schema_of;
use crate::ids::{FlowName, StepId};
use crate::ports::InvocationLimits;

/// The longest list of steps.
pub(super) const STEPS_MAX: usize = 500;

/// A flow without its steps, which are read one by one.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FlowDocument {
    /// Its name within the tenant.
    pub flow: FlowName,
    /// Set by the server at save; ignored here.
    #[serde(default)]
    pub version: Option<u32>,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// What starts it, such as `REGISTRATION`; actions see it as the flow's type.
    #[serde(default)]
    pub trigger: Option<String>,
    /// What an event must look like.
    #[serde(default)]
    pub input: Option<Input>,
    /// How long a run may take in all: `5m` by default.
    #[serde(default = "run_deadline", with = "crate::duration_text")]
    #[schemars(with = "String")]
    pub deadline: Duration,
    /// In the order in which they run, unless `next` says otherwise.
    pub steps: Vec<Value>,
}

fn run_deadline() -> Duration {
    Duration::from_secs(300)
}

/// What an event must look like.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// A JSON Schema without remote references. An event that does not match starts no run.
    pub schema: Value,
}

/// A hook of a plugin at one place of a flow.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct HookDocument {
    /// The plugin and the versions that will do.
    pub plugin: PluginRequirement,
    /// What the hook sees of the context; templates. Nothing by default.
    #[serde(default)]
    pub input: Value,
    /// The plugin's settings here; no templates.
    #[serde(default)]
    pub config: Value,
    /// Functions that the hook may call through the import `connectors`. None by default.
    #[serde(default)]
    pub grants: Vec<FunctionRef>,
    /// Smaller limits than the host's.
    #[serde(default)]
    pub limits: Option<InvocationLimits>,
}

/// Calls a function of a connector, between hooks (F-05).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct CallDocument {
    /// Its name within the flow.
    pub id: StepId,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// The connector's function.
    pub call: FunctionRef,
    /// Templates for the function's arguments.
    #[serde(default)]
    pub arguments: BTreeMap<String, Value>,
    /// Hooks before the call, in order.
    #[serde(default)]
    pub pre_call: Vec<HookDocument>,
    /// Hooks after the response, in order.
    #[serde(default)]
    pub post_response: Vec<HookDocument>,
    /// Where in the context the result lands: `connectors.ID` of the step by default.
    #[serde(default)]
    pub context_key: Option<String>,
    /// The next step, or `end`. The one that follows in the document by default.
    #[serde(default)]
    pub next: Option<String>,
    /// The next step after a business failure. The run ends as failed by default.
    #[serde(default)]
    pub on_failure: Option<String>,
    /// The next step after a technical error. The run ends as an error by default.
    #[serde(default)]
    pub on_error: Option<String>,
}

/// Takes the first branch whose condition holds.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ConditionDocument {
    /// Its name within the flow.
    pub id: StepId,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// Tried in order; the last one is `otherwise`.
    pub condition: Vec<BranchDocument>,
    /// The next step after an expression that fails. The run ends as an error by default.
    #[serde(default)]
    pub on_error: Option<String>,
}

/// One branch: `when` with `next`, or `otherwise`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BranchDocument {
    /// A CEL expression that gives true or false.
    #[serde(default)]
    pub when: Option<String>,
    /// The step, or `end`, where `when` holds.
    #[serde(default)]
    pub next: Option<String>,
    /// The step, or `end`, where no branch before held.
    #[serde(default)]
    pub otherwise: Option<String>,
}

/// Ends the run as failed, with words for the end user.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct FailDocument {
    /// Its name within the flow.
    pub id: StepId,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// The words; templates.
    pub fail: FailureDocument,
}

/// What the end user may read.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FailureDocument {
    /// Up to 100 characters after interpolation; longer text is cut.
    pub reason: String,
    /// Up to 300 characters after interpolation; longer text is cut.
    #[serde(default)]
    pub description: Option<String>,
}

/// Ends the run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct EndDocument {
    /// Its name within the flow.
    pub id: StepId,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// Nothing: `end: {}`.
    pub end: Empty,
}

/// `{}`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Empty {}

/// The key that names a kind of step, and the schema of such a step.
type Kind = (&'static str, fn() -> Value);

/// Every kind of step.
pub(super) const KINDS: [Kind; 11] = [
    ("call", schema_of::<CallDocument>),
    ("condition", schema_of::<ConditionDocument>),
    ("action", schema_of::<ActionDocument>),
    ("claims", schema_of::<ClaimsDocument>),
    ("set", schema_of::<SetDocument>),
    ("transform", schema_of::<TransformDocument>),
    ("wait", schema_of::<WaitDocument>),
    ("redirect", schema_of::<RedirectDocument>),
    ("prompt", schema_of::<PromptStepDocument>),
    ("fail", schema_of::<FailDocument>),
    ("end", schema_of::<EndDocument>),
];

/// The published JSON Schema of flow documents (F-01).
pub fn json_schema() -> Value {
    let mut schema = schema_of::<FlowDocument>();
    let mut definitions = serde_json::Map::new();
    let mut kinds = Vec::new();
    let mut common = schema_of::<CommonDocument>();
    if let Some(Value::Object(inner)) = common.get_mut("$defs").map(Value::take) {
        definitions.extend(inner);
    }
    let common = common.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    for (kind, of_kind) in KINDS {
        let mut step = of_kind();
        if let Some(object) = step.as_object_mut() {
            object.remove("$schema");
            if let Some(Value::Object(inner)) = object.remove("$defs") {
                definitions.extend(inner);
            }
            if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
                common.iter().for_each(|(name, schema)| {
                    properties.entry(name).or_insert_with(|| schema.clone());
                });
            }
        }
        definitions.insert(format!("{kind}-step"), step);
        kinds.push(json!({ "$ref": format!("#/$defs/{kind}-step") }));
    }
    if let Some(Value::Object(existing)) = schema.get("$defs").cloned() {
        definitions.extend(existing);
    }
    if let Some(steps) = schema.pointer_mut("/properties/steps") {
        *steps = json!({
            "description": "In the order in which they run, unless `next` says otherwise.",
            "type": "array", "minItems": 1, "maxItems": STEPS_MAX, "items": { "oneOf": kinds },
        });
    }
    if let Some(object) = schema.as_object_mut() {
        object.insert("$defs".to_owned(), Value::Object(definitions));
        object.insert("$id".to_owned(), json!("urn:weir:schema:flow"));
        object.insert("title".to_owned(), json!("Weir flow"));
    }
    schema
}
