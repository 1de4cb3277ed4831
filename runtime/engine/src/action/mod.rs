//! Actions: what a step allows, what an action answers, and one function that applies it.

pub mod annotation;
mod answer;
mod apply;
mod claims;
#[cfg(test)]
mod grammar;
mod matching;
mod client_result;
mod envelope; // what a caller of actions asks
mod operation;
mod path;
mod payload;
mod personal;
mod place;
mod profile;
mod redirect_url; // where a browser may be sent
mod rule;
mod serves;
mod texts;
mod selection;
mod type_check;
mod shown;
mod strict_json; // bodies, read strictly // where an action sees what the run's event holds
mod types;

pub use self::answer::{
    ActionAnswer, AnswerRules, ProviderError, ReadAnswer, UnusableAnswer, check_answered_failure, read_answer,
};
pub(crate) use self::apply::refuse as refuse_operations;
pub use self::apply::{Applied, ApplyRules, NotApplied, apply, check_allowed, is_of_type, without_place};
pub use self::claims::{ClaimEntry, ClaimRules};
pub use self::client_result::{ForClient, NoClientResult};
pub use self::envelope::{ActionRequest, InvalidActionRequest, read_action_request};
pub(crate) use self::matching::AllowedPaths;
pub use self::matching::PathPattern;
pub use self::operation::{AllowedOperation, Operation, OperationKind};
pub use self::path::{InvalidPath, OperationPath, Path, Segment};
pub use self::payload::{PayloadError, Shown, Sources, hide};
pub(crate) use self::personal::Personal;
pub use self::place::{AddedTwice, Gone, Holding, Place, TextPattern, ValueKind};
pub use self::profile::{
    Enforcement, Indices, LastElement, ListValues, MissingCertificate, NullValue, Profile, ProfileName,
    ProfileSettings, RedirectOffer, Texts, UnknownMembers,
};
pub(crate) use self::redirect_url::{REDIRECT_BYTES_MAX, check as check_redirect_url};
pub use self::rule::{Combination, Rule, RuleError, RuleExpression, RuleFault, RuleGroup};
pub(crate) use self::serves::ATTEMPTS_MAX;
pub use self::serves::{budget_of, keeps_from_serving};
pub use self::shown::{Hop, Unclear, counted, find, hops, remove, shown_at};
pub use self::texts::{DESCRIPTION_CHARS_MAX, InvalidText, REASON_CHARS_MAX, check_failure};
pub use self::type_check::read_type;
pub use self::types::{
    ActionType, ActionTypes, ClientResult, ClientResults, EVENT_BYTES_MOST, EventMember, Reading, RedirectRule,
    RuleField, RuleOperator,
};
