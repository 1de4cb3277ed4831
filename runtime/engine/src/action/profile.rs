//! Profiles: the rules where the systems that we are compatible with contradict each other (design.md section 8).

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A named set of all settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProfileName {
    /// What the contract says, and nothing else. The default.
    #[default]
    Strict,
    /// What WSO2 Identity Server and Asgardeo do.
    Wso2,
}

/// What becomes of an operation that is outside the list, or that cannot be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Enforcement {
    /// The whole answer is refused.
    Reject,
    /// It is left out and logged; the others hold.
    Drop,
}

/// What `replace` with null does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NullValue {
    /// It sets the value to empty.
    Empty,
    /// It cannot be applied: see [`Enforcement`].
    Refuse,
}

/// What an index of an array means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Indices {
    /// RFC 6902: operations are applied in order, each to what the one before left.
    InOrder,
    /// Indices point at the arrays as they were before the first operation; `add` appends, `replace` moves to the end.
    Original,
}

/// What `-` means in a path of `remove` and `replace`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LastElement {
    /// Nothing: RFC 6902 knows it for `add` only.
    Refuse,
    /// The last element.
    Allow,
}

/// Which reasons and descriptions are taken. They have 1 to 100 and 1 to 300 characters in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Texts {
    /// Any text without control characters other than white space.
    Unicode,
    /// `A-Za-z0-9`, white space and `-_.!?;:'()[]` only.
    Plain,
}

/// What a member of an answer that the contract does not know does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownMembers {
    /// The answer is no answer.
    Refuse,
    /// It is ignored and logged.
    Ignore,
}

/// When `redirect` is an allowed operation of a type that knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RedirectOffer {
    /// Where the step lists it.
    Listed,
    /// Always.
    Always,
}

/// How the values of a multi-valued claim are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ListValues {
    /// As a list.
    List,
    /// As one text, joined with commas.
    Joined,
}

/// What becomes of a part of the event that is to be encrypted where there is no certificate to encrypt it to. A
/// credential stops the run in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MissingCertificate {
    /// The step ends in an error, and the document is refused where it names no certificate at all.
    Refuse,
    /// It is left out of what the action sees, with a warning.
    LeaveOut,
}

/// Every setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each type says it")]
pub struct Profile {
    pub enforcement: Enforcement,
    pub null_value: NullValue,
    pub indices: Indices,
    pub last_element: LastElement,
    pub texts: Texts,
    pub unknown_members: UnknownMembers,
    pub redirect: RedirectOffer,
    pub list_values: ListValues,
    pub missing_certificate: MissingCertificate,
    /// How long one attempt of an external service may take; the type's own where there is none.
    pub request_timeout: Option<Duration>,
}

/// Settings that differ from the named profile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each type says it")]
pub struct ProfileSettings {
    pub enforcement: Option<Enforcement>,
    pub null_value: Option<NullValue>,
    pub indices: Option<Indices>,
    pub last_element: Option<LastElement>,
    pub texts: Option<Texts>,
    pub unknown_members: Option<UnknownMembers>,
    pub redirect: Option<RedirectOffer>,
    pub list_values: Option<ListValues>,
    pub missing_certificate: Option<MissingCertificate>,
    /// How long one attempt of an external service may take: its type says so by default. The connector's own
    /// `request-timeout` (5 s by default) holds too, so a longer one is raised in both places.
    #[serde(with = "optional_duration")]
    #[schemars(with = "Option<String>")]
    pub request_timeout: Option<Duration>,
}

impl Profile {
    /// All settings of a named profile.
    pub const fn named(name: ProfileName) -> Self {
        match name {
            ProfileName::Strict => Self {
                enforcement: Enforcement::Reject,
                null_value: NullValue::Empty,
                indices: Indices::InOrder,
                last_element: LastElement::Refuse,
                texts: Texts::Unicode,
                unknown_members: UnknownMembers::Refuse,
                redirect: RedirectOffer::Listed,
                list_values: ListValues::List,
                missing_certificate: MissingCertificate::Refuse,
                request_timeout: None,
            },
            ProfileName::Wso2 => Self {
                enforcement: Enforcement::Drop,
                null_value: NullValue::Refuse,
                indices: Indices::Original,
                last_element: LastElement::Allow,
                texts: Texts::Plain,
                unknown_members: UnknownMembers::Refuse,
                redirect: RedirectOffer::Always,
                list_values: ListValues::Joined,
                missing_certificate: MissingCertificate::LeaveOut,
                request_timeout: Some(Duration::from_secs(5)),
            },
        }
    }

    /// The profile with some settings of its own.
    #[must_use]
    pub fn with(self, own: &ProfileSettings) -> Self {
        Self {
            enforcement: own.enforcement.unwrap_or(self.enforcement),
            null_value: own.null_value.unwrap_or(self.null_value),
            indices: own.indices.unwrap_or(self.indices),
            last_element: own.last_element.unwrap_or(self.last_element),
            texts: own.texts.unwrap_or(self.texts),
            unknown_members: own.unknown_members.unwrap_or(self.unknown_members),
            redirect: own.redirect.unwrap_or(self.redirect),
            list_values: own.list_values.unwrap_or(self.list_values),
            missing_certificate: own.missing_certificate.unwrap_or(self.missing_certificate),
            request_timeout: own.request_timeout.or(self.request_timeout),
        }
    }
}

mod optional_duration {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::duration_text;

    pub(super) fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => duration_text::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| duration_text::parse(&text).map_err(serde::de::Error::custom)).transpose()
    }
}
