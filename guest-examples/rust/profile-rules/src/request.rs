//! What is to be changed: `{ "request": { "claims": [{ "uri", "value" }] } }`. What was asked for stands there; a
//! claim of the user may say so too, as `updatingValue`.

use serde_json::Value;

/// A claim and its new value.
#[derive(Debug, PartialEq)]
pub struct Claim {
    /// Which.
    pub uri: String,
    /// Its new value: a text, a list of texts, or whatever else came.
    pub value: Value,
}

/// The claims that are to change.
pub fn claims(payload: &str) -> Result<Vec<Claim>, String> {
    let payload: Value = serde_json::from_str(payload)
        .map_err(|error| format!("the event is no JSON (line {}, column {})", error.line(), error.column()))?;
    let list = |place: &str| payload.pointer(place).and_then(Value::as_array).into_iter().flatten();
    let claim = |entry: &Value, member: &str| {
        let uri = entry.get("uri")?.as_str()?.to_owned();
        Some(Claim { uri, value: entry.get(member)?.clone() })
    };
    let mut claims: Vec<Claim> = list("/request/claims").filter_map(|entry| claim(entry, "value")).collect();
    for updating in list("/user/claims").filter_map(|entry| claim(entry, "updatingValue")) {
        if claims.iter().all(|claim| claim.uri != updating.uri) {
            claims.push(updating);
        }
    }
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(event: Value) -> Vec<(String, Value)> {
        claims(&event.to_string()).unwrap().into_iter().map(|claim| (claim.uri, claim.value)).collect()
    }

    #[test]
    fn what_is_asked_for_counts_and_what_the_user_has_does_not() {
        let event = json!({
            "request": { "claims": [{ "uri": "a", "value": "new" }, { "uri": "b", "value": ["1", "2"] }, { "uri": 7 }] },
            "user": { "claims": [
                { "uri": "a", "value": "old", "updatingValue": "new" },
                { "uri": "c", "value": "old", "updatingValue": "newer" },
                { "uri": "d", "value": "old" },
            ] },
        });
        let expected = [("a", json!("new")), ("b", json!(["1", "2"])), ("c", json!("newer"))];
        assert_eq!(read(event), expected.map(|(uri, value)| (uri.to_owned(), value)));
    }

    #[test]
    fn an_event_without_claims_has_none() {
        for event in [json!(null), json!({}), json!({ "request": { "claims": {} } })] {
            assert_eq!(read(event), []);
        }
        assert!(claims("{").is_err());
    }
}
