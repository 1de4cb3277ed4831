//! Actions: what a step allows, what an action answers, and one function that applies it.

mod answer;
mod apply;
mod claims;
#[cfg(test)]
mod grammar;
mod matching;
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
pub use self::apply::{Applied, ApplyRules, NotApplied, apply, check_allowed};
pub use self::claims::{ClaimEntry, ClaimRules};
pub use self::matching::PathPattern;
pub use self::operation::{AllowedOperation, Operation, OperationKind};
pub use self::path::{InvalidPath, OperationPath, Path, Segment};
pub use self::place::{AddedTwice, Gone, Holding, Place, TextPattern, ValueKind};
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
