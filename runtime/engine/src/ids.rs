//! Names and ids. Each is its own type, parsed once at the edge, so that no two can be swapped.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest name accepted, in bytes. Names become storage keys, log fields and URL segments.
pub const NAME_BYTES_MAX: usize = 64;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {kind}; write {wanted}")]
pub struct InvalidName {
    /// What the text should have been.
    pub kind: &'static str,
    /// What to write instead.
    pub wanted: &'static str,
    /// The text, shortened where it is long.
    pub text: String,
}

/// How names are written.
const NAME: &str = "1 to 64 characters: a lower-case letter first, then lower-case letters, digits, `-` or `_`";
/// How ids of runs are written.
const UUID: &str = "the UUID that the start of the run gave, such as 01890000-0000-7000-8000-000000000000";

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= NAME_BYTES_MAX
        && bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_')
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident is $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                if is_name(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidName { kind: $kind, wanted: NAME, text: text.chars().take(80).collect() })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "pattern": "^[a-z][a-z0-9_-]{0,63}$",
                    "description": concat!("A ", $kind),
                })
            }
        }
    )*};
}

names! {
    /// Who owns flows, plugins, connectors and runs. Nothing crosses tenants.
    TenantId is "tenant id";
    /// The name of a flow within its tenant.
    FlowName is "flow name";
    /// The name of a step within its flow.
    StepId is "step id";
    /// The name of a plugin within its tenant; its versions share it.
    PluginName is "plugin name";
    /// The name of a connector within its tenant.
    ConnectorName is "connector name";
    /// The name of a function within its connector.
    FunctionName is "function name";
    /// The name of a stored credential within its tenant.
    CredentialName is "credential name";
    /// The name of a saved action within its tenant.
    ActionName is "action name";
    /// The name of a stored TLS identity within its tenant: a key or certificates.
    IdentityName is "identity name";
}

/// The flow and the step that hooks see when their call is only tried (C-16).
const TRIED: &str = "connector-test";

/// The flow and the step that an action sees that is served to another system.
const SERVED: &str = "action-service";

impl FlowName {
    /// The flow of a call that is only tried.
    pub(crate) fn tried() -> Self {
        Self(TRIED.to_owned())
    }

    /// Stands for the flow of an action that is served to another system.
    pub(crate) fn served() -> Self {
        Self(SERVED.to_owned())
    }
}

impl StepId {
    /// The step of a call that is only tried.
    pub(crate) fn tried() -> Self {
        Self(TRIED.to_owned())
    }

    /// Stands for the flow of an action that is served to another system.
    pub(crate) fn served() -> Self {
        Self(SERVED.to_owned())
    }
}

/// One execution of a flow. Version 7 of RFC 9562: ids sort by the time of the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(uuid::Uuid);

impl RunId {
    /// A new id.
    pub fn generate() -> Self {
        Self(uuid::Uuid::now_v7())
    }

    /// The id of these 16 bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(uuid::Uuid::from_bytes(bytes))
    }

    /// The lowest id of a run that was started at this instant: ids begin with the milliseconds of their start (RFC 9562,
    /// section 5.7).
    pub fn first_of(instant: crate::time::Timestamp) -> Self {
        let millis = instant.as_millis().min((1 << 48) - 1);
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(millis.to_be_bytes().into_iter().skip(2)).for_each(|(byte, of_time)| *byte = of_time);
        Self::from_bytes(bytes)
    }

    /// The 16 bytes of the id; their order is the order of the starts.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

impl FromStr for RunId {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        uuid::Uuid::parse_str(text).map(Self).map_err(|_| InvalidName {
            kind: "run id",
            wanted: UUID,
            text: text.chars().take(80).collect(),
        })
    }
}

/// One invocation of a hook, or one request to the API: what ties log lines together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(String);

impl RequestId {
    /// A new id.
    pub fn generate() -> Self {
        Self(uuid::Uuid::now_v7().to_string())
    }

    /// The id of a UUID.
    pub(crate) fn of_uuid(uuid: uuid::Uuid) -> Self {
        Self(uuid.to_string())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_lower_case_and_begins_with_a_letter() {
        for good in ["a", "risk-api", "tier_2", &"x".repeat(NAME_BYTES_MAX)] {
            assert_eq!(good.parse::<FlowName>().map(|name| name.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "A", "1a", "-a", "a/b", "a b", "a.b", "ü", "..", &"x".repeat(NAME_BYTES_MAX + 1)] {
            assert!(bad.parse::<FlowName>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn run_ids_sort_by_start() {
        let first = RunId::generate();
        let second = RunId::generate();
        assert!(first < second);
        assert_eq!(first.to_string().parse(), Ok(first));
        assert_eq!(RunId::from_bytes(*first.as_bytes()), first);
    }
}
