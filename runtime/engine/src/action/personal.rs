//! Values of an event within texts that others wrote (A-12): a provider's words on its error may repeat what it was
//! told of a person, and they go to logs.

use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, MatchKind};
use serde_json::Value;

use crate::message::Response;
use crate::sensitive::MASK;

/// The shortest value that is looked for, in characters: shorter ones are found in every text.
const CHARS_MIN: usize = 4;

/// From so many characters on a value is masked also within a longer word.
const CHARS_ANYWHERE: usize = 8;

/// The longest part of a value that is looked for, in characters: whoever repeats more repeats its beginning.
const CHARS_MAX: usize = 64;

/// Most values that are looked for: what finds them takes memory for each of their letters. Of an event with more no
/// text is shown.
const VALUES_MAX: usize = 2_000;

/// What finds the values of an event in texts, whatever their case.
pub(crate) struct Personal {
    /// None where they are too many to be found: it is better to tell nothing than to tell it all.
    finders: Option<[AhoCorasick; 2]>,
}

impl Personal {
    /// For the values of that event.
    pub(crate) fn of(event: &Value) -> Self {
        let mut values = BTreeSet::new();
        collect(event, &mut values);
        if values.len() > VALUES_MAX {
            return Self { finders: None };
        }
        let (long, short): (Vec<String>, Vec<String>) =
            values.into_iter().partition(|value| value.chars().count() >= CHARS_ANYWHERE);
        let finder = |values: Vec<String>| {
            AhoCorasick::builder().ascii_case_insensitive(true).match_kind(MatchKind::LeftmostLongest).build(values)
        };
        Self { finders: finder(long).and_then(|long| Ok([long, finder(short)?])).ok() }
    }

    /// The text with every value in it masked; none where there is none of them.
    pub(crate) fn masked(&self, text: &str) -> Option<String> {
        if text.chars().count() < CHARS_MIN {
            return None;
        }
        let Some([long, short]) = &self.finders else { return Some(MASK.to_owned()) };
        let without_long = replaced(text, long, |_, _| true);
        let rest = without_long.as_deref().unwrap_or(text);
        let without_short = replaced(rest, short, |before, after| {
            !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric)
        });
        without_short.or(without_long)
    }

    /// Masks values in the text.
    pub(crate) fn mask(&self, text: &mut String) {
        if let Some(masked) = self.masked(text) {
            *text = masked;
        }
    }

    /// Masks values in all texts, numbers and names of members.
    pub(crate) fn mask_json(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.mask(text),
            Value::Number(number) => {
                if let Some(masked) = self.masked(&number.to_string()) {
                    *value = Value::String(masked);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.mask_json(item)),
            Value::Object(members) => {
                let masked = std::mem::take(members).into_iter().map(|(mut name, mut member)| {
                    self.mask(&mut name);
                    self.mask_json(&mut member);
                    (name, member)
                });
                *members = masked.collect();
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Masks values in headers and in a body of text, also where JSON writes them in another way.
    pub(crate) fn mask_response(&self, response: &mut Response) {
        for header in &mut response.headers {
            let masked = header.value.as_text().and_then(|text| self.masked(text));
            header.value = masked.map_or_else(|| std::mem::take(&mut header.value), Into::into);
        }
        let Some(mut text) = response.body.as_text().map(str::to_owned) else { return };
        if let Ok(before) = serde_json::from_str::<Value>(&text) {
            let mut after = before.clone();
            self.mask_json(&mut after);
            if after != before {
                text = after.to_string();
            }
        }
        self.mask(&mut text);
        response.body = text.into();
    }
}

/// The text with each of the values that may be taken out there masked; none where there is none.
fn replaced(text: &str, finder: &AhoCorasick, may_go: impl Fn(&str, &str) -> bool) -> Option<String> {
    let mut masked = String::with_capacity(text.len());
    let mut end = 0;
    for found in finder.find_iter(text) {
        let (before, after) = (text.get(..found.start()), text.get(found.end()..));
        if may_go(before.unwrap_or_default(), after.unwrap_or_default()) {
            masked.push_str(text.get(end..found.start()).unwrap_or_default());
            masked.push_str(MASK);
            end = found.end();
        }
    }
    if end == 0 {
        return None;
    }
    masked.push_str(text.get(end..).unwrap_or_default());
    Some(masked)
}

fn collect(value: &Value, values: &mut BTreeSet<String>) {
    if values.len() > VALUES_MAX {
        return;
    }
    match value {
        Value::String(text) => keep(text.trim(), values),
        Value::Number(number) => keep(&number.to_string(), values),
        Value::Array(items) => items.iter().for_each(|item| collect(item, values)),
        Value::Object(members) => {
            // A claim's name says nothing of a person.
            let named = members.iter().filter(|(name, _)| name.as_str() != "uri");
            named.for_each(|(_, member)| collect(member, values));
        }
        Value::Null | Value::Bool(_) => {}
    }
}

fn keep(text: &str, values: &mut BTreeSet<String>) {
    if text.chars().nth(CHARS_MIN - 1).is_some() {
        values.insert(text.chars().take(CHARS_MAX).collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn masked(text: &str, event: &Value) -> Option<String> {
        Personal::of(event).masked(text)
    }

    #[test]
    fn of_an_event_with_too_many_values_no_text_is_shown() {
        // covers A-12
        let values = |count: usize| Value::from_iter((0..count).map(|number| format!("value-{number:05}")));
        assert_eq!(masked("no value-01999 here", &values(VALUES_MAX)), Some("no *** here".to_owned()));
        assert_eq!(masked("no value-01999 here", &values(VALUES_MAX + 1)), Some(MASK.to_owned()));
        assert_eq!(masked("no Anna here", &json!([values(VALUES_MAX), { "z": "Anna" }])), Some(MASK.to_owned()));
    }

    #[test]
    fn values_are_masked_wherever_json_has_them() {
        // covers A-12
        let personal = Personal::of(&json!({ "name": "Zoë \"Z\" Roth", "phone": 41_790_000 }));
        let mut told = json!({ "zoë \"z\" roth": [41_790_000, 7], "b": "for Zoë \"Z\" Roth" });
        personal.mask_json(&mut told);
        assert_eq!(told, json!({ "***": ["***", 7], "b": "for ***" }));
        let escaped = r#"{"a":"Zo\u00eb \"Z\" Roth"}"#.to_owned();
        let mut response = Response { status: 200, headers: Vec::new(), body: escaped.into(), transformed_data: None };
        personal.mask_response(&mut response);
        assert_eq!(response.body.as_text(), Some(r#"{"a":"***"}"#));
    }

    #[test]
    fn values_of_the_event_are_masked_in_texts() {
        // covers A-12
        let event = json!({
            "user": {
                "name": "Anna",
                "id": "u1",
                "age": 41,
                "phone": 41_790_000,
                "claims": [{ "uri": "http://wso2.org/claims/mail", "value": "anna@example.org" }],
            },
        });
        let mask = |text: &str| masked(text, &event);
        assert_eq!(mask("no ANNA in line 41 of u1"), Some("no *** in line 41 of u1".to_owned()));
        assert_eq!(mask("Annapolis is no name"), None);
        assert_eq!(mask("to=xanna@example.orgx, tel 41790000"), Some("to=x***x, tel ***".to_owned()));
        assert_eq!(mask("http://wso2.org/claims/mail is missing"), None);
        assert_eq!(mask("no"), None);
        assert_eq!(masked("anything", &Value::Null), None);
        let long = "y".repeat(CHARS_MAX * 2);
        let masked_long = masked(&long, &json!([long])).expect("masked");
        assert!(masked_long.starts_with(MASK), "{masked_long}");
    }

    proptest::proptest! {
        #[test]
        fn no_long_value_is_left(value in "[a-zé]{8,20}", before in "[a-z ]{0,9}", after in "[a-z ]{0,9}") {
            let text = format!("{before}{value}{after}");
            let masked = masked(&text, &json!({ "a": value })).unwrap_or(text);
            proptest::prop_assert!(!masked.contains(&value));
        }
    }
}
