//! The hook's settings, as the flow's author wrote them.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The `config` of this hook in a flow. A misspelt key is a fault, not a setting that silently does nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Query parameters: name to place in `input`. In order of names, so that the URI is always the same.
    pub query: BTreeMap<String, String>,
    /// Places in `input` that the correlation id is computed from.
    pub correlate: Vec<String>,
    /// What is dropped from the body.
    pub drop: Vec<String>,
    /// Where `input` says that the user consents; without it nobody is asked.
    pub consent: Option<String>,
}

impl Settings {
    /// Reads `config`; `null` means that the step has none.
    pub fn parse(config: &str) -> Result<Self, String> {
        let settings: Option<Self> =
            serde_json::from_str(config).map_err(|error| format!("`config` of the hook: {error}"))?;
        Ok(settings.unwrap_or_default())
    }

    /// Only a plain `true` is consent.
    pub fn has_consent(&self, input: &Value) -> bool {
        self.consent.as_ref().is_none_or(|place| input.pointer(place) == Some(&Value::Bool(true)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn no_settings_are_fine_and_unknown_ones_are_named() {
        assert!(Settings::parse("null").unwrap().drop.is_empty());
        let error = Settings::parse(r#"{"dorp": ["email"]}"#).unwrap_err();
        assert!(error.contains("unknown field `dorp`"), "{error}");
    }

    #[test]
    fn nothing_but_true_is_consent() {
        let settings = Settings::parse(r#"{"consent": "/user/consent"}"#).unwrap();
        assert!(settings.has_consent(&json!({ "user": { "consent": true } })));
        for input in [json!(null), json!({}), json!({ "user": { "consent": "true" } })] {
            assert!(!settings.has_consent(&input), "{input}");
        }
        assert!(Settings::default().has_consent(&Value::Null));
    }
}
