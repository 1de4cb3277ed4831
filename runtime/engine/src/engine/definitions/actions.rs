//! Saved actions: which a step means is looked up at each run, so that a flow does not change when one is swapped.

use std::sync::Arc;

use super::{Definitions, read_body, unreadable};
use crate::catalogue::StoredDocument;
use crate::document::Document;
use crate::flow::{self, ActionUse, Flow, SavedAction, StepKind};
use crate::ids::{ActionName, TenantId};
use crate::ports::{Definition, DefinitionKind, StoreError};

/// The name of a saved action's definition: `TYPE/NAME`.
pub fn action_definition_name(kind: &str, name: &str) -> String {
    format!("{kind}/{name}")
}

impl Definitions {
    /// A saved action's live version. `None` where the tenant has no such action.
    ///
    /// # Errors
    /// The store's, and a stored action that this version of the program cannot read.
    pub async fn action(
        &self,
        tenant: &TenantId,
        kind: &str,
        name: &ActionName,
    ) -> Result<Option<Arc<SavedAction>>, StoreError> {
        let definition = action_definition_name(kind, name.as_str());
        let found = self.store.definition(tenant, DefinitionKind::Action, &definition, None).await?;
        found.map(|found| self.read_action(&found)).transpose()
    }

    /// The live versions of the saved actions of a type, by name; of all types where `kind` is empty.
    ///
    /// # Errors
    /// As [`Definitions::action`].
    pub async fn saved_actions(&self, tenant: &TenantId, kind: &str) -> Result<Vec<Arc<SavedAction>>, StoreError> {
        let prefix = if kind.is_empty() { String::new() } else { action_definition_name(kind, "") };
        self.all(tenant, DefinitionKind::Action, &prefix).await?.iter().map(|found| self.read_action(found)).collect()
    }

    /// The saved actions that a flow may come to, as they are now.
    pub(super) async fn saved_actions_of(
        &self,
        tenant: &TenantId,
        flow: &Flow,
    ) -> Result<Vec<Arc<SavedAction>>, StoreError> {
        let mut found = Vec::new();
        for step in &flow.steps {
            let StepKind::Action(action) = &step.kind else { continue };
            match &action.uses {
                ActionUse::Own(_) => {}
                ActionUse::Saved(name) => found.extend(self.action(tenant, &action.kind.name, name).await?),
                ActionUse::OnlyOfType => found.extend(self.saved_actions(tenant, &action.kind.name).await?),
            }
        }
        Ok(found)
    }

    fn read_action(&self, found: &Definition) -> Result<Arc<SavedAction>, StoreError> {
        let key = (found.tenant.clone(), found.name.clone(), found.version);
        if let Some(action) = self.actions.get(&key) {
            return Ok(action);
        }
        let stored: StoredDocument = read_body(found)?;
        let document = Document::of_value(stored.document);
        let action = flow::read_action(&document, &self.types).map_err(|faults| unreadable(found, &faults))?;
        let action = Arc::new(SavedAction { version: found.version, ..action });
        self.actions.put(key, Arc::clone(&action));
        Ok(action)
    }
}
