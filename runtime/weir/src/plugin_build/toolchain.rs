//! Where the standard library for wasm32-unknown-unknown comes from: the installed target, rustup, or Debian.
//!
//! What there is to do is decided by [`ways`], which runs nothing; [`ready`] then does it.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::command_line::CommandLine;
use super::package::Package;
use super::{BuildError, remark};

/// The only target: a module made for it imports nothing but its world.
pub(super) const TARGET: &str = "wasm32-unknown-unknown";

/// Debian's compiler for the web, the source of its standard library, and a linker for it.
const PACKAGES: [&str; 3] = ["rustc-web", "rust-web-src", "lld-22"];

/// Which way an author wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum GuestToolchain {
    /// The installed target, else rustup's, else Debian's packages
    #[default]
    Auto,
    /// `rustup target add wasm32-unknown-unknown`, where it is not installed yet
    Rustup,
    /// Debian's packages rustc-web, rust-web-src and lld-22, for machines that reach only package registries
    Debian,
}

/// How cargo gets the standard library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StandardLibrary {
    /// It comes with the target.
    Installed,
    /// Cargo builds it from Debian's sources, with Debian's compiler.
    FromSource,
}

/// One way to a toolchain, and what is to be run first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    /// What it is, in words.
    pub(super) name: &'static str,
    /// How cargo gets the standard library then.
    pub(super) standard_library: StandardLibrary,
    setup: Vec<CommandLine>,
}

/// What this machine has.
#[derive(Debug, Clone, Copy, Default)]
struct Machine {
    target: Presence,
    rustup: Presence,
    packages: Presence,
    apt: Presence,
    user: User,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Presence {
    #[default]
    Absent,
    Present,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum User {
    #[default]
    Plain,
    Root,
}

/// Finds a toolchain, and gets it where it is missing.
pub(super) fn ready(choice: GuestToolchain, package: &Package, progress: &mut dyn Write) -> Result<Way, BuildError> {
    let dir = package.folder();
    first_ready(ways(choice, Machine::look(dir)), |command| {
        remark(progress, &format!("$ {command}"));
        let output = command.run(dir)?;
        match output.status.success() {
            true => Ok(()),
            false => Err(BuildError::SetupFailed { command: command.to_string(), status: output.status }),
        }
    })
}

/// The first way whose setup succeeds; else why the last one did not.
fn first_ready(
    ways: Vec<Result<Way, BuildError>>,
    mut run: impl FnMut(&CommandLine) -> Result<(), BuildError>,
) -> Result<Way, BuildError> {
    let mut last = BuildError::ToolchainMissing { why: "there is no way to get it", command: rustup().to_string() };
    for way in ways {
        let outcome = way.and_then(|way| way.setup.iter().try_for_each(&mut run).map(|()| way));
        match outcome {
            Ok(way) => return Ok(way),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The ways of a choice in the order in which they are tried.
fn ways(choice: GuestToolchain, machine: Machine) -> Vec<Result<Way, BuildError>> {
    match choice {
        GuestToolchain::Rustup => vec![by_rustup(machine)],
        GuestToolchain::Debian => vec![by_debian(machine)],
        GuestToolchain::Auto if machine.target == Presence::Present => vec![by_rustup(machine)],
        // Without apt, rustup's advice is the one to end with.
        GuestToolchain::Auto if machine.apt == Presence::Absent => vec![by_debian(machine), by_rustup(machine)],
        GuestToolchain::Auto => vec![by_rustup(machine), by_debian(machine)],
    }
}

fn by_rustup(machine: Machine) -> Result<Way, BuildError> {
    let way = |setup| Way { name: "the installed target", standard_library: StandardLibrary::Installed, setup };
    match (machine.target, machine.rustup) {
        (Presence::Present, _) => Ok(way(Vec::new())),
        (_, Presence::Present) => Ok(way(vec![rustup()])),
        _ => Err(BuildError::ToolchainMissing {
            why: "this Rust has no rustup to add it; install Rust with rustup",
            command: rustup().to_string(),
        }),
    }
}

fn by_debian(machine: Machine) -> Result<Way, BuildError> {
    let way = |setup| Way { name: "Debian's rustc-web", standard_library: StandardLibrary::FromSource, setup };
    match (machine.packages, machine.apt, machine.user) {
        (Presence::Present, ..) => Ok(way(Vec::new())),
        // The lists of a fresh container are empty, and those of an old machine name files that are gone.
        (_, Presence::Present, User::Root) => Ok(way(vec![apt(&["update"]), apt_install()])),
        (_, Presence::Present, User::Plain) => Err(BuildError::ToolchainMissing {
            why: "installing Debian's packages needs root",
            command: format!("sudo {}", CommandLine { variables: Vec::new(), ..apt_install() }),
        }),
        _ => Err(BuildError::ToolchainMissing {
            why: "this machine has no apt-get to install Debian's packages",
            command: rustup().to_string(),
        }),
    }
}

fn rustup() -> CommandLine {
    CommandLine::new("rustup", ["target", "add", TARGET])
}

fn apt_install() -> CommandLine {
    apt(&[&["install", "-y", "--no-install-recommends"], PACKAGES.as_slice()].concat())
}

fn apt(arguments: &[&str]) -> CommandLine {
    let variables = vec![("DEBIAN_FRONTEND", "noninteractive".to_owned())];
    CommandLine { variables, ..CommandLine::new("apt-get", arguments.iter().copied()) }
}

impl Machine {
    /// Looks around, as seen from the package's folder: a toolchain file there counts.
    fn look(dir: &Path) -> Self {
        let runs = |program, argument: &str| {
            let said = CommandLine::new(program, [argument]).ask(dir);
            Presence::of(said.is_ok_and(|output| output.status.success()))
        };
        Self {
            target: Presence::of(has_target(dir)),
            rustup: runs("rustup", "--version"),
            packages: Presence::of(has_packages(dir)),
            apt: runs("apt-get", "--version"),
            user: if rustix::process::geteuid().is_root() { User::Root } else { User::Plain },
        }
    }
}

impl Presence {
    fn of(is_there: bool) -> Self {
        if is_there { Self::Present } else { Self::Absent }
    }
}

/// Whether the compiler's folder for the target holds a standard library.
fn has_target(dir: &Path) -> bool {
    let question = CommandLine::new("rustc", ["--print", "target-libdir", "--target", TARGET]);
    let Ok(output) = question.ask(dir) else { return false };
    let folder = String::from_utf8_lossy(&output.stdout);
    fs::read_dir(folder.trim()).is_ok_and(|entries| {
        entries.filter_map(Result::ok).any(|entry| entry.file_name().to_string_lossy().starts_with("libstd"))
    })
}

fn has_packages(dir: &Path) -> bool {
    let format = ["--show", "--showformat", "${Package} ${db:Status-Status}\n"];
    let question = CommandLine::new("dpkg-query", format.into_iter().chain(PACKAGES));
    question.ask(dir).is_ok_and(|output| are_installed(&String::from_utf8_lossy(&output.stdout)))
}

fn are_installed(said: &str) -> bool {
    PACKAGES.iter().all(|package| said.lines().any(|line| line.strip_prefix(package) == Some(" installed")))
}

#[cfg(test)]
mod tests;
