//! Operations whose values came encrypted. One that did not, or does not decrypt, refuses the whole answer in
//! every profile: somebody who could not read the rules should not write by them.

use serde_json::Value;
use tokio::time::timeout;

use super::Acting;
use crate::action::{ActionAnswer, NotApplied, Operation, Path, Segment, refuse_operations};
use crate::flow::EncryptionRules;
use crate::ports::EncryptionError;
use crate::run::ActionRecord;
use crate::sensitive::MASK;

/// Most encrypted values of one answer: each one is an operation of the private key.
const VALUES_MAX: usize = 50;

const TOO_MANY: &str = "action.encrypted-values";

/// The operations with their plaintext, or which of them refuses them all.
pub(super) async fn unseal(acting: &Acting<'_>, mut operations: Vec<Operation>) -> Result<Vec<Operation>, NotApplied> {
    let Some(rules) = &acting.set_up.encryption else { return Ok(operations) };
    let mut refused = too_many(rules, &mut operations);
    for (index, operation) in operations.iter_mut().enumerate() {
        if refused.is_some() {
            break;
        }
        let Some((path, value)) = sealed(rules, operation) else { continue };
        let is_list = value.is_array();
        match open(acting, rules, path, value).await {
            Ok(plain) if is_list => *value = plain.split(',').map(Value::from).collect(),
            Ok(plain) => *value = Value::String(plain),
            Err(EncryptionError { code, message }) => {
                let path: String = path.chars().take(200).collect();
                refused = Some((index, code, format!("`{path}`: {message}")));
            }
        }
    }
    match refused {
        None => Ok(operations),
        Some((index, code, reason)) => Err(refuse_operations(&operations, index, code, reason)),
    }
}

/// The operation that asks for a decryption more than anybody needs, with code and reason: found before the first one is
/// made.
fn too_many(rules: &EncryptionRules, operations: &mut [Operation]) -> Option<(usize, &'static str, String)> {
    let mut paths: Vec<Path> = Vec::new();
    let mut values = 0;
    for (index, operation) in operations.iter_mut().enumerate() {
        let Some((path, _)) = sealed(rules, operation) else { continue };
        values += 1;
        if values > VALUES_MAX {
            let reason = format!("the answer has more than {VALUES_MAX} encrypted values; encrypt fewer");
            return Some((index, TOO_MANY, reason));
        }
        let Ok(path) = path.trim_end_matches('/').parse::<Path>() else { continue };
        // `-` is another place each time.
        if path.segments().last() == Some(&Segment::Name("-".to_owned())) {
            continue;
        }
        if paths.iter().any(|before| before.segments() == path.segments()) {
            let shown: String = path.as_str().chars().take(200).collect();
            return Some((index, TOO_MANY, format!("it is the second encrypted value for `{shown}`; send one")));
        }
        paths.push(path);
    }
    None
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

/// The plaintext of a value.
async fn open(
    acting: &Acting<'_>,
    rules: &EncryptionRules,
    path: &str,
    value: &Value,
) -> Result<String, EncryptionError> {
    let refused = |code, why: &str| EncryptionError { code, message: why.to_owned() };
    let compact = compact(acting, path, value).map_err(|why| refused("action.not-encrypted", why))?;
    let Some(key) = &rules.key else {
        let why = "`encryption` names no `key` to decrypt with; name a stored TLS identity";
        return Err(refused("action.no-private-key", why));
    };
    let attempt = acting.attempt;
    let late = || refused("run.deadline", "the time of the run was over before the answer was decrypted");
    let opening = async {
        let budget = attempt.budget();
        if budget.is_zero() {
            return Err(late());
        }
        let opened = timeout(budget, attempt.ports.encryption.decrypt(&attempt.run.tenant, key, compact)).await;
        let plain = opened.map_err(|_| late())??;
        String::from_utf8(plain).map_err(|_| refused("action.not-decrypted", "what it holds is no text"))
    };
    attempt.outside.given("decrypt", opening).await
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
