//! Actions: what a step allows, what an action answers, and one function that applies it.

pub mod annotation;
mod answer;
mod apply;
mod claims;
mod client_result;
mod operation;
mod path;
mod payload;
mod personal;
mod place;
mod profile;
mod rule;
mod selection;
mod type_check;
mod types;

pub use self::answer::{ActionAnswer, ProviderError};
pub use self::apply::{Applied, NotApplied, apply, check_allowed};
pub use self::claims::{ClaimEntry, ClaimRules};
pub use self::client_result::{ForClient, NoClientResult};
pub use self::operation::{AllowedOperation, Operation, OperationKind};
pub use self::path::{InvalidPath, Path, Segment};
pub use self::payload::{PayloadError, Shown, Sources, hide};
pub(crate) use self::personal::masked as without_personal;
pub use self::place::{Holding, Place};
pub use self::profile::{
    Enforcement, Indices, LastElement, ListValues, NullValue, Profile, ProfileName, ProfileSettings, RedirectOffer,
    Texts, UnknownMembers,
};
pub use self::rule::{Combination, Rule, RuleExpression, RuleGroup};
pub use self::type_check::read_type;
pub use self::types::{
    ActionType, ActionTypes, ClientResult, ClientResults, EVENT_BYTES_MOST, EventMember, Reading, RedirectRule,
    RuleField, RuleOperator,
};
