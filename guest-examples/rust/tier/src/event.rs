//! The event that a `FLOW_EXTENSION` hands over: `{ "flow": { "flowType", "flowId", "user": { "claims": […] } } }`.

use serde_json::Value;

/// The text of one of the user's claims; nothing where the user does not have it, or it is no single text.
pub fn claim(payload: &str, uri: &str) -> Result<Option<String>, String> {
    let payload: Value = serde_json::from_str(payload)
        .map_err(|error| format!("the event is no JSON (line {}, column {})", error.line(), error.column()))?;
    let claims = payload.pointer("/flow/user/claims").and_then(Value::as_array);
    let claim = claims.and_then(|claims| claims.iter().find(|claim| claim.get("uri").is_some_and(|it| it == uri)));
    Ok(claim.and_then(|claim| claim.get("value")).and_then(Value::as_str).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_found_by_its_uri() {
        let event = r#"{"flow": {"user": {"claims": [{"uri": "a", "value": "1"}, {"uri": "b", "value": ["2"]}, 7]}}}"#;
        assert_eq!(claim(event, "a").unwrap().as_deref(), Some("1"));
        assert_eq!(claim(event, "b").unwrap(), None);
        assert_eq!(claim(event, "c").unwrap(), None);
    }

    #[test]
    fn an_event_without_claims_has_none() {
        for event in ["null", "{}", r#"{"flow": {"user": {"claims": {}}}}"#] {
            assert_eq!(claim(event, "a").unwrap(), None, "{event}");
        }
    }
}
