//! Prompts for somebody without an API key, who has a token: what is asked, and the answer.

use std::sync::Arc;

use serde_json::Value;

use super::Engine;
use super::resume::{Resume, ResumeError, ResumedRun};
use crate::ids::RequestId;
use crate::ports::{PromptRef, StoreError};
use crate::run::Prompt;
use crate::time::Timestamp;

/// A prompt that waits for its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenPrompt {
    /// What is asked.
    pub prompt: Prompt,
    /// How long.
    pub until: Timestamp,
}

/// Why a token opens nothing.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// This server did not sign it, or the run is gone.
    #[error("there is no such prompt; the address may be cut short")]
    Unknown,
    /// Its time is over.
    #[error("the prompt waited until {0}; it can be answered no more")]
    Expired(Timestamp),
    /// It was answered, or the run does not wait for it any more.
    #[error("the prompt has been answered already, or is not needed any more")]
    Answered,
    /// The answer cannot be taken.
    #[error(transparent)]
    Resume(ResumeError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PromptError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "prompt.unknown",
            Self::Expired(_) => "prompt.expired",
            Self::Answered => "prompt.answered",
            Self::Resume(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }
}

impl Engine {
    /// The prompt that a token names. Its signature and its time hold; whether it still waits is not looked at.
    ///
    /// # Errors
    /// See [`PromptError`].
    pub fn prompt_of(&self, token: &str) -> Result<PromptRef, PromptError> {
        let prompt = self.ports.tokens.read(token).ok_or(PromptError::Unknown)?;
        if self.ports.clock.now() >= prompt.until {
            return Err(PromptError::Expired(prompt.until));
        }
        Ok(prompt)
    }

    /// What is asked.
    ///
    /// # Errors
    /// See [`PromptError`].
    pub async fn prompt(&self, wanted: &PromptRef) -> Result<OpenPrompt, PromptError> {
        let run = self.ports.store.run(&wanted.tenant, wanted.run).await?.ok_or(PromptError::Unknown)?;
        let suspension = run.suspension().filter(|suspension| suspension.id == wanted.suspension);
        let suspension = suspension.ok_or(PromptError::Answered)?;
        let prompt = suspension.prompt().ok_or(PromptError::Answered)?.clone();
        Ok(OpenPrompt { prompt, until: suspension.until })
    }

    /// Answers exactly this prompt, once.
    ///
    /// # Errors
    /// See [`PromptError`].
    pub async fn answer_prompt(
        self: &Arc<Self>,
        wanted: PromptRef,
        input: Value,
        request_id: Option<RequestId>,
    ) -> Result<ResumedRun, PromptError> {
        self.prompt(&wanted).await?;
        let PromptRef { tenant, run, suspension, .. } = wanted;
        let resume = Resume { tenant, run, input, revision: Some(suspension), client_key: None, request_id };
        self.resume(resume).await.map_err(|error| match error {
            ResumeError::UnknownRun(_) => PromptError::Unknown,
            ResumeError::NotSuspended { .. } | ResumeError::Ambiguous(_) => PromptError::Answered,
            ResumeError::Expired { until, .. } => PromptError::Expired(until),
            ResumeError::Store(error) => PromptError::Store(error),
            error => PromptError::Resume(error),
        })
    }
}
