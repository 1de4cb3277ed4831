//! Prompts for somebody without an API key: the token in the path is what opens exactly one.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use weir_engine::engine::{OpenPrompt, PromptError, ResumeError};
use weir_engine::ids::RequestId;
use weir_engine::ports::PromptRef;
use weir_engine::run::Prompt;
use weir_engine::time::Timestamp;

use super::app::App;
use super::body::EventJson;
use super::path::PathOf;
use super::slots::PromptPlace;
use crate::problem::{Problem, code};

/// What stands before a token in a path: nothing behind it is logged or repeated.
pub(super) const PREFIX: &str = "/v1/prompts/";

/// What is asked.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct PromptView {
    /// The JSON Schema that the answer is held against.
    #[schema(value_type = Object)]
    form: Value,
    /// What is asked, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// Until when it can be answered.
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
}

/// The answer.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerBody {
    /// An object as the form asks for.
    #[schema(value_type = Object)]
    input: Value,
}

/// The holder of the token of an open prompt.
pub(super) struct TokenHolder {
    prompt: PromptRef,
    open: OpenPrompt,
    /// One of the places for tokens; given back when the handler is done.
    _place: PromptPlace,
}

impl FromRequestParts<Arc<App>> for TokenHolder {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let PathOf(token) = PathOf::<String>::from_request_parts(parts, app).await.map_err(|_| PromptError::Unknown)?;
        let prompt = app.engine.prompt_of(&token)?;
        let tenant = app.tenants.get(&prompt.tenant).await?;
        if tenant.is_none_or(|tenant| tenant.disabled) {
            return Err(PromptError::Unknown.into());
        }
        let place = app.prompt_requests.take(&prompt.tenant, prompt.run).ok_or_else(|| {
            let detail = "As many requests with tokens of prompts as are allowed at once are in hand. Try again soon.";
            Problem::new(&code::TOO_MANY_OF_PROMPTS, detail).with_header(RETRY_AFTER, "1")
        })?;
        // Before the body is read: a token that opens nothing any more keeps no place for as long as that takes.
        let open = app.engine.prompt(&prompt).await?;
        Ok(Self { prompt, open, _place: place })
    }
}

/// What a prompt asks. The token is what opens it; no API key is asked for.
#[utoipa::path(get, path = "/v1/prompts/{token}", tag = "prompts",
    params(("token" = String, Path, description = "The prompt's token.")),
    responses((status = 200, body = PromptView, description = "The prompt.")))]
pub(super) async fn get(holder: TokenHolder) -> Json<PromptView> {
    let OpenPrompt { prompt: Prompt { form, text }, until } = holder.open;
    Json(PromptView { form, text, until })
}

/// Answers a prompt, once. The token is what opens it; no API key is asked for. An answer that the form does not take
/// changes nothing and can be given anew.
#[utoipa::path(post, path = "/v1/prompts/{token}", tag = "prompts",
    params(("token" = String, Path, description = "The prompt's token.")),
    request_body = AnswerBody,
    responses((status = 204, description = "The run goes on with the answer.")))]
pub(super) async fn answer(
    holder: TokenHolder,
    State(app): State<Arc<App>>,
    request_id: Option<axum::Extension<RequestId>>,
    EventJson(body): EventJson<AnswerBody>,
) -> Result<StatusCode, Problem> {
    let request_id = request_id.map(|axum::Extension(id)| id);
    app.engine.answer_prompt(holder.prompt.clone(), body.input, request_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<PromptError> for Problem {
    fn from(error: PromptError) -> Self {
        let detail = format!("{error}.");
        match error {
            PromptError::Unknown => Self::new(&code::UNKNOWN_PROMPT, detail),
            PromptError::Expired(_) => Self::new(&code::PROMPT_EXPIRED, detail),
            PromptError::Answered => Self::new(&code::PROMPT_ANSWERED, detail),
            PromptError::Resume(ResumeError::Form { violations }) => violated(violations, detail),
            PromptError::Resume(error) => error.into(),
            PromptError::Store(error) => error.into(),
        }
    }
}

/// An answer that does not fulfil its form.
pub(super) fn violated(violations: Vec<(String, String)>, detail: String) -> Problem {
    let errors = violations.into_iter().map(|(pointer, message)| json!({ "pointer": pointer, "message": message }));
    Problem::new(&code::INVALID_INPUT, detail).with_errors(errors.collect())
}
