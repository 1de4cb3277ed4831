//! An action, compiled.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::model::HookUse;
use super::super::reference::FunctionRef;
use super::document::{ActionStatus, Sharing, WhenUnavailable};
use super::encryption::EncryptionRules;
use crate::action::annotation::Annotation;
use crate::action::{ActionType, AllowedOperation, ClaimRules, Path, Profile, Rule};
use crate::expression::Expression;
use crate::ids::ActionName;

/// The action of a step.
#[derive(Debug)]
pub struct ActionStep {
    /// Its type.
    pub kind: Arc<ActionType>,
    /// Which action it is.
    pub uses: ActionUse,
    /// What happens where there is none.
    pub when_unavailable: WhenUnavailable,
}

/// Which action a step means.
#[derive(Debug)]
pub enum ActionUse {
    /// The one that the step describes.
    Own(Arc<ActionSetUp>),
    /// The saved one of this name.
    Saved(ActionName),
    /// The tenant's only saved one of the type.
    OnlyOfType,
}

/// Who serves an action, and by which rules.
#[derive(Debug)]
pub struct ActionSetUp {
    /// Who serves it.
    pub provider: ActionProvider,
    /// What it may change.
    pub allowed_operations: Vec<AllowedOperation>,
    /// What values may be at paths of operations, where the owner says so behind the path.
    pub annotations: BTreeMap<String, Annotation>,
    /// The rules for its answers.
    pub profile: Profile,
    /// When it runs.
    pub rule: Option<Rule>,
    /// When it runs.
    pub when: Option<Expression>,
    /// The only parts of the run's event that it sees, where there is such a list.
    pub expose: Option<Vec<Path>>,
    /// Parts of the run's event that it does not see.
    pub hidden: Vec<Path>,
    /// What travels encrypted.
    pub encryption: Option<EncryptionRules>,
    /// How a password travels.
    pub sharing: Sharing,
    /// Which claims there are, and which may not be changed.
    pub claims: ClaimRules,
    /// How long a run waits for its end user after a redirect.
    pub time_to_live: Duration,
}

/// Who serves an action.
#[derive(Debug)]
pub enum ActionProvider {
    /// The `action` hook of a plugin.
    Plugin(HookUse),
    /// An external service behind a connector's function.
    Service(FunctionRef),
}

impl ActionProvider {
    /// The hook, where a plugin serves.
    pub fn hook(&self) -> Option<&HookUse> {
        match self {
            Self::Plugin(hook) => Some(hook),
            Self::Service(_) => None,
        }
    }

    /// The connector functions that it may reach.
    pub fn functions(&self) -> Vec<&FunctionRef> {
        match self {
            Self::Plugin(hook) => hook.grants.iter().collect(),
            Self::Service(function) => vec![function],
        }
    }
}

impl ActionStep {
    /// What the step itself says of its action, where it does.
    pub fn own(&self) -> Option<&Arc<ActionSetUp>> {
        match &self.uses {
            ActionUse::Own(set_up) => Some(set_up),
            ActionUse::Saved(_) | ActionUse::OnlyOfType => None,
        }
    }
}

/// A saved action, compiled.
#[derive(Debug)]
pub struct SavedAction {
    /// Its name.
    pub name: ActionName,
    /// Its version; 0 before it is saved.
    pub version: u32,
    /// Its type.
    pub kind: Arc<ActionType>,
    /// Whether it runs.
    pub status: ActionStatus,
    /// Who serves it, and by which rules.
    pub set_up: Arc<ActionSetUp>,
}
