//! The token that is about to be issued: `{ "accessToken": { "scopes": […], "claims": [{ "name", "value" }] } }`.

use serde::Deserialize;
use serde_json::Value;

/// What this action looks at.
#[derive(Debug)]
pub struct Token {
    /// In their order: operations speak of them by index.
    pub scopes: Vec<String>,
    /// The lifetime in seconds, where the event has it.
    pub expires_in: Option<u64>,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "accessToken")]
    access_token: AccessToken,
}

#[derive(Deserialize)]
struct AccessToken {
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    claims: Vec<Claim>,
}

#[derive(Deserialize)]
struct Claim {
    name: String,
    value: Value,
}

impl Token {
    /// Reads the event. The error leaves out what serde_json says: that would quote the token.
    pub fn parse(payload: &str) -> Result<Self, String> {
        let payload: Payload = serde_json::from_str(payload).map_err(|_| {
            "the event needs `accessToken` with `scopes` (texts) and `claims` (`name` and `value`)".to_owned()
        })?;
        let AccessToken { scopes, claims } = payload.access_token;
        let lifetime = claims.iter().find(|claim| claim.name == "expires_in");
        Ok(Self { scopes, expires_in: lifetime.and_then(|claim| seconds(&claim.value)) })
    }
}

/// Some write the number as a text.
fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_may_be_a_number_or_a_text() {
        for value in ["3600", "\"3600\""] {
            let event = format!(
                r#"{{"accessToken": {{"scopes": ["a"], "claims": [{{"name": "aud", "value": ["x"]}}, {{"name": "expires_in", "value": {value}}}]}}}}"#
            );
            let token = Token::parse(&event).unwrap();
            assert_eq!((token.scopes.as_slice(), token.expires_in), (["a".to_owned()].as_slice(), Some(3600)));
        }
    }

    #[test]
    fn an_event_of_another_shape_is_not_quoted() {
        for event in ["null", "{", r#"{"accessToken": "secret"}"#, r#"{"accessToken": {"scopes": "secret"}}"#] {
            let error = Token::parse(event).unwrap_err();
            assert!(error.contains("`accessToken`") && !error.contains("secret"), "{error}");
        }
    }
}
