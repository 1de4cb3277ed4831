//! From an answer to changes of the event.

use serde_json::Value;

use super::{Acting, unseal};
use crate::action::{self, ApplyRules, Operation};
use crate::engine::Trouble;
use crate::run::{ActionRecord, ContextChange, ContextKey, OperationResult};
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
        if let Some((at, problem)) = self.misfit(&operations) {
            let message = format!("operation {} of the answer is refused: {problem}", at + 1);
            return Ok(Way::Error(step_error("action.operation-impossible", message)));
        }
        let rules = ApplyRules {
            kind: self.kind,
            allowed: &self.set_up.allowed_operations,
            profile: &self.set_up.profile,
            claims: &self.set_up.claims,
        };
        match action::apply(self.before, &operations, &rules) {
            Ok(applied) => {
                let is_changed = applied.operations.iter().any(|it| it.result == OperationResult::Applied);
                record.operations = applied.operations;
                if is_changed {
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

    /// The first operation whose value is not of the type that its owner wrote behind the path, and why.
    fn misfit(&self, operations: &[Operation]) -> Option<(usize, String)> {
        operations.iter().enumerate().find_map(|(index, operation)| {
            let problem = action::annotation::misfit(&self.set_up.annotations, operation)?;
            Some((index, problem))
        })
    }
}
