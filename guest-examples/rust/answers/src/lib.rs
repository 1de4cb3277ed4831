//! An action that answers what its settings say: a stand-in, to try a flow before the plugin or the external service
//! that will serve its action exists.
//!
//! Its settings (`config`) are an answer, written as an external service would write its JSON:
//!
//! ```yaml
//! actionStatus: SUCCESS            # or FAILED, INCOMPLETE, ERROR
//! operations:
//!   - { op: replace, path: "/user/claims[uri=http://wso2.org/claims/tier]", value: gold }
//! ```
//!
//! FAILED takes `failureReason` and `failureDescription`, ERROR `errorMessage` and `errorDescription`.

use exports::weir::plugin::action::{Decision, Event, Failure, Fault, Guest, Invocation, Operation};
use serde::Deserialize;
use serde_json::Value;
use weir::plugin::log::{self, Level};
use weir::plugin::types::Change;

wit_bindgen::generate!({ path: "../../../wit", world: "action-plugin" });

struct Answers;
export!(Answers);

impl Guest for Answers {
    fn handle(invocation: Invocation, event: Event) -> Result<Decision, Fault> {
        log_panics();
        let fields = [("actionType".to_owned(), event.action_type)];
        log::write(Level::Info, "answers what its settings say", &fields);
        Answer::parse(&invocation.config)?.decision()
    }
}

/// The settings.
#[derive(Debug, Deserialize)]
#[serde(tag = "actionStatus", rename_all = "UPPERCASE", deny_unknown_fields)]
enum Answer {
    Success {
        #[serde(default)]
        operations: Vec<Asked>,
    },
    Incomplete {
        #[serde(default)]
        operations: Vec<Asked>,
    },
    Failed {
        #[serde(rename = "failureReason")]
        reason: String,
        #[serde(rename = "failureDescription")]
        description: Option<String>,
    },
    Error {
        #[serde(rename = "errorMessage")]
        message: String,
        #[serde(rename = "errorDescription")]
        description: Option<String>,
    },
}

#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
enum Asked {
    Add { path: String, value: Value },
    Replace { path: String, value: Value },
    Remove { path: String },
    Redirect { url: String },
}

impl Answer {
    fn parse(config: &str) -> Result<Self, Fault> {
        serde_json::from_str(config).map_err(|error| {
            let message = format!("`config` of the action is no answer: {error}");
            Fault { message, description: None }
        })
    }

    /// The same, as the contract with plugins has it. Pure, so that plain `cargo test` covers it.
    fn decision(self) -> Result<Decision, Fault> {
        let all = |operations: Vec<Asked>| operations.into_iter().map(Operation::from).collect();
        match self {
            Self::Success { operations } => Ok(Decision::Success(all(operations))),
            Self::Incomplete { operations } => Ok(Decision::Incomplete(all(operations))),
            Self::Failed { reason, description } => Ok(Decision::Failed(Failure { reason, description })),
            Self::Error { message, description } => Err(Fault { message, description }),
        }
    }
}

impl From<Asked> for Operation {
    fn from(asked: Asked) -> Self {
        match asked {
            Asked::Add { path, value } => Self::Add(Change { path, value: value.to_string() }),
            Asked::Replace { path, value } => Self::Replace(Change { path, value: value.to_string() }),
            Asked::Remove { path } => Self::Remove(path),
            Asked::Redirect { url } => Self::Redirect(url),
        }
    }
}

/// A panic ends the instance at once, with nothing to catch it; this says why in the run's log before it does.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("panicked");
        log::write(Level::Error, message, &[("panicked-at".to_owned(), place)]);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(config: &str) -> Result<Decision, Fault> {
        Answer::parse(config)?.decision()
    }

    #[test]
    fn operations_keep_their_order_and_values_stay_json() {
        let config = r#"{"actionStatus": "SUCCESS", "operations": [
            {"op": "replace", "path": "/a", "value": "text"}, {"op": "add", "path": "/b/-", "value": {"c": [1, null]}},
            {"op": "remove", "path": "/d"}, {"op": "redirect", "url": "https://login.example"}]}"#;
        let Decision::Success(operations) = decide(config).unwrap() else { panic!("success") };
        let seen: Vec<String> = operations
            .iter()
            .map(|operation| match operation {
                Operation::Add(it) => format!("add {} {}", it.path, it.value),
                Operation::Replace(it) => format!("replace {} {}", it.path, it.value),
                Operation::Remove(path) => format!("remove {path}"),
                Operation::Redirect(url) => format!("redirect {url}"),
            })
            .collect();
        let expected =
            [r#"replace /a "text""#, r#"add /b/- {"c":[1,null]}"#, "remove /d", "redirect https://login.example"];
        assert_eq!(seen, expected);
    }

    #[test]
    fn each_status_has_its_counterpart() {
        assert!(matches!(decide(r#"{"actionStatus": "SUCCESS"}"#), Ok(Decision::Success(none)) if none.is_empty()));
        assert!(matches!(decide(r#"{"actionStatus": "INCOMPLETE"}"#), Ok(Decision::Incomplete(_))));
        let Ok(Decision::Failed(failure)) = decide(r#"{"actionStatus": "FAILED", "failureReason": "No"}"#) else {
            panic!("failed")
        };
        assert_eq!((failure.reason.as_str(), failure.description), ("No", None));
        let fault = decide(r#"{"actionStatus": "ERROR", "errorMessage": "m", "errorDescription": "d"}"#).unwrap_err();
        assert_eq!((fault.message.as_str(), fault.description.as_deref()), ("m", Some("d")));
    }

    #[test]
    fn settings_that_are_no_answer_are_a_fault() {
        for config in ["null", "{", "{}", r#"{"actionStatus": "MAYBE"}"#, r#"{"actionStatus": "SUCCESS", "more": 1}"#] {
            assert!(decide(config).unwrap_err().message.contains("no answer"), "{config}");
        }
    }
}
