//! What each kind of step does. One file a kind.

mod action;
mod background;
mod call;
mod claims;
mod condition;
mod deadline;
mod diagnostics; // what people are told of a step
mod ending;
mod family; // steps with child runs
mod hooks;
mod interventions; // what people are told of resumes and the like
mod prompt;
mod redirect;
mod result;
mod retry; // of whole steps
mod set;
mod signing; // of claims
mod transform;
mod wait;
mod when; // whether a step runs at all

pub(crate) use self::action::{run_action, tell};
pub(crate) use self::call::{Called, make_call, run_call};
pub(crate) use self::claims::run_claims;
pub(crate) use self::condition::run_condition;
pub(crate) use self::deadline::{unless_run_is_over, within};
pub(crate) use self::diagnostics::Diagnostics;
pub(crate) use self::ending::run_fail;
pub(crate) use self::family::{Birth, at_once, join, policy, run_call_flow, run_for_each, run_parallel};
pub(crate) use self::hooks::{Prepared, prepare};
pub(crate) use self::prompt::run_prompt;
pub(crate) use self::redirect::run_redirect;
pub(crate) use self::retry::rest_after;
pub(crate) use self::set::run_set;
pub(crate) use self::transform::run_transform;
pub(crate) use self::wait::run_wait;
pub(crate) use self::when::passed_over;
