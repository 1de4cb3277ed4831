//! `weir plugin`.

use std::path::{Path, PathBuf};

use serde_json::Value;
use weir_engine::ids::PluginName;

use super::Common;
use super::error::CliError;
use crate::client::{Client, Sent};
use crate::exit::Exit;
use crate::output::{self, Format};
use crate::plugin_build::{self, BuildOptions};
use crate::{serve, table};

/// The largest component that is looked at without a server, in bytes: the server's own default.
const COMPONENT_BYTES_MAX: u64 = 20 << 20;

/// One version of a plugin, as `NAME@VERSION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PluginVersion {
    name: PluginName,
    version: semver::Version,
}

impl std::str::FromStr for PluginVersion {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, version) = text.split_once('@').ok_or_else(|| format!("`{text}` is not `NAME@VERSION`"))?;
        Ok(Self {
            name: name.parse().map_err(|error: weir_engine::ids::InvalidName| error.to_string())?,
            version: version
                .parse()
                .map_err(|error| format!("`{version}` is not a version such as `1.4.0`: {error}"))?,
        })
    }
}

impl PluginVersion {
    fn path(&self) -> String {
        // Build metadata has a `+`, which some servers read as a space.
        format!("/v1/plugins/{}/versions/{}", self.name, self.version.to_string().replace('+', "%2B"))
    }
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Build a Rust package into a component
    Build(BuildOptions),
    /// Upload a component as a version of a plugin
    Push {
        /// The plugin and its version, such as `sign@1.4.0`
        plugin: PluginVersion,
        /// The component
        file: PathBuf,
    },
    /// List every version of every plugin
    List,
    /// Say what a component is: a file, or a version on the server
    Inspect {
        /// A file, or `NAME@VERSION`
        what: String,
    },
    /// Take a version out of use
    Disable {
        /// The plugin and its version
        plugin: PluginVersion,
    },
    /// Take a version into use again
    Enable {
        /// The plugin and its version
        plugin: PluginVersion,
    },
}

pub(super) fn run(command: Command, common: &Common) -> Result<Exit, CliError> {
    match command {
        Command::Build(options) => build(&options, common)?,
        Command::Push { plugin, file } => {
            let bytes = read(&file)?;
            let sent = Sent::body("application/wasm", &bytes);
            let (_, saved) = Client::new(&common.server)?.call("PUT", &plugin.path(), &sent)?;
            show(common, vec![saved]);
        }
        Command::List => show(common, Client::new(&common.server)?.list("/v1/plugins")?),
        Command::Inspect { what } => inspect(&what, common)?,
        Command::Disable { plugin } => set_use(&plugin, "disable", common)?,
        Command::Enable { plugin } => set_use(&plugin, "enable", common)?,
    }
    Ok(Exit::Done)
}

fn set_use(plugin: &PluginVersion, verb: &str, common: &Common) -> Result<(), CliError> {
    let path = format!("{}/{verb}", plugin.path());
    let (_, changed) = Client::new(&common.server)?.call("POST", &path, &Sent::default())?;
    show(common, vec![changed]);
    Ok(())
}

fn build(options: &BuildOptions, common: &Common) -> Result<(), CliError> {
    let built = plugin_build::build(options, &mut std::io::stderr())
        .map_err(|error| CliError::of(Exit::Failed, &error).with_code(error.code()))?;
    match common.output {
        Format::Json => output::json(&serde_json::to_value(&built).unwrap_or_default()),
        Format::Table => {
            output::line(&built.component.display().to_string());
            output::remark(&format!(
                "next: weir plugin push {}@{} {}",
                built.name,
                built.version,
                built.component.display()
            ));
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(file).map_err(|error| CliError::usage(format!("`{}` cannot be read: {error}", file.display())))
}

fn inspect(what: &str, common: &Common) -> Result<(), CliError> {
    let component = match what.parse::<PluginVersion>() {
        Ok(plugin) if !Path::new(what).exists() => {
            let found = Client::new(&common.server)?.get(&plugin.path())?;
            found.get("component").cloned().unwrap_or_default()
        }
        _ => {
            let bytes = read(Path::new(what))?;
            let inspection = weir_plugins::validate(&bytes, COMPONENT_BYTES_MAX)
                .map_err(|error| CliError::of(Exit::Failed, &error).with_code(error.code()))?;
            serde_json::to_value(serve::inspected(inspection)).unwrap_or_default()
        }
    };
    match common.output {
        Format::Json => output::json(&component),
        Format::Table => {
            let fact = |name: &'static str, member: &str| (name, table::text(&component, member));
            table::facts(&[
                fact("digest", "digest"),
                fact("size", "size"),
                fact("built for", "wit_version"),
                fact("hooks", "hooks"),
                fact("exports", "exports"),
                fact("imports", "imports"),
            ]);
        }
    }
    Ok(())
}

fn show(common: &Common, plugins: Vec<Value>) {
    match common.output {
        Format::Json => output::json(&Value::Array(plugins)),
        Format::Table => {
            let row = |plugin: &Value| {
                let is_disabled = plugin.get("disabled") == Some(&Value::Bool(true));
                let state = if is_disabled { "disabled" } else { "enabled" };
                let [name, version, hooks, size, digest] =
                    ["name", "version", "hooks", "size", "digest"].map(|member| table::text(plugin, member));
                vec![name, version, hooks, size, state.to_owned(), digest.chars().take(19).collect()]
            };
            table::print(&["NAME", "VERSION", "HOOKS", "BYTES", "STATE", "DIGEST"], plugins.iter().map(row).collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugin_versions() {
        assert_eq!("a@1.2.3+b".parse::<PluginVersion>().unwrap().path(), "/v1/plugins/a/versions/1.2.3%2Bb");
        for bad in ["a", "a@", "@1.0.0", "A@1.0.0", "a@1", "a@../x", "a/b@1.0.0"] {
            assert!(bad.parse::<PluginVersion>().is_err(), "{bad}");
        }
    }
}
