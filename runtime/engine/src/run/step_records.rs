//! What the journal keeps of the simple kinds of steps.

use serde::{Deserialize, Serialize};

use super::journal::HookRecord;
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
