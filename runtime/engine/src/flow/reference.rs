//! How flows name other things: `CONNECTOR.FUNCTION` and `PLUGIN@RANGE`.

use std::fmt;
use std::str::FromStr;

use schemars::json_schema;
use serde::{Deserialize, Serialize};

use crate::ids::{ConnectorName, FunctionName, PluginName};

/// Why a text is not a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {wanted}")]
pub struct InvalidReference {
    text: String,
    wanted: &'static str,
}

/// A function of a connector: `risk-api.score`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FunctionRef {
    /// The connector.
    pub connector: ConnectorName,
    /// Its function.
    pub function: FunctionName,
}

impl FromStr for FunctionRef {
    type Err = InvalidReference;
    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let invalid = || InvalidReference {
            text: text.chars().take(80).collect(),
            wanted: "a function; write `CONNECTOR.FUNCTION`, such as `risk-api.score`",
        };
        let (connector, function) = text.split_once('.').ok_or_else(invalid)?;
        Ok(Self {
            connector: connector.parse().map_err(|_| invalid())?,
            function: function.parse().map_err(|_| invalid())?,
        })
    }
}

impl fmt::Display for FunctionRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.connector, self.function)
    }
}

/// A plugin with the versions that will do: `sign@^1`, `tier@1.4.0` (exactly that one), `tier@1` (any 1.x).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PluginRequirement {
    /// The plugin.
    pub name: PluginName,
    /// The versions. A full version means that one only.
    pub range: semver::VersionReq,
    text: String,
}

impl FromStr for PluginRequirement {
    type Err = InvalidReference;
    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let invalid = || InvalidReference {
            text: text.chars().take(80).collect(),
            wanted: "a plugin with its version; write `NAME@RANGE`, such as `sign@^1` or `sign@1.4.0`",
        };
        let (name, range) = text.split_once('@').ok_or_else(invalid)?;
        // Cargo reads `1.4.0` as `^1.4.0`; to pin is what people mean here.
        let pinned = semver::Version::parse(range).is_ok();
        let range = if pinned { format!("={range}") } else { range.to_owned() };
        Ok(Self {
            name: name.parse().map_err(|_| invalid())?,
            range: semver::VersionReq::parse(&range).map_err(|_| invalid())?,
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for PluginRequirement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

macro_rules! text_in_json {
    ($($name:ident as $example:literal),*) => {$(
        impl TryFrom<String> for $name {
            type Error = InvalidReference;
            fn try_from(text: String) -> Result<Self, InvalidReference> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(reference: $name) -> String {
                reference.to_string()
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
                json_schema!({ "type": "string", "description": concat!("Such as `", $example, "`") })
            }
        }
    )*};
}

text_in_json!(FunctionRef as "risk-api.score", PluginRequirement as "sign@^1");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_version_pins() {
        let matches = |text: &str, version: &str| {
            let requirement: PluginRequirement = text.parse().expect(text);
            requirement.range.matches(&version.parse().expect(version))
        };
        assert!(matches("a@1.4.0", "1.4.0"));
        assert!(!matches("a@1.4.0", "1.4.1"));
        assert!(matches("a@^1.4", "1.9.0"));
        assert!(matches("a@1", "1.9.0"));
        assert!(!matches("a@1", "2.0.0"));
        for bad in ["a", "a@", "@1", "A@1", "a@one", "a@1@2"] {
            assert!(bad.parse::<PluginRequirement>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_function_has_a_connector() {
        assert_eq!("risk-api.score".parse::<FunctionRef>().map(|it| it.to_string()), Ok("risk-api.score".to_owned()));
        for bad in ["risk", "risk.", ".score", "a.b.c", "A.b"] {
            assert!(bad.parse::<FunctionRef>().is_err(), "{bad:?}");
        }
    }
}
