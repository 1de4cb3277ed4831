//! Actions: what a step allows, what an action answers, and one function that applies it.

mod answer;
mod apply;
mod claims;
mod envelope; // what a caller of actions asks
mod operation;
mod path;
mod place;
mod profile;
mod rule;
mod types;

pub use self::answer::{ActionAnswer, ProviderError};
pub(crate) use self::apply::check as check_operation;
pub use self::apply::{Applied, NotApplied, apply, check_allowed};
pub use self::claims::{ClaimEntry, ClaimRules};
pub use self::envelope::{ActionRequest, InvalidActionRequest, read_action_request};
pub use self::operation::{AllowedOperation, Operation, OperationKind};
pub use self::path::{InvalidPath, Path, Segment};
pub use self::place::{Holding, Place};
pub use self::profile::{
    Enforcement, Indices, LastElement, ListValues, NullValue, Profile, ProfileName, ProfileSettings, RedirectOffer,
    Texts, UnknownMembers,
};
pub use self::rule::{Combination, Rule, RuleExpression, RuleGroup};
pub use self::types::{
    ActionType, ActionTypes, ClientResult, ClientResults, EventMember, RedirectRule, RuleField, RuleOperator, read_type,
};
