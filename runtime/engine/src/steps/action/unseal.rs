//! Operations whose values came encrypted. One that did not, or does not decrypt, refuses the whole answer in
//! every profile: somebody who could not read the rules should not write by them.

use serde_json::Value;
use tokio::time::timeout;

use super::Acting;
use crate::action::{ActionAnswer, Operation, Path, Segment};
use crate::engine::Trouble;
use crate::flow::EncryptionRules;
use crate::run::{ActionRecord, StepError};
use crate::sensitive::MASK;
use crate::step::step_error;

/// Most encrypted values of one answer: each one is an operation of the private key.
const VALUES_MAX: usize = 50;

/// The operations with their plaintext.
pub(super) async fn unseal(acting: &Acting<'_>, mut operations: Vec<Operation>) -> Result<Vec<Operation>, Trouble> {
    let Some(rules) = &acting.set_up.encryption else { return Ok(operations) };
    refuse_too_many(rules, &mut operations)?;
    for (index, operation) in operations.iter_mut().enumerate() {
        let Some((path, value)) = sealed(rules, operation) else { continue };
        let refused = |code: &str, why: &str| {
            let path: String = path.chars().take(200).collect();
            step_error(code, format!("operation {} of the answer, on `{path}`: {why}", index + 1))
        };
        let is_list = value.is_array();
        let compact = compact(acting, path, value).map_err(|why| refused("action.not-encrypted", why))?;
        let plain = open(acting, rules, compact).await?.map_err(|error| refused(&error.code, &error.message))?;
        *value = match is_list {
            true => plain.split(',').map(Value::from).collect(),
            false => Value::String(plain),
        };
    }
    Ok(operations)
}

/// Refuses an answer that asks for more decryptions than anybody needs, before the first of them.
fn refuse_too_many(rules: &EncryptionRules, operations: &mut [Operation]) -> Result<(), StepError> {
    let mut paths: Vec<Path> = Vec::new();
    let mut values = 0;
    for (index, operation) in operations.iter_mut().enumerate() {
        let Some((path, _)) = sealed(rules, operation) else { continue };
        values += 1;
        if values > VALUES_MAX {
            let message = format!("the answer has more than {VALUES_MAX} encrypted values; encrypt fewer");
            return Err(step_error("action.encrypted-values", message));
        }
        let Ok(path) = path.trim_end_matches('/').parse::<Path>() else { continue };
        // `-` is another place each time.
        if path.segments().last() == Some(&Segment::Name("-".to_owned())) {
            continue;
        }
        if paths.iter().any(|before| before.segments() == path.segments()) {
            let shown: String = path.as_str().chars().take(200).collect();
            let message = format!("operation {} of the answer is the second value for `{shown}`; send one", index + 1);
            return Err(step_error("action.encrypted-values", message));
        }
        paths.push(path);
    }
    Ok(())
}

/// The path and the value of an operation that must come encrypted. Null takes a value away: it holds nothing to hide.
fn sealed<'a>(rules: &EncryptionRules, operation: &'a mut Operation) -> Option<(&'a str, &'a mut Value)> {
    match operation {
        Operation::Add { path, value: Some(value) } | Operation::Replace { path, value: Some(value) } => {
            (!value.is_null() && rules.is_sealed(path)).then_some((path.as_str(), value))
        }
        _ => None,
    }
}

/// The compact text in a value, or why it is none.
fn compact<'a>(acting: &Acting<'_>, path: &str, value: &'a Value) -> Result<&'a str, &'static str> {
    let text = match value {
        Value::String(_) if is_multi_valued(acting, path) => {
            return Err("the claim has several values; send a list with one JWE of the values, joined with commas");
        }
        Value::String(text) => text,
        Value::Array(items) => match items.as_slice() {
            [Value::String(text)] => text,
            _ => return Err("a list must hold exactly one JWE, of all values joined with commas"),
        },
        _ => return Err("its value must be encrypted: a JWE in its compact form, as text"),
    };
    match text.bytes().filter(|byte| *byte == b'.').count() {
        4 => Ok(text),
        _ => Err("its value must be encrypted; it is no JWE in its compact form, which has five parts"),
    }
}

fn is_multi_valued(acting: &Acting<'_>, path: &str) -> bool {
    let Ok(path) = path.parse::<Path>() else { return false };
    let Some(Segment::Filter { value, .. }) = path.segments().last() else { return false };
    let known = acting.set_up.claims.known.as_ref();
    known.and_then(|known| known.get(value)).is_some_and(|claim| claim.multi_valued)
}

async fn open(
    acting: &Acting<'_>,
    rules: &EncryptionRules,
    compact: &str,
) -> Result<Result<String, StepError>, Trouble> {
    let Some(key) = &rules.key else {
        let message = "`encryption` names no `key` to decrypt with; name a stored TLS identity";
        return Err(step_error("action.no-private-key", message).into());
    };
    let attempt = acting.attempt;
    let late = || step_error("run.deadline", "the time of the run was over before the answer was decrypted");
    let budget = attempt.budget();
    if budget.is_zero() {
        return Err(late().into());
    }
    let opened = timeout(budget, attempt.ports.encryption.decrypt(&attempt.run.tenant, key, compact)).await;
    let opened = opened.map_err(|_| late())?;
    Ok(match opened.map(String::from_utf8) {
        Ok(Ok(plain)) => Ok(plain),
        Ok(Err(_)) => Err(step_error("action.not-decrypted", "what it holds is no text")),
        Err(error) => Err(step_error(error.code, error.message)),
    })
}

/// Gives the records of operations their encrypted values back: the journal holds no plaintext of them (D-04).
pub(super) fn hide(acting: &Acting<'_>, record: &mut ActionRecord) {
    let Some(rules) = &acting.set_up.encryption else { return };
    let answered: &[Operation] = match &record.answer {
        Some(ActionAnswer::Success { operations, .. } | ActionAnswer::Incomplete { operations }) => operations,
        _ => &[],
    };
    for (index, kept) in record.operations.iter_mut().enumerate() {
        if sealed(rules, &mut kept.operation).is_none() {
            continue;
        }
        match answered.get(index) {
            Some(came) if came.kind() == kept.operation.kind() && came.path() == kept.operation.path() => {
                kept.operation = came.clone();
            }
            // Whatever was kept is not what came at this place: nobody sees it.
            _ => {
                if let Some((_, value)) = sealed(rules, &mut kept.operation) {
                    *value = Value::String(MASK.to_owned());
                }
            }
        }
    }
}
