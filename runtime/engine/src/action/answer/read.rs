//! What an external service answered: a pure reading of its response. What is not plainly an answer
//! is refused with what is wrong and where, and is never a success.

use serde_json::{Map, Value};

use super::super::apply::OPERATIONS_MAX;
use super::super::operation::{Operation, OperationKind};
use super::super::profile::{Profile, UnknownMembers};
use super::super::strict_json;
use super::super::texts::{check_error, check_failure};
use super::super::types::ActionType;
use super::{ActionAnswer, ProviderError};
use crate::document::escape_pointer;
use crate::message::{Failure, Response};

/// Deepest nesting of an answer, whatever a connector allows: the journal keeps it some levels down in its own
/// documents, which must stay readable within serde_json's 128.
const DEPTH_MAX: u16 = 100;

/// How answers of one action are read.
#[derive(Debug, Clone, Copy)]
pub struct AnswerRules<'a> {
    /// What its type allows.
    pub kind: &'a ActionType,
    /// What its owner wants.
    pub profile: &'a Profile,
    /// Deepest nesting of the body; 100 at most.
    pub depth_max: u16,
}

/// An answer, and what of it nobody asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadAnswer {
    /// What was answered.
    pub answer: ActionAnswer,
    /// JSON pointers of members that the contract does not know and the profile ignores.
    pub ignored: Vec<String>,
}

/// A response that is no answer. Its text goes on after "the service".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UnusableAnswer {
    /// The stable code.
    pub code: &'static str,
    /// What is wrong, where, and what would be right.
    pub message: String,
}

/// Reads a response.
///
/// # Errors
/// `action.unexpected-status` for a status other than 200 without an ERROR that could be taken;
/// `action.unusable-answer`, `action.too-many-operations`, `action.reserved-reason` for a 200.
pub fn read_answer(response: &Response, rules: &AnswerRules<'_>) -> Result<ReadAnswer, UnusableAnswer> {
    let status = response.status;
    let unexpected = |message| UnusableAnswer { code: "action.unexpected-status", message };
    match status {
        200 => read_outcome(response, rules).map_err(|refused| UnusableAnswer {
            code: refused.code,
            message: format!("answered with the status 200, but {}", refused.problem),
        }),
        400 | 401 | 500 => read_error(response, rules).map_err(|refused| {
            let problem = refused.problem;
            unexpected(format!("answered with the status {status}, and not with an ERROR that can be taken: {problem}"))
        }),
        _ => Err(unexpected(format!(
            "answered with the status {status}; 200 is for SUCCESS, FAILED and INCOMPLETE, 400, 401 and 500 are for ERROR"
        ))),
    }
}

/// Checks a failure that a plugin or a service answered with.
///
/// # Errors
/// `action.unusable-answer` for its texts, `action.reserved-reason` for a reason that its type keeps for errors.
pub fn check_answered_failure(failure: &Failure, kind: &ActionType, profile: &Profile) -> Result<(), UnusableAnswer> {
    failure_fits(failure, kind, profile).map_err(|refused| UnusableAnswer {
        code: refused.code,
        message: format!("answered with a failure, but {}", refused.problem),
    })
}

/// What is wrong with the body.
struct Refused {
    code: &'static str,
    problem: String,
}

fn refused(problem: impl Into<String>) -> Refused {
    Refused { code: "action.unusable-answer", problem: problem.into() }
}

fn refused_at(pointer: &str, problem: &str) -> Refused {
    refused(format!("at `{pointer}`: {problem}"))
}

fn failure_fits(failure: &Failure, kind: &ActionType, profile: &Profile) -> Result<(), Refused> {
    check_failure(failure, profile.texts).map_err(|invalid| refused(invalid.to_string()))?;
    let reason = failure.reason.trim();
    if kind.reserved_reasons.iter().any(|reserved| reserved.eq_ignore_ascii_case(reason)) {
        let problem = format!(
            "its `failureReason` is `{}`, which a `{}` action may not give: its caller would take it for a technical error",
            reason, kind.name
        );
        return Err(Refused { code: "action.reserved-reason", problem });
    }
    Ok(())
}

fn read_outcome(response: &Response, rules: &AnswerRules<'_>) -> Result<ReadAnswer, Refused> {
    let mut body = Body::of(response, rules)?;
    let answer = match body.status()?.as_str() {
        "SUCCESS" => {
            let operations = body.operations()?.unwrap_or_default();
            let data = if rules.kind.data.is_some() { body.take("data") } else { None };
            ActionAnswer::Success { operations, data: data.filter(|data| !data.is_null()) }
        }
        "INCOMPLETE" => match body.operations()? {
            Some(operations) if !operations.is_empty() => ActionAnswer::Incomplete { operations },
            _ => return Err(refused_at("/operations", "INCOMPLETE needs the operation `redirect`, and there is none")),
        },
        "FAILED" => {
            let reason = body.text("failureReason")?.ok_or_else(|| refused_at("/failureReason", "FAILED needs it"))?;
            let failure = Failure { reason, description: body.text("failureDescription")? };
            failure_fits(&failure, rules.kind, rules.profile)?;
            ActionAnswer::Failed(failure)
        }
        "ERROR" => {
            let problem = "ERROR comes with the status 400, 401 or 500, not with 200";
            return Err(refused_at("/actionStatus", problem));
        }
        _ => return Err(refused_at("/actionStatus", "it is none of SUCCESS, FAILED and INCOMPLETE")),
    };
    body.finish(answer)
}

fn read_error(response: &Response, rules: &AnswerRules<'_>) -> Result<ReadAnswer, Refused> {
    let mut body = Body::of(response, rules)?;
    if body.status()? != "ERROR" {
        return Err(refused_at("/actionStatus", "it is not ERROR, and nothing else comes with this status"));
    }
    let message = body.text("errorMessage")?.ok_or_else(|| refused_at("/errorMessage", "ERROR needs it"))?;
    let description = body.text("errorDescription")?;
    check_error(&message, description.as_deref(), rules.profile.texts)
        .map_err(|invalid| refused(invalid.to_string()))?;
    body.finish(ActionAnswer::Error(ProviderError { message, description }))
}

/// The members that nobody has taken yet.
struct Body<'a> {
    rules: &'a AnswerRules<'a>,
    left: Map<String, Value>,
    ignored: Vec<String>,
}

impl<'a> Body<'a> {
    fn of(response: &Response, rules: &'a AnswerRules<'a>) -> Result<Self, Refused> {
        is_json(response)?;
        let value = strict_json::parse(response.body.as_slice(), rules.depth_max.min(DEPTH_MAX));
        let value = value.map_err(|problem| refused(format!("its body {problem}")))?;
        let Value::Object(left) = value else {
            return Err(refused(format!("its body is {} instead of an object", kind_of(&value))));
        };
        Ok(Self { rules, left, ignored: Vec::new() })
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.left.remove(name)
    }

    fn status(&mut self) -> Result<String, Refused> {
        match self.take("actionStatus") {
            Some(Value::String(status)) => Ok(status),
            Some(other) => Err(refused_at("/actionStatus", &format!("it is {} instead of text", kind_of(&other)))),
            None => Err(refused_at("/actionStatus", "it is missing")),
        }
    }

    /// A text that may be missing, or null, which some serializers write for that.
    fn text(&mut self, name: &str) -> Result<Option<String>, Refused> {
        match self.take(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(refused_at(&format!("/{name}"), &format!("it is {} instead of text", kind_of(&other)))),
        }
    }

    fn operations(&mut self) -> Result<Option<Vec<Operation>>, Refused> {
        let items = match self.take("operations") {
            None => return Ok(None),
            Some(Value::Array(items)) => items,
            Some(other) => {
                let problem = format!("it is {} instead of a list; leave it out for none", kind_of(&other));
                return Err(refused_at("/operations", &problem));
            }
        };
        if items.len() > OPERATIONS_MAX {
            let count = items.len();
            let problem = format!("it has {count} operations; at most {OPERATIONS_MAX} are taken");
            return Err(Refused { code: "action.too-many-operations", problem });
        }
        let read = |(index, item)| self.operation(&format!("/operations/{index}"), item);
        items.into_iter().enumerate().map(read).collect::<Result<_, _>>().map(Some)
    }

    fn operation(&mut self, pointer: &str, item: Value) -> Result<Operation, Refused> {
        let Value::Object(mut members) = item else {
            return Err(refused_at(pointer, &format!("it is {} instead of an object", kind_of(&item))));
        };
        let kind = members.remove("op");
        let kind = kind.as_ref().and_then(Value::as_str).and_then(kind_named).ok_or_else(|| {
            refused_at(&format!("{pointer}/op"), "it is none of `add`, `replace`, `remove` and `redirect`")
        })?;
        let (path, url, value) = (members.remove("path"), members.remove("url"), members.remove("value"));
        let text = |name: &str, member: Option<Value>| match member {
            Some(Value::String(text)) => Ok(text),
            Some(other) => {
                Err(refused_at(&format!("{pointer}/{name}"), &format!("it is {} instead of text", kind_of(&other))))
            }
            None => Err(refused_at(&format!("{pointer}/{name}"), &format!("`{}` needs it", kind.as_str()))),
        };
        self.unknown(pointer, &members)?;
        // Members of other kinds say nothing here (RFC 6902 section 4).
        Ok(match kind {
            OperationKind::Add => Operation::Add { path: text("path", path)?, value },
            OperationKind::Replace => Operation::Replace { path: text("path", path)?, value },
            OperationKind::Remove => Operation::Remove { path: text("path", path)? },
            OperationKind::Redirect => Operation::Redirect { url: text("url", url)? },
        })
    }

    fn unknown(&mut self, pointer: &str, members: &Map<String, Value>) -> Result<(), Refused> {
        for name in members.keys() {
            let name: String = name.chars().take(NAME_SHOWN_MAX).collect();
            let place = format!("{pointer}/{}", escape_pointer(&name).escape_debug());
            match self.rules.profile.unknown_members {
                UnknownMembers::Refuse => {
                    let problem = "nothing of this name belongs here; leave it out, or let the action ignore it with `settings.unknown-members: ignore`";
                    return Err(refused_at(&place, problem));
                }
                UnknownMembers::Ignore if self.ignored.len() < IGNORED_MAX => self.ignored.push(place),
                UnknownMembers::Ignore => {}
            }
        }
        Ok(())
    }

    fn finish(mut self, answer: ActionAnswer) -> Result<ReadAnswer, Refused> {
        let left = std::mem::take(&mut self.left);
        self.unknown("", &left)?;
        Ok(ReadAnswer { answer, ignored: self.ignored })
    }
}

/// Most ignored members that are told of.
const IGNORED_MAX: usize = 20;

/// The longest name of a member in our words, in characters.
const NAME_SHOWN_MAX: usize = 80;

/// The one content type of an answer. The check is the one of the systems that services are written for: the field
/// contains `application/json`, so that parameters such as `charset` do no harm; the body must be UTF-8 in any case.
fn is_json(response: &Response) -> Result<(), Refused> {
    const WANTED: &str = "application/json";
    let mut values = response.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("content-type"));
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(refused(format!("it has no `content-type`, or more than one; write `{WANTED}`")));
    };
    let value = String::from_utf8_lossy(value.value.as_slice());
    if value.to_ascii_lowercase().contains(WANTED) {
        return Ok(());
    }
    let shown: String = value.chars().take(NAME_SHOWN_MAX).collect();
    Err(refused(format!("its `content-type` is `{}` instead of `{WANTED}`", shown.escape_debug())))
}

fn kind_named(name: &str) -> Option<OperationKind> {
    use OperationKind::{Add, Redirect, Remove, Replace};
    [Add, Replace, Remove, Redirect].into_iter().find(|kind| kind.as_str() == name)
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests;
