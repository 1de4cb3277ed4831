//! What a tenant has: plugins and connectors, as definitions of the store say it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::action::ActionTypes;
use crate::connector::{Connector, ConnectorDocument};
use crate::digest::Digest;
use crate::document::Format;
use crate::flow::{PluginRequirement, SavedAction};
use crate::ids::{ActionName, ConnectorName, FlowName, PluginName};
use crate::ports::PluginRef;
use crate::run::HookKind;

/// What is stored of one version of a plugin, under the definition name `NAME@VERSION`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PluginDefinition {
    /// Its name.
    pub name: PluginName,
    /// Its version.
    pub version: semver::Version,
    /// The component's content address.
    pub digest: Digest,
    /// The component's size, in bytes.
    pub size: u64,
    /// The hooks that it exports.
    pub hooks: Vec<HookKind>,
    /// What it imports, as `package/interface@version`.
    pub imports: Vec<String>,
    /// Whether flows may not use it any more.
    pub disabled: bool,
}

impl PluginDefinition {
    /// The name of its definition: `NAME@VERSION`.
    pub fn definition_name(name: &PluginName, version: &semver::Version) -> String {
        format!("{name}@{version}")
    }

    /// What an invocation needs of it.
    pub fn reference(&self) -> PluginRef {
        PluginRef { name: self.name.clone(), version: self.version.clone(), digest: self.digest }
    }
}

/// What is stored of a connector or a flow: the text as its author wrote it, and what it says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredDocument {
    /// The author's own text.
    pub source: String,
    /// How it is written.
    pub format: Format,
    /// What it says.
    pub document: Value,
}

/// What a tenant has, for the check of a flow.
#[derive(Debug, Clone)]
pub struct Catalogue {
    /// The types of actions that there are.
    pub types: Arc<ActionTypes>,
    plugins: BTreeMap<PluginName, Vec<PluginDefinition>>,
    connectors: BTreeMap<ConnectorName, Arc<Connector>>,
    /// By type and name.
    actions: BTreeMap<(String, ActionName), Arc<SavedAction>>,
    /// Why those that cannot be read any more cannot be, by `TYPE/NAME`.
    unreadable_actions: BTreeMap<String, String>,
    flows: BTreeSet<FlowName>,
}

impl Default for Catalogue {
    fn default() -> Self {
        Self::new(ActionTypes::shipped())
    }
}

/// What a requirement selects.
#[derive(Debug, Clone, PartialEq)]
pub enum Selection<'a> {
    /// The newest enabled version in the range.
    Found(&'a PluginDefinition),
    /// No enabled version in the range; these there are.
    NoSuchVersion(Vec<String>),
    /// No plugin of that name.
    NoSuchPlugin,
}

impl Catalogue {
    /// Of a tenant that has nothing yet.
    pub fn new(types: Arc<ActionTypes>) -> Self {
        Self {
            types,
            plugins: BTreeMap::new(),
            connectors: BTreeMap::new(),
            actions: BTreeMap::new(),
            unreadable_actions: BTreeMap::new(),
            flows: BTreeSet::new(),
        }
    }

    /// Adds a flow.
    pub fn add_flow(&mut self, name: FlowName) {
        self.flows.insert(name);
    }

    /// Whether there is a flow of that name.
    pub fn has_flow(&self, name: &FlowName) -> bool {
        self.flows.contains(name)
    }

    /// The names of all flows.
    pub fn flow_names(&self) -> Vec<&str> {
        self.flows.iter().map(FlowName::as_str).collect()
    }

    /// Adds a version of a plugin.
    pub fn add_plugin(&mut self, plugin: PluginDefinition) {
        self.plugins.entry(plugin.name.clone()).or_default().push(plugin);
    }

    /// Adds a connector.
    pub fn add_connector(&mut self, connector: Arc<Connector>) {
        self.connectors.insert(connector.document.connector.clone(), connector);
    }

    /// The connector of that name.
    pub fn connector(&self, name: &ConnectorName) -> Option<&Arc<Connector>> {
        self.connectors.get(name)
    }

    /// The names of all connectors.
    pub fn connector_names(&self) -> Vec<&str> {
        self.connectors.keys().map(ConnectorName::as_str).collect()
    }

    /// Adds a saved action.
    pub fn add_action(&mut self, action: Arc<SavedAction>) {
        self.actions.insert((action.kind.name.clone(), action.name.clone()), action);
    }

    /// Adds a saved action that cannot be read any more, by the name of its definition, and why.
    pub fn add_unreadable_action(&mut self, definition: String, why: String) {
        self.unreadable_actions.insert(definition, why);
    }

    /// The names of the saved actions of a type that cannot be read, and why.
    pub fn unreadable_actions_of(&self, kind: &str) -> Vec<(&str, &str)> {
        let all = self.unreadable_actions.iter();
        let of = |name: &'_ str| name.split_once('/').is_some_and(|(of, _)| of == kind);
        all.filter(|(name, _)| of(name)).map(|(name, why)| (&name[kind.len() + 1..], why.as_str())).collect()
    }

    /// The saved actions of a type, by name.
    pub fn actions_of(&self, kind: &str) -> Vec<&Arc<SavedAction>> {
        self.actions.iter().filter(|((of, _), _)| of == kind).map(|(_, action)| action).collect()
    }

    /// The version of a plugin that a requirement selects.
    pub fn select(&self, requirement: &PluginRequirement) -> Selection<'_> {
        let Some(versions) = self.plugins.get(&requirement.name) else { return Selection::NoSuchPlugin };
        select(versions, requirement).map_or_else(
            || {
                let names =
                    versions.iter().map(|it| format!("{}{}", it.version, if it.disabled { " (disabled)" } else { "" }));
                Selection::NoSuchVersion(names.collect())
            },
            Selection::Found,
        )
    }
}

/// The newest enabled version in the range.
pub fn select<'a>(
    versions: impl IntoIterator<Item = &'a PluginDefinition>,
    requirement: &PluginRequirement,
) -> Option<&'a PluginDefinition> {
    versions
        .into_iter()
        .filter(|it| !it.disabled && requirement.range.matches(&it.version))
        .max_by(|a, b| a.version.cmp(&b.version))
}

/// Reads a stored connector.
///
/// # Errors
/// What an older version of the program accepted and this one does not.
pub fn read_connector(version: u32, stored: &StoredDocument) -> Result<Connector, serde_json::Error> {
    let document: ConnectorDocument = serde_json::from_value(stored.document.clone())?;
    Ok(Connector { version, document })
}
