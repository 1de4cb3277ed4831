//! What of an action's event travels encrypted, and how a new password is shared (A-12).

use std::cmp::Reverse;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Acting;
use crate::action::{Hop, MissingCertificate, Path, Unclear, counted, find, hops, remove, shown_at};
use crate::engine::Trouble;
use crate::flow::{EncryptionRules, Sharing};
use crate::run::StepError;
use crate::step::step_error;

/// Where a new password stands in the envelope's event, in every type that hands one on.
const PASSWORD: [&str; 2] = ["user", "updatingCredential"];
/// What holds credentials, by name.
const CREDENTIALS: &str = "credentials";

/// A part of the event that is encrypted.
struct Part {
    place: Vec<Hop>,
    /// For people.
    path: String,
    /// A credential or password: never left out in silence.
    is_credential: bool,
}

/// The event with everything encrypted that the action's owner says, whoever serves the action.
pub(super) async fn seal(acting: &Acting<'_>, mut payload: Value) -> Result<Value, Trouble> {
    share_password(&mut payload, acting.set_up.sharing);
    let Some(rules) = &acting.set_up.encryption else { return Ok(payload) };
    refuse_moved(acting, rules, &mut payload)?;
    for part in parts(acting, rules) {
        if part.is_credential {
            type_credential(&mut payload, &part).map_err(|Unclear| unclear(&part.path))?;
        }
        seal_part(acting, rules, &mut payload, &part).await?;
    }
    Ok(payload)
}

/// A password is encrypted wherever there is a certificate, listed or not.
fn parts(acting: &Acting<'_>, rules: &EncryptionRules) -> Vec<Part> {
    let password: Vec<Hop> = PASSWORD.map(|name| Hop::Member(name.to_owned())).into();
    let mut parts: Vec<Part> = Vec::new();
    for path in &rules.event {
        for place in shown_at(acting.kind, path) {
            let is_credential = place == password || is_in_credentials(&place);
            parts.push(Part { place, path: path.to_string(), is_credential });
        }
    }
    if rules.certificate.is_some() {
        parts.push(Part { place: password, path: format!("/{}", PASSWORD.join("/")), is_credential: true });
    }
    // The inner one first: what holds it is encrypted as a whole then. Each one once. The last elements of a list first,
    // and those with a name after them: what is left out moves what comes behind it.
    let order = |part: &Part| match part.place.last() {
        Some(Hop::Member(name)) => name.parse::<usize>().map_or(Reverse(None), |index| Reverse(Some(index))),
        _ => Reverse(None),
    };
    let inner = |part: &Part| Reverse(part.place.len());
    parts.sort_by(|one, other| (inner(one), order(one), &one.path).cmp(&(inner(other), order(other), &other.path)));
    let mut seen: Vec<Vec<Hop>> = Vec::new();
    parts.retain(|part| {
        let is_new = !seen.contains(&part.place);
        seen.push(part.place.clone());
        is_new
    });
    parts
}

fn is_in_credentials(place: &[Hop]) -> bool {
    place.iter().any(|hop| matches!(hop, Hop::Member(name) if name == CREDENTIALS))
}

async fn seal_part(
    acting: &Acting<'_>,
    rules: &EncryptionRules,
    payload: &mut Value,
    part: &Part,
) -> Result<(), Trouble> {
    // Of a claim its URI stays, and everything that is said of its value is encrypted.
    let key = match part.place.last() {
        Some(Hop::Element { key, .. }) => Some(key.as_str()),
        _ => None,
    };
    let mut left_out = false;
    for found in find(payload, &part.place).map_err(|Unclear| unclear(&part.path))? {
        let values: Vec<&mut Value> = match (key, found) {
            (Some(key), Value::Object(claim)) => {
                claim.iter_mut().filter(|(name, _)| *name != key).map(|(_, value)| value).collect()
            }
            (_, value) => vec![value],
        };
        for value in values.into_iter().filter(|value| !value.is_null()) {
            match encrypt(acting, rules, part, value).await? {
                Some(compact) => *value = Value::String(compact),
                None => left_out = true,
            }
        }
    }
    if left_out {
        remove(payload, &part.place).map_err(|Unclear| unclear(&part.path))?;
        let message = format!(
            "`{}` is left out of what the action sees: it is to be encrypted, and there is no certificate for it",
            part.path
        );
        acting.attempt.diagnostics.left_out(&acting.kind.name, message);
    }
    Ok(())
}

/// An index is one of the run's event. Where the action sees fewer elements of a list, it would mean another one.
fn refuse_moved(acting: &Acting<'_>, rules: &EncryptionRules, payload: &mut Value) -> Result<(), Trouble> {
    let is_counted = |path: &&Path| hops(path).iter().any(is_index);
    let mut event: Option<Value> = None;
    for path in rules.event.iter().filter(is_counted) {
        let event = event.get_or_insert_with(|| acting.before.clone());
        let there = counted(event, &hops(path));
        for place in shown_at(acting.kind, path) {
            let shown = counted(payload, &place);
            if !shown.is_empty() && shown != there {
                return Err(unclear(&path.to_string()).into());
            }
        }
    }
    Ok(())
}

fn is_index(hop: &Hop) -> bool {
    matches!(hop, Hop::Member(name) if name.parse::<usize>().is_ok())
}

/// What cannot be told from the rest must not go out: it might be what is to be encrypted.
fn unclear(path: &str) -> StepError {
    let message = format!(
        "it cannot be said what `{path}` of `encryption` is in the event, so the action is not asked; name what the event \
         has there, and an element of a list by a filter, as in `claims[uri=…]`"
    );
    step_error("action.encryption-path", message)
}

/// The compact text; `None` where there is no certificate and the part may be left out.
async fn encrypt(
    acting: &Acting<'_>,
    rules: &EncryptionRules,
    part: &Part,
    value: &Value,
) -> Result<Option<String>, Trouble> {
    let may_be_left_out =
        !part.is_credential && acting.set_up.profile.missing_certificate == MissingCertificate::LeaveOut;
    let refused = |code: &str, why: &str| {
        step_error(code, format!("`{}` of the event cannot be encrypted, so the action is not asked: {why}", part.path))
    };
    let Some(certificate) = &rules.certificate else {
        let why = "`encryption` names no `certificate`; name a stored TLS identity";
        return if may_be_left_out { Ok(None) } else { Err(refused("action.no-certificate", why).into()) };
    };
    let attempt = acting.attempt;
    let plaintext = plaintext(value);
    let encrypting = attempt.ports.encryption.encrypt(&attempt.run.tenant, certificate, plaintext.as_bytes());
    match attempt.outside.given("encrypt", encrypting).await {
        Ok(compact) => Ok(Some(compact)),
        Err(error) if error.code == "action.no-certificate" && may_be_left_out => Ok(None),
        Err(error) => Err(refused(error.code, &error.message).into()),
    }
}

/// Text as it is, several texts joined with commas, everything else as JSON.
fn plaintext(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
        }
        other => other.to_string(),
    }
}

/// A bare credential travels as an object that says what it is.
fn type_credential(payload: &mut Value, part: &Part) -> Result<(), Unclear> {
    if is_in_credentials(&part.place) {
        for value in find(payload, &part.place)?.into_iter().filter(|value| value.is_string()) {
            *value = json!({ "type": "PLAIN_TEXT", "value": value.take() });
        }
    }
    Ok(())
}

/// Gives a new password the form in which its owner shares it.
fn share_password(payload: &mut Value, sharing: Sharing) {
    let Some(credential) = payload.get_mut(PASSWORD[0]).and_then(|user| user.get_mut(PASSWORD[1])) else { return };
    let is_plain = |format: Option<&Value>| format.is_none_or(|format| format == "PLAIN_TEXT");
    let password = match credential {
        Value::String(password) => password.clone(),
        Value::Object(typed) if is_plain(typed.get("format")) => match typed.get("value").and_then(Value::as_str) {
            Some(password) => password.to_owned(),
            None => return,
        },
        _ => return,
    };
    *credential = match sharing {
        Sharing::PlainText => json!({ "type": "PASSWORD", "format": "PLAIN_TEXT", "value": password }),
        Sharing::Sha256Hashed => json!({
            "type": "PASSWORD",
            "format": "HASH",
            "value": BASE64_STANDARD.encode(Sha256::digest(password.as_bytes())),
            "additionalData": { "algorithm": "SHA256" },
        }),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_shared_as_its_owner_says() {
        for given in [json!("password"), json!({"type": "PASSWORD", "format": "PLAIN_TEXT", "value": "password"})] {
            let mut plain = json!({"user": {"updatingCredential": given}});
            let mut hashed = plain.clone();
            share_password(&mut plain, Sharing::PlainText);
            let expected = json!({"type": "PASSWORD", "format": "PLAIN_TEXT", "value": "password"});
            assert_eq!(plain.pointer("/user/updatingCredential"), Some(&expected));
            share_password(&mut hashed, Sharing::Sha256Hashed);
            // printf password | openssl dgst -sha256 -binary | base64
            let expected = json!({
                "type": "PASSWORD", "format": "HASH", "additionalData": {"algorithm": "SHA256"},
                "value": "XohImNooBHFR0OVvjcYpJ3NgPQ1qq73WKhHvch0VQtg=",
            });
            assert_eq!(hashed.pointer("/user/updatingCredential"), Some(&expected));
            let once = hashed.clone();
            share_password(&mut hashed, Sharing::Sha256Hashed);
            assert_eq!(hashed, once, "a hash is not hashed again");
        }
    }

    #[test]
    fn plaintexts() {
        assert_eq!(plaintext(&json!("gold")), "gold");
        assert_eq!(plaintext(&json!(["chess", "tea"])), "chess,tea");
        assert_eq!(plaintext(&json!({"a": 1})), r#"{"a":1}"#);
        assert_eq!(plaintext(&json!(["a", 1])), r#"["a",1]"#);
    }
}
