//! Places of an event: what operations may find and leave there. Data, so that a new type needs no code.

use std::collections::BTreeMap;

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::operation::OperationKind;
use super::path::Token;

/// A place of an event that operations change, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Place {
    /// Where, as a JSON pointer into the run's event.
    pub path: String,
    /// Whether it is made where an event does not have it. Otherwise no operation can be applied there.
    #[serde(default)]
    pub create: bool,
    /// The only operations that can be applied there; all that its holding knows where there is no such list.
    #[serde(default)]
    pub operations: Option<Vec<OperationKind>>,
    /// What it holds.
    pub holds: Holding,
}

/// What a place holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Holding {
    /// A list of `{uri, value}`, changed by `[uri=…]`. `replace` creates what is not there.
    Claims {},
    /// A list of `{name, value}`: `add` with `/-` or an index, `replace` and `remove` with `/NAME`, one value of a list
    /// with `/NAME/INDEX`. `replace` creates nothing.
    Named {
        /// What a value may be.
        #[serde(default)]
        values: ValueKind,
        /// Names that cannot be added, whatever their case, and why or what to do instead.
        #[serde(default)]
        reserved: BTreeMap<String, String>,
        /// Names that cannot be removed or replaced.
        #[serde(default)]
        permanent: Vec<String>,
        /// What a second `add` of a new name does where indices point at the original.
        #[serde(default)]
        added_twice: AddedTwice,
        /// Names whose values have rules of their own.
        #[serde(default)]
        members: BTreeMap<String, Holding>,
    },
    /// A list of texts, none of them twice, changed by index.
    Texts {
        /// A regular expression that the whole of a new text matches.
        #[serde(default)]
        pattern: Option<TextPattern>,
        /// Whether a number is taken, as its text.
        #[serde(default)]
        numbers: bool,
        /// What `remove` does where indices point at the original and an operation before has removed the text.
        #[serde(default)]
        gone: Gone,
    },
    /// A time in seconds: a positive whole number, which `replace` also takes as text.
    Expiry {},
    /// The members of an object, each by its name. `replace` creates what is not there.
    Members {
        /// What a value may be.
        #[serde(default)]
        values: ValueKind,
    },
    /// Any JSON value; the place and whatever it holds can be changed as RFC 6902 says.
    Value {},
}

/// What a value may be. Never null.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ValueKind {
    /// Any JSON value.
    #[default]
    Any,
    /// A text, a number, a boolean or a list of texts.
    Claim,
    /// A text.
    Text,
    /// Nothing: only the members with rules of their own can be changed.
    None,
}

/// What a second `add` of a new name does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AddedTwice {
    /// It cannot be applied.
    #[default]
    Refuse,
    /// Its value counts.
    LastWins,
}

/// What `remove` does with what is gone already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Gone {
    /// It cannot be applied.
    #[default]
    Refuse,
    /// Nothing is left to do: it counts as applied.
    Accept,
}

/// A regular expression that the whole of a text matches.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct TextPattern {
    source: String,
    regex: Regex,
}

impl TextPattern {
    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

impl TryFrom<String> for TextPattern {
    type Error = regex::Error;
    fn try_from(source: String) -> Result<Self, regex::Error> {
        Ok(Self { regex: Regex::new(&format!(r"\A(?:{source})\z"))?, source })
    }
}

impl From<TextPattern> for String {
    fn from(pattern: TextPattern) -> Self {
        pattern.source
    }
}

impl PartialEq for TextPattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for TextPattern {}

impl ValueKind {
    /// Whether a value is one.
    pub(super) fn check(self, value: &Value) -> Result<(), String> {
        let wanted = match self {
            Self::Any if !value.is_null() => return Ok(()),
            Self::Any => "anything but null",
            Self::Claim if is_claim_value(value) => return Ok(()),
            Self::Claim => "a text, a number, a boolean or a list of texts",
            Self::Text if value.is_string() => return Ok(()),
            Self::Text => "a text",
            Self::None => return Err("nothing of that name can be changed there".to_owned()),
        };
        Err(format!("the value must be {wanted}"))
    }
}

fn is_claim_value(value: &Value) -> bool {
    match value {
        Value::String(_) | Value::Number(_) | Value::Bool(_) => true,
        Value::Array(items) => items.iter().all(Value::is_string),
        Value::Null | Value::Object(_) => false,
    }
}

impl Place {
    /// What of a way from the root is left at the place; none where it does not lead there.
    pub(super) fn rest<'t, 'a>(&self, tokens: &'t [Token<'a>]) -> Option<&'t [Token<'a>]> {
        let mut rest = tokens;
        for name in self.path.split('/').skip(1) {
            let name = name.replace("~1", "/").replace("~0", "~");
            match rest.split_first() {
                Some((Token::To(to), further)) if *to == name => rest = further,
                _ => return None,
            }
        }
        Some(rest)
    }
}
