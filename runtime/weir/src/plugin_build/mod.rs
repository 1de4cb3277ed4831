//! `weir plugin build`: from a Rust package to a component, on the author's machine (P-08).
//!
//! Find the package, find a toolchain, let cargo compile a core module, wrap it into a component, write it down.
//! Nothing here talks to a Weir server, and nothing is trusted for having been built here: the server checks
//! every upload anew.

mod error; // what can go wrong, and how to mend it
mod command_line; // one command, and the environment it must not see
mod package; // what is built
mod toolchain; // with what
mod compile; // by cargo, into a core module
mod component; // and then into a component

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub(crate) use error::BuildError;
pub(crate) use toolchain::GuestToolchain;

use compile::Compilation;
use component::Component;
use package::Package;

/// What to build, and how. The fields are the command's arguments.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct BuildOptions {
    /// The folder of the package, with its Cargo.toml
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,

    /// Where the standard library for wasm32-unknown-unknown comes from
    #[arg(long, env = "GUEST_TOOLCHAIN", value_enum, default_value_t)]
    pub(crate) toolchain: GuestToolchain,

    /// Write the component here instead of <TARGET>/weir/<PACKAGE>.wasm
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// Use this folder for cargo's output instead of the package's own (CARGO_TARGET_DIR is not looked at)
    #[arg(long, value_name = "DIR")]
    pub(crate) target_dir: Option<PathBuf>,

    /// Further arguments for `cargo build`, such as `--locked` or `--features NAME`
    #[arg(last = true, value_name = "CARGO_ARGUMENT")]
    pub(crate) cargo_arguments: Vec<String>,
}

/// What a build has made.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Built {
    /// The package's name.
    pub(crate) name: String,
    /// The package's version.
    pub(crate) version: String,
    /// The component's file.
    pub(crate) component: PathBuf,
    /// Its size.
    pub(crate) bytes: u64,
    /// The hooks that it exports, such as `pre-call`, in the order of the component.
    pub(crate) hooks: Vec<String>,
    /// The interfaces that it imports, such as `weir:plugin/log@0.1.0`.
    pub(crate) imports: Vec<String>,
    /// What compiled it, in words.
    pub(crate) toolchain: String,
    /// How long all of it took.
    #[serde(rename = "elapsed_ms", serialize_with = "in_milliseconds")]
    pub(crate) elapsed: Duration,
}

/// Builds a package into a component. Remarks go to `progress`; cargo writes its own to standard error.
pub(crate) fn build(options: &BuildOptions, progress: &mut dyn Write) -> Result<Built, BuildError> {
    let begun = Instant::now();
    let package = Package::find(&options.dir, options.target_dir.as_deref())?;
    let toolchain = toolchain::ready(options.toolchain, &package, progress)?;
    let compilation = Compilation { package: &package, standard_library: toolchain.standard_library, options };
    remark(progress, &compilation.announcement(toolchain.name));
    let module = compilation.run()?;
    let component = Component::from_module(&module)?;
    let file = component.write(options.out.as_deref(), &package)?;
    let built = Built {
        name: package.name,
        version: package.version,
        bytes: component.bytes.len() as u64,
        hooks: component.hooks,
        imports: component.imports,
        component: file,
        toolchain: toolchain.name.to_owned(),
        elapsed: begun.elapsed(),
    };
    remark(progress, &built.summary());
    Ok(built)
}

impl Built {
    fn summary(&self) -> String {
        let Self { bytes, .. } = self;
        format!(
            "{}  {bytes} bytes, hooks: {}, in {:.1} s",
            self.component.display(),
            self.hooks.join(", "),
            self.elapsed.as_secs_f32()
        )
    }
}

/// Writes one line. A reader that has gone away is no reason to stop a build.
fn remark(progress: &mut dyn Write, text: &str) {
    let _ = writeln!(progress, "{text}").and_then(|()| progress.flush());
}

fn in_milliseconds<S: serde::Serializer>(elapsed: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
