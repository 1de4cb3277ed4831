//! One command: what is run, where, and what of our environment it must not see.

use std::fmt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::BuildError;

/// Variables that steer the host's own Rust builds. In a guest's they would mix target folders, pass flags of
/// another machine, or replace the compiler.
const HOST_ONLY: [&str; 9] = [
    "CARGO_BUILD_RUSTC",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "RUSTC",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTFLAGS",
];

/// Variables that change a profile from outside; a guest's stands in its Cargo.toml.
const HOST_ONLY_PREFIX: &str = "CARGO_PROFILE_";

/// A command that can be shown before it is run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct CommandLine {
    /// Variables set for it.
    pub(super) variables: Vec<(&'static str, String)>,
    /// The program, by name or path.
    pub(super) program: &'static str,
    /// Its arguments.
    pub(super) arguments: Vec<String>,
}

impl CommandLine {
    /// A program with arguments.
    pub(super) fn new<A: Into<String>>(program: &'static str, arguments: impl IntoIterator<Item = A>) -> Self {
        Self { variables: Vec::new(), program, arguments: arguments.into_iter().map(Into::into).collect() }
    }

    /// Runs it in `dir`. Its standard error is ours, so that its progress is seen; its standard output is returned.
    pub(super) fn run(&self, dir: &Path) -> Result<Output, BuildError> {
        self.output(self.command(dir).stderr(Stdio::inherit()))
    }

    /// Runs it in `dir` and returns what it says, on both channels.
    pub(super) fn ask(&self, dir: &Path) -> Result<Output, BuildError> {
        self.output(&mut self.command(dir))
    }

    fn output(&self, command: &mut Command) -> Result<Output, BuildError> {
        command.stdin(Stdio::null()).output().map_err(|source| BuildError::ProgramMissing {
            program: self.program.to_owned(),
            hint: match self.program {
                "cargo" | "rustc" | "rustup" => "install Rust 1.95 or newer with rustup, or put it on PATH",
                _ => "install it, or put it on PATH",
            },
            source,
        })
    }

    fn command(&self, dir: &Path) -> Command {
        let mut command = Command::new(self.program);
        command.args(&self.arguments).current_dir(dir);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(is_host_only) {
                command.env_remove(name);
            }
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

fn is_host_only(variable: &str) -> bool {
    HOST_ONLY.contains(&variable) || variable.starts_with(HOST_ONLY_PREFIX)
}

/// As a person would type it into a shell.
impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.variables {
            write!(f, "{name}={} ", quoted(value))?;
        }
        f.write_str(self.program)?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {}", quoted(argument)))
    }
}

fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=./,:+@%".contains(&byte);
    match !word.is_empty() && word.bytes().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_the_hosts_build_is_kept_from_the_guests() {
        for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_TARGET_DIR", "RUSTC", "CARGO_PROFILE_RELEASE_LTO"] {
            assert!(is_host_only(name), "{name}");
        }
        for name in ["PATH", "HOME", "CARGO_HOME", "RUSTUP_TOOLCHAIN", "CARGO_NET_OFFLINE", "RUSTC_WRAPPER"] {
            assert!(!is_host_only(name), "{name}");
        }
    }

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        let mut line = CommandLine::new("cargo", ["build", "--config", "a=[\"it's\"]", ""]);
        line.variables.push(("RUSTC", "/usr/bin/rustc".to_owned()));
        assert_eq!(line.to_string(), r#"RUSTC=/usr/bin/rustc cargo build --config 'a=["it'\''s"]' ''"#);
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = CommandLine::new("weir-no-such-program", [""; 0]).ask(Path::new(".")).unwrap_err();
        assert_eq!(error.code(), "plugin.build.program-missing");
        assert!(error.to_string().contains("weir-no-such-program"), "{error}");
    }
}
