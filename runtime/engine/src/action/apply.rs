//! Applies operations to an event: all or none, in one commit. One function for both kinds of provider.

mod claims;
mod list;
mod named;
mod perform; // finds the place, and what it holds decides
mod plain;

use std::collections::BTreeMap;

use serde_json::Value;

use super::annotation::{self, Annotation};
use super::claims::ClaimRules;
use super::matching::{AllowedPaths, PathPattern};
use super::operation::{AllowedOperation, Operation, OperationKind};
use super::path::OperationPath;
use super::profile::{Enforcement, Profile, RedirectOffer};
use super::types::ActionType;
use crate::run::{OperationRecord, OperationResult};

/// Most operations of one answer.
pub(super) const OPERATIONS_MAX: usize = 200;

/// Most bytes of the paths and values of one answer's operations, about as many as their JSON has.
const OPERATIONS_BYTES_MAX: usize = 1024 * 1024;

const NOT_ALLOWED: &str = "action.operation-not-allowed";
const IMPOSSIBLE: &str = "action.operation-impossible";

/// By which rules operations are applied.
#[derive(Debug, Clone, Copy)]
pub struct ApplyRules<'a> {
    /// The type, whose places say what can be changed.
    pub kind: &'a ActionType,
    /// What the step allows.
    pub allowed: &'a [AllowedOperation],
    /// The profile.
    pub profile: &'a Profile,
    /// What is known of claims.
    pub claims: &'a ClaimRules,
    /// The types of values that the owner of the action wrote behind paths.
    pub annotations: &'a BTreeMap<String, Annotation>,
}

/// The event with the operations applied, and what became of each.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// The event.
    pub event: Value,
    /// In order.
    pub operations: Vec<OperationRecord>,
}

/// The whole answer is refused; the event is as it was.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("operation {} of the answer is refused: {reason}", index + 1)]
pub struct NotApplied {
    /// The stable code.
    pub code: &'static str,
    /// Which operation, from 0.
    pub index: usize,
    /// Why.
    pub reason: String,
    /// What became of each operation, in order.
    pub operations: Vec<OperationRecord>,
}

/// Why one operation is not applied.
struct Refusal {
    code: &'static str,
    reason: String,
}

/// Applies operations in order. Where the profile rejects, the first that is not allowed or has no place refuses them
/// all; where it drops, such operations are left out, and the others hold.
///
/// # Errors
/// Which operation is refused, and why. Too many operations, or too large ones, are refused by any profile.
pub fn apply(event: &Value, operations: &[Operation], rules: &ApplyRules<'_>) -> Result<Applied, NotApplied> {
    bounded(operations)?;
    let allowed = AllowedPaths::read(rules.allowed);
    let guards: Vec<PathPattern> = rules.claims.read_only.iter().filter_map(|entry| entry.parse().ok()).collect();
    let mut changed = event.clone();
    let mut earlier = Vec::new();
    let mut records = Vec::with_capacity(operations.len());
    for (index, operation) in operations.iter().enumerate() {
        let outcome = permitted(operation, &allowed, &guards, rules).and_then(|path| {
            if let Some(reason) = annotation::misfit(rules.annotations, operation) {
                return Err(Refusal { code: IMPOSSIBLE, reason });
            }
            perform::perform(&mut changed, event, (operation, &path), &earlier, rules)
                .map_err(|reason| Refusal { code: IMPOSSIBLE, reason: format!("`{path}`: {reason}") })?;
            earlier.push((operation.kind(), path));
            Ok(())
        });
        let (result, refusal) = match (outcome, rules.profile.enforcement) {
            (Ok(()), _) => (OperationResult::Applied, None),
            (Err(refusal), Enforcement::Drop) => (OperationResult::Dropped, Some(refusal)),
            (Err(refusal), Enforcement::Reject) => return Err(rejected(operations, index, refusal)),
        };
        let (code, reason) = refusal.map(|it| (it.code.to_owned(), it.reason)).unzip();
        records.push(OperationRecord { operation: operation.clone(), result, code, reason });
    }
    Ok(Applied { event: changed, operations: records })
}

fn bounded(operations: &[Operation]) -> Result<(), NotApplied> {
    if operations.len() > OPERATIONS_MAX {
        let reason = format!("there are {} operations; at most {OPERATIONS_MAX} are taken", operations.len());
        let refusal = Refusal { code: "action.too-many-operations", reason };
        return Err(rejected(operations, OPERATIONS_MAX, refusal));
    }
    match too_large(operations) {
        None => Ok(()),
        Some(index) => {
            let reason = format!("the operations have more than {OPERATIONS_BYTES_MAX} bytes together");
            // What is too large is not kept a second time.
            Err(rejected(&[], index, Refusal { code: "action.operations-too-large", reason }))
        }
    }
}

/// The operation with which all of them together are too large.
fn too_large(operations: &[Operation]) -> Option<usize> {
    let mut left = OPERATIONS_BYTES_MAX;
    operations.iter().position(|operation| {
        let value = operation.value().map_or(Some(0), |value| bytes(value, left));
        let used = value.and_then(|value| value.checked_add(operation.path().map_or(0, str::len)));
        let rest = used.and_then(|used| left.checked_sub(used));
        left = rest.unwrap_or(left);
        rest.is_none()
    })
}

/// Refuses a whole answer for one of its operations, before any is applied.
pub(crate) fn refuse(operations: &[Operation], index: usize, code: &'static str, reason: String) -> NotApplied {
    let kept = if too_large(operations).is_some() { &[] } else { operations };
    rejected(kept, index, Refusal { code, reason })
}

/// About how many bytes the JSON of a value has; none where they are more than `most`.
fn bytes(value: &Value, most: usize) -> Option<usize> {
    let mut sum = 0_usize;
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        sum += match value {
            Value::Null | Value::Bool(_) => 4,
            Value::Number(_) => 8,
            Value::String(text) => text.len() + 2,
            Value::Array(items) => {
                open.extend(items);
                items.len() + 2
            }
            Value::Object(members) => {
                open.extend(members.values());
                members.keys().map(|key| key.len() + 4).sum::<usize>() + 2
            }
        };
        if sum > most {
            return None;
        }
    }
    Some(sum)
}

fn rejected(operations: &[Operation], index: usize, refusal: Refusal) -> NotApplied {
    let Refusal { code, reason } = refusal;
    let record = |(at, operation): (usize, &Operation)| {
        let (result, code, reason) = if at == index {
            (OperationResult::Rejected, Some(code.to_owned()), reason.clone())
        } else {
            let reason = format!("operation {} is refused, and with it the whole answer", index + 1);
            (OperationResult::Dropped, None, reason)
        };
        OperationRecord { operation: operation.clone(), result, code, reason: Some(reason) }
    };
    // What goes over the limit is counted in the reason, not kept.
    let operations = operations.iter().enumerate().take(OPERATIONS_MAX).map(record).collect();
    NotApplied { code, index, reason, operations }
}

/// The path of an operation that the step allows.
fn permitted(
    operation: &Operation,
    allowed: &AllowedPaths,
    guards: &[PathPattern],
    rules: &ApplyRules<'_>,
) -> Result<OperationPath, Refusal> {
    let refuse = |code, reason: String| Err(Refusal { code, reason });
    let Some(text) = operation.path() else {
        let is_listed = allowed.has_redirect();
        let is_known = rules.kind.operations.contains(&OperationKind::Redirect) || rules.kind.redirect.is_some();
        return if is_listed || (is_known && rules.profile.redirect == RedirectOffer::Always) {
            refuse(IMPOSSIBLE, "a `redirect` belongs into an answer that is incomplete".to_owned())
        } else {
            refuse(NOT_ALLOWED, "the step does not allow `redirect`".to_owned())
        };
    };
    let path: OperationPath = match text.parse() {
        Ok(path) => path,
        Err(error) => return refuse(NOT_ALLOWED, format!("{error}")),
    };
    let name = operation.kind().as_str();
    if !allowed.cover(operation.kind(), &path) {
        let path: String = text.chars().take(200).collect();
        let reason =
            format!("the step does not allow `{name}` on `{path}`; add it to `allowed-operations`, or leave it out");
        return refuse(NOT_ALLOWED, reason);
    }
    match guards.iter().find(|guard| guard.touches(operation.kind(), &path, rules.profile.indices)) {
        Some(entry) => refuse(NOT_ALLOWED, format!("`{path}` cannot be changed: `{entry}` is read-only")),
        None => Ok(path),
    }
}

/// What is wrong with an entry of `allowed-operations`: where in the entry, and why.
pub fn check_allowed(allowed: &AllowedOperation, kind: &ActionType) -> Vec<(String, String)> {
    let mut problems = Vec::new();
    if !is_of_type(allowed.op, kind) {
        let known: Vec<&str> = kind.operations.iter().map(|op| op.as_str()).collect();
        let may = if known.is_empty() { "none".to_owned() } else { format!("`{}`", known.join("`, `")) };
        let problem = format!("`{}` is not for `{}`; it may have {may}", allowed.op.as_str(), kind.name);
        problems.push(("/op".to_owned(), problem));
    }
    match (allowed.op, allowed.paths.is_empty()) {
        (OperationKind::Redirect, false) => problems.push(("/paths".to_owned(), "`redirect` has no paths".to_owned())),
        (OperationKind::Redirect, true) | (_, false) => {}
        (_, true) => problems.push((String::new(), "it lists no path, so it allows nothing".to_owned())),
    }
    for (index, path) in allowed.paths.iter().enumerate() {
        if let Err(error) = path.parse::<PathPattern>() {
            problems.push((format!("/paths/{index}"), error.to_string()));
        }
    }
    problems
}

/// Whether steps may allow an operation to actions of a type.
pub fn is_of_type(op: OperationKind, kind: &ActionType) -> bool {
    kind.operations.contains(&op) || (op == OperationKind::Redirect && kind.redirect.is_some())
}

/// The paths of an entry at, above or below which the type has no place, so that nothing can ever be applied there:
/// where in the entry, and why.
pub fn without_place(allowed: &AllowedOperation, kind: &ActionType) -> Vec<(String, String)> {
    let mut problems = Vec::new();
    for (index, text) in allowed.paths.iter().enumerate() {
        let Ok(path) = text.parse::<PathPattern>() else { continue };
        if !kind.places.iter().any(|place| path.meets(&place.path)) {
            let text: String = text.chars().take(200).collect();
            let problem = format!("no operation on `{text}` can be applied: `{}` has no place there", kind.name);
            problems.push((format!("/paths/{index}"), problem));
        }
    }
    problems
}

#[cfg(test)]
mod tests;
