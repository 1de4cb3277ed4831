//! The port to what lets somebody without an API key answer one prompt.

use crate::ids::{RunId, TenantId};
use crate::time::Timestamp;

/// One prompt of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptRef {
    /// Whose.
    pub tenant: TenantId,
    /// The run that asks.
    pub run: RunId,
    /// Its suspension, see [`crate::run::Suspension::id`]. An answer uses it up.
    pub suspension: u64,
    /// How long it waits.
    pub until: Timestamp,
}

/// What opens one prompt. Has no `Debug`: whoever has it may answer.
pub struct PromptToken {
    /// For `/v1/prompts/{token}`.
    pub token: String,
    /// Where the prompt is, the token in it.
    pub url: String,
}

/// Signs and checks tokens. The same prompt always has the same token.
pub trait Tokens: Send + Sync {
    /// The token of a prompt.
    fn issue(&self, prompt: &PromptRef) -> PromptToken;

    /// The prompt of a token; `None` where this server did not sign it. Takes as long for a wrong one as for a right
    /// one, and does not look at the time.
    fn read(&self, token: &str) -> Option<PromptRef>;
}
