//! What the flow's author wrote.

use serde::Deserialize;

/// The settings of this action in a flow. A misspelt key is a fault, not a rule that silently never holds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    #[serde(default = "score")]
    function: String,
    #[serde(default)]
    tiers: Vec<Tier>,
    #[serde(default = "standard")]
    otherwise: String,
    #[serde(default)]
    refuse_above: Option<f64>,
    #[serde(default)]
    when_unavailable: WhenUnavailable,
    /// The claim that holds the tier.
    #[serde(default = "tier_claim")]
    pub tier_claim: String,
    /// The claim that holds the score.
    #[serde(default)]
    pub risk_claim: Option<String>,
}

/// One tier and whom it fits.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tier {
    name: String,
    score_max: f64,
}

/// What becomes of a user without a score.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WhenUnavailable {
    /// The step ends in an error.
    #[default]
    Error,
    /// This is the user's tier.
    Tier(String),
}

/// What a score comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// Too risky.
    Refused,
    /// The name of the tier.
    Tier(&'a str),
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

    /// The verdict on a score.
    pub fn judge(&self, score: f64) -> Verdict<'_> {
        if self.refuse_above.is_some_and(|limit| score > limit) {
            return Verdict::Refused;
        }
        let tier = self.tiers.iter().find(|tier| score <= tier.score_max);
        Verdict::Tier(tier.map_or(&self.otherwise, |tier| &tier.name))
    }

    /// The tier of a user without a score, where there is one.
    pub fn without_score(&self) -> Option<&str> {
        match &self.when_unavailable {
            WhenUnavailable::Error => None,
            WhenUnavailable::Tier(tier) => Some(tier),
        }
    }
}

fn score() -> String {
    "risk.score".to_owned()
}

fn standard() -> String {
    "standard".to_owned()
}

fn tier_claim() -> String {
    "http://wso2.org/claims/tier".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_has_its_default() {
        let settings = Settings::parse("null").unwrap();
        assert_eq!(settings.function(), ("risk", "score"));
        assert_eq!(settings.judge(100.0), Verdict::Tier("standard"));
        assert_eq!(settings.without_score(), None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (config, words) in [
            (r#"{"refuse-above": 3}"#, "unknown field `refuse-above`"),
            (r#"{"when_unavailable": "bronze"}"#, "unknown variant `bronze`"),
            (r#"{"function": "score"}"#, "CONNECTOR.FUNCTION"),
        ] {
            let error = Settings::parse(config).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
