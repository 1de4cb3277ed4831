//! Who gets which tier.

use serde::Deserialize;

/// The settings of this action in a flow. A misspelt key is a fault, not a rule that silently never holds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// In years; younger users are refused. 0, the default, refuses nobody.
    #[serde(default)]
    pub minimum_age: u64,
    /// The first that fits is the user's.
    #[serde(default)]
    pub tiers: Vec<Tier>,
    /// The tier of those whom none fits.
    #[serde(default = "standard")]
    pub otherwise: String,
    /// The claim that holds the tier.
    #[serde(default = "tier_claim")]
    pub claim: String,
}

/// One tier and whom it fits.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    name: String,
    #[serde(default)]
    minimum_age: u64,
    /// Countries of this tier; without any, it fits all.
    #[serde(default)]
    countries: Vec<String>,
}

/// Who asks: the part of the run's context that the step selects with `input`.
#[derive(Debug, Deserialize)]
pub struct Applicant {
    age: u64,
    #[serde(default)]
    country: Option<String>,
}

/// What the rules say.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// Under the minimum age.
    TooYoung,
    /// The name of the tier.
    Tier(&'a str),
}

impl Rules {
    /// Reads `config`; `null` means that the step has none.
    pub fn parse(config: &str) -> Result<Self, String> {
        let config = if config.trim() == "null" { "{}" } else { config };
        serde_json::from_str(config).map_err(|error| format!("`config` of the action: {error}"))
    }

    /// The verdict on one applicant.
    pub fn judge(&self, applicant: &Applicant) -> Verdict<'_> {
        if applicant.age < self.minimum_age {
            return Verdict::TooYoung;
        }
        let tier = self.tiers.iter().find(|tier| tier.fits(applicant));
        Verdict::Tier(tier.map_or(&self.otherwise, |tier| &tier.name))
    }
}

impl Tier {
    fn fits(&self, applicant: &Applicant) -> bool {
        let country_fits = self.countries.is_empty()
            || applicant.country.as_ref().is_some_and(|country| self.countries.contains(country));
        applicant.age >= self.minimum_age && country_fits
    }
}

impl Applicant {
    /// Reads `input`. The error leaves out what serde_json says: that would quote the user's data.
    pub fn parse(input: &str) -> Result<Self, String> {
        serde_json::from_str(input).map_err(|_| {
            "`input` of the step must be an object with `age` (a whole number of years) and, optionally, `country` (text)"
                .to_owned()
        })
    }
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

    const CONFIG: &str = r#"{
      "minimum_age": 18,
      "tiers": [
        { "name": "gold", "minimum_age": 30, "countries": ["Switzerland"] },
        { "name": "silver", "minimum_age": 21 }
      ],
      "otherwise": "bronze"
    }"#;

    fn check(age: u64, country: Option<&str>, expected: Verdict<'_>) {
        let rules = Rules::parse(CONFIG).unwrap();
        let applicant = Applicant { age, country: country.map(str::to_owned) };
        assert_eq!(rules.judge(&applicant), expected, "{age} {country:?}");
    }

    #[test]
    fn the_first_tier_that_fits_wins() {
        check(30, Some("Switzerland"), Verdict::Tier("gold"));
        check(29, Some("Switzerland"), Verdict::Tier("silver"));
        check(30, Some("Norway"), Verdict::Tier("silver"));
        check(30, None, Verdict::Tier("silver"));
        check(20, Some("Switzerland"), Verdict::Tier("bronze"));
    }

    #[test]
    fn the_minimum_age_is_met_on_the_birthday() {
        check(18, None, Verdict::Tier("bronze"));
        check(17, Some("Switzerland"), Verdict::TooYoung);
    }

    #[test]
    fn no_settings_give_everybody_the_standard_tier() {
        let rules = Rules::parse("null").unwrap();
        assert_eq!(rules.judge(&Applicant { age: 0, country: None }), Verdict::Tier("standard"));
    }

    #[test]
    fn a_misspelt_setting_is_named() {
        let error = Rules::parse(r#"{"minimum-age": 18}"#).unwrap_err();
        assert!(error.contains("unknown field `minimum-age`"), "{error}");
    }

    #[test]
    fn an_input_of_another_shape_is_not_quoted() {
        for input in ["null", "{", r#"{"age": "secret"}"#, r#"{"age": -1}"#, r#"{"country": "secret"}"#] {
            let error = Applicant::parse(input).unwrap_err();
            assert!(error.contains("`age`") && !error.contains("secret"), "{error}");
        }
    }
}
