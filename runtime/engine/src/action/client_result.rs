//! What a caller gives its own client for an action that did not succeed: data of the type, filled with what a
//! failure says. Nothing of an error is ever in it.

use serde::Serialize;
use serde_json::Value;

use super::types::{ActionType, ActionTypes, ClientResult, ClientResults};
use crate::message::Failure;
use crate::run::{Ending, JournalEntry, Run, StepRecord};

/// What a client gets.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ForClient {
    /// The type of action that it is written by.
    pub action_type: String,
    /// The endpoint of the caller that it is for.
    pub endpoint: String,
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Value,
}

/// Why there is nothing for a client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoClientResult {
    /// The run goes on.
    #[error("the run has not ended yet; ask again when it has")]
    NotEnded,
    /// The run has completed.
    #[error("the run has completed: its claims are its result")]
    Completed,
    /// No action ended it, and nobody said which type is meant.
    #[error("it was no action that ended the run, so no type of actions says what a client gets; name one with `type`")]
    NoAction,
    /// There is no such type.
    #[error("there is no action type `{name}`; known are `{known}`")]
    UnknownType {
        /// What was asked for.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// The type says nothing of such an endpoint.
    #[error("`{kind}` says nothing of the endpoint `{endpoint}`; it knows `{known}`")]
    UnknownEndpoint {
        /// The type.
        kind: String,
        /// What was asked for.
        endpoint: String,
        /// Those that there are.
        known: String,
    },
    /// The type says nothing of clients.
    #[error("`{kind}` does not say what a client gets; its document needs `results`")]
    NothingSaid {
        /// The type.
        kind: String,
    },
}

impl ActionTypes {
    /// What a client gets for a run that has ended. `last` is its last journal entry; `kind` names the type that is
    /// meant where no action ended the run, `endpoint` the endpoint where it is not the type's first one.
    ///
    /// # Errors
    /// Why there is nothing.
    pub fn for_client(
        &self,
        run: &Run,
        last: Option<&JournalEntry>,
        kind: Option<&str>,
        endpoint: Option<&str>,
    ) -> Result<ForClient, NoClientResult> {
        let failure = match run.ending() {
            None => return Err(NoClientResult::NotEnded),
            Some(Ending::Completed { .. }) => return Err(NoClientResult::Completed),
            Some(Ending::Failed { failure, .. }) => Some(failure),
            Some(Ending::Error { .. } | Ending::Cancelled { .. }) => None,
        };
        let name = kind.or_else(|| last.and_then(ended_by)).ok_or(NoClientResult::NoAction)?;
        let known = || self.names().join("`, `");
        let shown: String = name.chars().take(64).collect();
        let kind = self.get(name).ok_or_else(|| NoClientResult::UnknownType { name: shown, known: known() })?;
        kind.result(failure, endpoint)
    }
}

/// The type of the action that a run ended with.
fn ended_by(entry: &JournalEntry) -> Option<&str> {
    match &entry.record {
        StepRecord::Action(action) => Some(&action.event.action_type),
        _ => None,
    }
}

impl ActionType {
    /// What a client gets for a failure, or for an error where there is none.
    fn result(&self, failure: Option<&Failure>, endpoint: Option<&str>) -> Result<ForClient, NoClientResult> {
        let found = match endpoint {
            None => self.results.first(),
            Some(endpoint) => self.results.iter().find(|results| results.endpoint == endpoint),
        };
        let Some(ClientResults { endpoint, failed, error }) = found else {
            let known: Vec<&str> = self.results.iter().map(|results| results.endpoint.as_str()).collect();
            return Err(match endpoint {
                Some(endpoint) if !known.is_empty() => NoClientResult::UnknownEndpoint {
                    kind: self.name.clone(),
                    endpoint: endpoint.chars().take(64).collect(),
                    known: known.join("`, `"),
                },
                _ => NoClientResult::NothingSaid { kind: self.name.clone() },
            });
        };
        let (status, body) = match failure {
            Some(failure) if !self.reserves(&failure.reason) => (failed.status, failed.filled(failure)),
            _ => (error.status, error.body.clone()),
        };
        Ok(ForClient { action_type: self.name.clone(), endpoint: endpoint.clone(), status, body })
    }

    /// Whether a reason would pass for a technical error.
    fn reserves(&self, reason: &str) -> bool {
        self.reserved_reasons.iter().any(|reserved| reserved.to_lowercase() == reason.to_lowercase())
    }
}

impl ClientResult {
    fn filled(&self, failure: &Failure) -> Value {
        filled(&self.body, failure).unwrap_or_default()
    }
}

/// The body with the failure's texts in place; none where it is nothing but a text that the failure does not have.
fn filled(body: &Value, failure: &Failure) -> Option<Value> {
    Some(match body {
        Value::String(text) => {
            if failure.description.is_none() && text == "${description}" {
                return None;
            }
            Value::String(replaced(text, failure))
        }
        Value::Array(items) => items.iter().filter_map(|item| filled(item, failure)).collect(),
        Value::Object(members) => {
            let members = members.iter().filter_map(|(name, member)| Some((name.clone(), filled(member, failure)?)));
            Value::Object(members.collect())
        }
        other => other.clone(),
    })
}

/// Each placeholder replaced once: what a failure says is text, also where it looks like a placeholder.
fn replaced(text: &str, failure: &Failure) -> String {
    let mut parts = text.split("${");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once('}') {
            Some(("reason", rest)) => {
                filled.push_str(&failure.reason);
                filled.push_str(rest);
            }
            Some(("description", rest)) => {
                filled.push_str(failure.description.as_deref().unwrap_or_default());
                filled.push_str(rest);
            }
            _ => {
                filled.push_str("${");
                filled.push_str(part);
            }
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn result(kind: &str, endpoint: Option<&str>, failure: Option<(&str, Option<&str>)>) -> (u16, Value) {
        let failure = failure.map(|(reason, description)| Failure {
            reason: reason.to_owned(),
            description: description.map(str::to_owned),
        });
        let types = ActionTypes::shipped();
        let found = types.get(kind).expect("shipped").result(failure.as_ref(), endpoint).expect("a result");
        (found.status, found.body)
    }

    #[test]
    fn a_failure_reaches_the_client_and_an_error_does_not() {
        //
        let token = |failure| result("PRE_ISSUE_ACCESS_TOKEN", None, failure);
        let said = token(Some(("No ${description} \"x\"", Some("Why"))));
        assert_eq!(said, (400, json!({ "error": "No ${description} \"x\"", "error_description": "Why" })));
        assert_eq!(token(Some(("No", None))), (400, json!({ "error": "No" })));
        let error = (500, json!({ "error": "server_error", "error_description": "Internal Server Error." }));
        assert_eq!(token(None), error);
        for reserved in ["server_error", "Internal_Server_Error", "500"] {
            assert_eq!(token(Some((reserved, Some("x")))), error, "it would pass for an error of the server");
        }
    }

    #[test]
    fn each_endpoint_has_its_own_words() {
        //
        let failure = Some(("No", Some("Why")));
        let (status, body) = result("PRE_UPDATE_PASSWORD", Some("self-service-password-api"), failure);
        assert_eq!((status, &body["code"], &body["description"]), (400, &json!("PWD-10004"), &json!("Why")));
        let (_, body) = result("PRE_UPDATE_PASSWORD", None, failure);
        assert_eq!((&body["scimType"], &body["detail"]), (&json!("No"), &json!("Why")));
        let types = ActionTypes::shipped();
        for kind in types.iter() {
            assert!(!kind.results.is_empty(), "{} says what a client gets", kind.name);
            assert!(kind.result(None, Some("elsewhere")).is_err(), "{}", kind.name);
        }
    }
}
