//! What the journal keeps of kinds of steps, where that is little.

use serde::{Deserialize, Serialize};

use super::call_records::{CallRecord, HookRecord};
use super::family::{Children, Part};
use super::journal::StepError;
use super::record::Claim;
use crate::connector::SigningAlgorithm;
use crate::ids::IdentityName;
use crate::ports::PostResponseDecision;
use crate::time::Timestamp;

/// A signature over the claims of a run (F-08).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedRecord {
    /// The identity whose key signed.
    pub key: IdentityName,
    /// How.
    pub algorithm: SigningAlgorithm,
    /// The JWT, as compact JWS.
    pub jwt: String,
}

/// A transformation by a plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransformRecord {
    /// The hook; none where the plugin or its input could not be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<HookRecord<PostResponseDecision>>,
}

/// A wait: one entry when it begins, one when the run goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitRecord {
    /// Until when; none where that could not be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Whether it is over.
    pub over: bool,
}

/// A redirect: one entry when the end user is sent away, one when the run goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedirectRecord {
    /// Where to; none where the end user has come back, or the URL could not be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Whether the run ends with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ends: bool,
}

/// Child runs of a step, see [`Children`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildrenRecord {
    /// What they run.
    pub part: Part,
    /// How many there are to be.
    pub total: u32,
    /// The revision of the run that began the first of them: their ids follow from it.
    pub since: u64,
    /// How many had been begun until then.
    pub begun: u32,
    /// How many had completed until then.
    pub completed: u32,
    /// How many had ended in another way until then.
    pub not_completed: u32,
    /// Whether those that still ran were cancelled.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancelling: bool,
}

impl ChildrenRecord {
    /// Where they stand.
    pub fn of(children: &Children) -> Self {
        Self {
            part: children.part,
            total: children.total,
            since: children.since,
            begun: children.begun,
            completed: children.completed,
            not_completed: children.not_completed,
            cancelling: children.cancelling,
        }
    }
}

/// A call that reminded somebody of a suspended run. The prompt's token is masked in all of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReminderRecord {
    /// Its number among those of the step, from 0.
    pub index: u32,
    /// The call; none where it could not be told without the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallRecord>,
    /// Why nobody may have been reminded. The run stays suspended all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
}

/// A condition: which branch was taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BranchRecord {
    /// The index of the branch in the document, from 0; none where no branch held.
    pub branch: Option<usize>,
}

/// The claims that a step set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClaimRecord {
    /// In the order of the document.
    pub claims: Vec<Claim>,
    /// The signature of all claims until then, where the step signs. A replay takes it from here: some signatures
    /// differ each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<SignedRecord>,
}
