//! Actions: what a step allows, what an action answers, and one function that applies it.

mod answer;
mod apply;
mod claims;
mod operation;
mod path;
mod place;
mod profile;
mod rule;
mod serves;
mod texts;
mod types;

pub use self::answer::{
    ActionAnswer, AnswerRules, ProviderError, ReadAnswer, UnusableAnswer, check_answered_failure, read_answer,
};
pub use self::apply::{Applied, NotApplied, apply, check_allowed};
pub use self::claims::{ClaimEntry, ClaimRules};
pub use self::operation::{AllowedOperation, Operation, OperationKind};
pub use self::path::{InvalidPath, Path, Segment};
pub use self::place::{Holding, Place};
pub use self::profile::{
    Enforcement, Indices, LastElement, ListValues, NullValue, Profile, ProfileName, ProfileSettings, RedirectOffer,
    Texts, UnknownMembers,
};
pub use self::rule::{Combination, Rule, RuleExpression, RuleGroup};
pub(crate) use self::serves::ATTEMPTS_MAX;
pub use self::serves::{budget_of, keeps_from_serving};
pub use self::texts::{DESCRIPTION_CHARS_MAX, InvalidText, REASON_CHARS_MAX, check_failure};
pub use self::types::{
    ActionType, ActionTypes, ClientResult, ClientResults, EventMember, RedirectRule, RuleField, RuleOperator, read_type,
};
