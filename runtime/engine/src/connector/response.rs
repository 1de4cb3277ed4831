//! What to make of a response (C-12 to C-15).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::flow::PluginRequirement;

/// What to make of a response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ResponseSettings {
    /// `json-object` by default.
    pub format: ResponseFormat,
    /// Whether a status outside `valid-statuses` makes the step fail. `true` by default.
    pub fail_on_invalid_status: bool,
    /// The statuses that are valid: `200-299` by default. A list of statuses and ranges, such as `200-299,404`.
    pub valid_statuses: StatusRanges,
    /// A JSON Schema that the parsed body of a response with a valid status must fulfil (C-14), before any hook sees
    /// it. At most 64 KiB; references lead within the schema only. Flows that read what it does not have are warned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// What makes `transformed_data` of a response with a valid status (C-15), after the schema and before the step's
    /// own `post-response` hooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transformation: Option<Transformation>,
}

impl Default for ResponseSettings {
    fn default() -> Self {
        Self {
            format: ResponseFormat::JsonObject,
            fail_on_invalid_status: true,
            valid_statuses: StatusRanges::default(),
            schema: None,
            transformation: None,
        }
    }
}

/// The formats of response bodies (C-13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ResponseFormat {
    /// The body is not read into the context.
    None,
    /// UTF-8 text. A body in another charset is an error.
    String,
    /// A JSON object.
    JsonObject,
    /// A JSON array.
    JsonArray,
    /// XML 1.0 in UTF-8, as JSON: an object with the root element's name as its only member.
    ///
    /// An element with neither attributes nor children is its text, `""` where it is empty. Any other element is an
    /// object: each attribute a member `@name`, each child a member `name`, children of one name a list in their
    /// order, text a member `#text`. Names are as written, prefixes and `@xmlns` attributes too.
    ///
    /// Text is as written, CDATA too, in one piece; beside children it is trimmed, and left out where nothing is
    /// left. Numbers and booleans are text. Comments and processing instructions are left out, and so is the order of
    /// children of different names.
    ///
    /// A `<!DOCTYPE` is refused, and so are references but `&amp;`, `&lt;`, `&gt;`, `&quot;`, `&apos;` and those to
    /// characters. `json-depth-max` bounds how deep elements nest.
    Xml,
}

/// What makes `transformed_data` of a response, and what it must look like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Transformation {
    /// A CEL expression over `response.status`, `response.headers`, `response.body`, `response.elapsed_ms` and `args`.
    /// The body is null where the format is `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// A plugin whose `post-response` hook does it; this or `expression`. It gets `config`, no `input` and no grants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<PluginRequirement>,
    /// The plugin's settings here.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub config: Value,
    /// A JSON Schema that `transformed_data` of a response with a valid status must fulfil after the last hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
}

/// Statuses and ranges of them, such as `200-299,404`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StatusRanges(Vec<(u16, u16)>);

impl StatusRanges {
    /// Whether the status is one of them.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|&(first, last)| (first..=last).contains(&status))
    }
}

impl Default for StatusRanges {
    fn default() -> Self {
        Self(vec![(200, 299)])
    }
}

/// Why a text is no list of statuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a list of statuses; write statuses from 100 to 599 and ranges of them, such as `200-299,404`")]
pub struct InvalidStatusRanges(String);

impl TryFrom<String> for StatusRanges {
    type Error = InvalidStatusRanges;

    fn try_from(text: String) -> Result<Self, InvalidStatusRanges> {
        let status = |text: &str| {
            let digits = text.trim();
            let is_number = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|status| is_number && (100..=599).contains(status))
        };
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (status(first)?, status(last)?);
            (first <= last).then_some((first, last))
        };
        let ranges: Option<Vec<_>> = text.split(',').map(range).collect();
        ranges.map(Self).ok_or_else(|| InvalidStatusRanges(text.chars().take(80).collect()))
    }
}

impl From<StatusRanges> for String {
    fn from(ranges: StatusRanges) -> Self {
        let part = |(first, last): (u16, u16)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        };
        ranges.0.into_iter().map(part).collect::<Vec<_>>().join(",")
    }
}

impl schemars::JsonSchema for StatusRanges {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StatusRanges".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let pattern = r"^ *[1-5][0-9]{2} *(- *[1-5][0-9]{2} *)?(, *[1-5][0-9]{2} *(- *[1-5][0-9]{2} *)?)*$";
        match json!({ "type": "string", "pattern": pattern }) {
            Value::Object(schema) => schema.into(),
            _ => schemars::Schema::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        // covers C-12
        let ranges = |text: &str| StatusRanges::try_from(text.to_owned());
        let some = ranges("200-299, 404").unwrap();
        for (status, valid) in [(199, false), (200, true), (299, true), (300, false), (404, true), (405, false)] {
            assert_eq!(some.contains(status), valid, "{status}");
        }
        assert_eq!(String::from(some), "200-299,404");
        for faulty in ["", "20", "2000", "299-200", "99", "600", "200-", "-200", "200,,300", "+20", "2xx"] {
            assert!(ranges(faulty).is_err(), "{faulty}");
        }
    }
}
