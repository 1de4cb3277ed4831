//! What tenants have defined, read from the store and compiled once.

mod actions; // saved actions
mod recent; // as long as none has changed
mod versions; // which ones a step uses

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use crate::action::ActionTypes;
use crate::catalogue::{self, Catalogue, PluginDefinition, StoredDocument};
use crate::connector::Connector;
use crate::document::{Faults, Severity};
use crate::flow::{self, Flow, PluginRequirement, SavedAction};
use crate::ids::{ConnectorName, FlowName, TenantId};
use crate::ports::{Definition, DefinitionKind, PageRequest, PluginRef, Store, StoreError};
use crate::run::StepError;
use crate::sensitive::SensitiveNames;
use crate::step::step_error;

pub use self::actions::action_definition_name;
use self::recent::Recent;
pub(crate) use self::versions::Versions;
use self::versions::Wanted;

/// Why something that a step needs could not be had.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It is not there, or cannot be read: the step ends in an error.
    Step(StepError),
    /// The store does not answer now: the step is tried again later.
    Store(StoreError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Backend { .. } | StoreError::Full { .. } => Self::Store(error),
            other => Self::Step(step_error(other.code(), other)),
        }
    }
}

impl From<StepError> for Trouble {
    fn from(error: StepError) -> Self {
        Self::Step(error)
    }
}

/// Most compiled flows, most read connectors, and most compiled saved actions, that are kept.
const KEPT_MAX: usize = 1024;

/// Longest document that is kept as it was read, in bytes: what is compiled of it is kept besides.
const KEPT_BYTES_MAX: usize = 64 << 10;

/// How many definitions are read at a time.
const PAGE: usize = 200;

type Versioned<K> = (TenantId, K, u32);

/// What tenants have defined. Versions are immutable, so what is compiled of one stays right.
pub struct Definitions {
    store: Arc<dyn Store>,
    types: Arc<ActionTypes>,
    live: Recent<Option<Definition>>,
    plugins: Recent<Vec<PluginDefinition>>,
    flows: Kept<Versioned<FlowName>, Flow>,
    connectors: Kept<Versioned<ConnectorName>, Connector>,
    actions: Kept<Versioned<String>, SavedAction>,
}

impl Definitions {
    /// Definitions of a store, with the types of actions that there are.
    pub fn new(store: Arc<dyn Store>, types: Arc<ActionTypes>) -> Self {
        let (live, plugins) = (Recent::default(), Recent::default());
        let (flows, connectors, actions) = (Kept::default(), Kept::default(), Kept::default());
        Self { store, types, live, plugins, flows, connectors, actions }
    }

    /// The types of actions that there are.
    pub fn action_types(&self) -> &Arc<ActionTypes> {
        &self.types
    }

    /// A flow with its version; the live one without `version`. `None` where the tenant has no such flow.
    ///
    /// # Errors
    /// The store's, and a stored flow that this version of the program cannot read.
    pub async fn flow(
        &self,
        tenant: &TenantId,
        name: &FlowName,
        version: Option<u32>,
    ) -> Result<Option<(u32, Arc<Flow>)>, StoreError> {
        if let Some(version) = version
            && let Some(flow) = self.flows.get(&(tenant.clone(), name.clone(), version))
        {
            return Ok(Some((version, flow)));
        }
        let found = self.definition(tenant, DefinitionKind::Flow, name.as_str(), version).await?;
        let Some(found) = &*found else { return Ok(None) };
        let key = (tenant.clone(), name.clone(), found.version);
        if let Some(flow) = self.flows.get(&key) {
            return Ok(Some((found.version, flow)));
        }
        let stored: StoredDocument = read_body(found)?;
        let flow = flow::read_stored(&stored.document, &self.types).map_err(|faults| not_taken(found, &faults))?;
        self.flows.put(key, flow.clone());
        Ok(Some((found.version, flow)))
    }

    /// A flow that a step calls, in the version that the step names, or else in the live one.
    pub(crate) async fn called_flow(
        &self,
        tenant: &TenantId,
        name: &FlowName,
        version: Option<u32>,
        versions: &Versions,
    ) -> Result<Option<(u32, Arc<Flow>)>, StoreError> {
        let version = match versions.wanted(DefinitionKind::Flow, name.as_str()) {
            Wanted::Live => version,
            Wanted::Version(version) => Some(version),
            Wanted::Nothing => return Ok(None),
        };
        let found = self.flow(tenant, name, version).await?;
        if let Some((version, _)) = &found {
            versions.note(DefinitionKind::Flow, name.as_str(), version);
        }
        Ok(found)
    }

    /// A connector's live version, for a step.
    pub(crate) async fn connector(
        &self,
        tenant: &TenantId,
        name: &ConnectorName,
        versions: &Versions,
    ) -> Result<Arc<Connector>, Trouble> {
        let found = self.used(tenant, DefinitionKind::Connector, name.as_str(), versions).await?;
        let found = (*found).as_ref().map(|found| self.read_connector(found, name)).transpose()?;
        Ok(found.ok_or_else(|| {
            step_error(
                "connector.unknown",
                format!("there is no connector `{name}`; save it with `weir connector apply FILE`"),
            )
        })?)
    }

    /// A connector's live version. `None` where the tenant has no such connector.
    pub(super) async fn live_connector(
        &self,
        tenant: &TenantId,
        name: &ConnectorName,
    ) -> Result<Option<Arc<Connector>>, StoreError> {
        let found = self.definition(tenant, DefinitionKind::Connector, name.as_str(), None).await?;
        (*found).as_ref().map(|found| self.read_connector(found, name)).transpose()
    }

    /// One version of a connector, which may be an old one.
    pub(crate) async fn connector_version(
        &self,
        tenant: &TenantId,
        name: &ConnectorName,
        version: u32,
    ) -> Result<Arc<Connector>, Trouble> {
        if let Some(connector) = self.connectors.get(&(tenant.clone(), name.clone(), version)) {
            return Ok(connector);
        }
        let found = self.store.definition(tenant, DefinitionKind::Connector, name.as_str(), Some(version)).await?;
        let found = found.ok_or_else(|| {
            step_error("connector.unknown", format!("connector `{name}` has no version {version} any more"))
        })?;
        Ok(self.read_connector(&found, name)?)
    }

    /// The names that the connectors of a flow, and those of the saved actions that it uses, mark as sensitive, as they
    /// are now, and those of what its actions encrypt. A connector that is gone marks none.
    pub(crate) async fn marked_names(
        &self,
        tenant: &TenantId,
        flow: &Flow,
        versions: &Versions,
    ) -> Result<SensitiveNames, StoreError> {
        let saved = match self.saved_actions_of(tenant, flow, versions).await {
            Err(StoreError::Unreadable { .. }) => return self.all_marked_names(tenant).await,
            saved => saved?,
        };
        let mut connectors: BTreeSet<ConnectorName> = flow.connectors().into_iter().cloned().collect();
        let mut names = SensitiveNames::marked(flow.encrypted_names());
        for saved in saved {
            connectors.extend(saved.set_up.provider.functions().into_iter().map(|it| it.connector.clone()));
            names.mark(saved.set_up.encryption.iter().flat_map(|rules| rules.sensitive_names()));
        }
        for connector in &connectors {
            match self.connector(tenant, connector, versions).await {
                Ok(connector) => names.mark(connector.document.sensitive.iter().map(String::as_str)),
                Err(Trouble::Step(_)) => {}
                Err(Trouble::Store(error)) => return Err(error),
            }
        }
        Ok(names)
    }

    fn read_connector(&self, found: &Definition, name: &ConnectorName) -> Result<Arc<Connector>, StoreError> {
        let key = (found.tenant.clone(), name.clone(), found.version);
        if let Some(connector) = self.connectors.get(&key) {
            return Ok(connector);
        }
        let stored: StoredDocument = read_body(found)?;
        let connector = catalogue::read_connector(found.version, &stored).map_err(|error| unreadable(found, &error))?;
        let connector = Arc::new(connector);
        self.connectors.put(key, connector.clone());
        Ok(connector)
    }

    /// The version of a plugin that a requirement selects now: the newest enabled one in its range.
    pub(crate) async fn plugin(
        &self,
        tenant: &TenantId,
        requirement: &PluginRequirement,
        versions: &Versions,
    ) -> Result<PluginRef, Trouble> {
        let known = self.plugin_versions(tenant, &format!("{}@", requirement.name)).await?;
        let found = match versions.plugin(&requirement.to_string()) {
            None => catalogue::select(known.iter(), requirement),
            // Also one that is disabled by now.
            Some(pinned) => known.iter().find(|it| Some(it.version.to_string()) == pinned),
        };
        let found = found.map(PluginDefinition::reference);
        if let Some(found) = &found {
            versions.note(DefinitionKind::Plugin, &requirement.to_string(), &found.version);
        }
        Ok(found.ok_or_else(|| {
            let message = format!(
                "no enabled version of plugin `{}` is in `{requirement}`; upload one with `weir plugin push`, or enable one",
                requirement.name
            );
            step_error("plugin.unknown", message)
        })?)
    }

    /// Everything that a tenant has, for the check of a flow.
    ///
    /// # Errors
    /// The store's.
    pub async fn catalogue(&self, tenant: &TenantId) -> Result<Catalogue, StoreError> {
        let mut catalogue = Catalogue::new(Arc::clone(&self.types));
        for plugin in self.plugin_versions(tenant, "").await?.iter() {
            catalogue.add_plugin(plugin.clone());
        }
        for found in self.all(tenant, DefinitionKind::Connector, "").await? {
            if let Ok(name) = found.name.parse() {
                catalogue.add_connector(self.read_connector(&found, &name)?);
            }
        }
        self.add_actions(tenant, &mut catalogue).await?;
        let flows = self.all(tenant, DefinitionKind::Flow, "").await?;
        flows.iter().filter_map(|found| found.name.parse().ok()).for_each(|name| catalogue.add_flow(name));
        Ok(catalogue)
    }

    /// What a step means by a name, in the version that it is to use.
    async fn used(
        &self,
        tenant: &TenantId,
        kind: DefinitionKind,
        name: &str,
        versions: &Versions,
    ) -> Result<Arc<Option<Definition>>, StoreError> {
        let version = match versions.wanted(kind, name) {
            Wanted::Live => None,
            Wanted::Version(version) => Some(version),
            Wanted::Nothing => return Ok(Arc::new(None)),
        };
        let found = self.definition(tenant, kind, name, version).await?;
        if let Some(found) = &*found {
            versions.note(kind, name, found.version);
        }
        Ok(found)
    }

    /// A definition; the live version, which is read once as long as no definition changes, without `version`.
    async fn definition(
        &self,
        tenant: &TenantId,
        kind: DefinitionKind,
        name: &str,
        version: Option<u32>,
    ) -> Result<Arc<Option<Definition>>, StoreError> {
        let edition = if version.is_none() { self.store.definitions_edition() } else { None };
        let read = self.store.definition(tenant, kind, name, version);
        self.live.get(edition, (tenant.clone(), kind, name.to_owned()), read, is_small).await
    }

    /// The versions of the plugins whose names begin so, read once as long as no definition changes.
    async fn plugin_versions(&self, tenant: &TenantId, prefix: &str) -> Result<Arc<Vec<PluginDefinition>>, StoreError> {
        let kind = DefinitionKind::Plugin;
        let read = async { self.all(tenant, kind, prefix).await?.iter().map(read_body).collect() };
        let key = (tenant.clone(), kind, prefix.to_owned());
        self.plugins.get(self.store.definitions_edition(), key, read, |_| true).await
    }

    async fn all(&self, tenant: &TenantId, kind: DefinitionKind, prefix: &str) -> Result<Vec<Definition>, StoreError> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page = PageRequest { limit: PAGE, after };
            let found = self.store.definitions(tenant, kind, prefix, &page).await?;
            all.extend(found.items);
            match found.next {
                Some(next) => after = Some(next),
                None => return Ok(all),
            }
        }
    }
}

/// Whether a definition takes little memory. Every document has its text in it.
fn is_small(found: &Option<Definition>) -> bool {
    let Some(found) = found else { return true };
    found.body.get("source").and_then(serde_json::Value::as_str).is_some_and(|source| source.len() <= KEPT_BYTES_MAX)
}

fn read_body<T: serde::de::DeserializeOwned>(found: &Definition) -> Result<T, StoreError> {
    T::deserialize(&found.body).map_err(|error| unreadable(found, &error))
}

fn unreadable(found: &Definition, why: &dyn std::fmt::Display) -> StoreError {
    StoreError::Corrupt {
        place: format!("{:?} `{}` version {}", found.kind, found.name, found.version),
        what: format!("this version of Weir cannot read it ({why}); save it again"),
    }
}

/// A whole record that says what this program does not take.
fn not_taken(found: &Definition, faults: &Faults) -> StoreError {
    let (code, noun) = match found.kind {
        DefinitionKind::Action => ("action.unreadable", "the action"),
        _ => ("flow.unreadable", "the flow"),
    };
    let first = faults.0.iter().find(|fault| fault.severity == Severity::Error);
    StoreError::Unreadable {
        code,
        place: format!("{noun} `{}` in version {}", found.name, found.version),
        why: first.map_or_else(|| faults.to_string(), |fault| format!("{}: {}", fault.pointer, fault.message)),
    }
}

/// A bounded table of what is costly to make. When it is full it starts anew: what is in use comes back at once.
struct Kept<K, V>(Mutex<HashMap<K, Arc<V>>>);

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

impl<K: Hash + Eq, V> Kept<K, V> {
    fn get(&self, key: &K) -> Option<Arc<V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn put(&self, key: K, value: Arc<V>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(key, value);
    }
}
