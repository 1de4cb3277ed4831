//! What is kept, and for how long.

use serde::Deserialize;

/// The settings of this action in a flow. A misspelt key is a fault, not a limit that silently never holds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Scopes that are kept.
    #[serde(default)]
    keep: Vec<String>,
    /// The longest lifetime, in seconds.
    #[serde(default)]
    expires_in_max: Option<u64>,
    /// What becomes of a token that would have no scope any more.
    #[serde(default)]
    pub when_none_is_left: WhenNoneIsLeft,
}

/// What becomes of a token that would have no scope any more.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenNoneIsLeft {
    /// None is issued.
    #[default]
    Refuse,
    /// It is issued without scopes.
    Issue,
}

impl Limits {
    /// Reads `config`; `null` means that the step has none: then nothing is kept.
    pub fn parse(config: &str) -> Result<Self, String> {
        let config = if config.trim() == "null" { "{}" } else { config };
        serde_json::from_str(config).map_err(|error| format!("`config` of the action: {error}"))
    }

    /// Whether a scope is on the list.
    pub fn keeps(&self, scope: &str) -> bool {
        self.keep.iter().any(|kept| match kept.strip_suffix('*') {
            Some(beginning) => scope.starts_with(beginning),
            None => scope == kept,
        })
    }

    /// The longest lifetime, where this one is longer.
    pub fn shorter(&self, expires_in: Option<u64>) -> Option<u64> {
        self.expires_in_max.filter(|max| expires_in.is_some_and(|seconds| seconds > *max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_at_the_end_stands_for_any_ending() {
        let limits = Limits::parse(r#"{"keep": ["openid", "read:*"]}"#).unwrap();
        for (scope, kept) in [
            ("openid", true),
            ("open", false),
            ("openid2", false),
            ("read:", true),
            ("read:a", true),
            ("Read:a", false),
        ] {
            assert_eq!(limits.keeps(scope), kept, "{scope}");
        }
    }

    #[test]
    fn no_settings_keep_nothing() {
        assert!(!Limits::parse("null").unwrap().keeps("openid"));
    }

    #[test]
    fn a_misspelt_setting_is_named() {
        let error = Limits::parse(r#"{"keeps": []}"#).unwrap_err();
        assert!(error.contains("unknown field `keeps`"), "{error}");
    }
}
