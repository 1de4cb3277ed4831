//! `set`: assigns values of the context (F-02).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::set_path::SetPath;
use crate::document::escape_pointer;
use crate::expression::ValueTemplate;
use crate::flow::compile::{Compiler, Parts};
use crate::flow::model::{StepKind, Target};
use crate::ids::StepId;

/// Assigns values of the context (F-02).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::flow) struct SetDocument {
    /// Its name within the flow.
    pub id: StepId,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// Templates by the path that they are assigned to: a bare name lands at `steps.ID.NAME`; `event.…`,
    /// `connectors.NAME…` and `steps.ID…` stand for themselves. Objects on the way are made. 1 to 100 of them.
    pub set: BTreeMap<String, Value>,
    /// The next step, or `end`.
    #[serde(default)]
    pub next: Option<String>,
    /// The next step after a value that cannot be had, or a path that leads through what is no object.
    #[serde(default)]
    pub on_error: Option<String>,
}

/// One assignment.
#[derive(Debug)]
pub struct SetTemplate {
    /// The path, as its author wrote it.
    pub name: String,
    /// Where to.
    pub path: SetPath,
    /// What.
    pub value: ValueTemplate,
}

impl Compiler<'_> {
    pub(in crate::flow) fn set(&mut self, pointer: &str, following: Target) -> Option<Parts> {
        let it: SetDocument = self.read_kind(pointer)?;
        self.bound(&format!("{pointer}/set"), it.set.len())?;
        let mut templates: Vec<SetTemplate> = Vec::new();
        let mut is_whole = true;
        for (name, value) in it.set {
            let at = format!("{pointer}/set/{}", escape_pointer(&name));
            let value = self.values(&at, &value);
            let path = SetPath::read(&name, &it.id).map_err(|why| self.error(&at, "flow.set-path", why)).ok();
            let (Some(path), Some(value)) = (path, value) else {
                is_whole = false;
                continue;
            };
            if let Some(other) = templates.iter().find(|other| other.path.clashes(&path)) {
                let message = format!("`{}` and `{name}` are parts of one another; which comes first?", other.name);
                let fault = self.faults.error(self.document, &at, "flow.set-clash", message);
                fault.help("assign the whole of it once, or in two steps");
            }
            templates.push(SetTemplate { name, path, value });
        }
        let transitions = self.transitions(pointer, it.next, following, [None, it.on_error]);
        is_whole.then_some((it.id, StepKind::Set(templates), transitions))
    }
}
