//! How runs look from outside.

use serde::Serialize;
use serde_json::Value;
use weir_engine::ids::StepId;
use weir_engine::message::Failure;
use weir_engine::ports::PromptToken;
use weir_engine::run::{Awaits, Claim, Ending, Prompt, Run, RunState, RunStateKind, StepError, Waits};
use weir_engine::time::Timestamp;

use super::client_result::ClientResultView;
use super::relatives::RelativesView;
use crate::auth::{Permission, Role};

/// A run.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct RunView {
    /// Which.
    pub(super) id: String,
    /// Its flow.
    flow: String,
    /// The version that it is pinned to.
    flow_version: u32,
    /// `ready`, `suspended`, `waiting` or `paused` until it ends, then `completed`, `failed`, `error` or `cancelled`.
    #[schema(value_type = String)]
    state: RunStateKind,
    /// How many steps are committed.
    revision: u64,
    /// The next step; absent when it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_step: Option<String>,
    /// Where its end user is sent, while it is suspended, or with its result.
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect: Option<RedirectView>,
    /// What it asks somebody, while it waits for the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<RunPromptView>,
    /// What it waits for, besides its end user.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<WaitingView>,
    /// When a paused run ends as an error if nobody lets it go on; `error` says why it is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    paused_until: Option<Timestamp>,
    /// That it was cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelled: Option<CancelledView>,
    /// The claims of its result, by key, where it has completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    claims: Option<Vec<ClaimView>>,
    /// The claims as a signed JWT, where a step has signed them and it has completed: for keys with the permission
    /// `runs.start`, and not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    jwt: Option<String>,
    /// What the end user may read, where it has failed for a business reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureView>,
    /// Why it could not go on, where it ended with a technical error.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorView>,
    /// What its caller gives its own client, where an action ended it: for the first endpoint of the action's type.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_result: Option<ClientResultView>,
    /// The run that it is a part of, its child runs, and what became of its compensations.
    #[serde(flatten)]
    relatives: RelativesView,
    /// When it was started.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was committed last.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// When it ends as an error at the latest. It moves on with the time while the run is suspended, paused or waits for a
    /// timer.
    #[schema(value_type = String, format = DateTime)]
    deadline: Timestamp,
}

/// A suspended run.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct RedirectView {
    /// Where the end user is to be sent.
    url: String,
    /// When the run ends as an error if nobody resumes it; absent where it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

/// What a suspended run asks.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct RunPromptView {
    /// The JSON Schema that the answer is held against.
    #[schema(value_type = Object)]
    form: Value,
    /// What is asked, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// When the run goes on without an answer, or ends as an error.
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
    /// Lets somebody without an API key answer: for keys with the permission `runs.start`, and not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// Where they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

/// One claim.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ClaimView {
    /// Its name, often a URI.
    key: String,
    /// Its value.
    #[schema(value_type = Object)]
    value: Value,
}

/// A business failure.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct FailureView {
    /// The step that failed.
    step: String,
    /// Up to 100 characters.
    reason: String,
    /// Up to 300 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

/// A technical error. Only its code, for keys without the permission `runs.inspect`: its text is not for end users
///
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ErrorView {
    /// The stable code.
    code: String,
    /// The step in which it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    /// What happened, where, and how to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// More of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl ErrorView {
    fn of(step: &StepId, error: StepError, role: Role) -> Self {
        let StepError { code, message, detail } = error;
        if role.may(Permission::InspectRuns) {
            Self { code, step: Some(step.to_string()), message: Some(message), detail }
        } else {
            Self { code, step: None, message: None, detail: None }
        }
    }
}

/// What a run waits for, besides its end user.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct WaitingView {
    /// `timer`, `retry` or `children`: its branches, items or called flow.
    #[schema(value_type = String)]
    on: Waits,
    /// When it goes on at the latest; absent for children, whose end it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

/// That a run was cancelled.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct CancelledView {
    /// The step that was next.
    step: String,
    /// Why, in the words of who did it.
    reason: String,
}

impl RunView {
    /// The run as the holder of that role sees it at an instant: its deadline moves while it rests.
    pub(super) fn of(run: Run, role: Role, now: Timestamp) -> Self {
        let (state, deadline) = (run.state_kind(), run.deadline_at(now));
        let mut view = Self {
            id: run.id.to_string(),
            flow: run.flow.to_string(),
            flow_version: run.flow_version,
            state,
            revision: run.revision,
            next_step: None,
            redirect: None,
            prompt: None,
            waiting: None,
            paused_until: None,
            cancelled: None,
            claims: None,
            jwt: None,
            failure: None,
            error: None,
            client_result: None,
            relatives: RelativesView::alone(&run),
            created_at: run.created_at,
            updated_at: run.updated_at,
            deadline,
        };
        match run.state {
            RunState::Ready { step } => view.next_step = Some(step.to_string()),
            RunState::Suspended { step, awaits, until, .. } => {
                view.next_step = Some(step.to_string());
                match awaits {
                    Awaits::Redirect(url) => view.redirect = Some(RedirectView { url, until: Some(until) }),
                    Awaits::Prompt(prompt) => {
                        let Prompt { form, text } = *prompt;
                        view.prompt = Some(RunPromptView { form, text, until, token: None, url: None });
                    }
                }
            }
            RunState::Waiting { step, on, until } => {
                view.next_step = Some(step.to_string());
                // That of children is when the engine looks again.
                view.waiting = Some(WaitingView { on, until: (on != Waits::Children).then_some(until) });
            }
            RunState::Paused { step, error, until } => {
                view.next_step = Some(step.to_string());
                view.paused_until = Some(until);
                view.error = Some(ErrorView::of(&step, error, role));
            }
            RunState::Ended { ending: Ending::Completed { claims } } => {
                view.claims = Some(claims.into_iter().map(|Claim { key, value }| ClaimView { key, value }).collect());
                view.redirect = run.redirect.map(|url| RedirectView { url, until: None });
            }
            RunState::Ended { ending: Ending::Failed { step, failure: Failure { reason, description } } } => {
                view.failure = Some(FailureView { step: step.to_string(), reason, description });
            }
            RunState::Ended { ending: Ending::Error { step, error } } => {
                view.error = Some(ErrorView::of(&step, error, role));
            }
            RunState::Ended { ending: Ending::Cancelled { step, reason } } => {
                view.cancelled = Some(CancelledView { step: step.to_string(), reason });
            }
        }
        view
    }

    /// The same with what lets somebody answer its prompt.
    pub(super) fn with_token(mut self, token: Option<PromptToken>) -> Self {
        if let (Some(prompt), Some(PromptToken { token, url })) = (&mut self.prompt, token) {
            (prompt.token, prompt.url) = (Some(token), Some(url));
        }
        self
    }

    /// The same with its signed claims, where it has completed.
    pub(super) fn with_jwt(self, jwt: Option<String>) -> Self {
        let jwt = jwt.filter(|_| self.state == RunStateKind::Completed);
        Self { jwt, ..self }
    }

    /// The same with its child runs.
    pub(super) fn with_relatives(self, relatives: RelativesView) -> Self {
        Self { relatives, ..self }
    }

    /// The same with what its client gets.
    pub(super) fn with_client_result(self, client_result: Option<ClientResultView>) -> Self {
        Self { client_result, ..self }
    }
}

#[cfg(test)]
mod tests {
    use weir_engine::ids::RunId;
    use weir_engine::run::Event;

    use super::*;

    #[test]
    fn a_runner_sees_no_text_of_a_technical_error() {
        // covers A-07, T-02
        let instant = Timestamp::from_millis(0);
        let error = StepError {
            code: "connector.connect".to_owned(),
            message: "no connection to db.internal".to_owned(),
            detail: Some("frames".to_owned()),
        };
        let pinned = ("f".parse().unwrap(), 1);
        let step: StepId = "s".parse().unwrap();
        let run = Run::new("acme".parse().unwrap(), RunId::generate(), pinned, step.clone(), instant, instant);
        let run = run.apply(Event::Ended(Ending::Error { step, error }), instant);
        for role in Role::ALL {
            let text = serde_json::to_string(&RunView::of(run.clone(), role, instant)).unwrap();
            assert!(text.contains("connector.connect"));
            assert_eq!(text.contains("db.internal"), role.may(Permission::InspectRuns), "{role}");
        }
    }

    #[test]
    fn the_deadline_of_a_resting_run_moves_on_with_the_time() {
        // covers F-12
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        let pinned = ("f".parse().unwrap(), 1);
        let step: StepId = "s".parse().unwrap();
        let ready = Run::new("acme".parse().unwrap(), RunId::generate(), pinned, step.clone(), at(0), at(300));
        let event = |on| Event::Waiting { step: step.clone(), on, until: at(9000) };
        for (on, deadline) in [(Waits::Timer, at(1290)), (Waits::Retry, at(300)), (Waits::Children, at(300))] {
            let run = ready.clone().apply(event(on), at(10));
            let view = RunView::of(run, Role::Admin, at(1000));
            assert_eq!(view.deadline, deadline, "{on:?}");
            let until = view.waiting.and_then(|waiting| waiting.until);
            assert_eq!(until.is_some(), on != Waits::Children, "{on:?}: the engine's own instant is nobody's business");
        }
    }
}
