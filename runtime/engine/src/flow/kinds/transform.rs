//! `transform`: a plugin makes a value of others; no call is made (F-02).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::flow::compile::{Compiler, Parts};
use crate::flow::document::HookDocument;
use crate::flow::model::{HookUse, StepKind, Target};
use crate::flow::reference::{FunctionRef, PluginRequirement};
use crate::ids::StepId;
use crate::ports::InvocationLimits;
use crate::run::ContextKey;

/// Runs the `post-response` hook of a plugin on a value, without a call (F-02).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::flow) struct TransformDocument {
    /// Its name within the flow.
    pub id: StepId,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// The plugin, and what it transforms.
    pub transform: PluginDocument,
    /// The next step, or `end`.
    #[serde(default)]
    pub next: Option<String>,
    /// The next step after a business failure. The run ends as failed by default.
    #[serde(default)]
    pub on_failure: Option<String>,
    /// The next step after a technical error. The run ends as an error by default.
    #[serde(default)]
    pub on_error: Option<String>,
}

/// A plugin, and what it transforms.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::flow) struct PluginDocument {
    /// The plugin and the versions that will do; it exports `post-response`.
    pub plugin: PluginRequirement,
    /// What it transforms: templates. The hook has it as the JSON body of its response, and as its input.
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
    /// Where the result lands: `steps.ID` of the step by default, or `connectors.NAME`.
    #[serde(default)]
    pub context_key: Option<String>,
}

/// A transformation, compiled.
#[derive(Debug)]
pub struct TransformStep {
    /// The plugin, and what it transforms as its input.
    pub hook: HookUse,
    /// Where the result lands.
    pub context_key: ContextKey,
}

impl Compiler<'_> {
    pub(in crate::flow) fn transform(&mut self, pointer: &str, following: Target) -> Option<Parts> {
        let it: TransformDocument = self.read_kind(pointer)?;
        let at = format!("{pointer}/transform");
        let PluginDocument { plugin, input, config, grants, limits, context_key } = it.transform;
        let context_key = match context_key.map(|text| (text.parse::<ContextKey>(), text)) {
            None => Some(ContextKey::step(&it.id)),
            Some((Ok(key), _)) if ["connectors", "steps"].contains(&key.parts().0) => Some(key),
            Some((_, text)) => {
                let message = format!("`{text}` is not a place for a result; write `steps.ID` or `connectors.NAME`");
                self.error(&format!("{at}/context-key"), "flow.context-key", message);
                None
            }
        };
        let hook = self.hook(&at, HookDocument { plugin, input, config, grants, limits });
        let transitions = self.transitions(pointer, it.next, following, [it.on_failure, it.on_error]);
        let step = TransformStep { hook: hook?, context_key: context_key? };
        Some((it.id, StepKind::Transform(Box::new(step)), transitions))
    }
}
