//! Flows: what their authors write, checked and compiled.

mod action;
mod background_check;
mod block;
mod catalogue_check;
mod check;
mod common;
mod compile;
mod context_check;
mod document;
mod graph;
mod cycle; // what goes round without a bound
mod input;
mod kinds;
mod model;
mod prompt;
mod reference;
mod response_shape;
mod type_check;

#[cfg(test)]
mod context_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod type_tests;

pub use self::action::{
    ActionProvider, ActionSetUp, ActionStatus, ActionStep, ActionUse, EncryptionDocument, EncryptionRules, SavedAction,
    SavedActionDocument, Sharing, WhenUnavailable, check_action, read_action, read_stored_action,
};
pub use self::block::Block;
pub use self::check::{check, read_stored};
pub use self::common::{Common, Exhausted, StepRetry};
pub use self::compile::CallHooks;
pub(crate) use self::compile::call_hooks;
pub use self::document::{FlowDocument, json_schema};
pub use self::kinds::{
    ClaimTemplate, ClaimsStep, RedirectStep, RegisteredClaim, SetPath, SetTemplate, Signing, TransformStep, WaitStep,
};
pub use self::model::{Branch, CallStep, Flow, HookUse, Step, StepKind, Target, Transitions};
pub use self::prompt::{PromptCall, PromptStep};
pub use self::reference::{FunctionRef, InvalidReference, PluginRequirement};
