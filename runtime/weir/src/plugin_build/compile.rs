//! Cargo compiles the package into a core module.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::command_line::CommandLine;
use super::package::Package;
use super::toolchain::{StandardLibrary, TARGET};
use super::{BuildError, BuildOptions};

/// One compilation.
pub(super) struct Compilation<'a> {
    /// What is compiled.
    pub(super) package: &'a Package,
    /// Where its standard library comes from.
    pub(super) standard_library: StandardLibrary,
    /// What the author asked for.
    pub(super) options: &'a BuildOptions,
}

impl Compilation<'_> {
    /// What an author reads before cargo's own progress.
    pub(super) fn announcement(&self, toolchain: &str) -> String {
        let Package { name, version, .. } = self.package;
        let from_source = self.standard_library == StandardLibrary::FromSource;
        let is_first = from_source && !self.package.target.join(TARGET).is_dir();
        let patience = if is_first { "; the first build makes the standard library too: a minute or two" } else { "" };
        format!("building {name} {version} with {toolchain}{patience}")
    }

    /// Runs cargo, with its progress on our standard error, and reads the module that it has made.
    pub(super) fn run(&self) -> Result<Vec<u8>, BuildError> {
        let output = self.command_line(cargo_home().as_deref()).run(self.package.folder())?;
        if !output.status.success() {
            return Err(BuildError::CompileFailed { package: self.package.name.clone() });
        }
        let module = module(&output.stdout, &self.package.manifest)
            .ok_or_else(|| BuildError::NotALibrary { manifest: self.package.manifest.clone() })?;
        std::fs::read(&module).map_err(BuildError::file(&module, "read"))
    }

    fn command_line(&self, cargo_home: Option<&Path>) -> CommandLine {
        let mut arguments: Vec<String> = ["build", "--lib", "--release", "--target", TARGET].map(String::from).into();
        arguments.extend(["--message-format=json-render-diagnostics".into(), "--target-dir".into()]);
        arguments.push(self.package.target.display().to_string());
        if let Some(cargo_home) = cargo_home {
            arguments.extend(["--config".into(), same_paths_everywhere(cargo_home)]);
        }
        let mut variables = Vec::new();
        if self.standard_library == StandardLibrary::FromSource {
            arguments.push("-Zbuild-std=std,panic_abort".into());
            // Building std is an unstable option of the stable cargo; Debian's compiler brings the sources for it.
            variables.push(("RUSTC_BOOTSTRAP", "1".into()));
            variables.push(("RUSTC", "/usr/bin/rustc".into()));
            variables.push(("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld-22".into()));
        }
        arguments.extend(self.options.cargo_arguments.iter().cloned());
        CommandLine { variables, ..CommandLine::new("cargo", arguments) }
    }
}

/// Panic messages name source files, those of dependencies by their whole paths. A name of our own keeps the author's
/// home folder out of an upload, and gives the same component on every machine.
fn same_paths_everywhere(cargo_home: &Path) -> String {
    let flags = [format!("--remap-path-prefix={}=/cargo", cargo_home.display())];
    // A JSON list of strings is one of TOML, too.
    format!("target.{TARGET}.rustflags={}", serde_json::json!(flags))
}

/// Where cargo keeps the sources of dependencies.
fn cargo_home() -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    home.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")))
}

/// The module of the package, among all that cargo says it has made.
fn module(messages: &[u8], manifest: &Path) -> Option<PathBuf> {
    #[derive(Deserialize)]
    struct Artifact {
        manifest_path: PathBuf,
        filenames: Vec<PathBuf>,
    }
    let lines = messages.split(|byte| *byte == b'\n');
    // Other messages have other fields: they do not parse as this one, and are not looked for.
    lines
        .filter_map(|line| serde_json::from_slice::<Artifact>(line).ok())
        .filter(|artifact| artifact.manifest_path == manifest)
        .flat_map(|artifact| artifact.filenames)
        .find(|file| file.extension().is_some_and(|extension| extension == "wasm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package() -> Package {
        Package {
            name: "tier".into(),
            version: "1.0.0".into(),
            manifest: "/guests/tier/Cargo.toml".into(),
            workspace: "/guests".into(),
            target: "/guests/target".into(),
        }
    }

    fn command(standard_library: StandardLibrary, options: &BuildOptions) -> String {
        let compilation = Compilation { package: &package(), standard_library, options };
        compilation.command_line(Some(Path::new("/home/a b/.cargo"))).to_string()
    }

    const CARGO: &str = "cargo build --lib --release --target wasm32-unknown-unknown \
        --message-format=json-render-diagnostics --target-dir /guests/target \
        --config 'target.wasm32-unknown-unknown.rustflags=[\"--remap-path-prefix=/home/a b/.cargo=/cargo\"]'";

    // covers P-08
    #[test]
    fn an_installed_target_needs_only_cargo() {
        assert_eq!(command(StandardLibrary::Installed, &BuildOptions::default()), CARGO);
    }

    #[test]
    fn debians_compiler_builds_the_standard_library() {
        let expected = format!(
            "RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-22 \
             {CARGO} -Zbuild-std=std,panic_abort"
        );
        assert_eq!(command(StandardLibrary::FromSource, &BuildOptions::default()), expected);
    }

    #[test]
    fn an_authors_wishes_come_last() {
        let options = BuildOptions { cargo_arguments: vec!["--locked".into()], ..BuildOptions::default() };
        let line = command(StandardLibrary::Installed, &options);
        assert_eq!(line, format!("{CARGO} --locked"));
    }

    #[test]
    fn the_module_is_found_among_cargos_messages() {
        let messages =
            br#"{"reason":"compiler-artifact","manifest_path":"/r/serde/Cargo.toml","filenames":["/t/libserde.rlib"]}
{"reason":"compiler-artifact","manifest_path":"/guests/other/Cargo.toml","filenames":["/t/other.wasm"]}
{"reason":"build-script-executed","package_id":"x"}
not json
{"reason":"compiler-artifact","manifest_path":"/guests/tier/Cargo.toml","filenames":["/t/libtier.rlib","/t/tier.wasm"]}
{"reason":"build-finished","success":true}
"#;
        let found = |manifest| module(messages, Path::new(manifest));
        assert_eq!(found("/guests/tier/Cargo.toml"), Some("/t/tier.wasm".into()));
        assert_eq!(found("/guests/none/Cargo.toml"), None);
        assert_eq!(found("/r/serde/Cargo.toml"), None);
    }
}
