//! What file, variables and flags say, before anybody asks what it means.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::reader::{Fault, Faults};

/// The sources, later ones over earlier ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// A TOML file.
    pub(crate) file: Option<PathBuf>,
    /// Environment variables with their values; only `WEIR_*` matter.
    pub(crate) variables: Vec<(String, String)>,
    /// Keys with the values of flags.
    pub(crate) flags: Vec<(String, String)>,
}

/// One value and who gave it.
#[derive(Debug, Clone)]
pub(crate) struct GivenValue {
    /// A scalar or a list.
    pub(crate) value: toml::Value,
    /// For people: the file, the variable, the flag.
    pub(crate) source: String,
}

/// The source of a value that a flag gave.
pub(super) const FLAG: &str = "flag";

/// Values by their dotted keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Given {
    /// From file and flags: a key that nobody asks for is a fault.
    pub(crate) values: BTreeMap<String, GivenValue>,
    /// From the environment, by variable: others may have set some that are not ours.
    pub(crate) variables: BTreeMap<String, String>,
}

impl Given {
    /// Reads the sources.
    ///
    /// # Errors
    /// A file that cannot be read or is no TOML.
    pub(crate) fn collect(sources: &Sources) -> Result<Self, Faults> {
        let mut given = Self::default();
        if let Some(path) = &sources.file {
            let name = path.display().to_string();
            let faulty = |message: String| Faults(vec![Fault { key: None, source: name.clone(), message }]);
            let text = std::fs::read_to_string(path).map_err(|error| faulty(format!("cannot be read: {error}")))?;
            let table: toml::Table = text.parse().map_err(|error: toml::de::Error| faulty(error.to_string()))?;
            given.take_table("", &table, &name);
        }
        given.variables = sources.variables.iter().filter(|(name, _)| name.starts_with("WEIR_")).cloned().collect();
        for (key, text) in &sources.flags {
            let value = GivenValue { value: toml::Value::String(text.clone()), source: FLAG.to_owned() };
            given.values.insert(key.clone(), value);
        }
        Ok(given)
    }

    fn take_table(&mut self, prefix: &str, table: &toml::Table, source: &str) {
        for (key, value) in leaves(prefix, table) {
            self.values.insert(key, GivenValue { value, source: source.to_owned() });
        }
    }
}

/// Every value of a table that is no table itself, by its dotted key.
pub(super) fn leaves(prefix: &str, table: &toml::Table) -> Vec<(String, toml::Value)> {
    let below = table.iter().flat_map(|(name, value)| {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            toml::Value::Table(inner) => leaves(&key, inner),
            other => vec![(key, other.clone())],
        }
    });
    below.collect()
}
