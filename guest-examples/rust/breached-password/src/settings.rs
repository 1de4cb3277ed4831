//! What the flow's author wrote.

use serde::Deserialize;

/// The settings of this action in a flow. A misspelt key is a fault, not a check that silently passes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    #[serde(default = "check")]
    function: String,
    /// What becomes of a password where the API gives no answer.
    #[serde(default)]
    pub when_unavailable: WhenUnavailable,
    /// What becomes of a password that cannot be looked up.
    #[serde(default)]
    pub when_unreadable: WhenUnreadable,
}

/// What becomes of a password where the API gives no answer.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenUnavailable {
    /// The user is asked to try later.
    #[default]
    Refuse,
    /// It goes through.
    Accept,
}

/// What becomes of a password that cannot be looked up.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenUnreadable {
    /// The step ends in an error: no user can mend it.
    #[default]
    Error,
    /// It goes through.
    Accept,
}

impl Settings {
    /// Reads `config`; `null` means that the step has none.
    pub fn parse(config: &str) -> Result<Self, String> {
        let config = if config.trim() == "null" { "{}" } else { config };
        let settings: Self =
            serde_json::from_str(config).map_err(|error| format!("`config` of the action: {error}"))?;
        match settings.function.split_once('.') {
            Some(_) => Ok(settings),
            None => Err("`config.function` of the action must be `CONNECTOR.FUNCTION`".to_owned()),
        }
    }

    /// The connector and its function.
    pub fn function(&self) -> (&str, &str) {
        self.function.split_once('.').unwrap_or_default()
    }
}

fn check() -> String {
    "passwords.check".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_has_its_default() {
        let settings = Settings::parse("null").unwrap();
        assert_eq!(settings.function(), ("passwords", "check"));
        assert!(matches!(settings.when_unavailable, WhenUnavailable::Refuse));
        assert!(matches!(settings.when_unreadable, WhenUnreadable::Error));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (config, words) in [
            (r#"{"when-unavailable": "accept"}"#, "unknown field `when-unavailable`"),
            (r#"{"when_unavailable": "maybe"}"#, "unknown variant `maybe`"),
            (r#"{"function": "check"}"#, "CONNECTOR.FUNCTION"),
        ] {
            let error = Settings::parse(config).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
