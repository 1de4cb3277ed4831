//! Asks for one setting after the other, collects every fault, and knows at the end which keys nobody asked for.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::given::{FLAG, Given, GivenValue, leaves};
use super::setting::Setting;

/// One thing that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The setting; none where a source is unreadable as a whole.
    pub(crate) key: Option<String>,
    /// Who said it.
    pub(crate) source: String,
    /// What is wrong and what to write.
    pub(crate) message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(formatter, "`{key}` ({}): {}", self.source, self.message),
            None => write!(formatter, "{}: {}", self.source, self.message),
        }
    }
}

/// Everything that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Faults(pub(crate) Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the configuration has {} fault(s)", self.0.len())?;
        self.0.iter().try_for_each(|fault| write!(formatter, "\n  {fault}"))
    }
}

/// One setting as it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effective {
    /// The setting.
    pub(crate) key: String,
    /// Its value.
    pub(crate) value: String,
    /// Who said it; `default` where nobody did.
    pub(crate) source: String,
}

/// The source of a value that nobody gave.
const DEFAULT: &str = "default";

/// See the module.
pub(super) struct Reader {
    given: Given,
    asked: BTreeSet<String>,
    effective: Vec<Effective>,
    faults: Vec<Fault>,
}

impl Reader {
    pub(super) fn new(given: Given) -> Self {
        Self { given, asked: BTreeSet::new(), effective: Vec::new(), faults: Vec::new() }
    }

    /// A setting with a default.
    pub(super) fn one<T: Setting>(&mut self, key: &str, default: T) -> T {
        let shown = default.to_text();
        self.optional(key, &shown).unwrap_or(default)
    }

    /// A setting with a default and bounds.
    pub(super) fn one_in<T: Setting + PartialOrd>(&mut self, key: &str, default: T, bounds: RangeInclusive<T>) -> T {
        let shown = default.to_text();
        match self.optional::<T>(key, &shown) {
            Some(value) if bounds.contains(&value) => value,
            Some(value) => {
                let source = self.effective.pop().map(|row| row.source).unwrap_or_default();
                let (low, high) = (bounds.start().to_text(), bounds.end().to_text());
                self.fault(key, source, format!("`{}` is out of bounds; write {low} to {high}", value.to_text()));
                default
            }
            None => default,
        }
    }

    /// A setting without a default; `shown` says what holds then.
    pub(super) fn optional<T: Setting>(&mut self, key: &str, shown: &str) -> Option<T> {
        let Some(given) = self.take(key) else {
            self.shows(key, shown.to_owned(), DEFAULT.to_owned());
            return None;
        };
        let text = match given.value {
            toml::Value::String(text) => text,
            toml::Value::Array(_) => {
                self.fault(key, given.source, format!("is a list; write {}", T::FORM));
                return None;
            }
            scalar => scalar.to_string(),
        };
        let value = T::parse(&text);
        match &value {
            Some(value) => self.shows(key, value.to_text(), given.source),
            None => self.fault(key, given.source, format!("`{text}` does not fit; write {}", T::FORM)),
        }
        value
    }

    /// The settings of another crate: a table below `prefix`. Each key is tried by itself, so that every fault shows.
    pub(super) fn section<T: Serialize + DeserializeOwned + Default>(&mut self, prefix: &str) -> T {
        let defaults = toml::Table::try_from(T::default()).unwrap_or_default();
        let mut keys: BTreeSet<String> = leaves(prefix, &defaults).into_iter().map(|(key, _)| key).collect();
        let below = format!("{prefix}.");
        let is_ours = |key: &&String| key.starts_with(&below) && !self.asked.contains(*key);
        keys.extend(self.given.values.keys().filter(is_ours).cloned());
        // What a part has where it stands, and not what its type has elsewhere, stays where nobody says otherwise.
        let mut table = defaults.clone();
        for key in keys {
            let path: Vec<&str> = key.strip_prefix(&below).unwrap_or(&key).split('.').collect();
            let default = at(&defaults, &path);
            let Some(given) = self.take(&key) else {
                self.shows(&key, default.map(ToString::to_string).unwrap_or_default(), DEFAULT.to_owned());
                continue;
            };
            let value = typed(given.value, default);
            let mut alone = toml::Table::new();
            insert(&mut alone, &path, value.clone());
            match alone.try_into::<T>() {
                Ok(_) => {
                    self.shows(&key, value.to_string(), given.source);
                    insert(&mut table, &path, value);
                }
                Err(error) => self.fault(&key, given.source, error.message().to_owned()),
            }
        }
        table.try_into().unwrap_or_default()
    }

    /// Every setting as it holds.
    ///
    /// # Errors
    /// Every fault met, and every key that nobody asked for.
    pub(super) fn finish(mut self) -> Result<Vec<Effective>, Faults> {
        let unknown: Vec<(String, String)> = self
            .given
            .values
            .iter()
            .filter(|(key, _)| !self.asked.contains(*key))
            .map(|(key, given)| (key.clone(), given.source.clone()))
            .collect();
        for (key, source) in unknown {
            let near = self
                .asked
                .iter()
                .min_by_key(|asked| strsim::damerau_levenshtein(asked, &key))
                .cloned()
                .unwrap_or_default();
            self.fault(&key, source, format!("there is no such setting; did you mean `{near}`?"));
        }
        if self.faults.is_empty() { Ok(self.effective) } else { Err(Faults(self.faults)) }
    }

    /// A setting whose owner says that it cannot work.
    pub(super) fn out_of_bounds(&mut self, key: &str, wanted: &str) {
        let source = self.effective.iter().find(|row| row.key == key).map(|row| row.source.clone());
        self.fault(key, source.unwrap_or_default(), format!("must be {wanted}"));
    }

    fn take(&mut self, key: &str) -> Option<GivenValue> {
        self.asked.insert(key.to_owned());
        let variable = variable_of(key);
        let by_variable = self
            .given
            .variables
            .get(&variable)
            .map(|text| GivenValue { value: toml::Value::String(text.clone()), source: variable });
        match self.given.values.get(key) {
            Some(flag) if flag.source == FLAG => Some(flag.clone()),
            in_file => by_variable.or_else(|| in_file.cloned()),
        }
    }

    fn shows(&mut self, key: &str, value: String, source: String) {
        self.effective.push(Effective { key: key.to_owned(), value, source });
    }

    fn fault(&mut self, key: &str, source: String, message: String) {
        self.faults.push(Fault { key: Some(key.to_owned()), source, message });
    }
}

/// The value at a path.
fn at<'a>(table: &'a toml::Table, path: &[&str]) -> Option<&'a toml::Value> {
    let (first, rest) = path.split_first()?;
    let value = table.get(*first)?;
    if rest.is_empty() { Some(value) } else { at(value.as_table()?, rest) }
}

/// Sets the value at a path, with the tables on the way.
fn insert(table: &mut toml::Table, path: &[&str], value: toml::Value) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        table.insert((*first).to_owned(), value);
    } else {
        let inner = table.entry(*first).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        if let toml::Value::Table(inner) = inner {
            insert(inner, rest, value);
        }
    }
}

/// Variables are text: one whose default is no text is read as TOML writes values.
fn typed(value: toml::Value, default: Option<&toml::Value>) -> toml::Value {
    match (&value, default) {
        (toml::Value::String(_), Some(toml::Value::String(_))) => value,
        (toml::Value::String(text), _) => {
            let document: Option<toml::Table> = format!("value = {text}").parse().ok();
            document.and_then(|mut table| table.remove("value")).unwrap_or(value)
        }
        _ => value,
    }
}

/// `server.shutdown-grace` is `WEIR_SERVER_SHUTDOWN_GRACE`.
fn variable_of(key: &str) -> String {
    format!("WEIR_{}", key.replace(['.', '-'], "_").to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::super::given::{Given, GivenValue};
    use super::*;
    use weir_engine::ports::InvocationLimits;
    use weir_plugins::HostSettings;

    // covers P-05: one ceiling that an operator sets leaves the others where `--check` says they are
    #[test]
    fn what_is_not_said_beside_what_is_keeps_its_default() {
        let mut given = Given::default();
        let time = GivenValue { value: toml::Value::Integer(60_000), source: "FILE".to_owned() };
        given.values.insert("plugins.ceiling.time-ms".to_owned(), time);
        let mut reader = Reader::new(given);
        let plugins: HostSettings = reader.section("plugins");
        assert!(reader.finish().is_ok());
        let of_host = HostSettings::default();
        let ceiling = InvocationLimits { time_ms: 60_000, ..of_host.ceiling };
        assert_eq!(plugins, HostSettings { ceiling, ..of_host });
    }
}
