//! From an answer to changes of the event.

use serde_json::Value;

use super::{Acting, unseal};
use crate::action::{self, Operation};
use crate::engine::Trouble;
use crate::run::{ActionRecord, ContextChange, ContextKey};
use crate::step::{Way, step_error};

impl Acting<'_> {
    /// Applies operations, all or none.
    pub(super) async fn apply(
        &self,
        operations: Vec<Operation>,
        _: Option<Value>,
        record: &mut ActionRecord,
        changes: &mut Vec<ContextChange>,
    ) -> Result<Way, Trouble> {
        let operations = unseal::unseal(self, operations).await?;
        match action::apply(self.before, &operations, &self.set_up.allowed_operations) {
            Ok(applied) => {
                record.operations = applied.operations;
                if !operations.is_empty() {
                    changes.push(ContextChange { key: ContextKey::event(), value: applied.event });
                }
                Ok(Way::Next)
            }
            Err(refused) => {
                let message = refused.to_string();
                record.operations = refused.operations;
                Ok(Way::Error(step_error(refused.code, message)))
            }
        }
    }
}
