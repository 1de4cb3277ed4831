//! Which claim has which form.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::form::Form;
use crate::request::Claim;

/// The settings of this action in a flow. A misspelt key is a fault, not a rule that silently never holds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    claims: BTreeMap<String, Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    form: Form,
    /// What an end user calls it.
    name: String,
    /// The only values that are taken, of those that have the form.
    #[serde(default)]
    only: Vec<String>,
}

/// What is wrong with a claim.
#[derive(Debug)]
pub struct Complaint<'a> {
    /// Which, for the log.
    pub uri: &'a str,
    /// What to do, for the end user. Nothing of the value is in it.
    pub words: String,
}

impl Rules {
    /// Reads `config`.
    pub fn parse(config: &str) -> Result<Self, String> {
        serde_json::from_str(config).map_err(|error| format!("`config` of the action: {error}"))
    }

    /// What is wrong with new values, in their order.
    pub fn complaints<'a>(&self, claims: &'a [Claim], today: i64) -> Vec<Complaint<'a>> {
        let complaint = |claim: &'a Claim| {
            let rule = self.claims.get(&claim.uri)?;
            let words = format!("Your {} {}", rule.name, rule.form.advice());
            (!rule.takes(&claim.value, today)).then_some(Complaint { uri: &claim.uri, words })
        };
        claims.iter().filter_map(complaint).collect()
    }
}

impl Rule {
    fn takes(&self, value: &Value, today: i64) -> bool {
        let takes_text = |text: &str| {
            text.is_empty()
                || self.form.takes(text, today) && (self.only.is_empty() || self.only.iter().any(|it| it == text))
        };
        match value {
            Value::Null => true,
            Value::String(text) => takes_text(text),
            Value::Array(items) => items.iter().all(|item| item.as_str().is_some_and(takes_text)),
            Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CONFIG: &str = r#"{"claims": {
        "phone": {"form": "phone", "name": "mobile number"},
        "country": {"form": "country", "name": "country", "only": ["CH", "SE"]},
        "dob": {"form": "date", "name": "date of birth"}
    }}"#;

    fn complaints(uri: &str, value: Value) -> Vec<String> {
        let claims = [Claim { uri: uri.to_owned(), value }];
        Rules::parse(CONFIG).unwrap().complaints(&claims, 20_779).into_iter().map(|it| it.words).collect()
    }

    #[test]
    fn each_claim_has_its_own_form() {
        assert_eq!(complaints("phone", json!("+41790000000")), [""; 0]);
        let said = complaints("phone", json!("079 000 00 00"));
        assert_eq!(said, ["Your mobile number must begin with a plus sign and the code of its country."]);
        assert_eq!(complaints("country", json!("CH")), [""; 0]);
        assert_eq!(complaints("country", json!("NO")).len(), 1);
        assert_eq!(complaints("dob", json!("2027-01-01")).len(), 1);
        assert_eq!(complaints("nickname", json!("whatever")), [""; 0]);
    }

    #[test]
    fn every_value_of_a_list_must_fit_and_emptying_is_always_taken() {
        assert_eq!(complaints("phone", json!(["+41790000000", "+46700000000"])), [""; 0]);
        assert_eq!(complaints("phone", json!(["+41790000000", "070"])).len(), 1);
        for empty in [json!(""), json!(null), json!([])] {
            assert_eq!(complaints("dob", empty), [""; 0]);
        }
        for odd in [json!(7), json!(true), json!({ "a": 1 }), json!([7])] {
            assert_eq!(complaints("dob", odd).len(), 1);
        }
    }

    #[test]
    fn what_is_said_has_plain_letters_and_marks_only_and_no_value() {
        for uri in ["phone", "country", "dob"] {
            let [said] = complaints(uri, json!("secret")).try_into().unwrap();
            assert!(said.chars().all(|it| it.is_ascii_alphanumeric() || " -_.!?;:'()[]".contains(it)), "{said}");
            assert!(!said.contains("secret"), "{said}");
        }
    }

    #[test]
    fn what_is_wrong_with_the_settings_is_named() {
        for (config, words) in [
            ("null", "expected struct Rules"),
            (r#"{"claims": {"a": {"form": "email", "name": "a"}}}"#, "unknown variant `email`"),
            (r#"{"claims": {"a": {"form": "date"}}}"#, "missing field `name`"),
        ] {
            let error = Rules::parse(config).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
