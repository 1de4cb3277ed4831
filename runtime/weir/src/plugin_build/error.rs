//! What can go wrong in a build.

use std::path::{Path, PathBuf};

/// Why there is no component. Each message ends with the way out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    /// There is no Cargo.toml.
    #[error(
        "{} has no Cargo.toml, and `weir plugin build` builds Rust packages: \
         give it the folder of one (guest-examples/README.md shows the first)", dir.display()
    )]
    NoPackage {
        /// Where it was looked for.
        dir: PathBuf,
    },
    /// Cargo cannot read the package.
    #[error("cargo cannot read {}: mend what it says\n{said}", manifest.display())]
    InvalidPackage {
        /// Its Cargo.toml.
        manifest: PathBuf,
        /// Cargo's own words.
        said: String,
    },
    /// A workspace holds more than one plugin.
    #[error("{} is a workspace of several plugins: give the folder of one of {}", dir.display(), names.join(", "))]
    SeveralPackages {
        /// The workspace.
        dir: PathBuf,
        /// The plugins in it.
        names: Vec<String>,
    },
    /// The package makes no module.
    #[error("{} makes no module: add `[lib]` with `crate-type = [\"cdylib\"]` to it", manifest.display())]
    NotALibrary {
        /// Its Cargo.toml.
        manifest: PathBuf,
    },
    /// A program could not be started.
    #[error("`{program}` could not be started: {hint}")]
    ProgramMissing {
        /// Its name.
        program: String,
        /// How to get it.
        hint: &'static str,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// No standard library for the target, and no way for us to get one.
    #[error("the standard library for wasm32-unknown-unknown is missing: {why}; run\n  {command}\nand build again")]
    ToolchainMissing {
        /// Why it cannot be had without help.
        why: &'static str,
        /// The one command that gets it.
        command: String,
    },
    /// A command that was to get the toolchain failed.
    #[error("`{command}` failed ({status}): mend what it says above, or choose another way with --toolchain")]
    SetupFailed {
        /// The command.
        command: String,
        /// How it ended.
        status: std::process::ExitStatus,
    },
    /// Cargo failed.
    #[error("{package} does not compile: cargo says above what to mend")]
    CompileFailed {
        /// The package.
        package: String,
    },
    /// The module cannot become a component, or the component is no plugin.
    #[error(
        "the module is no plugin: {what}; generate its bindings with `wit_bindgen::generate!` from one of the worlds in wit/, and `export!` a type that implements the hook"
    )]
    NotAPlugin {
        /// What is wrong with it.
        what: String,
    },
    /// A file could not be read or written.
    #[error("{} could not be {verb}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was to be done with it.
        verb: &'static str,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

impl BuildError {
    /// The stable code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NoPackage { .. } => "plugin.build.no-package",
            Self::InvalidPackage { .. } => "plugin.build.invalid-package",
            Self::SeveralPackages { .. } => "plugin.build.several-packages",
            Self::NotALibrary { .. } => "plugin.build.not-a-library",
            Self::ProgramMissing { .. } => "plugin.build.program-missing",
            Self::ToolchainMissing { .. } => "plugin.build.toolchain-missing",
            Self::SetupFailed { .. } => "plugin.build.setup-failed",
            Self::CompileFailed { .. } => "plugin.build.compile-failed",
            Self::NotAPlugin { .. } => "plugin.build.not-a-plugin",
            Self::File { .. } => "plugin.build.file",
        }
    }

    /// For `map_err`: a file that could not be read, written, ….
    pub(super) fn file(path: &Path, verb: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, verb, source }
    }
}
