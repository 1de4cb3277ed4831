//! Saved actions: which a step means is looked up at each run, so that a flow does not change when one is swapped.

use std::sync::Arc;

use serde_json::Value;

use super::{Definitions, Versions, not_taken, read_body};
use crate::action::{Path, Segment};
use crate::catalogue::{Catalogue, StoredDocument};
use crate::document::Document;
use crate::flow::{self, ActionUse, Flow, SavedAction, StepKind};
use crate::ids::{ActionName, TenantId};
use crate::ports::{Definition, DefinitionKind, StoreError};
use crate::sensitive::SensitiveNames;

/// The name of a saved action's definition: `TYPE/NAME`.
pub fn action_definition_name(kind: &str, name: &str) -> String {
    format!("{kind}/{name}")
}

impl Definitions {
    /// A saved action's live version. `None` where the tenant has no such action.
    ///
    /// # Errors
    /// The store's, and a stored action that this version of the program cannot read.
    pub(crate) async fn action(
        &self,
        tenant: &TenantId,
        kind: &str,
        name: &ActionName,
        versions: &Versions,
    ) -> Result<Option<Arc<SavedAction>>, StoreError> {
        let definition = action_definition_name(kind, name.as_str());
        let found = self.used(tenant, DefinitionKind::Action, &definition, versions).await?;
        (*found).as_ref().map(|found| self.read_action(found)).transpose()
    }

    /// The live versions of the saved actions of a type, by name; of all types where `kind` is empty.
    ///
    /// # Errors
    /// As [`Definitions::action`].
    pub(crate) async fn saved_actions(
        &self,
        tenant: &TenantId,
        kind: &str,
        versions: &Versions,
    ) -> Result<Vec<Arc<SavedAction>>, StoreError> {
        let prefix = if kind.is_empty() { String::new() } else { action_definition_name(kind, "") };
        let found = match versions.names(DefinitionKind::Action, &prefix) {
            None => self.all(tenant, DefinitionKind::Action, &prefix).await?,
            Some(names) => {
                let mut found = Vec::new();
                for name in names {
                    found.extend((*self.used(tenant, DefinitionKind::Action, &name, versions).await?).clone());
                }
                found
            }
        };
        for found in &found {
            versions.note(DefinitionKind::Action, &found.name, found.version);
        }
        found.iter().map(|found| self.read_action(found)).collect()
    }

    /// The saved actions that a flow may come to, as they are now.
    pub(super) async fn saved_actions_of(
        &self,
        tenant: &TenantId,
        flow: &Flow,
        versions: &Versions,
    ) -> Result<Vec<Arc<SavedAction>>, StoreError> {
        let mut found = Vec::new();
        for step in &flow.steps {
            let StepKind::Action(action) = &step.kind else { continue };
            match &action.uses {
                ActionUse::Own(_) => {}
                ActionUse::Saved(name) => found.extend(self.action(tenant, &action.kind.name, name, versions).await?),
                ActionUse::OnlyOfType => found.extend(self.saved_actions(tenant, &action.kind.name, versions).await?),
            }
        }
        Ok(found)
    }

    /// Adds the live versions of the saved actions. One that cannot be read any more must not keep its tenant from
    /// saving others.
    pub(super) async fn add_actions(&self, tenant: &TenantId, catalogue: &mut Catalogue) -> Result<(), StoreError> {
        for found in self.all(tenant, DefinitionKind::Action, "").await? {
            match self.read_action(&found) {
                Ok(action) => catalogue.add_action(action),
                Err(StoreError::Unreadable { why, .. }) => {
                    tracing::warn!(%tenant, action = found.name, why, "a saved action cannot be read");
                    catalogue.add_unreadable_action(found.name, why);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Every name that something of the tenant marks as sensitive: for runs of what cannot be read any more, of which
    /// nobody knows what it uses.
    pub(in crate::engine) async fn all_marked_names(&self, tenant: &TenantId) -> Result<SensitiveNames, StoreError> {
        let mut names = SensitiveNames::default();
        for found in self.all(tenant, DefinitionKind::Connector, "").await? {
            if let Ok(name) = found.name.parse() {
                let connector = self.read_connector(&found, &name)?;
                names.mark(connector.document.sensitive.iter().map(String::as_str));
            }
        }
        for kind in [DefinitionKind::Action, DefinitionKind::Flow] {
            for found in self.all(tenant, kind, "").await? {
                mark_encrypted(&found.body, &mut names);
            }
        }
        Ok(names)
    }

    fn read_action(&self, found: &Definition) -> Result<Arc<SavedAction>, StoreError> {
        let key = (found.tenant.clone(), found.name.clone(), found.version);
        if let Some(action) = self.actions.get(&key) {
            return Ok(action);
        }
        let stored: StoredDocument = read_body(found)?;
        let document = Document::of_value(stored.document);
        let action = flow::read_stored_action(&document, &self.types).map_err(|faults| not_taken(found, &faults))?;
        let action = Arc::new(SavedAction { version: found.version, ..action });
        self.actions.put(key, Arc::clone(&action));
        Ok(action)
    }
}

/// Marks the names of all that a document encrypts, wherever it says so.
fn mark_encrypted(document: &Value, names: &mut SensitiveNames) {
    let mut open = vec![document];
    while let Some(value) = open.pop() {
        let members = match value {
            Value::Array(items) => {
                open.extend(items);
                continue;
            }
            Value::Object(members) => members,
            _ => continue,
        };
        open.extend(members.values());
        let rules = members.get("encryption");
        let lists = ["event", "operations"].into_iter().filter_map(|list| rules?.get(list)?.as_array());
        for path in lists.flatten().filter_map(|path| path.as_str()?.parse::<Path>().ok()) {
            if let Some(Segment::Name(name) | Segment::Filter { value: name, .. }) = path.segments().last() {
                names.mark([name.as_str()]);
            }
        }
    }
}
