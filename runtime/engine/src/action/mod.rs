//! Actions: what a step allows, what an action answers, and one function that applies it.

mod answer;
mod apply;
mod claims;
mod operation;
mod path;
mod place;
mod profile;
mod rule;
mod shown; // where an action sees what the run's event holds
mod types;

pub use self::answer::{ActionAnswer, ProviderError};
pub use self::apply::{Applied, NotApplied, apply, check_allowed};
pub use self::claims::{ClaimEntry, ClaimRules};
pub use self::operation::{AllowedOperation, Operation, OperationKind};
pub use self::path::{InvalidPath, Path, Segment};
pub use self::place::{Holding, Place};
pub use self::profile::{
    Enforcement, Indices, LastElement, ListValues, MissingCertificate, NullValue, Profile, ProfileName,
    ProfileSettings, RedirectOffer, Texts, UnknownMembers,
};
pub use self::rule::{Combination, Rule, RuleExpression, RuleGroup};
pub use self::shown::{Hop, find, remove, shown_at};
pub use self::types::{
    ActionType, ActionTypes, ClientResult, ClientResults, EventMember, RedirectRule, RuleField, RuleOperator, read_type,
};
