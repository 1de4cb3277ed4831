//! A list of `{uri, value}`.

use serde_json::{Value, json};

use super::super::operation::OperationKind;
use super::super::path::Token;
use super::super::profile::{ListValues, NullValue};
use super::perform::{Change, Outcome};

pub(super) fn change(node: &mut Value, change: Change<'_>) -> Outcome {
    let (&[Token::Where { key: "uri", value: uri }], false) = (change.rest, change.ends_with_slash) else {
        return Err("a claim is written `[uri=…]`".to_owned());
    };
    check_uri(uri, change)?;
    if node.is_null() {
        *node = json!([]);
    }
    let Value::Array(claims) = node else {
        return Err("what is there is no list of claims".to_owned());
    };
    let at = claims.iter().position(|claim| claim.get("uri").and_then(Value::as_str) == Some(uri));
    if change.kind == OperationKind::Remove {
        claims.remove(at.ok_or("there is no such claim")?);
        return Ok(());
    }
    if at.is_some() && change.kind == OperationKind::Add {
        return Err("there is such a claim already; use `replace`".to_owned());
    }
    let value = claim_value(uri, change)?;
    match at.and_then(|at| claims.get_mut(at)).and_then(Value::as_object_mut) {
        Some(claim) => {
            claim.insert("value".to_owned(), value);
        }
        None => claims.push(json!({ "uri": uri, "value": value })),
    }
    Ok(())
}

fn check_uri(uri: &str, change: Change<'_>) -> Outcome {
    let rules = change.claims;
    if let Some(dialect) = rules.dialect.as_ref().filter(|dialect| !uri.starts_with(dialect.as_str())) {
        return Err(format!("only claims that begin with `{dialect}` can be changed"));
    }
    if let Some(refused) = rules.refused.iter().find(|refused| uri.starts_with(refused.as_str())) {
        return Err(format!("claims that begin with `{refused}` cannot be changed"));
    }
    match &rules.known {
        Some(known) if !known.contains_key(uri) => Err("there is no such claim in the catalogue".to_owned()),
        _ => Ok(()),
    }
}

/// The value as it is kept. Without a catalogue a claim has the number of values that it is given.
fn claim_value(uri: &str, change: Change<'_>) -> Result<Value, String> {
    let multi_valued = change.claims.known.as_ref().and_then(|known| known.get(uri)).map(|entry| entry.multi_valued);
    let value = change.as_text(change.wanted_or_empty()?);
    match (value, multi_valued) {
        // What empties a claim empties one of many values, too.
        (Value::String(text), Some(true)) if text.is_empty() && change.profile.null_value == NullValue::Empty => {
            Ok(kept(Vec::new(), change.profile.list_values))
        }
        (Value::String(_), Some(true)) => Err("the claim has a list of values; give a list of texts".to_owned()),
        (Value::String(text), _) => Ok(Value::String(text)),
        (Value::Array(_), Some(false)) => Err("the claim has a single value; give a text".to_owned()),
        (Value::Array(items), _) => {
            let items: Vec<Value> = items.into_iter().map(|item| change.as_text(item)).collect();
            if items.iter().all(Value::is_string) {
                Ok(kept(items, change.profile.list_values))
            } else {
                Err("the values of a claim are texts".to_owned())
            }
        }
        _ => Err("the value must be a text or a list of texts".to_owned()),
    }
}

fn kept(items: Vec<Value>, list_values: ListValues) -> Value {
    match list_values {
        ListValues::List => Value::Array(items),
        ListValues::Joined => {
            let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            Value::String(texts.join(","))
        }
    }
}
